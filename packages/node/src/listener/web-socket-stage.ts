import http, { type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ListenerConfig } from '../config/index.ts';
import type { Arrival } from './arrival.ts';

/** [MQTT-6.0.0-3], [MQTT-6.0.0-4]; and the name that clients of MQTT 3.1 use. */
const SUBPROTOCOLS = ['mqtt', 'mqttv3.1'] as const;
const MAX_HEADER_BYTES = 8 * 1024;
/** Clients lay several packets into one message; there is no way to tell them how many. */
const PACKETS_PER_MESSAGE = 4;
/** Pieces of a message that comes in fragments, and of data that waits to be one: each costs some memory of its own. */
const MAX_PIECES = 16 * 1024;

interface Refusal {
  readonly status: 400 | 403 | 404 | 426;
  /** Follows "it". */
  readonly reason: string;
}

/** WebSocket upgrades of one listener. */
export class WebSocketStage {
  readonly #config: Pick<ListenerConfig, 'path' | 'origins'>;
  readonly #server: http.Server;
  readonly #upgrader: WebSocketServer;
  readonly #arrivals = new WeakMap<object, Arrival>();
  readonly #next: (arrival: Arrival, socket: Socket, webSocket: WebSocket) => void;

  /** @param next takes a connection that has become a WebSocket */
  constructor(
    config: Pick<ListenerConfig, 'path' | 'origins'>,
    maxPacketSizeBytes: number,
    next: (arrival: Arrival, socket: Socket, webSocket: WebSocket) => void,
  ) {
    this.#config = config;
    this.#next = next;
    this.#server = http.createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
      const refusal = this.#refusalOf(request) ?? { status: 426, reason: 'asked for no WebSocket' };
      response.writeHead(refusal.status, { connection: 'close', upgrade: 'websocket', 'content-type': 'text/plain' });
      response.end(`${http.STATUS_CODES[refusal.status] ?? ''}\n`);
      this.#refused(request.socket, refusal);
    });
    this.#server.on('upgrade', (request, socket, head) => {
      this.#upgrade(request, socket as Socket, head);
    });
    this.#server.on('clientError', (_error, socket) => {
      this.#arrivals.get(socket)?.fail({ level: 'info', reason: 'it did not send an HTTP request' });
      socket.destroy();
    });
    this.#upgrader = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: PACKETS_PER_MESSAGE * maxPacketSizeBytes,
      maxFragments: MAX_PIECES,
      maxBufferedChunks: MAX_PIECES,
      handleProtocols: (offered) => SUBPROTOCOLS.find((each) => offered.has(each)) ?? false,
    });
  }

  /** Waits for the upgrade. @param socket TCP or TLS */
  take(arrival: Arrival, socket: Socket): void {
    arrival.stage = 'WebSocket upgrade';
    this.#arrivals.set(socket, arrival);
    this.#server.emit('connection', socket);
  }

  #refused(socket: Socket, { reason }: Refusal): void {
    this.#arrivals.get(socket)?.refuse({ level: 'info', reason: `it ${reason}` });
  }

  #refusalOf(request: IncomingMessage): Refusal | null {
    const path = request.url?.split('?', 1)[0];
    if (path !== this.#config.path) return { status: 404, reason: 'asked for another path' };
    const { origins } = this.#config;
    const { origin } = request.headers;
    // Only pages have one, and they cannot choose it.
    const strange = origin !== undefined && !origins.some((each) => each.toLowerCase() === origin.toLowerCase());
    if (origins.length > 0 && strange)
      return { status: 403, reason: 'comes from a page whose origin is not in origins' };
    return null;
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const arrival = this.#arrivals.get(socket);
    if (arrival?.pending !== true) {
      socket.destroy();
      return;
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim());
    const spoken = SUBPROTOCOLS.some((each) => offered.includes(each));
    const refusal =
      this.#refusalOf(request) ??
      (spoken ? null : ({ status: 400, reason: 'did not offer the WebSocket subprotocol mqtt' } as const));
    if (refusal !== null) {
      this.#refused(socket, refusal);
      answer(socket, refusal.status);
      return;
    }
    // What it refuses itself it answers itself; the arrival ends when that socket closes.
    this.#upgrader.handleUpgrade(request, socket, head, (webSocket) => {
      this.#next(arrival, socket, webSocket);
    });
  }
}

/** Answers an upgrade, which has no response object. */
function answer(socket: Socket, status: number): void {
  const text = http.STATUS_CODES[status] ?? '';
  const head = `HTTP/1.1 ${String(status)} ${text}\r\nConnection: close\r\nContent-Type: text/plain\r\n`;
  socket.end(`${head}Content-Length: ${String(text.length + 1)}\r\n\r\n${text}\n`);
  // Its FIN must be seen.
  socket.resume();
}
