import net from 'node:net';
import type { NodeId } from '@quorate/consensus';
import {
  decodeHelloReply,
  type EncodedFrame,
  encodeHello,
  encodePing,
  type Frame,
  FrameReader,
  type Hello,
  type HelloReply,
  MAX_HANDSHAKE_BYTES,
  PeerProtocolError,
} from '@quorate/protocol';
import { SOCKET_OPTIONS, type TransportContext } from './context.ts';
import type { HostPort } from './types.ts';

/** What an outbound link tells the transport. */
export interface OutboundEvents {
  /** The handshake is done: `hello` may be sent to from now on. */
  up(hello: Hello): void;
  /** An established connection is gone. */
  down(): void;
}

/**
 * The connection that carries everything this node sends to one peer: dials, shakes hands, and dials again when it
 * is lost, with a growing and jittered delay.
 *
 * The first write of an event-loop turn corks the socket and `flush` uncorks it, so that a turn leaves in one
 * gathered write without a copy.
 */
export class OutboundLink {
  readonly peer: NodeId;
  private readonly address: HostPort;
  private readonly context: TransportContext;
  private readonly events: OutboundEvents;
  private socket: net.Socket | null = null;
  private established: Hello | null = null;
  private timer: NodeJS.Timeout | undefined;
  private waiting = false;
  private attempts = 0;
  private corked = false;
  private wroteSincePing = false;
  private stopped = false;

  constructor(peer: NodeId, address: HostPort, context: TransportContext, events: OutboundEvents) {
    this.peer = peer;
    this.address = address;
    this.context = context;
    this.events = events;
  }

  /** Who answered, or null while there is no connection. */
  get hello(): Hello | null {
    return this.established;
  }

  /** True when a frame would be taken now. */
  get writable(): boolean {
    const { socket } = this;
    return (
      this.established !== null && socket !== null && socket.writableLength <= this.context.limits.maxBufferedBytes
    );
  }

  /** Dials. Does nothing while a connection exists or is being made. */
  dial(): void {
    if (this.stopped || this.socket !== null) return;
    this.clearTimer();
    this.waiting = false;
    const socket = net.connect({ host: this.address.host, port: this.address.port, ...SOCKET_OPTIONS });
    this.socket = socket;
    this.timer = setTimeout(() => {
      this.lost(socket, 'no handshake in time');
    }, this.context.limits.handshakeTimeoutMs);
    const reader = new FrameReader({ maxFrameBytes: MAX_HANDSHAKE_BYTES });
    socket.on('connect', () => {
      this.write(encodeHello(this.context.ownHello()), socket);
      this.flush();
    });
    socket.on('data', (chunk: Buffer) => {
      this.read(socket, reader, chunk);
    });
    socket.on('error', (error) => {
      this.lost(socket, error.message);
    });
    socket.on('end', () => {
      this.lost(socket, 'closed by the peer');
    });
    socket.on('close', () => {
      this.lost(socket, 'closed');
    });
  }

  /** Dials at once if a reconnect is waiting for its time: the peer has just shown that it is up. */
  nudge(): void {
    if (this.waiting) this.dial();
  }

  /**
   * To be called only when {@link writable}. The bytes leave with the next {@link flush}.
   *
   * @returns true for the first frame since the last flush
   */
  send(frame: EncodedFrame): boolean {
    if (this.socket === null) throw new Error(`no connection to ${this.peer}`);
    const first = !this.corked;
    this.write(frame, this.socket);
    return first;
  }

  flush(): void {
    if (!this.corked) return;
    this.corked = false;
    this.socket?.uncork();
  }

  /** Called at every ping interval: an idle connection says that this node lives. */
  ping(): void {
    if (this.established === null || this.socket === null) return;
    if (!this.wroteSincePing && this.socket.writableLength === 0) {
      this.write(encodePing(), this.socket);
      this.flush();
    }
    this.wroteSincePing = false;
  }

  /** Gives the connection up and dials anew. */
  reset(reason: string): void {
    if (this.socket !== null) this.lost(this.socket, reason);
    this.nudge();
  }

  /** Sends what is written, then closes for good. Resolves when the socket is closed. */
  async stop(graceMs: number): Promise<void> {
    this.stopped = true;
    this.waiting = false;
    this.clearTimer();
    this.flush();
    const { socket } = this;
    if (socket === null || socket.closed) return;
    const done = new Promise<void>((resolve) => {
      socket.once('close', () => {
        resolve();
      });
    });
    if (this.established === null) socket.destroy();
    else socket.end();
    const force = setTimeout(() => {
      socket.destroy();
    }, graceMs);
    await done;
    clearTimeout(force);
  }

  private write(frame: EncodedFrame, socket: net.Socket): void {
    if (!this.corked) {
      this.corked = true;
      socket.cork();
    }
    socket.write(frame.head);
    for (const attachment of frame.attachments) socket.write(attachment);
    this.wroteSincePing = true;
    this.context.counters.framesOut++;
    this.context.counters.bytesOut += frame.sizeBytes;
  }

  private read(socket: net.Socket, reader: FrameReader, chunk: Buffer): void {
    if (this.socket !== socket || this.stopped) return;
    this.context.counters.bytesIn += chunk.length;
    try {
      reader.push(chunk, (frame) => {
        this.onFrame(socket, frame);
        return this.socket === socket;
      });
    } catch (error) {
      if (!(error instanceof PeerProtocolError)) throw error;
      this.context.counters.malformed++;
      const fields = { peer: this.peer, code: error.code };
      this.context.logger.warn(fields, `closing the connection to ${this.peer}: ${error.message}`);
      this.lost(socket, error.message);
    }
  }

  private onFrame(socket: net.Socket, frame: Frame): void {
    this.context.counters.framesIn++;
    if (this.established !== null) {
      throw new PeerProtocolError('FRAME_KIND', `frame of kind ${String(frame.kind)} after the hello reply`);
    }
    const reply = decodeHelloReply(frame);
    if (this.refused(reply)) {
      this.lost(socket, 'handshake refused');
      return;
    }
    this.clearTimer();
    this.established = reply.hello;
    this.context.counters.connects++;
    this.context.logger.info({ peer: this.peer }, `connected to ${this.peer} at ${this.where()}`);
    this.timer = setTimeout(() => {
      // Only a connection that lasts makes the next reconnect quick again.
      this.attempts = 0;
    }, this.context.limits.reconnectMaxMs);
    this.events.up(reply.hello);
  }

  private refused(reply: HelloReply): boolean {
    const { context, peer } = this;
    const theirs = reply.hello.nodeId;
    if (reply.rejection !== null) {
      context.rejected(peer, theirs, reply.rejection.code, reply.rejection.reason);
      return true;
    }
    if (theirs !== peer && theirs !== context.nodeId) {
      context.rejected(
        peer,
        context.nodeId,
        'UNEXPECTED_NODE',
        `${theirs} answers at ${this.where()}, ${peer}'s address`,
      );
      return true;
    }
    const rejection = context.check(reply.hello);
    if (rejection !== null) {
      context.rejected(peer, context.nodeId, rejection.code, rejection.reason);
      return true;
    }
    return false;
  }

  private lost(socket: net.Socket, reason: string): void {
    if (this.socket !== socket || this.stopped) return;
    const wasEstablished = this.established !== null;
    this.socket = null;
    this.established = null;
    this.corked = false;
    socket.destroy();
    this.retry();
    const fields = { peer: this.peer, address: this.where(), reason };
    if (wasEstablished) this.context.logger.warn(fields, `lost the connection to ${this.peer}: ${reason}`);
    else if (this.attempts === 1) this.context.logger.info(fields, `${this.peer} can not be reached yet: ${reason}`);
    else this.context.logger.debug(fields, `${this.peer} can not be reached: ${reason}`);
    if (wasEstablished) this.events.down();
  }

  private retry(): void {
    this.clearTimer();
    const { reconnectMinMs, reconnectMaxMs } = this.context.limits;
    const delayMs = Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(this.attempts, 16));
    this.attempts++;
    this.waiting = true;
    this.timer = setTimeout(
      () => {
        this.dial();
      },
      delayMs * (0.5 + this.context.random() / 2),
    );
  }

  private where(): string {
    return `${this.address.host}:${String(this.address.port)}`;
  }

  private clearTimer(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
