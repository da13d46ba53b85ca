import net, { type Socket } from 'node:net';
import {
  type Admission,
  CLOSE_REASONS,
  type ClientSocket,
  type CloseReason,
  type Connection,
  type Visit,
} from '@quorate/broker';
import type { WebSocket } from 'ws';
import { formatAddress, type ListenerConfig } from '../config/index.ts';
import { MAIN_LISTENER } from '../config/listeners.ts';
import { Arrival, type Failure } from './arrival.ts';
import { Certificates } from './certificates.ts';
import { type ListenerSocket, type Origin, TcpClientSocket } from './client-socket.ts';
import { FailureLog, type ListenerLogger } from './failure-log.ts';
import { readProxyHeader } from './proxy-reader.ts';
import { remoteAddressOf } from './remote-address.ts';
import type { TlsMaterial } from './tls-files.ts';
import { TlsStage } from './tls-stage.ts';
import { WebSocketClientSocket } from './web-socket-client.ts';
import { WebSocketStage } from './web-socket-stage.ts';

/** What the listener needs of a broker. */
export interface ClientAcceptor {
  /** @param visit counts the connection, and is left by it when it ends */
  accept(socket: ListenerSocket, visit: Visit): Pick<Connection, 'receive' | 'drained' | 'inputEnded' | 'socketClosed'>;
}

export type { ListenerLogger } from './failure-log.ts';

/** What clients did against WebSocket after the upgrade, as a code for the metrics. */
export type WebSocketFault = 'WEBSOCKET_TEXT' | 'WEBSOCKET_MALFORMED';

export interface MqttListenerOptions {
  readonly config: ListenerConfig;
  readonly broker: ClientAcceptor;
  readonly admission: Admission;
  readonly logger: ListenerLogger;
  /** An error in the broker: its state can not be trusted any more. */
  readonly onFatal: (error: unknown) => void;
  /** For everything that a connection has to go through before MQTT, together. */
  readonly handshakeTimeoutMs: number;
  readonly maxPacketSizeBytes: number;
  /** Whether the node has room for one more socket; without it there is always room. */
  readonly hasRoom?: () => boolean;
  /** Called for each socket that is closed unread, with the reason in snake_case. */
  readonly onRefused?: (reason: string) => void;
  readonly onWebSocketFault?: (fault: WebSocketFault) => void;
}

/** Pending connections that the kernel holds while this process is busy. */
const BACKLOG = 1024;
/**
 * Bytes in a socket from which on it says when they have left. Named, because the releases of Node differ in it and the
 * smallest `limits.maxOutgoingBufferBytes` must not be below it.
 */
const HIGH_WATER_BYTES = 64 * 1024;

type BrokerConnection = ReturnType<ClientAcceptor['accept']>;

/** Accepts MQTT clients at one address, by one transport, and gives their bytes to the broker. */
export class MqttListener {
  readonly name: string;
  /** Sockets that were closed unread. */
  refusedTotal = 0;
  /** Connections that did not get as far as MQTT. */
  handshakeFailuresTotal = 0;
  readonly #options: MqttListenerOptions;
  readonly #server: net.Server;
  readonly #sockets = new Set<Socket>();
  readonly #failures: FailureLog;
  readonly #certificates: Certificates | null;
  readonly #webSockets: WebSocketStage | null;
  #tls: TlsStage | null = null;

  constructor(options: MqttListenerOptions) {
    const { config, logger, maxPacketSizeBytes } = options;
    this.name = config.name;
    this.#options = options;
    this.#failures = new FailureLog(logger);
    this.#certificates = config.tls === null ? null : new Certificates(config.name, config.tls, logger);
    const overWebSocket = config.transport === 'ws' || config.transport === 'wss';
    this.#webSockets = overWebSocket
      ? new WebSocketStage(config, maxPacketSizeBytes, (arrival, socket, webSocket) => {
          this.#guard(() => {
            this.#serveWebSocket(arrival, socket, webSocket);
          });
        })
      : null;
    this.#server = net.createServer({ noDelay: true, highWaterMark: HIGH_WATER_BYTES }, (socket) => {
      this.#guard(() => {
        this.#accept(socket);
      });
    });
  }

  /**
   * Resolves with the port, which matters when 0 was asked for. Rejects with the system's error when the address can
   * not be listened on, with a {@link ConfigError} when the certificate can not be used.
   */
  async listen(): Promise<number> {
    const { config, handshakeTimeoutMs, logger } = this.#options;
    const { tls, bind } = config;
    if (tls !== null && this.#certificates !== null) {
      const material = await this.#certificates.open();
      this.#tls = new TlsStage(tls, material, handshakeTimeoutMs, (arrival, socket) => {
        this.#upgrade(arrival, socket);
      });
    }
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: bind.host, port: bind.port, backlog: BACKLOG }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    server.on('error', (error) => {
      logger.error({ err: error }, `the MQTT listener at ${formatAddress(bind)} failed: ${error.message}`);
    });
    const bound = server.address();
    return bound !== null && typeof bound === 'object' ? bound.port : bind.port;
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  /** Sockets that are open, also those that are not MQTT yet, or not any more and not closed by the client yet. */
  get socketCount(): number {
    return this.#sockets.size;
  }

  /** Uses certificate files that were replaced. */
  async pollCertificates(): Promise<void> {
    this.#use((await this.#certificates?.poll()) ?? null);
  }

  /** Reads certificate files again whether or not they were replaced. */
  async reloadCertificates(): Promise<void> {
    this.#use((await this.#certificates?.reload()) ?? null);
  }

  /** No new clients; those that are connected stay. */
  close(): void {
    this.#server.close();
  }

  /** No clients at all any more, at once: nothing that waits in memory for a client reaches it. */
  destroy(): void {
    this.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #use(material: TlsMaterial | null): void {
    if (material !== null) this.#tls?.use(material);
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.onFatal(error);
    }
  }

  #accept(socket: Socket): void {
    const { config, hasRoom, onRefused, handshakeTimeoutMs, admission } = this.#options;
    if (this.#sockets.size >= (config.maxConnections ?? Number.POSITIVE_INFINITY) || hasRoom?.() === false) {
      this.refusedTotal++;
      onRefused?.('too_many_connections');
      socket.destroy();
      return;
    }
    const visit = admission.arrive();
    if (visit === null) {
      this.refusedTotal++;
      socket.destroy();
      return;
    }
    visit.onEvicted = () => socket.destroy();
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      visit.leave();
    });
    // A reset is as good a goodbye as any; `close` follows.
    socket.on('error', () => {});
    if (config.transport === 'tcp' && config.proxyProtocol === 'off') {
      const isAdvertised = this.name === MAIN_LISTENER;
      const origin = {
        listener: this.name,
        remoteAddress: remoteAddressOf(socket),
        peerCertificate: null,
        isAdvertised,
      };
      this.#serve(socket, origin, visit);
      return;
    }
    const arrival = new Arrival(this.name, socket, visit, handshakeTimeoutMs, {
      failed: (_arrival, failure) => {
        this.#failed(arrival, failure);
      },
    });
    if (config.proxyProtocol === 'off') this.#secure(arrival);
    else this.#readHeader(arrival);
  }

  #failed({ remoteAddress, stage }: Arrival, { level, reason }: Failure): void {
    this.handshakeFailuresTotal++;
    const details = { listener: this.name, remoteAddress, stage };
    const message = `closing a connection from ${remoteAddress} to listener ${this.name}: ${reason}`;
    this.#failures.write(level, details, message);
  }

  #readHeader(arrival: Arrival): void {
    arrival.stage = 'PROXY header';
    readProxyHeader(arrival.socket, (header) => {
      if (!arrival.pending) return;
      if (header.kind === 'invalid') {
        arrival.fail({ level: 'warn', reason: header.reason });
        return;
      }
      if (header.client !== null) arrival.remoteAddress = header.client;
      this.#secure(arrival);
    });
  }

  /** Its address is known. What a CONNECT would be refused for is not worth a handshake. */
  #secure(arrival: Arrival): void {
    const refusal = arrival.visit.identify(arrival.remoteAddress);
    if (refusal !== null && (this.#tls !== null || this.#webSockets !== null)) return this.#refuse(arrival, refusal);
    if (this.#tls === null) this.#upgrade(arrival, arrival.socket);
    else this.#tls.take(arrival);
  }

  #upgrade(arrival: Arrival, socket: Socket): void {
    if (this.#webSockets !== null) {
      this.#webSockets.take(arrival, socket);
      return;
    }
    arrival.admit();
    this.#guard(() => {
      this.#serve(socket, arrival, arrival.visit);
    });
  }

  #refuse(arrival: Arrival, reason: CloseReason): void {
    this.refusedTotal++;
    this.#options.onRefused?.(reason.toLowerCase());
    arrival.fail({ level: 'info', reason: CLOSE_REASONS[reason][1] });
  }

  /** @param socket TCP or TLS */
  #serve(socket: Socket, origin: Origin, visit: Visit): void {
    const connection = this.#options.broker.accept(new TcpClientSocket(socket, origin), visit);
    // Else Node answers the end of the client's side at once: the client would see the connection end before its
    // DISCONNECT is in the log.
    socket.allowHalfOpen = true;
    socket.on('end', () => {
      this.#guard(() => {
        connection.inputEnded();
      });
    });
    socket.on('data', (chunk) => {
      this.#receive(connection, chunk);
    });
    socket.on('drain', () => {
      this.#guard(() => {
        connection.drained();
      });
    });
    socket.on('close', () => {
      this.#closed(connection);
    });
  }

  #receive(connection: BrokerConnection, chunk: Buffer): void {
    try {
      connection.receive(chunk);
    } catch (error) {
      this.#options.onFatal(error);
    }
  }

  #closed(connection: BrokerConnection): void {
    this.#guard(() => {
      connection.socketClosed();
    });
  }

  #serveWebSocket(arrival: Arrival, socket: Socket, webSocket: WebSocket): void {
    arrival.admit();
    const client = new WebSocketClientSocket(webSocket, socket, arrival);
    const connection = this.#options.broker.accept(client satisfies ClientSocket, arrival.visit);
    let over = false;
    const fault = (code: WebSocketFault, what: string): void => {
      // What came with it is handed out all the same.
      if (over) return;
      over = true;
      this.#options.onWebSocketFault?.(code);
      const { remoteAddress } = client;
      const details = { listener: this.name, remoteAddress, code };
      this.#failures.write('warn', details, `closing a connection from ${remoteAddress} to ${this.name}: ${what}`);
      this.#closed(connection);
    };
    webSocket.on('message', (data, isBinary) => {
      // Of a WebSocket whose binaryType was not changed, every message is one Buffer.
      if (isBinary) this.#receive(connection, data as Buffer);
      else {
        // [MQTT-6.0.0-1]
        fault('WEBSOCKET_TEXT', 'it sent a text frame');
        client.refuseText();
      }
    });
    webSocket.on('ping', (data) => {
      client.pinged(data);
    });
    webSocket.on('error', (error) => {
      fault('WEBSOCKET_MALFORMED', error.message);
      client.abandon();
    });
    webSocket.on('close', () => {
      this.#closed(connection);
    });
    socket.on('drain', () => {
      client.drained();
      this.#guard(() => {
        connection.drained();
      });
    });
  }
}
