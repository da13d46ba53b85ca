import type { Message, NodeId } from '@quorate/consensus';
import type { Hello } from '@quorate/protocol';

/** The part of a pino logger that the transport uses. */
export interface TransportLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Totals since the start, read by the metrics; never reset. */
export interface PeerCounters {
  bytesIn: number;
  bytesOut: number;
  framesIn: number;
  framesOut: number;
  /**
   * Frames that `send` refused: not connected, over the bound on buffered bytes, or larger than any peer takes. Of
   * `sendBulk` only the last: what it refuses otherwise is only sent later.
   */
  framesDropped: number;
  /** Connections closed because what came in was malformed. */
  malformed: number;
  /** Handshakes refused, by either side. */
  rejections: number;
  /** Connections that this node opened and that passed the handshake. */
  connects: number;
}

export function newPeerCounters(): PeerCounters {
  return {
    bytesIn: 0,
    bytesOut: 0,
    framesIn: 0,
    framesOut: 0,
    framesDropped: 0,
    malformed: 0,
    rejections: 0,
    connects: 0,
  };
}

/** Called synchronously, from socket events or from within `send`. */
export interface PeerHandlers {
  onRaft(from: NodeId, message: Message): void;
  /** Of `send` and `sendBulk` alike, in order only within one of them. `payload` is a view into the received bytes: copy what is kept for long. */
  onNodeMessage(from: NodeId, channel: number, payload: Uint8Array): void;
  /**
   * Both connections of the peer, to it and from it, have passed the handshake, with one and the same process. `hello`
   * is its answer on the connection to it.
   */
  onConnected(peer: NodeId, hello: Hello): void;
  /** One of the two connections of a connected peer closed. Once per loss, as soon as the FIN or RST is seen. */
  onDisconnected(peer: NodeId): void;
  /** A frame to this peer was dropped. */
  onUnreachable(peer: NodeId): void;
  /** This node refused the peer, or the peer this node. `peer` is the name that it claims. Once per cause, not per attempt. */
  onRejected(peer: NodeId, code: string, reason: string): void;
}

/** Where something listens. */
export interface HostPort {
  readonly host: string;
  /** 0 to 65535; 0 to listen means any free port. */
  readonly port: number;
}

/** What this node says of itself; asked anew for every handshake, as the cluster id may become known while it runs. */
export interface PeerIdentity {
  /** Empty while unknown. */
  readonly clusterId: string;
  readonly bootstrapMembers: string;
  /** Of the data directory, 32 hex digits; empty tells nothing. */
  readonly directoryId: string;
  /** Decimal safe integer, greater than at every start of the data directory before. */
  readonly incarnation: string;
  /** False while the node is unborn: it has no configuration. */
  readonly founded: boolean;
  /** HOST:PORT where the peers dial this node, or empty. */
  readonly peerAddress: string;
  readonly httpAddress: string;
  readonly mqttAddress: string;
}

export interface PeerTransportOptions {
  readonly nodeId: NodeId;
  readonly listen: HostPort;
  /** All other members, with the addresses of each one's peer listener; see `setPeer`. */
  readonly peers: ReadonlyMap<NodeId, readonly HostPort[]>;
  /**
   * Asked when a node that is no peer dials this one. When the answer is true and the hello says where it is dialled,
   * it becomes a peer, until `removePeer`. By default nobody is admitted so.
   */
  readonly admitsUnknown?: (hello: Hello) => boolean;
  readonly identity: () => PeerIdentity;
  readonly handlers: PeerHandlers;
  readonly logger: TransportLogger;
  readonly counters: PeerCounters;
  readonly limits?: Partial<PeerLimits>;
  /** From 0 to below 1, for the jitter of reconnects. */
  readonly random?: () => number;
}

export interface PeerLimits {
  /** Cap on one frame in bytes, in both directions. */
  readonly maxFrameBytes: number;
  /** Frames to a peer are dropped while more than this waits in its socket. */
  readonly maxBufferedBytes: number;
  /** `sendBulk` refuses while more than this waits in the socket of the peer's bulk connection. */
  readonly maxBulkBufferedBytes: number;
  /** A bulk connection that has taken nothing for so long is closed. */
  readonly bulkIdleMs: number;
  /** From the start of a connection to the end of its handshake. */
  readonly handshakeTimeoutMs: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /** A connection on which nothing was sent for so long carries a ping. */
  readonly pingIntervalMs: number;
  /** A peer from which nothing came for so long, pings included, is taken for dead. */
  readonly silenceTimeoutMs: number;
  /** Connections that have not said hello yet. */
  readonly maxUnknownConnections: number;
}
