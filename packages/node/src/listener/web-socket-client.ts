import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { destroySoon, type ListenerSocket, type Origin } from './client-socket.ts';
import type { PeerCertificate } from './peer-certificate.ts';

/** Status codes of RFC 6455 section 7.4.1. */
const NORMAL_CLOSURE = 1000;
const UNSUPPORTED_DATA = 1003;

/** One frame, as it is: a client that gets it does not mask, and there are no extensions. */
const ONE_FRAME = { binary: true, compress: false, fin: true } as const;

/**
 * Bytes that wait from which on a ping is not answered at once. Not above the socket's high-water mark, or nobody would
 * say when they have left.
 */
const PONG_BACKLOG_BYTES = 16 * 1024;

/** A WebSocket as a connection of the broker sees it. */
export class WebSocketClientSocket implements ListenerSocket {
  readonly listener: string;
  readonly remoteAddress: string;
  readonly peerCertificate: PeerCertificate | null;
  readonly isAdvertised: boolean;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  /** The last ping that was not answered yet. */
  #ping: Buffer | null = null;

  /** @param socket what lies below the WebSocket: TCP or TLS */
  constructor(webSocket: WebSocket, socket: Socket, origin: Origin) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.listener = origin.listener;
    this.remoteAddress = origin.remoteAddress;
    this.peerCertificate = origin.peerCertificate;
    this.isAdvertised = origin.isAdvertised;
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  /** One frame: its header and `bytes` are written together, without a copy. */
  write(bytes: Buffer): void {
    const webSocket = this.#webSocket;
    if (webSocket.readyState === webSocket.OPEN) webSocket.send(bytes, ONE_FRAME);
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  end(): void {
    this.#close(NORMAL_CLOSURE);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Closes for a data frame that is not binary [MQTT-6.0.0-1]. */
  refuseText(): void {
    this.#close(UNSUPPORTED_DATA);
  }

  /** Closes after a malformed frame, for which the client has been told a status already. */
  abandon(): void {
    if (!this.#socket.destroyed) destroySoon(this.#socket);
  }

  /**
   * Answers a ping. While the client does not take what it was sent, only the last one is remembered (RFC 6455 section
   * 5.5.3): the answers to all of them would wait in memory.
   */
  pinged(data: Buffer): void {
    this.#ping = data;
    if (this.bufferedBytes < PONG_BACKLOG_BYTES) this.#pong();
  }

  /** The socket has taken everything. */
  drained(): void {
    if (this.#ping !== null) this.#pong();
  }

  #pong(): void {
    const webSocket = this.#webSocket;
    const data = this.#ping;
    this.#ping = null;
    if (data !== null && webSocket.readyState === webSocket.OPEN) webSocket.pong(data);
  }

  #close(status: number): void {
    if (this.#socket.destroyed) return;
    // Whatever still comes is thrown away, but the client's close frame must be seen.
    this.#webSocket.resume();
    this.#webSocket.close(status);
    destroySoon(this.#socket);
  }
}
