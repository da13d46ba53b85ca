import net from 'node:net';
import type { NodeId } from '@quorate/consensus';
import {
  ConnectionPurpose,
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
import { formatAddress, sameAddress } from '../config/address.ts';
import type { PeerAddresses } from './addresses.ts';
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
 * The connection that carries what this node sends to one peer, or the bulk of it: dials, shakes hands, and dials
 * again when it is lost, with a growing and jittered delay. Every failed attempt is followed by one at the next of the
 * peer's addresses.
 *
 * The first write of an event-loop turn corks the socket and `flush` uncorks it, so that a turn leaves in one
 * gathered write without a copy.
 */
export class OutboundLink {
  readonly peer: NodeId;
  private readonly purpose: ConnectionPurpose;
  private readonly addresses: PeerAddresses;
  private readonly maxBufferedBytes: number;
  private readonly context: TransportContext;
  private readonly events: OutboundEvents;
  /** Of the connection or of the last attempt. */
  private current: HostPort;
  /** Where the next attempt goes, if not to `current`. */
  private preferred: HostPort | null = null;
  /** The next attempt follows the one under way at once. */
  private hurried = false;
  private socket: net.Socket | null = null;
  private established: Hello | null = null;
  private timer: NodeJS.Timeout | undefined;
  private waiting = false;
  private attempts = 0;
  private corked = false;
  private wroteSincePing = false;
  private stopped = false;

  /** @param addresses shared between the connections to one peer */
  constructor(
    peer: NodeId,
    purpose: ConnectionPurpose,
    addresses: PeerAddresses,
    context: TransportContext,
    events: OutboundEvents,
  ) {
    const { maxBufferedBytes, maxBulkBufferedBytes } = context.limits;
    this.peer = peer;
    this.purpose = purpose;
    this.addresses = addresses;
    this.current = addresses.first;
    this.maxBufferedBytes = purpose === ConnectionPurpose.bulk ? maxBulkBufferedBytes : maxBufferedBytes;
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
    return this.established !== null && socket !== null && socket.writableLength <= this.maxBufferedBytes;
  }

  /** True while there is no connection, and none is being made or waited for. */
  get idle(): boolean {
    return this.socket === null && !this.waiting;
  }

  /** The address of the connection, or of the last attempt. */
  get address(): HostPort {
    return this.current;
  }

  /** Dials. Does nothing while a connection exists or is being made. */
  dial(): void {
    if (this.stopped || this.socket !== null) return;
    this.clearTimer();
    this.waiting = false;
    this.current = this.preferred ?? this.current;
    this.preferred = null;
    const socket = net.connect({ host: this.current.host, port: this.current.port, ...SOCKET_OPTIONS });
    this.socket = socket;
    this.timer = setTimeout(() => {
      this.lost(socket, 'no handshake in time');
    }, this.context.limits.handshakeTimeoutMs);
    const reader = new FrameReader({ maxFrameBytes: MAX_HANDSHAKE_BYTES });
    socket.on('connect', () => {
      this.write(encodeHello(this.context.ownHello(this.purpose)), socket);
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

  /** Dials unless a connection exists, is being made or is waited for. */
  ensureDialled(): void {
    if (!this.waiting) this.dial();
  }

  /** The next attempt goes to `address`. Changes nothing about a connection that is up or being made. */
  prefer(address: HostPort): void {
    this.preferred = sameAddress(address, this.current) ? null : address;
  }

  /** As `prefer`, and at once: an attempt that is under way elsewhere is the last before it. */
  hurryTo(address: HostPort): void {
    this.prefer(address);
    this.hurried = this.preferred !== null && this.socket !== null && this.established === null;
    this.nudge();
  }

  /** To be called when the list of addresses has changed: a connection to an address that is out of it is given up. */
  addressesChanged(): void {
    if (this.preferred !== null && !this.addresses.has(this.preferred)) this.preferred = null;
    if (this.addresses.has(this.current)) return;
    this.preferred ??= this.addresses.first;
    this.reset('the address is no longer one of the peer');
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

  /** Gives the connection, or the attempt at one, up and dials anew at once. */
  reset(reason: string): void {
    // This is no failure of the address.
    if (this.socket !== null) {
      this.preferred ??= this.current;
      this.lost(this.socket, reason);
    }
    this.nudge();
  }

  /** Gives the connection up; a later attempt has to wait for its time. */
  giveUp(reason: string): void {
    this.hurried = false;
    if (this.socket !== null) this.lost(this.socket, reason);
  }

  /** Closes, and does not dial until somebody asks for it again. No event is reported. */
  close(reason: string): void {
    if (this.stopped || this.idle) return;
    this.clearTimer();
    this.waiting = false;
    this.attempts = 0;
    this.forgetSocket();
    this.context.logger.debug({ peer: this.peer, reason }, `closed a connection to ${this.peer}: ${reason}`);
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
    const bulk = this.purpose === ConnectionPurpose.bulk ? ', for bulk' : '';
    this.context.logger.info({ peer: this.peer }, `connected to ${this.peer} at ${this.where()}${bulk}`);
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
    const rejection = context.admitAnswer(reply.hello, this.purpose);
    if (rejection !== null) {
      context.rejected(peer, context.nodeId, rejection.code, rejection.reason);
      return true;
    }
    return false;
  }

  private lost(socket: net.Socket, reason: string): void {
    if (this.socket !== socket || this.stopped) return;
    const wasEstablished = this.established !== null;
    const fields = { peer: this.peer, address: this.where(), reason };
    this.forgetSocket();
    // What worked before may work again; what did not is tried last.
    if (!wasEstablished) this.preferred ??= this.addresses.after(this.current);
    const { hurried } = this;
    this.hurried = false;
    this.retry();
    const what = this.purpose === ConnectionPurpose.bulk ? 'bulk connection' : 'connection';
    if (wasEstablished) this.context.logger.warn(fields, `lost the ${what} to ${this.peer}: ${reason}`);
    else if (this.attempts === 1) this.context.logger.info(fields, `${this.peer} can not be reached yet: ${reason}`);
    else this.context.logger.debug(fields, `${this.peer} can not be reached: ${reason}`);
    if (wasEstablished) this.events.down();
    else if (hurried) this.nudge();
  }

  private forgetSocket(): void {
    const { socket } = this;
    this.socket = null;
    this.established = null;
    this.corked = false;
    socket?.destroy();
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
    return formatAddress(this.current);
  }

  private clearTimer(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
