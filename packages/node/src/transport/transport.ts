import { randomUUID } from 'node:crypto';
import net from 'node:net';
import type { Message, NodeId } from '@quorate/consensus';
import {
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
import { checkHello } from './admission.ts';
import { SOCKET_OPTIONS, type TransportContext } from './context.ts';
import { InboundConnection } from './inbound.ts';
import { OutboundLink } from './outbound.ts';
import { RejectionLog } from './rejection-log.ts';
import type { HostPort, PeerLimits, PeerTransportOptions } from './types.ts';

const DEFAULT_LIMITS: PeerLimits = {
  maxFrameBytes: DEFAULT_MAX_FRAME_BYTES,
  maxBufferedBytes: 16 * 1024 * 1024,
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

interface Peer {
  readonly id: NodeId;
  readonly link: OutboundLink;
  inbound: InboundConnection | null;
  /** Both directions are up and this was reported. */
  connected: boolean;
}

/**
 * Messages between nodes over TCP. Each node dials every other one: what it sends goes out on its own connection,
 * what it receives comes in on the other's, and no peer waits for another. Messages may be lost (a peer that is not
 * connected or does not drain), never reordered or changed.
 */
export class PeerTransport {
  private readonly options: PeerTransportOptions;
  private readonly context: TransportContext;
  private readonly session = randomUUID();
  private readonly peers = new Map<NodeId, Peer>();
  private readonly inbounds = new Set<InboundConnection>();
  private readonly dirty: OutboundLink[] = [];
  private readonly rejections: RejectionLog;
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
      ownHello: () => this.ownHello(),
      check: (theirs) => checkHello(this.ownHello(), theirs, (id) => this.peers.has(id)),
      rejected: (peer, by, code, reason) => {
        if (this.running) this.rejections.add(peer, by, code, reason);
      },
      received: (from, frame) => {
        this.received(from, frame);
      },
    };
    for (const [id, address] of options.peers) this.setPeer(id, address);
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
    const links = [...this.peers.values()].map((peer) => peer.link.stop(STOP_GRACE_MS));
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

  /** Adds a peer, or moves it to another address. */
  setPeer(id: NodeId, address: HostPort): void {
    if (id === this.options.nodeId) throw new Error(`${id} can not be its own peer`);
    this.removePeer(id);
    const link = new OutboundLink(id, address, this.context, {
      up: (hello) => {
        this.outboundUp(id, hello);
      },
      down: () => {
        this.connectionLost(id);
      },
    });
    this.peers.set(id, { id, link, inbound: null, connected: false });
    if (this.running) link.dial();
  }

  /** Closes the connections of a peer and refuses it from now on. */
  removePeer(id: NodeId): void {
    const peer = this.peers.get(id);
    if (peer === undefined) return;
    this.peers.delete(id);
    void peer.link.stop(STOP_GRACE_MS);
    peer.inbound?.close('no longer a peer');
    if (peer.connected && this.running) this.options.handlers.onDisconnected(id);
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
   * Sends now what this turn has gathered. Happens by itself after the I/O events of the turn; who sends from a
   * `setImmediate` callback calls this at its end, else the bytes would wait for the next turn.
   */
  flush(): void {
    for (const link of this.dirty) link.flush();
    this.dirty.length = 0;
  }

  /** Peers with which both connections are up. */
  connectedPeers(): NodeId[] {
    const ids: NodeId[] = [];
    for (const peer of this.peers.values()) if (peer.connected) ids.push(peer.id);
    return ids;
  }

  /** What a connected peer said of itself, or null. */
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
    if (frame.sizeBytes > this.context.limits.maxFrameBytes) {
      const fields = { peer: link.peer, sizeBytes: frame.sizeBytes };
      this.options.logger.error(fields, `a message of ${String(frame.sizeBytes)} bytes is larger than any peer takes`);
      this.dropped(link.peer);
      return false;
    }
    if (link.send(frame)) this.dirty.push(link);
    if (!this.flushScheduled) {
      this.flushScheduled = true;
      setImmediate(this.scheduledFlush);
    }
    return true;
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

  private received(from: NodeId, frame: Frame): void {
    if (!this.running) return;
    if (isRaftFrame(frame)) {
      if (frame.group !== GROUP) throw new PeerProtocolError('HEADER', `group ${String(frame.group)} is unknown`);
      this.options.handlers.onRaft(from, decodeRaft(frame));
    } else if (frame.kind === FrameKind.nodeMessage) {
      const { channel, payload } = decodeNodeMessage(frame);
      this.options.handlers.onNodeMessage(from, channel, payload);
    } else if (frame.kind !== FrameKind.ping) {
      throw new PeerProtocolError('FRAME_KIND', `frame of kind ${String(frame.kind)} after the handshake`);
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
        this.inboundUp(connection, hello);
      },
      gone: () => {
        this.inboundGone(connection);
      },
    });
    this.inbounds.add(connection);
  }

  private inboundUp(connection: InboundConnection, hello: Hello): void {
    const peer = this.peers.get(hello.nodeId);
    if (peer === undefined) throw new Error(`${hello.nodeId} was admitted but is no peer`);
    const old = peer.inbound;
    peer.inbound = connection;
    if (old !== null) {
      this.connectionLost(peer.id);
      old.close('replaced by a newer connection');
    }
    // Another process than the one that answered this node: the outbound connection leads to a dead one.
    if (peer.link.hello !== null && peer.link.hello.session !== hello.session) peer.link.reset('the peer restarted');
    else peer.link.nudge();
    this.checkConnected(peer);
  }

  private outboundUp(id: NodeId, hello: Hello): void {
    const peer = this.peers.get(id);
    if (peer === undefined) return;
    const inboundSession = peer.inbound?.hello?.session;
    if (inboundSession !== undefined && inboundSession !== hello.session) peer.inbound?.close('the peer restarted');
    this.checkConnected(peer);
  }

  private inboundGone(connection: InboundConnection): void {
    this.inbounds.delete(connection);
    if (connection.hello === null) {
      this.unknownConnections--;
      return;
    }
    const peer = this.peers.get(connection.hello.nodeId);
    if (peer === undefined || peer.inbound !== connection) return;
    peer.inbound = null;
    this.connectionLost(peer.id);
  }

  private checkConnected(peer: Peer): void {
    const hello = peer.link.hello;
    if (peer.connected || hello === null || peer.inbound === null || !this.running) return;
    peer.connected = true;
    this.options.handlers.onConnected(peer.id, hello);
  }

  private connectionLost(id: NodeId): void {
    const peer = this.peers.get(id);
    if (peer === undefined || !peer.connected || !this.running) return;
    peer.connected = false;
    this.options.handlers.onDisconnected(id);
  }

  private keepAlive(): void {
    for (const peer of this.peers.values()) {
      peer.link.ping();
      if (peer.inbound === null || peer.inbound.checkHeard()) continue;
      peer.inbound.close('nothing was heard for too long');
      peer.link.reset('nothing was heard from the peer for too long');
    }
  }

  private ownHello(): Hello {
    const { clusterId, bootstrapMembers, incarnation, httpAddress, mqttAddress } = this.options.identity();
    return {
      protocolVersion: PEER_PROTOCOL_VERSION,
      clusterId,
      bootstrapMembers,
      nodeId: this.options.nodeId,
      incarnation,
      session: this.session,
      httpAddress,
      mqttAddress,
    };
  }
}
