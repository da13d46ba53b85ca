import { InvariantError } from './invariant.ts';

/** A view of `bytes` as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function notAnInteger(value: number): InvariantError {
  return new InvariantError(`not a safe integer: ${value}`);
}

/** A buffer that grew beyond it is not kept for what comes next. */
const KEPT_BYTES = 1024 * 1024;

/**
 * A buffer that grows by doubling. Numbers are big-endian; 53-bit integers travel as doubles, which hold them exactly.
 * `take` hands the bytes over and starts afresh, so what was taken is never written to again.
 */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;
  readonly #initialBytes: number;

  constructor(initialBytes = 1024) {
    this.#initialBytes = initialBytes;
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  #reserve(sizeBytes: number): number {
    const at = this.#length;
    const needed = at + sizeBytes;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): void {
    // Not in one expression: the target would be read before `#reserve` has put a larger buffer in its place.
    const at = this.#reserve(1);
    this.#buffer[at] = value;
  }

  u16(value: number): void {
    const at = this.#reserve(2);
    this.#buffer.writeUInt16BE(value, at);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32BE(value, at);
  }

  /** Any safe integer. */
  integer(value: number): void {
    if (!Number.isSafeInteger(value)) throw notAnInteger(value);
    const at = this.#reserve(8);
    this.#buffer.writeDoubleBE(value, at);
  }

  /** UTF-8, at most 65,535 bytes, with a two-byte length in front. */
  string(value: string): void {
    const sizeBytes = Buffer.byteLength(value);
    if (sizeBytes > 0xffff) throw new InvariantError(`string of ${sizeBytes} bytes is longer than 65535`);
    this.u16(sizeBytes);
    const at = this.#reserve(sizeBytes);
    this.#buffer.write(value, at, sizeBytes, 'utf8');
  }

  /** Any length, with a four-byte length in front. */
  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
  }

  /** Overwrites a number written earlier (lengths and counts that are known only afterwards). */
  patchU32(at: number, value: number): void {
    this.#buffer.writeUInt32BE(value, at);
  }

  patchInteger(at: number, value: number): void {
    this.#buffer.writeDoubleBE(value, at);
  }

  /** A copy of exactly what was written; the buffer is written again from its beginning. */
  copy(): Buffer {
    const copied = Buffer.allocUnsafe(this.#length);
    this.#buffer.copy(copied, 0, 0, this.#length);
    this.reset();
    return copied;
  }

  /** Forgets what was written. */
  reset(): void {
    this.#length = 0;
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafe(this.#initialBytes);
  }

  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length);
    // What comes next is probably as large as what came last.
    const next = Math.max(this.#initialBytes, Math.min(this.#length * 2, 128 * 1024));
    this.#buffer = Buffer.allocUnsafe(next);
    this.#length = 0;
    return taken;
  }
}

/** Reads what ByteWriter wrote. Every read is bounds-checked by Buffer or by `end`. */
export class ByteReader {
  buffer: Buffer;
  at: number;
  end: number;

  constructor(bytes: Uint8Array) {
    this.buffer = asBuffer(bytes);
    this.at = 0;
    this.end = this.buffer.length;
  }

  #advance(sizeBytes: number): number {
    const at = this.at;
    // Not `invariant`: the sentence is not to be made for every number that is read.
    if (at + sizeBytes > this.end) {
      throw new InvariantError(`record ends at ${this.end}, ${sizeBytes} more bytes wanted at ${at}`);
    }
    this.at = at + sizeBytes;
    return at;
  }

  u8(): number {
    return this.buffer[this.#advance(1)] as number;
  }

  u16(): number {
    return this.buffer.readUInt16BE(this.#advance(2));
  }

  u32(): number {
    return this.buffer.readUInt32BE(this.#advance(4));
  }

  integer(): number {
    const value = this.buffer.readDoubleBE(this.#advance(8));
    if (!Number.isSafeInteger(value)) throw notAnInteger(value);
    return value;
  }

  string(): string {
    const sizeBytes = this.u16();
    const at = this.#advance(sizeBytes);
    return this.buffer.toString('utf8', at, at + sizeBytes);
  }

  /** A view, not a copy. */
  bytes(): Buffer {
    const sizeBytes = this.u32();
    const at = this.#advance(sizeBytes);
    return this.buffer.subarray(at, at + sizeBytes);
  }

  /** Everything up to the end. */
  rest(): Buffer {
    const at = this.at;
    this.at = this.end;
    return this.buffer.subarray(at, this.end);
  }
}
