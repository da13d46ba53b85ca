import { hash } from 'node:crypto';
import { asBuffer, Scratch } from '../bytes.ts';
import { invariant } from '../errors.ts';

const ALGORITHM = 'sha256';
const WORDS = 4;
export const RECORD_HASH_BYTES = 16;
const TWO_32 = 2 ** 32;

/** Hash of one record: four unsigned 32-bit words, the most significant first. */
export type RecordDigest = Uint32Array;

const scratch = new Scratch();

const transient: RecordDigest = new Uint32Array(WORDS);

/**
 * SHA-256 of key length (u32, big-endian), key and value, its first 128 bits. The length keeps key and value apart.
 * @param digest where to put it; a new one by default
 */
export function digestRecord(
  key: Uint8Array,
  value: Uint8Array,
  digest: RecordDigest = new Uint32Array(WORDS),
): RecordDigest {
  const bytes = scratch.take(4 + key.length + value.length);
  bytes.writeUInt32BE(key.length, 0);
  bytes.set(key, 4);
  bytes.set(value, 4 + key.length);
  // As text: several times faster here than to have a buffer made.
  const text = hash(ALGORITHM, bytes, 'binary');
  for (let word = 0; word < WORDS; word++) {
    const at = word * 4;
    digest[word] =
      (text.charCodeAt(at) << 24) |
      (text.charCodeAt(at + 1) << 16) |
      (text.charCodeAt(at + 2) << 8) |
      text.charCodeAt(at + 3);
  }
  return digest;
}

/**
 * A hash of a set of records that does not depend on their order and follows every change at the cost of that change: the
 * sum of the records' digests modulo 2^128. Two nodes whose records differ have the same sum by accident with a
 * probability of 2^-128. It is a check against faults, not against somebody who chooses both sets: sums of hashes can be
 * made to collide by whoever may write very many records.
 *
 * A replaced or removed record has to be taken out with the value it was added with. Adding a record twice without
 * removing it counts it twice.
 */
export class RecordHash {
  readonly #words = new Uint32Array(WORDS);

  /** A copy that goes its own way. */
  clone(): RecordHash {
    const copy = new RecordHash();
    copy.#words.set(this.#words);
    return copy;
  }

  add(key: Uint8Array, value: Uint8Array): void {
    this.addDigest(digestRecord(key, value, transient));
  }

  remove(key: Uint8Array, value: Uint8Array): void {
    this.removeDigest(digestRecord(key, value, transient));
  }

  replace(key: Uint8Array, oldValue: Uint8Array, newValue: Uint8Array): void {
    this.removeDigest(digestRecord(key, oldValue, transient));
    this.addDigest(digestRecord(key, newValue, transient));
  }

  /** As `add`, for a caller that keeps the digest with the record (16 bytes) to remove it without its old value. */
  addDigest(digest: RecordDigest): void {
    let carry = 0;
    for (let word = WORDS - 1; word >= 0; word--) {
      const sum = (this.#words[word] as number) + (digest[word] as number) + carry;
      this.#words[word] = sum;
      carry = sum >= TWO_32 ? 1 : 0;
    }
  }

  removeDigest(digest: RecordDigest): void {
    let borrow = 0;
    for (let word = WORDS - 1; word >= 0; word--) {
      const difference = (this.#words[word] as number) - (digest[word] as number) - borrow;
      this.#words[word] = difference;
      borrow = difference < 0 ? 1 : 0;
    }
  }

  equals(other: RecordHash): boolean {
    return this.#words.every((word, i) => word === other.#words[i]);
  }

  /** 16 bytes, big-endian: the same on every node for the same records. All zero for none. */
  toBytes(): Uint8Array {
    const bytes = Buffer.alloc(RECORD_HASH_BYTES);
    this.#words.forEach((word, i) => {
      bytes.writeUInt32BE(word, i * 4);
    });
    return bytes;
  }

  toString(): string {
    return asBuffer(this.toBytes()).toString('hex');
  }

  static fromBytes(bytes: Uint8Array): RecordHash {
    invariant(bytes.length === RECORD_HASH_BYTES, 'record hash', `it has ${RECORD_HASH_BYTES} bytes`);
    const made = new RecordHash();
    for (let word = 0; word < WORDS; word++) made.#words[word] = asBuffer(bytes).readUInt32BE(word * 4);
    return made;
  }
}
