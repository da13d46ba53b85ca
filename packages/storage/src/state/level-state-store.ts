import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { asBuffer, readU64, Scratch, writeU64 } from '../bytes.ts';
import { StorageError } from '../errors.ts';
import { type LevelDatabase, SYNC } from '../level/level-database.ts';
import type { SnapshotSource, StateRecord } from '../snapshot/types.ts';
import { TurnShare } from '../turn-share.ts';
import type { RecordKey, StatePosition, StateStore, StateWrite } from '../types.ts';
import { WriteGate } from '../write-gate.ts';
import { RecordHash } from './record-hash.ts';
import { checkPosition } from './write-rules.ts';

/** First byte of a key in the state database. Stored on disk: never reuse a value. */
const RECORD_SPACE = 1;
const POSITION_SPACE = 2;
const PREFIX_BYTES = 5;
const CRC_BYTES = 4;
const POSITION_BYTES = 20;
const LOAD_SLICE_RECORDS = 1000;
const LOAD_SLICE_BYTES = 256 << 10;
const HASH_SLICE_RECORDS = 256;
/** A write gathers this much before it looks whether other work is to run: less than a millisecond. */
const WRITE_SLICE_OPERATIONS = 128;
const WRITE_SLICE_BYTES = 128 << 10;

const now = (): number => performance.now();

export interface LevelStateStoreOptions {
  /** The opened state database; it stays the opener's to close, after this store. */
  readonly database: LevelDatabase;
  /** Group id, part of every key. */
  readonly group: number;
}

/**
 * State records on LevelDB: key = space u8, group u32, the record's key; value = CRC-32 of key and value, the value.
 * Records and position are one atomic, synced batch.
 */
export class LevelStateStore implements StateStore, SnapshotSource {
  readonly #database: LevelDatabase;
  readonly #group: number;
  readonly #gate: WriteGate;
  readonly #keyScratch = new Scratch();
  readonly #valueScratch = new Scratch();
  #position: StatePosition = { appliedIndex: 0, appliedTerm: 0 };
  #writes = 0;

  constructor(options: LevelStateStoreOptions) {
    this.#database = options.database;
    this.#group = options.group;
    this.#gate = new WriteGate('state store', options.database.path);
  }

  /** What LevelDB itself reported: with doubts the records may not be what the position says. */
  get doubts(): readonly string[] {
    return this.#database.doubts;
  }

  /** Of the last write that is durable. */
  get position(): StatePosition {
    return this.#position;
  }

  /** Writes begun since `open`. */
  get writes(): number {
    return this.#writes;
  }

  /** @throws StorageError STATE_CORRUPTED */
  async open(): Promise<StatePosition> {
    this.#gate.beginOpen();
    try {
      const stored = await this.#database.level.get(this.#positionKey());
      if (stored !== undefined) this.#position = this.#decodePosition(stored);
      this.#gate.endOpen();
      return this.#position;
    } catch (error) {
      throw this.#gate.fail('open the state store', error);
    }
  }

  /** The key and value given to `visit` are its own: they alias nothing that changes. */
  async load(visit: (key: Uint8Array, value: Uint8Array) => void): Promise<void> {
    this.#gate.check('load');
    const iterator = this.#database.level.iterator({
      ...this.#recordRange(),
      highWaterMarkBytes: LOAD_SLICE_BYTES,
      fillCache: false,
    });
    try {
      for (;;) {
        const slice = await iterator.nextv(LOAD_SLICE_RECORDS);
        if (slice.length === 0) return;
        for (const [key, value] of slice) {
          const record = this.#decode(key, value);
          visit(record[0], record[1]);
        }
      }
    } catch (error) {
      throw this.#gate.fail('load the state', error);
    } finally {
      await iterator.close();
    }
  }

  /**
   * Some records in key order behind `after`: at least one if there is any, then as long as both limits hold. Reads with an
   * iterator of its own, closed at once: an open one is a snapshot, and old versions are LevelDB's weak spot.
   */
  async readSlice(after: RecordKey | null, maxRecords: number, maxBytes: number): Promise<StateRecord[]> {
    const action = 'read the state';
    this.#gate.check(action);
    const { gte, lt } = this.#recordRange();
    const from = after === null ? { gte } : { gt: Buffer.from(this.#recordKey(after)) };
    const iterator = this.#database.level.iterator({ ...from, lt, highWaterMarkBytes: maxBytes, fillCache: false });
    try {
      return (await iterator.nextv(maxRecords)).map(([key, value]) => this.#decode(key, value));
    } catch (error) {
      throw this.#gate.fail(action, error);
    } finally {
      await iterator.close();
    }
  }

  /** The hash of all records as they are on the disk, read and verified in slices. With writes held back it is exact. */
  async recordHash(): Promise<RecordHash> {
    const hash = new RecordHash();
    for (let after: RecordKey | null = null; ; ) {
      const slice = await this.readSlice(after, HASH_SLICE_RECORDS, LOAD_SLICE_BYTES);
      if (slice.length === 0) return hash;
      for (const [key, value] of slice) {
        hash.add(key, value);
        after = key;
      }
      await nextTurn();
    }
  }

  async write(write: StateWrite): Promise<void> {
    const action = 'write the state';
    this.#gate.enter(action);
    this.#writes += 1;
    try {
      checkPosition(this.#position, write.position);
      await this.#writeBatch(write);
      this.#position = write.position;
      if (this.#gate.error !== null) throw this.#gate.error;
    } catch (error) {
      throw this.#gate.fail(action, error);
    } finally {
      this.#gate.leave();
    }
  }

  async close(): Promise<void> {
    this.#gate.beginClose();
  }

  /** One batch, so that it is atomic; filled in turns of their own. */
  async #writeBatch({ position, puts, deletes }: StateWrite): Promise<void> {
    const batch = this.#database.level.batch();
    const share = new TurnShare(now);
    share.begin();
    let operations = 0;
    let bytes = 0;
    for (const [key, value] of puts) {
      batch.put(this.#recordKey(key), this.#recordValue(key, value));
      bytes += key.length + value.length;
      if (++operations < WRITE_SLICE_OPERATIONS && bytes < WRITE_SLICE_BYTES) continue;
      operations = 0;
      bytes = 0;
      if (!share.isSpent) continue;
      share.end();
      await nextTurn();
      share.begin();
    }
    for (const key of deletes) {
      batch.del(this.#recordKey(key));
      if (++operations < WRITE_SLICE_OPERATIONS) continue;
      operations = 0;
      if (!share.isSpent) continue;
      share.end();
      await nextTurn();
      share.begin();
    }
    batch.put(this.#positionKey(), encodePosition(position));
    await batch.write(SYNC);
  }

  #decode(key: Buffer, value: Buffer): StateRecord {
    const recordKey = key.subarray(PREFIX_BYTES);
    if (value.length < CRC_BYTES || recordCrc(recordKey, value) !== value.readUInt32BE(0)) {
      throw this.#damaged(`the record with key ${recordKey.toString('hex')} does not match its checksum`);
    }
    return [recordKey, value.subarray(CRC_BYTES)];
  }

  #recordKey(key: RecordKey): Buffer {
    const full = this.#keyScratch.take(PREFIX_BYTES + key.length);
    this.#writePrefix(full, RECORD_SPACE);
    full.set(key, PREFIX_BYTES);
    return full;
  }

  #recordValue(key: RecordKey, value: Uint8Array): Buffer {
    const full = this.#valueScratch.take(CRC_BYTES + value.length);
    full.set(value, CRC_BYTES);
    full.writeUInt32BE(recordCrc(asBuffer(key), full), 0);
    return full;
  }

  #recordRange(): { gte: Buffer; lt: Buffer } {
    const gte = Buffer.alloc(PREFIX_BYTES);
    const lt = Buffer.alloc(PREFIX_BYTES);
    this.#writePrefix(gte, RECORD_SPACE);
    if (this.#group === 0xffffffff) lt[0] = RECORD_SPACE + 1;
    else {
      lt[0] = RECORD_SPACE;
      lt.writeUInt32BE(this.#group + 1, 1);
    }
    return { gte, lt };
  }

  #positionKey(): Buffer {
    const key = Buffer.alloc(PREFIX_BYTES);
    this.#writePrefix(key, POSITION_SPACE);
    return key;
  }

  #writePrefix(target: Buffer, space: number): void {
    target[0] = space;
    target.writeUInt32BE(this.#group, 1);
  }

  #decodePosition(stored: Buffer): StatePosition {
    const sound = stored.length === POSITION_BYTES && crc32(stored.subarray(0, 16)) === stored.readUInt32BE(16);
    if (!sound) throw this.#damaged('the record of its position in the log does not match its checksum');
    return { appliedIndex: readU64(stored, 0), appliedTerm: readU64(stored, 8) };
  }

  #damaged(reason: string): StorageError {
    return new StorageError('STATE_CORRUPTED', { path: this.#database.path, reason });
  }
}

/** Applied index u64, applied term u64, checksum u32. */
function encodePosition(position: StatePosition): Buffer {
  const value = Buffer.alloc(POSITION_BYTES);
  writeU64(value, position.appliedIndex, 0);
  writeU64(value, position.appliedTerm, 8);
  value.writeUInt32BE(crc32(value.subarray(0, 16)), 16);
  return value;
}

/** Over key and value, so that a value under the wrong key shows. `stored` begins with the checksum's own place. */
function recordCrc(key: Buffer, stored: Buffer): number {
  return crc32(stored.subarray(CRC_BYTES), crc32(key));
}
