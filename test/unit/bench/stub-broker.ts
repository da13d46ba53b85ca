/** A broker that routes topic to topic and, when told to, breaks its promises: what a verifying generator must see. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Framer, Packet, writeAck } from '@quorate/bench';

/** Faults to inject into every n-th message or answer; absent for none. */
export interface Faults {
  /** Acknowledged, never delivered. */
  readonly dropEvery?: number;
  /** Delivered twice, under two packet ids. */
  readonly duplicateEvery?: number;
  /** Delivered after the message that follows it. */
  readonly swapEvery?: number;
  /** Delivered with one filler byte changed. */
  readonly corruptEvery?: number;
  /** Delivered with another run's magic. */
  readonly foreignEvery?: number;
  /** The n-th message of each publisher is acknowledged under a packet id nobody used. */
  readonly strangeAckAt?: number;
  /** The n-th message of each publisher is neither acknowledged nor delivered. */
  readonly withholdAt?: number;
  readonly connackCode?: number;
  /** What SUBACK grants, whatever was asked for. */
  readonly grantQos?: number;
  /** Close a publisher's connection after this many messages. */
  readonly hangUpAfter?: number;
  /** Answer CONNECT with bytes that are no MQTT. */
  readonly garbage?: boolean;
}

export class StubBroker {
  /** PUBLISH packets received. */
  received = 0;
  /** Clients connected now. */
  readonly sockets = new Set<Socket>();
  /** Client ids that connected with clean session off, and those that came back with it on. */
  readonly persistent = new Set<string>();
  readonly removed = new Set<string>();
  /** Chunks in which a client sent more than one packet. */
  batches = 0;
  readonly #faults: Faults;
  readonly #server: Server;
  readonly #subscribers = new Map<string, Session[]>();

  private constructor(faults: Faults) {
    this.#faults = faults;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.sockets.delete(socket));
      new Session(this, socket, this.#faults, this.#subscribers);
    });
  }

  static async start(faults: Faults = {}): Promise<StubBroker> {
    const broker = new StubBroker(faults);
    await new Promise<void>((resolve) => {
      broker.#server.listen(0, '127.0.0.1', resolve);
    });
    return broker;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

class Session {
  readonly #broker: StubBroker;
  readonly #socket: Socket;
  readonly #faults: Faults;
  readonly #subscribers: Map<string, Session[]>;
  #published = 0;
  #nextId = 0;
  #held: Buffer | null = null;

  constructor(broker: StubBroker, socket: Socket, faults: Faults, subscribers: Map<string, Session[]>) {
    this.#broker = broker;
    this.#socket = socket;
    this.#faults = faults;
    this.#subscribers = subscribers;
    const framer = new Framer();
    socket.on('data', (chunk) => {
      let packets = 0;
      socket.cork();
      framer.push(chunk, chunk.length, {
        packet: (header, buffer, start, end) => {
          packets++;
          this.#packet(header, buffer, start, end);
          return true;
        },
      });
      socket.uncork();
      if (packets > 1) broker.batches++;
    });
  }

  #packet(header: number, buffer: Buffer, start: number, end: number): void {
    const type = header & 0xf0;
    if (type === Packet.connect) this.#connect(buffer, start);
    else if (header === Packet.subscribe) this.#subscribe(buffer, start, end);
    else if (type === Packet.publish) this.#publish(header, buffer, start, end);
    else if (type === Packet.pubrec) this.#ack(Packet.pubrel, buffer.readUInt16BE(start));
    else if (header === Packet.pubrel) this.#ack(Packet.pubcomp, buffer.readUInt16BE(start));
    else if (type === Packet.disconnect) this.#socket.end();
  }

  #connect(buffer: Buffer, start: number): void {
    const idLength = buffer.readUInt16BE(start + 10);
    const id = buffer.toString('utf8', start + 12, start + 12 + idLength);
    const clean = ((buffer[start + 7] as number) & 2) !== 0;
    if (!clean) this.#broker.persistent.add(id);
    else if (this.#broker.persistent.has(id)) this.#broker.removed.add(id);
    const code = this.#faults.connackCode ?? 0;
    if (this.#faults.garbage) this.#socket.write(Buffer.from([0x20, 0xff, 0xff, 0xff, 0xff, 0x01]));
    else this.#socket.write(Buffer.from([Packet.connack, 2, 0, code]));
  }

  #subscribe(buffer: Buffer, start: number, end: number): void {
    const filter = buffer.toString('utf8', start + 4, end - 1);
    const qos = this.#faults.grantQos ?? buffer.readUInt8(end - 1);
    this.#subscribers.set(filter, [...(this.#subscribers.get(filter) ?? []), this]);
    this.#socket.write(Buffer.from([Packet.suback, 3, buffer[start] as number, buffer[start + 1] as number, qos]));
  }

  #publish(header: number, buffer: Buffer, start: number, end: number): void {
    const { hangUpAfter, strangeAckAt, withholdAt } = this.#faults;
    this.#broker.received++;
    this.#published++;
    if (this.#published === hangUpAfter) {
      this.#socket.destroy();
      return;
    }
    if (this.#published === withholdAt) return;
    const qos = (header >> 1) & 3;
    const topicEnd = start + 2 + buffer.readUInt16BE(start);
    const topic = buffer.toString('utf8', start + 2, topicEnd);
    if (qos > 0) {
      const id = this.#published === strangeAckAt ? 65_535 : buffer.readUInt16BE(topicEnd);
      this.#ack(qos === 1 ? Packet.puback : Packet.pubrec, id);
    }
    for (const subscriber of this.#subscribers.get(topic) ?? []) {
      // The buffer is the framer's: what goes out is a copy.
      subscriber.#route(this.#published, qos, Buffer.concat([buffer.subarray(start, end)]), topicEnd - start);
    }
  }

  #route(n: number, qos: number, body: Buffer, topicEnd: number): void {
    const faults = this.#faults;
    if (hits(n, faults.dropEvery)) return;
    const payload = qos > 0 ? topicEnd + 2 : topicEnd;
    if (hits(n, faults.corruptEvery)) body.writeUInt8(body.readUInt8(body.length - 1) ^ 1, body.length - 1);
    if (hits(n, faults.foreignEvery)) body.writeUInt32LE(~body.readUInt32LE(payload) >>> 0, payload);
    const packets = hits(n, faults.duplicateEvery) ? 2 : 1;
    for (let i = 0; i < packets; i++) {
      if (qos > 0) {
        this.#nextId = (this.#nextId % 65_535) + 1;
        body.writeUInt16BE(this.#nextId, topicEnd);
      }
      const packet = Buffer.concat([publishHeader(qos, body.length), body]);
      if (hits(n, faults.swapEvery) && this.#held === null) {
        this.#held = packet;
        continue;
      }
      this.#socket.write(packet);
      if (this.#held !== null) this.#socket.write(this.#held);
      this.#held = null;
    }
  }

  #ack(header: number, packetId: number): void {
    const packet = Buffer.alloc(4);
    writeAck(packet, 0, header, packetId);
    this.#socket.write(packet);
  }
}

function hits(n: number, every: number | undefined): boolean {
  return every !== undefined && n % every === 0;
}

function publishHeader(qos: number, length: number): Buffer {
  const first = Packet.publish | (qos << 1);
  return length < 128 ? Buffer.from([first, length]) : Buffer.from([first, (length & 127) | 128, length >> 7]);
}
