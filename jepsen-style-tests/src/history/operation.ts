/**
 * What clients saw, in the order in which each of them saw it. Times are milliseconds of the machine's monotonic clock since the
 * run began; all processes of a run share that clock, so they can be compared between clients.
 */

/**
 * How an operation ended: `ok` it was acknowledged; `fail` it certainly had no effect (refused, never sent); `unknown` it may
 * have had its effect or may yet have it (the connection broke before the answer).
 */
export type Outcome = 'ok' | 'fail' | 'unknown';

interface Base {
  /** The client: unique within a run. */
  readonly client: string;
  /** The node it was connected to. */
  readonly node: string;
  /** When the client began it: before its first byte was written. */
  readonly beginMs: number;
  /** When its answer was read; for `unknown` when the client gave up. */
  readonly endMs: number;
}

/** A will as its CONNECT carried it. */
export interface Will {
  readonly topic: string;
  /** Unique within a run: each connection has a will of its own. */
  readonly value: string;
  readonly qos: 0 | 1 | 2;
  /** Will Delay Interval in seconds; 0 in MQTT 3.1.1. */
  readonly delaySec: number;
}

export interface ConnectOperation extends Base {
  readonly kind: 'connect';
  readonly clientId: string;
  readonly outcome: Outcome;
  readonly sessionPresent: boolean;
  /** CONNACK reason code, or -1 without a CONNACK. */
  readonly reasonCode: number;
  readonly cleanStart: boolean;
  /** How long the session outlives the connection, in seconds; absent: it ends with it. 3.1.1 without Clean Session: a day. */
  readonly sessionExpirySec?: number;
  readonly keepAliveSec?: number;
  readonly will?: Will;
}

export interface PublishOperation extends Base {
  readonly kind: 'publish';
  readonly topic: string;
  /** Unique within a run, so that a delivery names its publication. */
  readonly value: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly outcome: Outcome;
  /** On how many connections the PUBLISH was sent; absent: one. A QoS 1 message may take effect as often. */
  readonly sends?: number;
  /** Message Expiry Interval in seconds; absent: none. */
  readonly expirySec?: number;
}

export interface SubscribeOperation extends Base {
  readonly kind: 'subscribe' | 'unsubscribe';
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly outcome: Outcome;
}

/** One PUBLISH from the broker. `beginMs` and `endMs` are when it was read. */
export interface DeliverOperation extends Base {
  readonly kind: 'deliver';
  readonly clientId: string;
  readonly topic: string;
  readonly value: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly packetId: number;
  /** QoS 2: false for one that the client had under this Packet Identifier and had not released: it hands it to nobody. */
  readonly first: boolean;
  /** Message Expiry Interval that came with it, in seconds; absent: none. */
  readonly expirySec?: number;
}

/** A connection ended. */
export interface CloseOperation extends Base {
  readonly kind: 'close';
  readonly clientId: string;
  /** Who ended it, and how. `cut`: the client itself, without DISCONNECT. */
  readonly how: 'disconnect' | 'cut' | 'server' | 'error';
  /** DISCONNECT reason code of the server, or -1. */
  readonly reasonCode: number;
  /** `disconnect`: whether the server closed the connection in answer. Without that it may not have read the DISCONNECT. */
  readonly confirmed?: boolean;
}

export type Operation = ConnectOperation | PublishOperation | SubscribeOperation | DeliverOperation | CloseOperation;

/** A fault, or the end of one. */
export interface NemesisEvent {
  readonly kind: 'nemesis';
  readonly atMs: number;
  /** Grows through a run; the event that ends a fault has the number of the one that began it. */
  readonly fault: number;
  /** Such as `isolate leader`. */
  readonly name: string;
  readonly phase: 'begin' | 'end';
  /** In words: which nodes, how much. */
  readonly detail: string;
  /** The nodes that it concerns. */
  readonly nodes: readonly string[];
  /** Those of them that are not expected to serve while it lasts; all by default. */
  readonly out?: readonly string[];
}

/** Who leads, as seen over HTTP from outside of all partitions. */
export interface LeaderEvent {
  readonly kind: 'leader';
  readonly atMs: number;
  /** Null while none is known. */
  readonly leader: string | null;
  readonly term: number;
}

export type HistoryEvent = Operation | NemesisEvent | LeaderEvent;
