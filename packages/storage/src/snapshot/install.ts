import type { DataDirectory } from '../directory/data-directory.ts';
import type { FreshState } from '../directory/state-slot.ts';
import { invariant, StorageError } from '../errors.ts';
import type { LevelDatabase } from '../level/level-database.ts';
import { LevelStateStore } from '../state/level-state-store.ts';
import type { LogStore } from '../types.ts';
import type { SnapshotReader, StateRecord, StepHook } from './types.ts';

/** Records of one synced batch. */
const BATCH_BYTES = 2 << 20;
/** The state database is one for all groups, so replacing it is only right while there is one. */
const GROUP = 0;

/** The log of a running node: brought to the snapshot by the commit. Every log store of this package will do. */
export type InstallableLog = Pick<LogStore, 'compact'> & { readonly compactedIndex: number };

export interface InstallOptions {
  readonly onStep?: StepHook;
}

/** A snapshot whose records stand in a database of their own, ready to take the place of the state. */
export interface PreparedInstall {
  /**
   * Makes the snapshot the state, and the log begin at it: entries behind it stay only if the log held the entry at the
   * snapshot's index with its term (Raft paper, figure 13). Close the state store first and let no write of the log be in
   * flight. `log`: the log store if one is open, else null; the next one opened is brought there.
   *
   * A crash at any point leaves the directory wholly before or wholly after: the switch is one file replaced. When it
   * rejects, which of both is not known: end the process and open the directory again.
   */
  commit(log: InstallableLog | null): Promise<void>;
  /** After the commit, whenever there is time: closes and deletes the old database. The next start does it too. */
  cleanUp(): Promise<void>;
  /** Gives it up; the directory is as before. */
  abandon(): Promise<void>;
}

/**
 * Builds a fresh state database beside the one that counts, from all of the snapshot's records. Log, state store and
 * checkpoints may go on meanwhile. Nothing that exists is touched, and the snapshot is verified whole.
 * @throws StorageError SNAPSHOT_CORRUPTED, DIRECTORY_OTHER_CLUSTER, STORAGE_FAILED; nothing is left of it then
 */
export async function prepareInstall(
  directory: DataDirectory,
  snapshot: SnapshotReader,
  options: InstallOptions = {},
): Promise<PreparedInstall> {
  const { info } = snapshot;
  const step = options.onStep ?? (() => {});
  const { clusterId, path, stateSlot: slot } = directory;
  if (clusterId !== null && clusterId !== info.clusterId) {
    const details = { path, what: 'cluster id', found: clusterId, expected: info.clusterId };
    throw new StorageError('DIRECTORY_OTHER_CLUSTER', details);
  }
  await step('create the fresh database');
  const fresh = await slot.beginFresh();
  try {
    await fill(fresh, snapshot, step);
    await step('sync the directories');
    await slot.syncFresh(fresh);
  } catch (error) {
    await slot.dropFresh(fresh);
    throw error;
  }
  let ended = false;
  let before: LevelDatabase | null = null;
  const end = (): void => {
    invariant(!ended, 'installation', 'it is committed or abandoned once');
    ended = true;
  };
  return {
    commit: async (log) => {
      end();
      invariant(log === null || log.compactedIndex <= info.index, 'installation', 'the log goes on from the snapshot');
      await step('replace the pointer');
      try {
        before = await slot.switchTo(fresh, { id: info.id, index: info.index, term: info.term });
      } catch (error) {
        // Or its directory could not be opened again in this process.
        await fresh.database.level.close();
        throw error;
      }
      await step('bring the log to the snapshot');
      await log?.compact(info.index, info.term);
      await step('take back the doubt about the state');
      await directory.stateReplaced();
    },
    cleanUp: async () => {
      invariant(before !== null, 'installation', 'it is committed before what was replaced is deleted');
      await step('close the old database');
      await before.level.close();
      await step('delete the old database');
      await slot.removeOthers();
    },
    abandon: async () => {
      end();
      await slot.dropFresh(fresh);
    },
  };
}

/** Prepares and commits at once: for a node that does nothing else meanwhile. */
export async function installSnapshot(
  directory: DataDirectory,
  snapshot: SnapshotReader,
  log: InstallableLog | null,
  options: InstallOptions = {},
): Promise<void> {
  const prepared = await prepareInstall(directory, snapshot, options);
  await prepared.commit(log);
  await prepared.cleanUp();
}

async function fill(fresh: FreshState, snapshot: SnapshotReader, step: StepHook): Promise<void> {
  const store = new LevelStateStore({ database: fresh.database, group: GROUP });
  const start = await store.open();
  let gathered: StateRecord[] = [];
  let bytes = 0;
  await snapshot.forEach(async (records) => {
    for (const record of records) {
      gathered.push(record);
      bytes += record[0].length + record[1].length;
    }
    if (bytes < BATCH_BYTES) return;
    await step('write a batch of records');
    await store.write({ position: start, puts: gathered, deletes: [] });
    gathered = [];
    bytes = 0;
  });
  // The position comes last: a database that is not whole stands nowhere.
  await step('write the last batch and the position');
  const { index, term } = snapshot.info;
  await store.write({ position: { appliedIndex: index, appliedTerm: term }, puts: gathered, deletes: [] });
  await store.close();
}
