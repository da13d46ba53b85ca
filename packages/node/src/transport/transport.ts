import { randomUUID } from 'node:crypto';
import net from 'node:net';
import type { Message, NodeId } from '@quorate/consensus';
import {
  ConnectionPurpose,
  DEFAULT_MAX_FRAME_BYTES,
  decodeNodeMessage,
  decodeRaft,
  type EncodedFrame,
  encodeNodeMessage,
  encodeRaft,
  type Frame,
  FrameKind,
  type Hello,
  isRaftFrame,
  PEER_PROTOCOL_VERSION,
  PeerProtocolError,
} from '@quorate/protocol';
import { parseDialable } from './addresses.ts';
import { checkHello, type Rejection } from './admission.ts';
import { SOCKET_OPTIONS, type TransportContext } from './context.ts';
import { DirectoryMemory } from './directories.ts';
import { InboundConnection } from './inbound.ts';
import type { OutboundLink } from './outbound.ts';
import { Peer, type PeerEvents } from './peer.ts';
import { RejectionLog } from './rejection-log.ts';
import type { HostPort, PeerLimits, PeerTransportOptions } from './types.ts';

const DEFAULT_LIMITS: PeerLimits = {
  maxFrameBytes: DEFAULT_MAX_FRAME_BYTES,
  maxBufferedBytes: 16 * 1024 * 1024,
  maxBulkBufferedBytes: 4 * 1024 * 1024,
  bulkIdleMs: 30_000,
  handshakeTimeoutMs: 2_000,
  reconnectMinMs: 50,
  reconnectMaxMs: 1_000,
  pingIntervalMs: 1_000,
  silenceTimeoutMs: 5_000,
  maxUnknownConnections: 64,
};

/** How long `stop` waits for a peer to take what is already written. */
const STOP_GRACE_MS = 500;

/** The only Raft group there is today. */
const GROUP = 0;

/** Most peers that are so by their own word, see `admitsUnknown`. */
const MAX_INTRODUCED = 32;

/**
 * Messages between nodes over TCP. Each node dials every other one: what it sends goes out on its own connection,
 * what it receives comes in on the other's, and no peer waits for another. Messages may be lost (a peer that is not
 * connected or does not drain), never reordered or changed. Bulk has connections of its own.
 */
export class PeerTransport {
  private readonly options: PeerTransportOptions;
  private readonly context: TransportContext;
  private readonly session = randomUUID();
  private readonly peers = new Map<NodeId, Peer>();
  private readonly inbounds = new Set<InboundConnection>();
  private readonly dirty: OutboundLink[] = [];
  private readonly dirtyBulk: OutboundLink[] = [];
  private readonly rejections: RejectionLog;
  private readonly directories = new DirectoryMemory();
  private readonly peerEvents: PeerEvents;
  private unknownConnections = 0;
  private flushScheduled = false;
  private server: net.Server | null = null;
  private pingTimer: NodeJS.Timeout | undefined;
  private running = false;

  constructor(options: PeerTransportOptions) {
    this.options = options;
    this.rejections = new RejectionLog(options);
    this.context = {
      nodeId: options.nodeId,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      logger: options.logger,
      counters: options.counters,
      random: options.random ?? Math.random,
      ownHello: (purpose) => this.ownHello(purpose),
      admitCaller: (theirs) => this.admit(theirs, theirs.purpose, true),
      admitAnswer: (theirs, purpose) => this.admit(theirs, purpose, false),
      rejected: (peer, by, code, reason) => {
        if (this.running) this.rejections.add(peer, by, code, reason);
      },
      received: (from, frame) => {
        this.received(from, frame);
      },
    };
    this.peerEvents = {
      connected: (peer, hello) => {
        if (!this.running) return;
        this.rejections.forget(peer.id);
        options.handlers.onConnected(peer.id, hello);
      },
      disconnected: (peer) => {
        if (this.running) options.handlers.onDisconnected(peer.id);
      },
    };
    for (const [id, addresses] of options.peers) this.setPeer(id, addresses);
  }

  /** Listens and begins to dial. Resolves with the address that it listens on, rejects if it can not. */
  async start(): Promise<HostPort> {
    if (this.server !== null) throw new Error('the transport was started before');
    const server = net.createServer(SOCKET_OPTIONS, (socket) => {
      this.accept(socket);
    });
    this.server = server;
    const { host, port } = this.options.listen;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    server.on('error', (error) => {
      this.options.logger.error({ err: error }, `the peer listener failed: ${error.message}`);
    });
    this.running = true;
    this.pingTimer = setInterval(() => {
      this.keepAlive();
    }, this.context.limits.pingIntervalMs);
    for (const peer of this.peers.values()) peer.link.dial();
    const bound = server.address();
    return bound !== null && typeof bound === 'object' ? { host: bound.address, port: bound.port } : { host, port };
  }

  /** Closes everything, after a short time for what is already written to leave. No handler is called any more. */
  async stop(): Promise<void> {
    this.running = false;
    clearInterval(this.pingTimer);
    const { server } = this;
    const links = [...this.peers.values()].map((peer) => peer.stop(STOP_GRACE_MS, 'this node stops'));
    const listener = new Promise<void>((resolve) => {
      if (server === null || !server.listening) resolve();
      else {
        server.close(() => {
          resolve();
        });
      }
    });
    for (const connection of [...this.inbounds]) connection.close('this node stops');
    await Promise.all([...links, listener]);
  }

  /**
   * Adds a peer, or replaces the addresses at which it is dialled. A connection at an address that stays in the list
   * stays; addresses that the peer named itself are kept.
   *
   * @param addresses at least one; at most four are used, those that the peer named itself among them
   */
  setPeer(id: NodeId, addresses: readonly HostPort[]): void {
    if (id === this.options.nodeId) throw new Error(`${id} can not be its own peer`);
    const peer = this.peers.get(id);
    if (peer === undefined) {
      this.addPeer(id, addresses, false);
      return;
    }
    peer.introduced = false;
    peer.setAddresses(addresses);
  }

  /** Closes the connections of a peer and refuses it from now on, unless `admitsUnknown` takes it in again. */
  removePeer(id: NodeId): void {
    const peer = this.peers.get(id);
    if (peer === undefined) return;
    this.peers.delete(id);
    void peer.stop(STOP_GRACE_MS, 'no longer a peer');
  }

  /** @returns false when the message was dropped, see {@link send} */
  sendRaft(to: NodeId, message: Message): boolean {
    const link = this.linkTo(to);
    return link !== null && this.write(link, encodeRaft(message, GROUP));
  }

  /**
   * Sends bytes to the part of the peer that owns `channel`. The payload is not copied: it must not change until
   * the next event-loop turn at the earliest, best never.
   *
   * @returns false when it was dropped (counted, and reported to `onUnreachable`): the peer is not connected or
   *   more bytes wait for it than the limit allows
   */
  send(to: NodeId, channel: number, payload: Uint8Array | readonly Uint8Array[]): boolean {
    const link = this.linkTo(to);
    return link !== null && this.write(link, encodeNodeMessage(channel, payload));
  }

  /**
   * Sends bytes that may take long, without delaying what {@link send} and {@link sendRaft} send: over a connection of
   * their own, which is made when it is first asked for. They may be lost like all others, and overtake or be overtaken
   * by what goes over the main connection. Nothing is reported of that connection.
   *
   * @param payload not copied, as for {@link send}
   * @returns false when it can not be sent now: the peer is not connected, the bulk connection is not made yet, or more
   *   bytes wait for it than the limit allows
   */
  sendBulk(to: NodeId, channel: number, payload: Uint8Array | readonly Uint8Array[]): boolean {
    const peer = this.peers.get(to);
    if (peer === undefined || !this.running || !peer.prepareBulk()) return false;
    const frame = encodeNodeMessage(channel, payload);
    if (this.isTooLarge(to, frame)) {
      this.context.counters.framesDropped++;
      return false;
    }
    peer.usedBulk();
    if (peer.bulk.send(frame)) this.dirtyBulk.push(peer.bulk);
    this.scheduleFlush();
    return true;
  }

  /**
   * Sends now what this turn has gathered. Happens by itself after the I/O events of the turn; who sends from a
   * `setImmediate` callback calls this at its end, else the bytes would wait for the next turn.
   */
  flush(): void {
    for (const link of this.dirty) link.flush();
    this.dirty.length = 0;
    for (const link of this.dirtyBulk) link.flush();
    this.dirtyBulk.length = 0;
  }

  /** Peers with which both main connections are up. */
  connectedPeers(): NodeId[] {
    const ids: NodeId[] = [];
    for (const peer of this.peers.values()) if (peer.connected) ids.push(peer.id);
    return ids;
  }

  /**
   * What a connected peer said of itself when it answered on the connection to it, or null. The process is the one that
   * sends; what changes while a process runs (cluster id, founded) may have changed since.
   */
  helloOf(id: NodeId): Hello | null {
    const peer = this.peers.get(id);
    return peer?.connected === true ? peer.link.hello : null;
  }

  private linkTo(id: NodeId): OutboundLink | null {
    const link = this.peers.get(id)?.link;
    if (link?.writable === true && this.running) return link;
    this.dropped(id);
    return null;
  }

  private write(link: OutboundLink, frame: EncodedFrame): boolean {
    if (this.isTooLarge(link.peer, frame)) {
      this.dropped(link.peer);
      return false;
    }
    if (link.send(frame)) this.dirty.push(link);
    this.scheduleFlush();
    return true;
  }

  private isTooLarge(to: NodeId, frame: EncodedFrame): boolean {
    const { sizeBytes } = frame;
    if (sizeBytes <= this.context.limits.maxFrameBytes) return false;
    const message = `a message of ${String(sizeBytes)} bytes is larger than any peer takes`;
    this.options.logger.error({ peer: to, sizeBytes }, message);
    return true;
  }

  private scheduleFlush(): void {
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    setImmediate(this.scheduledFlush);
  }

  private readonly scheduledFlush = (): void => {
    this.flushScheduled = false;
    this.flush();
  };

  private dropped(id: NodeId): void {
    if (!this.running) return;
    this.context.counters.framesDropped++;
    this.options.handlers.onUnreachable(id);
  }

  private received(hello: Hello, frame: Frame): void {
    if (!this.running) return;
    const from = hello.nodeId;
    if (isRaftFrame(frame) && hello.purpose === ConnectionPurpose.main) {
      if (frame.group !== GROUP) throw new PeerProtocolError('HEADER', `group ${String(frame.group)} is unknown`);
      this.options.handlers.onRaft(from, decodeRaft(frame));
    } else if (frame.kind === FrameKind.nodeMessage) {
      const { channel, payload } = decodeNodeMessage(frame);
      this.options.handlers.onNodeMessage(from, channel, payload);
    } else if (frame.kind !== FrameKind.ping) {
      throw new PeerProtocolError('FRAME_KIND', `frame of kind ${String(frame.kind)} on an established connection`);
    }
  }

  private accept(socket: net.Socket): void {
    if (!this.running || this.unknownConnections >= this.context.limits.maxUnknownConnections) {
      socket.destroy();
      return;
    }
    this.unknownConnections++;
    const connection = new InboundConnection(socket, this.context, {
      admitted: (_, hello) => {
        this.unknownConnections--;
        const peer = this.peers.get(hello.nodeId);
        if (peer === undefined) throw new Error(`${hello.nodeId} was admitted but is no peer`);
        peer.called(connection, hello);
      },
      gone: () => {
        this.inbounds.delete(connection);
        if (connection.hello === null) this.unknownConnections--;
        else this.peers.get(connection.hello.nodeId)?.inboundGone(connection);
      },
    });
    this.inbounds.add(connection);
  }

  private addPeer(id: NodeId, addresses: readonly HostPort[], introduced: boolean): void {
    const peer = new Peer(id, addresses, introduced, this.context, this.peerEvents);
    this.peers.set(id, peer);
    if (this.running) peer.link.dial();
  }

  private admit(theirs: Hello, purpose: ConnectionPurpose, isCaller: boolean): Rejection | null {
    const rejection = checkHello(this.ownHello(purpose), theirs) ?? this.directories.check(theirs);
    if (rejection !== null) return rejection;
    if (!this.peers.has(theirs.nodeId) && !(isCaller && this.introduce(theirs))) {
      const reason = `${theirs.nodeId} is not among the peers that ${this.options.nodeId} knows`;
      return { code: 'UNKNOWN_NODE', reason };
    }
    // A process that comes for bulk alone is not taken; it must not lock out the one that is connected.
    if (purpose === ConnectionPurpose.main) this.directories.remember(theirs);
    return null;
  }

  /** Makes a stranger that has dialled this node a peer, if the owner of the transport wants it. */
  private introduce(theirs: Hello): boolean {
    const address = parseDialable(theirs.peerAddress);
    if (address === null || theirs.purpose !== ConnectionPurpose.main) return false;
    if (this.options.admitsUnknown?.(theirs) !== true || !this.hasRoomForIntroduced()) return false;
    this.addPeer(theirs.nodeId, [address], true);
    return true;
  }

  /** Whoever is not there gives way to who is. */
  private hasRoomForIntroduced(): boolean {
    const introduced = [...this.peers.values()].filter((peer) => peer.introduced);
    if (introduced.length < MAX_INTRODUCED) return true;
    const absent = introduced.find((peer) => !peer.inTouch);
    if (absent !== undefined) this.removePeer(absent.id);
    return absent !== undefined;
  }

  private keepAlive(): void {
    for (const peer of this.peers.values()) peer.keepAlive();
  }

  private ownHello(purpose: ConnectionPurpose): Hello {
    const { nodeId } = this.options;
    const { session } = this;
    return { ...this.options.identity(), protocolVersion: PEER_PROTOCOL_VERSION, nodeId, session, purpose };
  }
}
