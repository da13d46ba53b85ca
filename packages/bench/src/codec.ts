/**
 * The part of MQTT 3.1.1 a load generator needs, written by hand: it encodes into caller-owned buffers and cuts the
 * incoming stream into packets without copying them. It shares no code with the broker, so a broker's codec bug
 * cannot hide itself here.
 */

/** Control packet types as they stand in the upper half of the first byte (section 2.2.1), shifted into place. */
export const Packet = {
  connect: 0x10,
  connack: 0x20,
  publish: 0x30,
  puback: 0x40,
  pubrec: 0x50,
  /** PUBREL carries the reserved flag bits 0010 [MQTT-3.6.1-1]. */
  pubrel: 0x62,
  pubcomp: 0x70,
  /** SUBSCRIBE carries the reserved flag bits 0010 [MQTT-3.8.1-1]. */
  subscribe: 0x82,
  suback: 0x90,
  pingresp: 0xd0,
  disconnect: 0xe0,
} as const;

/** A quality of service level. */
export type Qos = 0 | 1 | 2;

/** The peer sent bytes that are no MQTT packet, or a packet larger than this generator takes. */
export class ProtocolError extends Error {
  override name = 'ProtocolError';
}

/** Receives the packets of one connection. */
export interface PacketSink {
  /**
   * One whole packet. `buffer` is only valid during the call.
   * @param header first byte: type and flags
   * @param start offset of the variable header
   * @param end offset after the packet
   * @returns false to stop: the rest of the chunk is dropped
   */
  packet(header: number, buffer: Buffer, start: number, end: number): boolean;
}

/** Bytes that the Remaining Length field of `length` takes (section 2.2.3). */
export function remainingLengthSize(length: number): number {
  if (length < 128) return 1;
  if (length < 16_384) return 2;
  return length < 2_097_152 ? 3 : 4;
}

function writeRemainingLength(buffer: Buffer, offset: number, length: number): number {
  let rest = length;
  let at = offset;
  do {
    const digit = rest & 0x7f;
    rest >>>= 7;
    buffer[at++] = rest > 0 ? digit | 0x80 : digit;
  } while (rest > 0);
  return at;
}

function allocatePacket(header: number, length: number): { buffer: Buffer; at: number } {
  const buffer = Buffer.alloc(1 + remainingLengthSize(length) + length);
  buffer[0] = header;
  return { buffer, at: writeRemainingLength(buffer, 1, length) };
}

/** CONNECT without will or credentials (section 3.1). `keepAliveSeconds` from 0 to 65,535. */
export function encodeConnect(clientId: string, cleanSession: boolean, keepAliveSeconds: number): Buffer {
  const id = Buffer.from(clientId, 'utf8');
  const { buffer, at } = allocatePacket(Packet.connect, 12 + id.length);
  buffer.writeUInt16BE(4, at);
  buffer.write('MQTT', at + 2, 'latin1');
  buffer[at + 6] = 4;
  buffer[at + 7] = cleanSession ? 0x02 : 0x00;
  buffer.writeUInt16BE(keepAliveSeconds, at + 8);
  buffer.writeUInt16BE(id.length, at + 10);
  id.copy(buffer, at + 12);
  return buffer;
}

/** SUBSCRIBE with one filter (section 3.8). */
export function encodeSubscribe(packetId: number, filter: string, qos: Qos): Buffer {
  const name = Buffer.from(filter, 'utf8');
  const { buffer, at } = allocatePacket(Packet.subscribe, 5 + name.length);
  buffer.writeUInt16BE(packetId, at);
  buffer.writeUInt16BE(name.length, at + 2);
  name.copy(buffer, at + 4);
  buffer[at + 4 + name.length] = qos;
  return buffer;
}

/** DISCONNECT (section 3.14). */
export function encodeDisconnect(): Buffer {
  return Buffer.from([Packet.disconnect, 0]);
}

/** Writes PUBACK, PUBREC, PUBREL or PUBCOMP (4 bytes) at `offset`. */
export function writeAck(buffer: Buffer, offset: number, header: number, packetId: number): void {
  buffer[offset] = header;
  buffer[offset + 1] = 2;
  buffer[offset + 2] = packetId >>> 8;
  buffer[offset + 3] = packetId & 0xff;
}

/** A PUBLISH packet encoded once; senders copy it and patch packet id and payload header. */
export interface PublishTemplate {
  readonly bytes: Buffer;
  /** Offset of the packet identifier; -1 at QoS 0. */
  readonly packetIdOffset: number;
  readonly payloadOffset: number;
}

/** Encodes PUBLISH (section 3.3) with packet id 0, to be patched. */
export function encodePublish(topic: string, qos: Qos, payload: Buffer): PublishTemplate {
  const name = Buffer.from(topic, 'utf8');
  const idSize = qos > 0 ? 2 : 0;
  const { buffer, at } = allocatePacket(Packet.publish | (qos << 1), 2 + name.length + idSize + payload.length);
  buffer.writeUInt16BE(name.length, at);
  name.copy(buffer, at + 2);
  const packetIdOffset = at + 2 + name.length;
  payload.copy(buffer, packetIdOffset + idSize);
  return { bytes: buffer, packetIdOffset: qos > 0 ? packetIdOffset : -1, payloadOffset: packetIdOffset + idSize };
}

/**
 * Cuts a byte stream into packets. Whole packets are handed over in place; only the packet that a chunk boundary cuts
 * in two is put together in a small buffer of its own.
 */
export class Framer {
  #carry = Buffer.alloc(1024);
  #carried = 0;
  readonly #maxPacketBytes: number;

  /** @param maxPacketBytes largest packet taken, header included; a larger one is a ProtocolError */
  constructor(maxPacketBytes = 1_048_576) {
    this.#maxPacketBytes = maxPacketBytes;
  }

  /**
   * Takes the first `length` bytes of `chunk` and hands every packet they complete to `sink`.
   * @throws ProtocolError on a malformed Remaining Length or an oversized packet
   */
  push(chunk: Buffer, length: number, sink: PacketSink): void {
    let at = 0;
    if (this.#carried > 0) {
      at = this.#finishCarried(chunk, length, sink);
      if (at < 0) return;
    }
    while (at < length) {
      const total = this.#packetSize(chunk, at, length);
      if (total === 0 || at + total > length) {
        this.#keep(chunk, at, length, total);
        return;
      }
      const start = bodyOffset(chunk, at);
      if (!sink.packet(chunk[at] as number, chunk, start, at + total)) return;
      at += total;
    }
  }

  /** Completes the packet begun in earlier chunks. Returns the offset to go on at, or -1 when there is nothing more. */
  #finishCarried(chunk: Buffer, length: number, sink: PacketSink): number {
    let at = 0;
    let total = this.#packetSize(this.#carry, 0, this.#carried);
    while (total === 0 && at < length) {
      this.#carry[this.#carried++] = chunk[at++] as number;
      total = this.#packetSize(this.#carry, 0, this.#carried);
    }
    if (total === 0) return -1;
    this.#grow(total);
    const wanted = Math.min(total - this.#carried, length - at);
    chunk.copy(this.#carry, this.#carried, at, at + wanted);
    this.#carried += wanted;
    if (this.#carried < total) return -1;
    this.#carried = 0;
    const go = sink.packet(this.#carry[0] as number, this.#carry, bodyOffset(this.#carry, 0), total);
    return go ? at + wanted : -1;
  }

  #keep(chunk: Buffer, at: number, length: number, total: number): void {
    this.#grow(Math.max(total, 8));
    chunk.copy(this.#carry, 0, at, length);
    this.#carried = length - at;
  }

  #grow(size: number): void {
    if (size <= this.#carry.length) return;
    const larger = Buffer.alloc(size);
    this.#carry.copy(larger, 0, 0, this.#carried);
    this.#carry = larger;
  }

  /** Size of the packet at `at`, header included; 0 when its length is not complete yet. */
  #packetSize(buffer: Buffer, at: number, end: number): number {
    let length = 0;
    for (let i = 1; i <= 4; i++) {
      if (at + i >= end) return 0;
      const digit = buffer[at + i] as number;
      length += (digit & 0x7f) << (7 * (i - 1));
      if (digit < 0x80) {
        const total = 1 + i + length;
        if (total > this.#maxPacketBytes) {
          throw new ProtocolError(`packet of ${total} bytes is over the limit of ${this.#maxPacketBytes}`);
        }
        return total;
      }
    }
    throw new ProtocolError('malformed Remaining Length'); // [MQTT-2.2.3]: at most four bytes
  }
}

function bodyOffset(buffer: Buffer, at: number): number {
  let offset = at + 1;
  while ((buffer[offset] as number) >= 0x80) offset++;
  return offset + 1;
}
