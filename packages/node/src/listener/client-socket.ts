import type { Socket } from 'node:net';
import type { ClientSocket } from '@quorate/broker';
import type { PeerCertificate } from './peer-certificate.ts';

/** How long a client may take to close its side after the server has said goodbye. */
const GOODBYE_MS = 2_000;

/** Who is at the other end of a connection, as far as its transport knows. */
export interface Origin {
  /** The name of the listener. */
  readonly listener: string;
  /** `HOST:PORT` of the client itself, also behind a proxy that says so. */
  readonly remoteAddress: string;
  /** Null without TLS, or when no certificate was verified. */
  readonly peerCertificate: PeerCertificate | null;
  /** See `ClientSocket.isAdvertised`. */
  readonly isAdvertised: boolean;
}

/** A connection of a client, whatever it came by. */
export type ListenerSocket = ClientSocket & Origin;

/** Destroys a socket whose client does not close it soon. */
export function destroySoon(socket: Socket): void {
  const force = setTimeout(() => socket.destroy(), GOODBYE_MS);
  socket.once('close', () => {
    clearTimeout(force);
  });
}

/** A TCP or TLS connection as a connection of the broker sees it. */
export class TcpClientSocket implements ListenerSocket {
  readonly listener: string;
  readonly remoteAddress: string;
  readonly peerCertificate: PeerCertificate | null;
  readonly isAdvertised: boolean;
  readonly #socket: Socket;

  constructor(socket: Socket, origin: Origin) {
    this.#socket = socket;
    this.listener = origin.listener;
    this.remoteAddress = origin.remoteAddress;
    this.peerCertificate = origin.peerCertificate;
    this.isAdvertised = origin.isAdvertised;
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
    destroySoon(socket);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
