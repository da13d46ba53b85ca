import type net from 'node:net';
import type { NodeId } from '@quorate/consensus';
import {
  decodeHello,
  encodeHelloReply,
  type Frame,
  FrameReader,
  type Hello,
  MAX_HANDSHAKE_BYTES,
  PeerProtocolError,
} from '@quorate/protocol';
import type { TransportContext } from './context.ts';

/** What an inbound connection tells the transport. */
export interface InboundEvents {
  /** The handshake is done; `connection.hello` is set. */
  admitted(connection: InboundConnection, hello: Hello): void;
  /** The connection is of no more use. Once. */
  gone(connection: InboundConnection): void;
}

/** A connection that somebody opened to this node: what one peer sends, or its bulk, after it has said who it is. */
export class InboundConnection {
  private readonly socket: net.Socket;
  private readonly context: TransportContext;
  private readonly events: InboundEvents;
  private readonly reader = new FrameReader({ maxFrameBytes: MAX_HANDSHAKE_BYTES });
  private readonly handshakeTimer: NodeJS.Timeout;
  private admitted: Hello | null = null;
  private refused = false;
  private over = false;
  private heard = true;
  private silentIntervals = 0;

  constructor(socket: net.Socket, context: TransportContext, events: InboundEvents) {
    this.socket = socket;
    this.context = context;
    this.events = events;
    this.handshakeTimer = setTimeout(() => {
      this.close('no handshake in time');
    }, context.limits.handshakeTimeoutMs);
    socket.on('data', (chunk: Buffer) => {
      this.read(chunk);
    });
    socket.on('error', (error) => {
      this.close(error.message);
    });
    socket.on('end', () => {
      this.close('closed by the peer');
    });
    socket.on('close', () => {
      this.close('closed');
    });
  }

  /** Who is at the other end, or null before the handshake. */
  get hello(): Hello | null {
    return this.admitted;
  }

  /** Closes at once. Nothing that arrives later is handed out. */
  close(reason: string): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.handshakeTimer);
    // A refused caller still gets its answer: the socket ends once that is written.
    if (this.refused) this.socket.destroySoon();
    else this.socket.destroy();
    this.context.logger.debug({ peer: this.name(), reason }, `connection from ${this.name()} closed: ${reason}`);
    this.events.gone(this);
  }

  /** Called at every ping interval. @returns false once nothing has come for the silence timeout */
  checkHeard(): boolean {
    this.silentIntervals = this.heard ? 0 : this.silentIntervals + 1;
    this.heard = false;
    // Counted in intervals, not by a clock: a pause of this process is not the silence of its peers.
    const { pingIntervalMs, silenceTimeoutMs } = this.context.limits;
    return this.silentIntervals * pingIntervalMs < silenceTimeoutMs;
  }

  private name(): NodeId {
    return this.admitted?.nodeId ?? this.socket.remoteAddress ?? 'a closed connection';
  }

  private read(chunk: Buffer): void {
    if (this.over) return;
    this.heard = true;
    this.context.counters.bytesIn += chunk.length;
    try {
      this.reader.push(chunk, (frame) => {
        this.context.counters.framesIn++;
        if (this.admitted === null) this.greet(frame);
        else this.context.received(this.admitted, frame);
        return !this.over;
      });
    } catch (error) {
      if (!(error instanceof PeerProtocolError)) throw error;
      this.context.counters.malformed++;
      const fields = { peer: this.name(), code: error.code };
      this.context.logger.warn(fields, `closing the connection from ${this.name()}: ${error.message}`);
      this.close(error.message);
    }
  }

  private greet(frame: Frame): void {
    const { context } = this;
    const hello = decodeHello(frame);
    const rejection = context.admitCaller(hello);
    const reply = encodeHelloReply({ rejection, hello: context.ownHello(hello.purpose) });
    this.socket.write(reply.head);
    context.counters.framesOut++;
    context.counters.bytesOut += reply.sizeBytes;
    if (rejection !== null) {
      this.refused = true;
      context.rejected(hello.nodeId, context.nodeId, rejection.code, rejection.reason);
      this.close('handshake refused');
      return;
    }
    clearTimeout(this.handshakeTimer);
    this.reader.setMaxFrameBytes(context.limits.maxFrameBytes);
    this.admitted = hello;
    this.events.admitted(this, hello);
  }
}
