import type { CertificateNames, ClientSocket, Connection } from '@quorate/broker';
import * as mqttPacket from 'mqtt-packet';
import type { Scheduler } from './scheduler.ts';

type Packet = mqttPacket.Packet;
export type Command = Packet['cmd'];
export type PacketOf<C extends Command> = Extract<Packet, { cmd: C }>;
export type Version = 3 | 4 | 5;

/** Sees every packet that a server writes, at the moment it does. */
export type Audit = (connection: Connection, packetType: number) => void;

/** The server's end of a connection: in order, with a latency, and with a kernel buffer that can be full. */
export class FakeSocket implements ClientSocket {
  readonly remoteAddress: string;
  peerCertificate: CertificateNames | null = null;
  bufferedBytes = 0;
  paused = false;
  /** The server closed its side, in either way. */
  ended = false;
  destroyed = false;
  /** False: nothing leaves for the client, it gathers in `bufferedBytes`. */
  flowing = true;
  connection: Connection | null = null;
  client: FakeClient | null = null;
  readonly #scheduler: Scheduler;
  readonly #audit: Audit;
  readonly #latencyMs: () => number;
  #backlog: Buffer[] = [];
  /** What the client sent while the server did not read. */
  #unread: (Buffer | 'fin')[] = [];
  #toClientAtMs = 0;
  #toServerAtMs = 0;
  /** The process behind it is gone. */
  #dead = false;

  constructor(name: string, scheduler: Scheduler, latencyMs: () => number, audit: Audit) {
    this.remoteAddress = name;
    this.#scheduler = scheduler;
    this.#latencyMs = latencyMs;
    this.#audit = audit;
  }

  write(bytes: Buffer): void {
    if (this.#dead || this.ended) return;
    const { connection } = this;
    if (connection !== null) for (const type of packetTypes(bytes)) this.#audit(connection, type);
    if (this.flowing) {
      this.#toClient((client) => client.receive(bytes));
      return;
    }
    this.#backlog.push(bytes);
    this.bufferedBytes += bytes.length;
  }

  /** The client takes everything that waits. */
  drain(): void {
    this.flowing = true;
    const waiting = this.#backlog;
    this.#backlog = [];
    for (const bytes of waiting) this.#toClient((client) => client.receive(bytes));
    const had = this.bufferedBytes > 0;
    this.bufferedBytes = 0;
    if (this.ended) this.#toClient((client) => client.closed());
    else if (had && !this.#dead) this.connection?.drained();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.#scheduler.after(0, () => this.#deliver());
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.resume();
    if (this.flowing) this.#toClient((client) => client.closed());
  }

  destroy(): void {
    this.ended = true;
    this.destroyed = true;
    this.#backlog = [];
    this.#toClient((client) => client.closed());
  }

  /** The server's process ends. */
  kill(): void {
    this.#dead = true;
    this.#toClient((client) => client.closed());
  }

  #toClient(task: (client: FakeClient) => void): void {
    this.#toClientAtMs = Math.max(this.#toClientAtMs, this.#scheduler.nowMs + this.#latencyMs());
    this.#scheduler.after(this.#toClientAtMs - this.#scheduler.nowMs, () => {
      if (this.client !== null) task(this.client);
    });
  }

  /** From the client: bytes, or that it has closed. */
  fromClient(what: Buffer | 'fin'): void {
    this.#toServerAtMs = Math.max(this.#toServerAtMs, this.#scheduler.nowMs + this.#latencyMs());
    this.#scheduler.after(this.#toServerAtMs - this.#scheduler.nowMs, () => {
      this.#unread.push(what);
      this.#deliver();
    });
  }

  /** A reset: seen at once, what was sent before it and not read is lost. */
  reset(): void {
    this.#scheduler.after(this.#latencyMs(), () => {
      this.#unread = [];
      if (!this.#dead) this.connection?.socketClosed();
    });
  }

  #deliver(): void {
    while (!this.paused && !this.#dead && this.connection !== null) {
      const next = this.#unread.shift();
      if (next === undefined) return;
      if (next === 'fin') this.connection.socketClosed();
      else this.connection.receive(next);
    }
  }
}

/** Type nibbles of the whole packets in `bytes`; a CONNACK that refuses counts as a goodbye. */
function* packetTypes(bytes: Buffer): Generator<number> {
  for (let at = 0; at < bytes.length; ) {
    let length = 0;
    let end = at + 1;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(end++);
      length += (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    const type = bytes.readUInt8(at) >> 4;
    yield type === 2 && bytes.readUInt8(end + 1) !== 0 ? 14 : type;
    at = end + length;
  }
}

/** An MQTT client on one connection, on mqtt-packet: sends what it is told, acknowledges by itself when asked to. */
export class FakeClient {
  readonly socket: FakeSocket;
  readonly version: Version;
  readonly received: Packet[] = [];
  /** Acknowledges what comes, as a well-behaved client does. */
  autoAck = true;
  /** The server closed, or its node died. */
  isClosed = false;
  onPacket: (packet: Packet) => void = () => {};
  onClosed: () => void = () => {};
  #vanished = false;
  readonly #parser: ReturnType<typeof mqttPacket.parser>;

  constructor(socket: FakeSocket, version: Version) {
    this.socket = socket;
    this.version = version;
    socket.client = this;
    this.#parser = mqttPacket.parser({ protocolVersion: version });
    this.#parser.on('packet', (packet) => this.#take(packet));
    this.#parser.on('error', (error: Error) => {
      throw error;
    });
  }

  receive(bytes: Buffer): void {
    if (!this.#vanished && !this.isClosed) this.#parser.parse(bytes);
  }

  #take(packet: Packet): void {
    this.received.push(packet);
    if (this.autoAck) {
      const reply = replyTo(packet);
      if (reply !== null) this.send(reply);
    }
    this.onPacket(packet);
  }

  closed(): void {
    if (this.isClosed || this.#vanished) return;
    this.isClosed = true;
    this.socket.fromClient('fin');
    this.onClosed();
  }

  send(packet: Packet): void {
    const options = { protocolVersion: this.version } as mqttPacket.IConnectPacket;
    this.sendBytes(mqttPacket.generate(packet, options));
  }

  sendBytes(bytes: Buffer): void {
    if (!this.#vanished && !this.isClosed) this.socket.fromClient(Buffer.from(bytes));
  }

  /** Closes without DISCONNECT. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.socket.fromClient('fin');
  }

  reset(): void {
    this.isClosed = true;
    this.socket.reset();
  }

  /** Goes away without a trace: the server has a half-open connection. */
  vanish(): void {
    this.#vanished = true;
  }

  /** Takes the oldest packet, which must be of that kind. */
  next<C extends Command>(command: C): PacketOf<C> {
    const packet = this.received.shift();
    if (packet?.cmd !== command) throw new Error(`expected ${command}, got ${JSON.stringify(packet ?? null)}`);
    return packet as PacketOf<C>;
  }

  /** Takes the oldest packet of that kind, over others. */
  take<C extends Command>(command: C): PacketOf<C> {
    const packet = this.find(command);
    if (packet === null) throw new Error(`no ${command} in ${JSON.stringify(this.received)}`);
    return packet;
  }

  find<C extends Command>(command: C): PacketOf<C> | null {
    const at = this.received.findIndex((packet) => packet.cmd === command);
    if (at < 0) return null;
    return this.received.splice(at, 1)[0] as PacketOf<C>;
  }

  takeAll<C extends Command>(command: C): PacketOf<C>[] {
    const found: PacketOf<C>[] = [];
    for (let next = this.find(command); next !== null; next = this.find(command)) found.push(next);
    return found;
  }
}

/** What the receiver or sender of a message has to say next. */
export function replyTo(packet: Packet): Packet | null {
  switch (packet.cmd) {
    case 'publish':
      if (packet.qos === 0) return null;
      return { cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId: packet.messageId ?? 0, reasonCode: 0 };
    case 'pubrec':
      // A refusal ends the exchange.
      return (packet.reasonCode ?? 0) >= 0x80
        ? null
        : { cmd: 'pubrel', messageId: packet.messageId ?? 0, reasonCode: 0 };
    case 'pubrel':
      return { cmd: 'pubcomp', messageId: packet.messageId ?? 0, reasonCode: 0 };
    default:
      return null;
  }
}
