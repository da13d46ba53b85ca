import { access, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, StorageError } from '../errors.ts';
import type { AcknowledgedReports } from '../level/diagnostics.ts';
import { type LevelDatabase, type LevelTuning, openLevelDatabase } from '../level/level-database.ts';
import { syncDirectory } from './files.ts';
import { POINTER_FILE } from './layout.ts';
import {
  FIRST_STATE_DIRECTORY,
  type InstalledSnapshot,
  isStateDirectory,
  nextStateDirectory,
  type Pointer,
  readPointer,
  writePointer,
} from './pointer.ts';

const MIB = 1 << 20;
const STATE_TUNING: LevelTuning = { writeBufferSizeBytes: 8 * MIB, cacheSizeBytes: 8 * MIB, compression: true };

/** A state database that is being built beside the one that counts. */
export interface FreshState {
  readonly name: string;
  readonly database: LevelDatabase;
}

/** Holds the state database that counts, and puts another in its place. The directory's lock is held. */
export class StateSlot {
  readonly #path: string;
  #pointer: Pointer;
  #database: LevelDatabase;

  private constructor(path: string, pointer: Pointer, database: LevelDatabase) {
    this.#path = path;
    this.#pointer = pointer;
    this.#database = database;
  }

  /**
   * Opens the database that the pointer names, and deletes others: of an installation that never came to its switch, or
   * of one that was interrupted behind it.
   * @throws StorageError DIRECTORY_CORRUPTED, STATE_CORRUPTED, DATABASE_NOT_OPENED
   */
  static async open(path: string, acknowledged: (name: string) => AcknowledgedReports | null): Promise<StateSlot> {
    const pointer = await readPointer(join(path, POINTER_FILE));
    const { state } = pointer;
    const directory = join(path, state);
    if (pointer.installed === null) await demandPointer(path);
    // LevelDB would make an empty one in its place.
    if (state !== FIRST_STATE_DIRECTORY) await demand(directory);
    const database = await openLevelDatabase(directory, STATE_TUNING, 'STATE_CORRUPTED', acknowledged(state));
    try {
      const slot = new StateSlot(path, pointer, database);
      await slot.removeOthers();
      return slot;
    } catch (error) {
      await database.level.close();
      throw error;
    }
  }

  get database(): LevelDatabase {
    return this.#database;
  }

  /** Name of the database's directory. */
  get name(): string {
    return this.#pointer.state;
  }

  get installed(): InstalledSnapshot | null {
    return this.#pointer.installed;
  }

  /** An empty database beside the one that counts. */
  async beginFresh(): Promise<FreshState> {
    const name = nextStateDirectory(this.name);
    const directory = join(this.#path, name);
    await rm(directory, { recursive: true, force: true });
    return { name, database: await openLevelDatabase(directory, STATE_TUNING, 'STATE_CORRUPTED') };
  }

  /** Closes and deletes what `beginFresh` made. */
  async dropFresh({ name, database }: FreshState): Promise<void> {
    await database.level.close();
    await rm(join(this.#path, name), { recursive: true, force: true });
  }

  /** Files and names of a fresh database are on the disk before anything points to them. */
  async syncFresh({ name }: FreshState): Promise<void> {
    await syncDirectory(join(this.#path, name));
    await syncDirectory(this.#path);
  }

  /** The switch: durable when it resolves. Returns the database that counted before, still open. */
  async switchTo(fresh: FreshState, installed: InstalledSnapshot): Promise<LevelDatabase> {
    const pointer = { state: fresh.name, installed };
    await writePointer(join(this.#path, POINTER_FILE), pointer);
    const before = this.#database;
    this.#pointer = pointer;
    this.#database = fresh.database;
    return before;
  }

  async removeOthers(): Promise<void> {
    for (const name of await readdir(this.#path)) {
      if (isStateDirectory(name) && name !== this.name) {
        await rm(join(this.#path, name), { recursive: true, force: true });
      }
    }
    await syncDirectory(this.#path);
  }
}

/** Without one installation the first database is there, or none: another one alone is what a lost pointer named. */
async function demandPointer(path: string): Promise<void> {
  const names = (await readdir(path)).filter(isStateDirectory);
  const [other] = names;
  if (other === undefined || names.includes(FIRST_STATE_DIRECTORY)) return;
  throw new StorageError('STATE_CORRUPTED', { path, reason: `${POINTER_FILE} is missing beside ${other}` });
}

async function demand(directory: string): Promise<void> {
  try {
    await access(join(directory, 'CURRENT'));
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    throw new StorageError('STATE_CORRUPTED', { path: directory, reason: 'it is not there' }, error);
  }
}
