import { decodeConnect, PacketFramer, ProtocolError } from '@quorate/protocol';
import * as mqttPacket from 'mqtt-packet';
import { type ServerPacket, Type, takePacket } from '../conformance/support/wire.ts';

/** Return codes of CONNACK in 3.1.1, table 3.1. */
const RETURN_CODES = new Set([0, 1, 2, 3, 4, 5]);
/** Reason codes of CONNACK in 5.0, table 3-1. */
const CONNACK_CODES = new Set([
  0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c,
  0x9d, 0x9f,
]);
/** Reason codes of DISCONNECT that a server may send, table 3-10. */
const DISCONNECT_CODES = new Set([
  0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
  0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
]);
const TYPES: ReadonlySet<number> = new Set(Object.values(Type));
const NO_ID = 0;

/** What came from the server and must not have. */
export class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer';
}

/**
 * Holds what a server sends on one connection against what any server may send, whatever the client has done:
 * nothing before CONNACK, no second one, nothing behind a refusal or DISCONNECT, reason codes that exist there, packets
 * that another implementation can read, no larger and with no other aliases than the client allowed.
 */
export class AnswerCheck {
  /** Answers to PINGREQ. */
  pingresps = 0;
  /** The server has said that it closes the connection. */
  goodbye: number | null = null;
  #sent = new PacketFramer(Number.MAX_SAFE_INTEGER);
  #sentAny = false;
  #input: Buffer = Buffer.alloc(0);
  #isConnected = false;
  /** What the client's CONNECT told; null: that was none, or not to be told. */
  #version: 3 | 4 | 5 | null = null;
  #maxSizeBytes = Number.POSITIVE_INFINITY;
  #maxAlias = 0;
  readonly #aliases = new Map<number, string>();

  /** What the client sends ends with a whole packet, as far as framing goes. */
  get isBetweenPackets(): boolean {
    return this.#sent.bufferedBytes === 0;
  }

  /** Bytes that the client sends. */
  sent(bytes: Buffer): void {
    this.#sent.push(bytes);
    try {
      while (this.#sent.next()) {
        if (!this.#sentAny) this.#readConnect();
        this.#sentAny = true;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }

  #readConnect(): void {
    const { header, buffer, start, end } = this.#sent;
    try {
      const connect = decodeConnect(header, buffer, start, end);
      this.#version = connect.protocolVersion;
      this.#maxSizeBytes = connect.maximumPacketSizeBytes;
      this.#maxAlias = connect.topicAliasMaximum;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#version = error.protocolVersion;
    }
  }

  /** Bytes that the server sends; returns the acknowledgements that a polite client sends for them. */
  received(bytes: Buffer): Buffer[] {
    this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes]);
    const replies: Buffer[] = [];
    for (let packet = takePacket(this.#input); packet !== null; packet = takePacket(this.#input)) {
      const whole = this.#input.subarray(0, packet.sizeBytes);
      this.#input = this.#input.subarray(packet.sizeBytes);
      this.#check(packet, whole);
      const reply = replyTo(packet);
      if (reply !== null) replies.push(reply);
    }
    return replies;
  }

  /** The server has closed the connection. */
  closed(): void {
    if (this.#input.length > 0) throw this.#wrong('closed in the middle of a packet', this.#input);
  }

  #wrong(what: string, bytes: Buffer): WrongAnswer {
    const version = this.#version === null ? 'unknown' : String(this.#version);
    return new WrongAnswer(`${what}: ${bytes.subarray(0, 200).toString('hex')} (protocol level ${version})`);
  }

  #check(packet: ServerPacket, whole: Buffer): void {
    const { type, body, flags } = packet;
    if (!TYPES.has(type)) throw this.#wrong('a packet that no server sends', whole);
    if (type !== Type.publish && flags !== (type === Type.pubrel ? 2 : 0)) throw this.#wrong('wrong flags', whole);
    if (this.goodbye !== null) throw this.#wrong('a packet behind the last one', whole);
    if (packet.sizeBytes > this.#maxSizeBytes) throw this.#wrong(`more than ${this.#maxSizeBytes} bytes`, whole);
    if (!this.#isConnected) this.#checkConnack(packet, whole);
    else if (type === Type.connack) throw this.#wrong('a second CONNACK', whole);
    if (type === Type.disconnect) {
      const code = body[0] ?? 0;
      if (this.#version !== 5) throw this.#wrong('DISCONNECT to a client that does not know it', whole);
      if (!DISCONNECT_CODES.has(code)) throw this.#wrong('DISCONNECT with a code that is none', whole);
      this.goodbye = code;
    }
    if (type === Type.pingresp) this.pingresps++;
    this.#readAsOthersDo(whole);
  }

  #checkConnack({ type, body }: ServerPacket, whole: Buffer): void {
    if (type !== Type.connack) throw this.#wrong('a packet before CONNACK', whole);
    const [flags = 0xff, code = 0xff] = body;
    const codes = this.#version === 5 ? CONNACK_CODES : RETURN_CODES;
    if (flags > 1 || !codes.has(code)) throw this.#wrong('no valid CONNACK', whole);
    if (code !== 0 && flags !== 0) throw this.#wrong('CONNACK with a session and a refusal', whole);
    this.#isConnected = true;
    if (code !== 0) this.goodbye = code;
  }

  /** Through mqtt-packet. */
  #readAsOthersDo(whole: Buffer): void {
    if (this.#version === null) return;
    const parser = mqttPacket.parser({ protocolVersion: this.#version });
    let seen: mqttPacket.Packet | null = null;
    parser.on('packet', (packet) => {
      seen = packet;
    });
    parser.on('error', (error: Error) => {
      throw this.#wrong(`mqtt-packet can not read it (${error.message})`, whole);
    });
    const left = parser.parse(whole);
    const packet = seen as mqttPacket.Packet | null;
    if (packet === null || left !== 0) throw this.#wrong('mqtt-packet sees no packet, or more', whole);
    if (packet.cmd === 'publish') this.#checkPublish(packet, whole);
  }

  #checkPublish(packet: mqttPacket.IPublishPacket, whole: Buffer): void {
    const alias = packet.properties?.topicAlias;
    if (packet.qos > 0 && (packet.messageId ?? NO_ID) === NO_ID) throw this.#wrong('no packet identifier', whole);
    if (alias === undefined) {
      if (packet.topic === '') throw this.#wrong('a PUBLISH without a topic', whole);
      return;
    }
    if (alias > this.#maxAlias) throw this.#wrong(`alias ${alias} of at most ${this.#maxAlias}`, whole);
    if (packet.topic !== '') this.#aliases.set(alias, packet.topic);
    else if (!this.#aliases.has(alias)) throw this.#wrong(`alias ${alias} was never set`, whole);
  }
}

/** The short acknowledgement that has to follow. */
function replyTo({ type, flags, body }: ServerPacket): Buffer | null {
  let first: number;
  let id = body.subarray(0, 2);
  switch (type) {
    case Type.publish: {
      const qos = (flags >> 1) & 3;
      if (qos === 0) return null;
      const at = 2 + body.readUInt16BE(0);
      id = body.subarray(at, at + 2);
      first = qos === 1 ? 0x40 : 0x50;
      break;
    }
    case Type.pubrec:
      if ((body[2] ?? 0) >= 0x80) return null;
      first = 0x62;
      break;
    case Type.pubrel:
      first = 0x70;
      break;
    default:
      return null;
  }
  return Buffer.concat([Buffer.from([first, 2]), id]);
}
