import type { AccessControl, DocumentRecord, State } from '@quorate/broker';
import type { Message, NodeId } from '@quorate/consensus';
import type { NodeConfig } from '../config/index.ts';
import type { Clock } from '../raft/index.ts';
import type { HostPort, PeerHandlers, TransportLogger } from '../transport/index.ts';
import type { Identity, SelfDescription } from './identity.ts';
import type { Recovered } from './recovery.ts';

/** How nodes reach each other: PeerTransport, or a simulated network. */
export interface Transport {
  start(): Promise<unknown>;
  stop(): Promise<void>;
  sendRaft(to: NodeId, message: Message): boolean;
  send(to: NodeId, channel: number, payload: Uint8Array): boolean;
  /** As `send`, on a connection of its own that is made when it is needed: false until it is there. */
  sendBulk(to: NodeId, channel: number, payload: Uint8Array | readonly Uint8Array[]): boolean;
  /** Dials a node, or goes on dialling it at other addresses. */
  setPeer(id: NodeId, addresses: readonly HostPort[]): void;
  removePeer(id: NodeId): void;
  /** Sends what was gathered in this turn. */
  flush(): void;
  connectedPeers(): NodeId[];
}

/** What happened, for metrics. */
export interface ReplicaObserver {
  /** A batch of this node from its sealing to its application. */
  batchApplied(durationMs: number, commands: number): void;
  logWritten(durationMs: number, sizeBytes: number): void;
  checkpointWritten(durationMs: number): void;
  leaderChanged(): void;
}

/** What decides who may come in, and follows the replicated state for that. */
export interface ReplicaAccess {
  readonly access: AccessControl;
  /** A document was put, or, with null, is gone. */
  documentChanged(collection: number, name: string, document: DocumentRecord | null): void;
  /** Another state takes the place of the one so far. */
  load(state: State): void;
}

export interface ReplicaOptions {
  readonly config: NodeConfig;
  readonly version: string;
  readonly logger: TransportLogger;
  readonly observer: ReplicaObserver;
  readonly clock: Clock;
  /** Drawn anew at each start: of the election timeouts, and what tells this start's reads from those before. */
  readonly seed: number;
  /** A string that no other call anywhere returns. */
  readonly newId: () => string;
  readonly identity: Identity;
  /** See `BrokerEnvironment.memoryShare`. */
  readonly memoryShare?: () => number;
  readonly recovered: Recovered;
  /**
   * The stores are a stand-in for a data directory that is in doubt: the node has no part in anything until the others,
   * a quorum without it, take it in as a new one (`Readmitted`).
   */
  readonly standIn?: boolean;
  /** Without it everybody may come in and do everything. */
  readonly identityPart?: ReplicaAccess;
  readonly createTransport: (handlers: PeerHandlers, describe: () => SelfDescription) => Transport;
  /** Once, when this node can not go on: nothing is acknowledged after it. */
  readonly onFatal: (error: unknown) => void;
}
