import { createConnection, type Socket } from 'node:net';
import type { NodeProcess } from '../../support/node-process.ts';
import { assert } from '../../support/suite.ts';
import { type Acknowledgement, ackOf, disconnectOf, type Publication, publicationOf, subackOf } from './answers.ts';
import {
  disconnect,
  PINGREQ,
  type ServerPacket,
  subscribe,
  Type,
  takePacket,
  unsubscribe,
  type Version,
} from './wire.ts';

/** How long an answer or a close may take. Less where most of them are known not to come: with a broker broken on purpose. */
const PATIENCE_MS = Number(process.env['QUORATE_TEST_PATIENCE_MS'] ?? 10_000);

type End = 'closed' | 'late';

/** A socket to a node with nothing of a client behind it: what it sends and what it makes of the answers is up to a test. */
export class RawClient {
  readonly version: Version;
  readonly clientId: string;
  readonly #socket: Socket;
  readonly #packets: ServerPacket[] = [];
  #input: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #changed: (() => void) | null = null;

  private constructor(socket: Socket, version: Version, clientId: string) {
    this.#socket = socket;
    this.version = version;
    this.clientId = clientId;
    socket.on('data', (chunk) => {
      this.#input = Buffer.concat([this.#input, chunk]);
      for (let packet = takePacket(this.#input); packet !== null; packet = takePacket(this.#input)) {
        this.#input = this.#input.subarray(packet.sizeBytes);
        this.#packets.push(packet);
      }
      this.#changed?.();
    });
    // A reset is a close too.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      this.#changed?.();
    });
  }

  static async open(node: NodeProcess, version: Version, clientId = ''): Promise<RawClient> {
    const socket = createConnection({ host: '127.0.0.1', port: node.mqttPort, noDelay: true });
    const client = new RawClient(socket, version, clientId);
    await new Promise<void>((done, failed) => {
      socket.once('connect', done);
      socket.once('error', failed);
    });
    return client;
  }

  send(...packets: readonly Uint8Array[]): void {
    this.#socket.write(Buffer.concat(packets));
  }

  /** The next packet of the server. */
  async next(): Promise<ServerPacket> {
    const found = await this.#nextOrEnd();
    if (typeof found === 'string') throw new Error(`${this.clientId}: no packet came, the connection is ${found}`);
    return found;
  }

  async #nextOrEnd(): Promise<ServerPacket | End> {
    const deadlineMs = performance.now() + PATIENCE_MS;
    for (;;) {
      const packet = this.#packets.shift();
      if (packet !== undefined) return packet;
      if (this.#isClosed) return 'closed';
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return 'late';
      await new Promise<void>((done) => {
        const timer = setTimeout(done, leftMs);
        this.#changed = () => {
          clearTimeout(timer);
          done();
        };
      });
      this.#changed = null;
    }
  }

  /** The next packet, which must be of this type. */
  async expect(type: number): Promise<ServerPacket> {
    const packet = await this.next();
    assert.is(packet.type, type, `type of the next packet: ${packet.body.toString('hex')}`);
    return packet;
  }

  /** The next packet, which must be a PUBLISH. */
  async message(): Promise<Publication> {
    return publicationOf(await this.expect(Type.publish), this.version);
  }

  /** The next packet, which must be this acknowledgement. */
  async ack(type: number): Promise<Acknowledgement> {
    return ackOf(await this.expect(type), this.version);
  }

  /** Subscribes and takes the SUBACK, whose codes it returns. Retained messages come behind it. */
  async subscribe(filter: string, options: number, ...properties: readonly Uint8Array[]): Promise<readonly number[]> {
    this.send(subscribe(this.version, 0x5b, [[filter, options]], ...properties));
    const { packetId, codes } = subackOf(await this.expect(Type.suback), this.version);
    assert.is(packetId, 0x5b);
    return codes;
  }

  async unsubscribe(...filters: readonly string[]): Promise<Acknowledgement> {
    this.send(unsubscribe(this.version, 0x05, filters));
    return subackOf(await this.expect(Type.unsuback), this.version);
  }

  /** The server answers PINGREQ, and nothing else has come before. */
  async nothing(): Promise<void> {
    this.send(PINGREQ);
    await this.expect(Type.pingresp);
  }

  /**
   * The server closes the connection.
   *
   * @param reasonCode what a DISCONNECT must say before; without it nothing may come, and a 3.1.1 client is told nothing
   */
  async closes(reasonCode?: number): Promise<void> {
    let packet = await this.#nextOrEnd();
    if (this.version === 5 && reasonCode !== undefined && typeof packet !== 'string') {
      assert.is(packet.type, Type.disconnect, `a DISCONNECT, not ${packet.body.toString('hex')}`);
      assert.is(hex(disconnectOf(packet).code), hex(reasonCode), 'reason code of DISCONNECT');
      packet = await this.#nextOrEnd();
    } else if (this.version === 5 && reasonCode !== undefined) {
      assert.unreachable(`no DISCONNECT with ${hex(reasonCode)}, the connection is ${packet as End}`);
    }
    const state = typeof packet === 'string' ? packet : `open, and a packet of type ${String(packet.type)} came`;
    assert.is(state, 'closed', 'the connection');
  }

  /** Sends DISCONNECT, in 5.0 perhaps with a reason code; it is in the log when the server closes the connection. */
  async leave(reasonCode?: number): Promise<void> {
    this.send(disconnect(reasonCode));
    await this.closes();
  }

  /** Closes without DISCONNECT. */
  destroy(): void {
    this.#socket.destroy();
  }
}

function hex(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')}`;
}
