import type { Socket } from 'node:net';
import type { Visit } from '@quorate/broker';
import type { Origin } from './client-socket.ts';
import type { PeerCertificate } from './peer-certificate.ts';
import { remoteAddressOf } from './remote-address.ts';

/** What a connection has to go through before MQTT. */
export type Stage = 'PROXY header' | 'TLS handshake' | 'WebSocket upgrade';

/** Why a connection did not get as far as MQTT. */
export interface Failure {
  readonly level: 'info' | 'warn';
  /** Follows "a connection from ADDRESS was closed: ". */
  readonly reason: string;
}

/** What becomes of an {@link Arrival} that is not admitted. */
export interface ArrivalEvents {
  /** Called once at most. Not called for a connection that closed before it sent anything: that was a probe. */
  failed(arrival: Arrival, failure: Failure): void;
}

/** A connection on its way to the broker, which has until its deadline to get there. */
export class Arrival implements Origin {
  readonly listener: string;
  readonly socket: Socket;
  readonly visit: Visit;
  /** `NodeUp.mqtt` names a plain TCP address, which needs no handshake. */
  readonly isAdvertised = false;
  stage: Stage = 'TLS handshake';
  remoteAddress: string;
  peerCertificate: PeerCertificate | null = null;
  readonly #events: ArrivalEvents;
  readonly #deadline: NodeJS.Timeout;
  #over = false;

  constructor(listener: string, socket: Socket, visit: Visit, timeoutMs: number, events: ArrivalEvents) {
    this.listener = listener;
    this.socket = socket;
    this.visit = visit;
    this.remoteAddress = remoteAddressOf(socket);
    this.#events = events;
    this.#deadline = setTimeout(() => {
      this.fail({ level: 'info', reason: `its ${this.stage} took more than ${String(timeoutMs)} ms` });
    }, timeoutMs);
    socket.once('close', () => {
      clearTimeout(this.#deadline);
      if (socket.bytesRead === 0) this.#over = true;
      // TLS hears of the end after the socket below, and may know why.
      else setImmediate(() => this.refuse({ level: 'info', reason: `it ended during the ${this.stage}` }));
    });
  }

  /** True while it may still become a connection of the broker. */
  get pending(): boolean {
    return !this.#over;
  }

  /** It got through: from here on the broker's own limits hold. */
  admit(): void {
    this.#over = true;
    clearTimeout(this.#deadline);
  }

  /** It will not get through, but is being told why; the deadline still holds. */
  refuse(failure: Failure): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.failed(this, failure);
  }

  /** It will not get through and is closed at once. */
  fail(failure: Failure): void {
    this.refuse(failure);
    this.socket.destroy();
  }
}
