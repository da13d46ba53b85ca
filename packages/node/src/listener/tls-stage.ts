import type { Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import type { TlsConfig } from '../config/index.ts';
import type { Arrival } from './arrival.ts';
import { peerCertificateOf } from './peer-certificate.ts';
import type { TlsMaterial } from './tls-files.ts';

/** Node's own reference from a TLS socket to the socket below. */
type WrappingSocket = TLSSocket & { readonly _parent?: Socket };

/** A little later than the deadline of the arrival, which is what ends a slow handshake. */
const AFTER_DEADLINE_MS = 1_000;

/** TLS handshakes of one listener. */
export class TlsStage {
  readonly #config: TlsConfig;
  readonly #server: tls.Server;
  readonly #arrivals = new WeakMap<Socket, Arrival>();
  readonly #next: (arrival: Arrival, socket: TLSSocket) => void;

  /** @param next takes a connection whose handshake is done */
  constructor(
    config: TlsConfig,
    material: TlsMaterial,
    timeoutMs: number,
    next: (arrival: Arrival, socket: TLSSocket) => void,
  ) {
    this.#config = config;
    this.#next = next;
    const { clientCertificates } = config;
    this.#server = tls.createServer({
      ...material.options,
      requestCert: clientCertificates !== 'none',
      rejectUnauthorized: clientCertificates === 'require',
      handshakeTimeout: timeoutMs + AFTER_DEADLINE_MS,
    });
    this.#server.on('secureConnection', (socket) => {
      this.#secured(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => {
      this.#failed(error, socket);
    });
  }

  /** Begins the handshake. */
  take(arrival: Arrival): void {
    arrival.stage = 'TLS handshake';
    this.#arrivals.set(arrival.socket, arrival);
    this.#server.emit('connection', arrival.socket);
  }

  /** For new connections; those that are there go on. */
  use(material: TlsMaterial): void {
    this.#server.setSecureContext(material.options);
  }

  /** Nothing goes on without: then this release of Node has no such reference any more. */
  #arrivalOf(socket: WrappingSocket): Arrival {
    const { _parent: parent } = socket;
    const arrival = parent === undefined ? undefined : this.#arrivals.get(parent);
    if (arrival === undefined) throw new Error('a TLS socket does not know the socket below');
    return arrival;
  }

  #secured(socket: TLSSocket): void {
    const arrival = this.#arrivalOf(socket);
    // A reset is as good a goodbye as any; `close` follows.
    socket.on('error', () => {});
    if (!arrival.pending) return;
    arrival.peerCertificate = peerCertificateOf(socket);
    // Node takes a resumed session without a certificate for authorized.
    if (this.#config.clientCertificates === 'require' && arrival.peerCertificate === null) {
      arrival.fail({ level: 'warn', reason: 'it showed no certificate that caFile vouches for' });
      return;
    }
    this.#next(arrival, socket);
  }

  #failed(error: Error & { readonly code?: string }, socket: WrappingSocket): void {
    const arrival = this.#arrivalOf(socket);
    // Set when the handshake was fine but the certificate was not; `error` then says no more than that it was closed.
    const refused = socket.authorizationError as Error | string | null | undefined;
    if (refused != null) {
      arrival.fail({ level: 'warn', reason: `its certificate was refused (${refused})` });
      return;
    }
    const noCertificate = error.code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';
    // A client that closes first leaves nothing more to say than that.
    if (error.code === 'ECONNRESET') return;
    const reason = noCertificate ? 'it showed no certificate' : `its TLS handshake failed (${reasonOf(error)})`;
    arrival.fail({ level: noCertificate ? 'warn' : 'info', reason });
  }
}

/** OpenSSL's own sentence has file names and line numbers. */
function reasonOf(error: Error & { readonly code?: string }): string {
  const { reason } = error as { readonly reason?: unknown };
  return typeof reason === 'string' ? reason : (error.code ?? error.message);
}
