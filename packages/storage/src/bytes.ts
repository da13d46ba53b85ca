import { invariant } from './errors.ts';

const TWO_32 = 2 ** 32;

/** Writes a non-negative safe integer as eight bytes, big-endian, so that bytewise order is numeric order. */
export function writeU64(target: Buffer, value: number, offset: number): void {
  invariant(Number.isSafeInteger(value) && value >= 0, 'codec', `not a non-negative safe integer: ${value}`);
  target.writeUInt32BE(Math.floor(value / TWO_32), offset);
  target.writeUInt32BE(value % TWO_32, offset + 4);
}

/** Reads what `writeU64` wrote. Damaged bytes may give a number that is no safe integer: check it. */
export function readU64(source: Buffer, offset: number): number {
  return source.readUInt32BE(offset) * TWO_32 + source.readUInt32BE(offset + 4);
}

/** The same memory as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const SCRATCH_KEEP_BYTES = 1 << 20;

/**
 * A buffer that is used again and again. LevelDB's binding copies keys and values before its call returns, so the
 * encoder's memory is free at once; only outsized values get a buffer of their own, which is let go.
 */
export class Scratch {
  #buffer = Buffer.allocUnsafe(4096);

  /** A buffer of exactly `sizeBytes`, valid until the next call. Its content is undefined. */
  take(sizeBytes: number): Buffer {
    if (sizeBytes > SCRATCH_KEEP_BYTES) return Buffer.allocUnsafe(sizeBytes);
    if (sizeBytes > this.#buffer.length) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.min(SCRATCH_KEEP_BYTES, 2 ** Math.ceil(Math.log2(sizeBytes))));
    }
    return this.#buffer.subarray(0, sizeBytes);
  }
}
