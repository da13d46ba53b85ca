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
  /**
   * How much of the memory that this process may use it uses, as a share of its high-water mark: 1 at the mark. Asked a few
   * times a second; a node without it is never short of memory.
   */
  readonly memoryShare?: () => number;
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
  /** It came in where `NodeUp.mqtt` says: the same address of another node serves it as well. */
  readonly isAdvertised?: boolean;
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
  /** Clients, from CONNECT on. */
  readonly maxConnections: number;
  /** Connections besides that have not sent CONNECT yet; among too many the oldest has to go. */
  readonly maxPendingConnections: number;
  /** Connections from one address, 0 for any number; see `addressGroup`. */
  readonly maxConnectionsPerAddress: number;
  /** New connections a second, 0 for any number; bursts of one second's worth. */
  readonly maxConnectsPerSec: number;
  /** The same for one address. */
  readonly maxConnectsPerAddressPerSec: number;
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
  /** Longest topic name or filter, in bytes of UTF-8. */
  readonly maxTopicBytes: number;
  /** Longest client id, in bytes of UTF-8. */
  readonly maxClientIdBytes: number;
  /** PUBLISH packets of one client a second, 0 for any number; beyond it the client is not read for a while. */
  readonly maxPublishesPerSec: number;
  /** Their bytes, 0 for any number. */
  readonly maxPublishBytesPerSec: number;
  /** A client whose socket takes nothing for so long, though there is something for it, is let go. */
  readonly slowConsumerTimeoutMs: number;
  /** Longest Session Expiry Interval of 5.0, at least 1; 0xffffffff for sessions that do not expire. */
  readonly maxSessionExpiryIntervalSec: number;
  /** Of the sessions of 3.x clients that do not connect clean, at least 1; 0xffffffff for sessions that do not expire. */
  readonly sessionExpiryIntervalFor3xSec: number;
  /** Response Information for 5.0 clients that ask for it, `%c` standing for the client id; null for none. */
  readonly responseInformation: string | null;
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
  /** Clients that were not read for a while because of what they published, by the limit that it was. */
  readonly publishersHeld = new Map<string, number>();
  /** For how long, all together. */
  heldMs = 0;
  readonly connectsRefused = new Map<string, number>();
  /** Filters refused in SUBACK, by the words of the reason code. */
  readonly subscriptionsRefused = new Map<string, number>();
  readonly disconnects = new Map<string, number>();
  readonly protocolErrors = new Map<string, number>();
  /** What clients were not allowed to do, by `Denied`. */
  readonly denied = new Map<string, number>();
}

/** Adds one under a key that comes from a fixed table, never from a client. */
export function bump(counter: Map<string, number>, key: string): void {
  counter.set(key, (counter.get(key) ?? 0) + 1);
}
