import { asBuffer } from '../bytes.ts';
import { StorageError } from '../errors.ts';
import { checkPosition } from '../state/write-rules.ts';
import type { StatePosition, StateStore, StateWrite } from '../types.ts';
import { WriteGate } from '../write-gate.ts';
import type { MemoryDisk } from './memory-disk.ts';

interface StateRegion {
  position: StatePosition;
  /** By the key's bytes as latin1 text, whose order of code units is the bytewise order. */
  readonly records: Map<string, Uint8Array>;
}

const LOAD_SLICE_RECORDS = 1000;

/** The twin of `LevelStateStore` on a `MemoryDisk`. */
export class MemoryStateStore implements StateStore {
  readonly #disk: MemoryDisk;
  readonly #generation: number;
  readonly #region: StateRegion;
  readonly #gate: WriteGate;

  constructor(disk: MemoryDisk, group = 0) {
    this.#disk = disk;
    this.#generation = disk.generation;
    this.#gate = new WriteGate('state store', `memory, group ${group}`);
    this.#region = disk.region<StateRegion>(`state-${group}`, () => ({
      position: { appliedIndex: 0, appliedTerm: 0 },
      records: new Map(),
    }));
  }

  async open(): Promise<StatePosition> {
    this.#gate.beginOpen();
    this.#checkAlive('open the state store');
    this.#gate.endOpen();
    return this.#region.position;
  }

  async load(visit: (key: Uint8Array, value: Uint8Array) => void): Promise<void> {
    this.#gate.check('load');
    this.#checkAlive('load the state');
    // The default order of strings is by code unit: here, by byte.
    const keys = [...this.#region.records.keys()].sort();
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      visit(Buffer.from(key, 'latin1'), this.#region.records.get(key) as Uint8Array);
      if (i % LOAD_SLICE_RECORDS === LOAD_SLICE_RECORDS - 1) await Promise.resolve();
    }
  }

  async write(write: StateWrite): Promise<void> {
    const action = 'write the state';
    this.#gate.enter(action);
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

  #checkAlive(action: string): void {
    if (this.#generation !== this.#disk.generation)
      throw this.#gate.fail(action, new StorageError('CRASHED', { action }));
  }
}

/** LevelDB copies when it is called: so must the twin, for a caller that uses its buffers again. */
function copyOf(write: StateWrite): { position: StatePosition; puts: [string, Uint8Array][]; deletes: string[] } {
  return {
    position: { ...write.position },
    puts: write.puts.map(([key, value]) => [textOf(key), Uint8Array.from(value)]),
    deletes: write.deletes.map(textOf),
  };
}

function textOf(key: Uint8Array): string {
  return asBuffer(key).toString('latin1');
}
