import { invariant, StorageError } from '../errors.ts';
import { FolderSnapshotStore } from '../snapshot/folder-snapshot-store.ts';
import type { InstallableLog, InstallOptions, PreparedInstall } from '../snapshot/install.ts';
import type { SnapshotInfo, SnapshotReader } from '../snapshot/types.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { MemoryFolder } from './memory-folder.ts';
import { textOf } from './memory-state-store.ts';
import { type StateRegion, snapshotFolder, stateRegion } from './regions.ts';

export interface MemorySnapshotOptions {
  readonly group?: number;
  /** Makes ids: 32 lower-case hexadecimal digits. By default counted on this disk, so that a run can be repeated. */
  readonly newId?: () => string;
  readonly maxIncomingBytes?: number;
}

/** The twin of the snapshots in a data directory: the same files, on a simulated disk. */
export class MemorySnapshotStore extends FolderSnapshotStore {
  constructor(disk: MemoryDisk, options: MemorySnapshotOptions = {}) {
    const { group = 0, newId, maxIncomingBytes } = options;
    const counted = (): string => disk.count(`snapshot-ids-${group}`).toString(16).padStart(32, '0');
    super({
      folder: new MemoryFolder(disk, snapshotFolder(group)),
      newId: newId ?? counted,
      ...(maxIncomingBytes === undefined ? {} : { maxIncomingBytes }),
    });
  }
}

export interface MemoryInstallOptions extends InstallOptions {
  readonly group?: number;
  /** The cluster that the node belongs to, null while it knows none: a snapshot of another is refused. Default null. */
  readonly clusterId?: string | null;
}

/**
 * The twin of `prepareInstall`: reads and verifies all of the snapshot, changes nothing. `commit` is one write of the disk,
 * and then the log is brought there, by it or when it is opened next.
 * @throws StorageError SNAPSHOT_CORRUPTED, DIRECTORY_OTHER_CLUSTER, STORAGE_FAILED, CRASHED
 */
export async function prepareMemoryInstall(
  disk: MemoryDisk,
  snapshot: SnapshotReader,
  options: MemoryInstallOptions = {},
): Promise<PreparedInstall> {
  const { generation } = disk;
  const { onStep: step = () => {}, group = 0, clusterId = null } = options;
  const { info } = snapshot;
  if (clusterId !== null && clusterId !== info.clusterId) {
    const details = { path: 'memory', what: 'cluster id', found: clusterId, expected: info.clusterId };
    throw new StorageError('DIRECTORY_OTHER_CLUSTER', details);
  }
  const checkDisk = (action: string): void => {
    if (generation !== disk.generation) throw new StorageError('CRASHED', { action });
    const full = disk.fullError(action);
    if (full !== null) throw full;
  };
  const records = new Map<string, Uint8Array>();
  await step('create the fresh database');
  await snapshot.forEach((slice) => {
    checkDisk('prepare the installation of a snapshot');
    for (const [key, value] of slice) records.set(textOf(key), Uint8Array.from(value));
  });
  checkDisk('prepare the installation of a snapshot');
  let ended = false;
  const end = (): void => {
    invariant(!ended, 'installation', 'it is committed or abandoned once');
    ended = true;
  };
  return {
    commit: async (log) => {
      end();
      invariant(log === null || log.compactedIndex <= info.index, 'installation', 'the log goes on from the snapshot');
      await step('replace the pointer');
      const action = 'install a snapshot';
      checkDisk(action);
      await disk.write(action, [() => replaceState(stateRegion(disk, group), info, records)]);
      await step('bring the log to the snapshot');
      await log?.compact(info.index, info.term);
    },
    cleanUp: async () => {},
    abandon: async () => {
      end();
      records.clear();
    },
  };
}

/** Prepares and commits at once: the twin of `installSnapshot`. */
export async function installMemorySnapshot(
  disk: MemoryDisk,
  snapshot: SnapshotReader,
  log: InstallableLog | null,
  options: MemoryInstallOptions = {},
): Promise<void> {
  const prepared = await prepareMemoryInstall(disk, snapshot, options);
  await prepared.commit(log);
}

/** A database of its own takes the place: what was damaged or reported in the old one is gone with it. */
function replaceState(region: StateRegion, { index, term }: SnapshotInfo, records: Map<string, Uint8Array>): void {
  region.records = records;
  region.position = { appliedIndex: index, appliedTerm: term };
  region.installed = region.position;
  region.installs += 1;
  region.damaged = new Set();
  region.reports = [];
}
