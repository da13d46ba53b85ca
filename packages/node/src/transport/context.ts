import type { NodeId } from '@quorate/consensus';
import type { ConnectionPurpose, Frame, Hello } from '@quorate/protocol';
import type { Rejection } from './admission.ts';
import type { PeerCounters, PeerLimits, TransportLogger } from './types.ts';

/** What the transport offers to its connections. */
export interface TransportContext {
  readonly nodeId: NodeId;
  readonly limits: PeerLimits;
  readonly logger: TransportLogger;
  readonly counters: PeerCounters;
  readonly random: () => number;
  ownHello(purpose: ConnectionPurpose): Hello;
  /** Decides about a node that has dialled this one, and remembers it when it may come in; null admits it. */
  admitCaller(theirs: Hello): Rejection | null;
  /** Decides about a peer that has answered on a connection for `purpose`, and remembers it likewise. */
  admitAnswer(theirs: Hello, purpose: ConnectionPurpose): Rejection | null;
  /** Logs and reports a refused handshake, once per cause. `by` is the node that refuses. */
  rejected(peer: NodeId, by: NodeId, code: string, reason: string): void;
  /** A frame of the admitted peer that said `from`. Throws PeerProtocolError for one that may not come here. */
  received(from: Hello, frame: Frame): void;
}

/** Of every socket with a peer at its other end: no delay of small writes; the kernel probes idle connections. */
export const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 1_000 } as const;
