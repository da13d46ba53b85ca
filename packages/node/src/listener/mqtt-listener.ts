import net from 'node:net';
import type { Connection } from '@quorate/broker';
import type { Address } from '../config/index.ts';
import { TcpClientSocket } from './client-socket.ts';

/** What the listener needs of a broker. */
export interface ClientAcceptor {
  accept(socket: TcpClientSocket): Pick<Connection, 'receive' | 'drained' | 'socketClosed'>;
}

export interface ListenerLogger {
  error(details: object, message: string): void;
}

export interface MqttListenerOptions {
  readonly broker: ClientAcceptor;
  readonly logger: ListenerLogger;
  /** An error in the broker: its state can not be trusted any more. */
  readonly onFatal: (error: unknown) => void;
  /** Sockets beyond which a new one is closed unread; no limit without it. */
  readonly maxSockets?: number;
  /** Called for each of those. */
  readonly onRefused?: () => void;
}

/** Pending connections that the kernel holds while this process is busy. */
const BACKLOG = 1024;
/**
 * Bytes in a socket from which on it says when they have left. Named, because the releases of Node differ in it and the
 * smallest `limits.maxOutgoingBufferBytes` must not be below it.
 */
const HIGH_WATER_BYTES = 64 * 1024;

/** Accepts MQTT clients over TCP and gives their bytes to the broker. */
export class MqttListener {
  readonly #options: MqttListenerOptions;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  constructor(options: MqttListenerOptions) {
    this.#options = options;
    this.#server = net.createServer({ noDelay: true, highWaterMark: HIGH_WATER_BYTES }, (socket) => {
      this.#accept(socket);
    });
    const { maxSockets, onRefused } = options;
    if (maxSockets !== undefined) this.#server.maxConnections = maxSockets;
    if (onRefused !== undefined) this.#server.on('drop', onRefused);
  }

  /**
   * Resolves with the port, which matters when 0 was asked for. Rejects with the system's error when the address can not
   * be listened on.
   */
  async listen(address: Address): Promise<number> {
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    server.on('error', (error) => {
      this.#options.logger.error({ err: error }, `the MQTT listener failed: ${error.message}`);
    });
    const bound = server.address();
    return bound !== null && typeof bound === 'object' ? bound.port : address.port;
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  /** Sockets that are open, also those that the broker has let go of and that the client has not closed yet. */
  get socketCount(): number {
    return this.#sockets.size;
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

  #accept(socket: net.Socket): void {
    this.#sockets.add(socket);
    // A reset is as good a goodbye as any; `close` follows.
    socket.on('error', () => {});
    try {
      this.#connect(socket);
    } catch (error) {
      this.#options.onFatal(error);
    }
  }

  #connect(socket: net.Socket): void {
    const connection = this.#options.broker.accept(new TcpClientSocket(socket));
    socket.on('data', (chunk) => {
      try {
        connection.receive(chunk);
      } catch (error) {
        this.#options.onFatal(error);
      }
    });
    socket.on('drain', () => {
      try {
        connection.drained();
      } catch (error) {
        this.#options.onFatal(error);
      }
    });
    socket.on('close', () => {
      this.#sockets.delete(socket);
      try {
        connection.socketClosed();
      } catch (error) {
        this.#options.onFatal(error);
      }
    });
  }
}
