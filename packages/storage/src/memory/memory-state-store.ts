import { asBuffer } from '../bytes.ts';
import { StorageError } from '../errors.ts';
import type { SnapshotSource, StateRecord } from '../snapshot/types.ts';
import { RecordHash } from '../state/record-hash.ts';
import { checkPosition } from '../state/write-rules.ts';
import type { StatePosition, StateStore, StateWrite } from '../types.ts';
import { WriteGate } from '../write-gate.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { type StateRegion, stateRegion } from './regions.ts';

const LOAD_SLICE_RECORDS = 1000;

/** The twin of `LevelStateStore` on a `MemoryDisk`. */
export class MemoryStateStore implements StateStore, SnapshotSource {
  readonly #disk: MemoryDisk;
  readonly #generation: number;
  readonly #region: StateRegion;
  readonly #gate: WriteGate;
  readonly #installs: number;
  #doubts: readonly string[] = [];
  #writes = 0;
  /** Sorted keys, for reading in slices; null when they may have changed. */
  #keys: string[] | null = null;

  constructor(disk: MemoryDisk, group = 0) {
    this.#disk = disk;
    this.#generation = disk.generation;
    this.#gate = new WriteGate('state store', `memory, group ${group}`);
    this.#region = stateRegion(disk, group);
    this.#installs = this.#region.installs;
  }

  /** See `LevelStateStore.doubts`; complete when the store is open. */
  get doubts(): readonly string[] {
    return this.#doubts;
  }

  get position(): StatePosition {
    return this.#region.position;
  }

  get writes(): number {
    return this.#writes;
  }

  async open(): Promise<StatePosition> {
    this.#gate.beginOpen();
    const action = 'open the state store';
    this.#checkAlive(action);
    const { position, damaged, reports } = this.#region;
    if (damaged.has(position)) {
      throw this.#gate.fail(action, corrupted('the record of its position in the log does not match its checksum'));
    }
    this.#doubts = [...reports];
    this.#gate.endOpen();
    return position;
  }

  async load(visit: (key: Uint8Array, value: Uint8Array) => void): Promise<void> {
    this.#gate.check('load');
    this.#checkAlive('load the state');
    // The default order of strings is by code unit: here, by byte.
    const keys = [...this.#region.records.keys()].sort();
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      visit(
        Buffer.from(key, 'latin1'),
        this.#sound(key, this.#region.records.get(key) as Uint8Array, 'load the state'),
      );
      if (i % LOAD_SLICE_RECORDS === LOAD_SLICE_RECORDS - 1) await Promise.resolve();
    }
  }

  async readSlice(after: Uint8Array | null, maxRecords: number, maxBytes: number): Promise<StateRecord[]> {
    this.#gate.check('read the state');
    this.#checkAlive('read the state');
    this.#keys ??= [...this.#region.records.keys()].sort();
    const keys = this.#keys;
    const slice: StateRecord[] = [];
    let bytes = 0;
    for (let i = after === null ? 0 : firstAfter(keys, textOf(after)); i < keys.length; i++) {
      const key = keys[i] as string;
      const value = this.#region.records.get(key);
      if (value === undefined) continue;
      bytes += key.length + value.length;
      if (slice.length >= maxRecords || (slice.length > 0 && bytes > maxBytes)) break;
      slice.push([Buffer.from(key, 'latin1'), this.#sound(key, value, 'read the state')]);
    }
    return slice;
  }

  /** See `LevelStateStore.recordHash`. */
  async recordHash(): Promise<RecordHash> {
    const hash = new RecordHash();
    await this.load((key, value) => {
      hash.add(key, value);
    });
    return hash;
  }

  async write(write: StateWrite): Promise<void> {
    const action = 'write the state';
    this.#gate.enter(action);
    this.#writes += 1;
    this.#keys = null;
    try {
      this.#checkAlive(action);
      checkPosition(this.#region.position, write.position);
      const { position, puts, deletes } = copyOf(write);
      await this.#disk.write(action, [
        () => {
          for (const [key, value] of puts) this.#region.records.set(key, value);
          for (const key of deletes) this.#region.records.delete(key);
          this.#region.position = position;
        },
      ]);
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

  #sound(key: string, value: Uint8Array, action: string): Uint8Array {
    if (!this.#region.damaged.has(value)) return value;
    const hex = Buffer.from(key, 'latin1').toString('hex');
    throw this.#gate.fail(action, corrupted(`the record with key ${hex} does not match its checksum`));
  }

  #checkAlive(action: string): void {
    if (this.#generation !== this.#disk.generation)
      throw this.#gate.fail(action, new StorageError('CRASHED', { action }));
    if (this.#installs !== this.#region.installs) {
      const reason = 'a snapshot was installed in its place';
      throw this.#gate.fail(action, new StorageError('STORAGE_FAILED', { action, path: 'memory', reason }));
    }
  }
}

function corrupted(reason: string): StorageError {
  return new StorageError('STATE_CORRUPTED', { path: 'memory', reason });
}

/** LevelDB copies when it is called: so must the twin, for a caller that uses its buffers again. */
function copyOf(write: StateWrite): { position: StatePosition; puts: [string, Uint8Array][]; deletes: string[] } {
  return {
    position: { ...write.position },
    puts: write.puts.map(([key, value]) => [textOf(key), Uint8Array.from(value)]),
    deletes: write.deletes.map(textOf),
  };
}

/** Position of the first of the sorted `keys` behind `after`. */
function firstAfter(keys: readonly string[], after: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function textOf(key: Uint8Array): string {
  return asBuffer(key).toString('latin1');
}
