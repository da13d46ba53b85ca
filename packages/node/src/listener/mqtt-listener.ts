import net from 'node:net';
import type { Broker } from '@quorate/broker';
import type { Address } from '../config/index.ts';
import type { Logger } from '../logging/index.ts';
import { TcpClientSocket } from './client-socket.ts';

/** Pending connections that the kernel holds while this process is busy. */
const BACKLOG = 1024;

/** Accepts MQTT clients over TCP and gives their bytes to the broker. */
export class MqttListener {
  readonly #broker: Broker;
  readonly #logger: Logger;
  readonly #server: net.Server;

  constructor(broker: Broker, logger: Logger) {
    this.#broker = broker;
    this.#logger = logger;
    this.#server = net.createServer({ noDelay: true }, (socket) => {
      this.#accept(socket);
    });
    this.#server.on('error', (error) => {
      this.#logger.error({ err: error }, `the MQTT listener failed: ${error.message}`);
    });
  }

  /** Rejects with the system's error when the address can not be listened on. */
  async listen(address: Address): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  /** No new clients; those that are connected stay. */
  close(): void {
    this.#server.close();
  }

  #accept(socket: net.Socket): void {
    const connection = this.#broker.accept(new TcpClientSocket(socket));
    socket.on('data', (chunk) => {
      connection.receive(chunk);
    });
    socket.on('drain', () => {
      connection.drained();
    });
    // A reset is as good a goodbye as any; `close` follows.
    socket.on('error', () => {});
    socket.on('close', () => {
      connection.socketClosed();
    });
  }
}
