import { ProtocolError } from './errors.ts';
import { readTopicNameUtf8, readUtf8 } from './utf8.ts';

/**
 * Reads the fields of one packet body (MQTT 5.0 section 1.5) and never looks beyond its end: running out is
 * ProtocolError TRUNCATED. For everything but the hot path of PUBLISH and acks, which read by hand.
 */
export class PacketReader {
  readonly buffer: Buffer;
  position: number;
  /** Moved in by {@link readProperties} while it reads a property section. */
  end: number;

  constructor(buffer: Buffer, start: number, end: number) {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  byte(): number {
    return this.buffer[this.take(1)]!;
  }

  uint16(): number {
    return this.buffer.readUInt16BE(this.take(2));
  }

  uint32(): number {
    return this.buffer.readUInt32BE(this.take(4));
  }

  /** Variable Byte Integer, 0 to 268,435,455, shortest form only [MQTT-1.5.5-1]. */
  variableInteger(): number {
    let value = 0;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) {
        if (byte === 0 && shift > 0) break;
        return value;
      }
    }
    throw new ProtocolError('INVALID_VARIABLE_INTEGER');
  }

  string(): string {
    const length = this.uint16();
    const start = this.take(length);
    return readUtf8(this.buffer, start, start + length);
  }

  /** A topic name: no wildcards [MQTT-4.7.1-1]. May be empty; what that means depends on the packet. */
  topicName(): string {
    const length = this.uint16();
    const start = this.take(length);
    return readTopicNameUtf8(this.buffer, start, start + length);
  }

  /** Binary data, a view of the packet. */
  binary(): Buffer {
    const length = this.uint16();
    const start = this.take(length);
    return this.buffer.subarray(start, start + length);
  }

  /** A packet identifier, never 0 [MQTT-2.2.1-3]. */
  packetId(): number {
    const packetId = this.uint16();
    if (packetId === 0) throw new ProtocolError('PACKET_ID_ZERO');
    return packetId;
  }

  /** The packet must end here. */
  finish(): void {
    if (this.position !== this.end) throw new ProtocolError('TRAILING_BYTES');
  }

  private take(count: number): number {
    const start = this.position;
    if (count > this.end - start) throw new ProtocolError('TRUNCATED');
    this.position = start + count;
    return start;
  }
}
