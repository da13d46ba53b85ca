import type { Socket } from 'node:net';
import type { ClientSocket } from '@quorate/broker';

/** How long a client may take to close its side after the server has said goodbye. */
const GOODBYE_MS = 2_000;

/** A TCP connection as a connection of the broker sees it. */
export class TcpClientSocket implements ClientSocket {
  readonly remoteAddress: string;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.remoteAddress = `${socket.remoteAddress ?? '?'}:${String(socket.remotePort ?? 0)}`;
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    socket.end();
    // Whatever still comes is thrown away, but the client's FIN must be seen.
    socket.resume();
    const force = setTimeout(() => socket.destroy(), GOODBYE_MS);
    socket.once('close', () => {
      clearTimeout(force);
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
