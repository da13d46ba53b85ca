import type { AccessControl, CertificateNames } from './access.ts';

/** What a broker needs of the node it runs on; virtual in a simulation. All times are monotonic milliseconds. */
export interface BrokerEnvironment {
  nowMs(): number;
  /** Sends one sealed batch towards the leader. May be lost; the proposer repeats it. */
  transmit(batch: Buffer): void;
  /** Sends QoS 0 messages to another node; best effort. */
  sendQoS0(nodeId: string, messages: Buffer): void;
  /** Tells `nodeId` that the connection displaced by `epoch` is closed here. */
  sendReleased(nodeId: string, epoch: number): void;
  /** Asks for one call of `flush` at the end of this turn of the event loop. */
  requestFlush(): void;
  /** A client id that no other client has: used when a client leaves the choice to the server. */
  assignClientId(): string;
  readonly log: BrokerLog;
  /** Who may come in and what they may do. Without it everybody may do everything. */
  readonly access?: AccessControl | null;
}

export interface BrokerLog {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** The socket of one client. `write` takes ownership of the buffer. */
export interface ClientSocket {
  readonly remoteAddress: string;
  /** The certificate that the TLS handshake verified, or null. */
  readonly peerCertificate: CertificateNames | null;
  /**
   * Bytes accepted by `write` that the kernel has not taken yet. When they have been more than the smallest
   * `maxOutgoingBufferBytes` and are 0 again, the connection's `drained` must be called.
   */
  readonly bufferedBytes: number;
  write(bytes: Buffer): void;
  pause(): void;
  resume(): void;
  /** Closes after what was written has left. */
  end(): void;
  /** Closes at once; what has not left is dropped. */
  destroy(): void;
}

/** Limits of one node's connections; all of them can be configured. */
export interface BrokerLimits {
  readonly maxConnections: number;
  /** Largest packet accepted from a client. */
  readonly maxPacketSizeBytes: number;
  /** QoS 1 and 2 messages from a client that may wait for their acknowledgement (our Receive Maximum). */
  readonly receiveMaximum: number;
  /** QoS 1 and 2 messages in flight to a client, also when its own Receive Maximum is larger. */
  readonly maxInflightMessages: number;
  /** Bytes waiting in the socket of a client that reads too slowly. */
  readonly maxOutgoingBufferBytes: number;
  /** Messages waiting for a client whose session ends with its connection. */
  readonly maxQueuedMessages: number;
  /** Their topics, properties and payloads in bytes. */
  readonly maxQueuedBytes: number;
  readonly maxSubscriptionsPerClient: number;
  readonly maxTopicLevels: number;
  readonly maxKeepAliveSec: number;
  /** From accept to CONNECT. */
  readonly connectTimeoutMs: number;
  /** Commands proposed and not applied: beyond it clients are not read. */
  readonly maxUnappliedBytes: number;
  /** Clients whose credentials are being looked at; a CONNECT beyond it is refused. Absent: 4,096. */
  readonly maxVerifications?: number;
}

/** Counters bumped on the hot path and read when metrics are scraped. */
export class BrokerCounters {
  connectionsTotal = 0;
  takeoversTotal = 0;
  /** By QoS. */
  readonly received: [number, number, number] = [0, 0, 0];
  readonly sent: [number, number, number] = [0, 0, 0];
  readonly dropped = new Map<string, number>();
  readonly connectsRefused = new Map<string, number>();
  readonly disconnects = new Map<string, number>();
  readonly protocolErrors = new Map<string, number>();
  /** What clients were not allowed to do, by `Denied`. */
  readonly denied = new Map<string, number>();
}

/** Adds one under a key that comes from a fixed table, never from a client. */
export function bump(counter: Map<string, number>, key: string): void {
  counter.set(key, (counter.get(key) ?? 0) + 1);
}
