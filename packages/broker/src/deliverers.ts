import type { OutgoingSide } from './connection/client.ts';
import type { BrokerCounters, BrokerEnvironment } from './environment.ts';
import type { StateMachine } from './state/index.ts';

/** What is needed to deliver to the clients of this node past the log. */
export interface Deliverers {
  readonly nodeId: string;
  readonly environment: BrokerEnvironment;
  readonly counters: BrokerCounters;
  readonly machine: StateMachine;
  /** Connections that own a session, by epoch. */
  readonly connections: ReadonlyMap<number, { readonly outgoing: OutgoingSide | null }>;
  readonly connectionCount: number;
  readonly clusterNowMs: number;
  readonly uptimeMs: number;
  readonly leader: string | null;
  requestFlush(): void;
}
