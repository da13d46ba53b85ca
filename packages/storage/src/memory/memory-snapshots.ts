import { StorageError } from '../errors.ts';
import { FolderSnapshotStore } from '../snapshot/folder-snapshot-store.ts';
import type { InstallableLog, InstallOptions } from '../snapshot/install.ts';
import type { SnapshotReader } from '../snapshot/types.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { MemoryFolder } from './memory-folder.ts';
import { stateRegion, textOf } from './memory-state-store.ts';

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
    const counter = disk.region(`snapshot-ids-${group}`, () => ({ last: 0 }));
    const counted = (): string => (++counter.last).toString(16).padStart(32, '0');
    super({
      folder: new MemoryFolder(disk, `snapshots-${group}`),
      newId: newId ?? counted,
      ...(maxIncomingBytes === undefined ? {} : { maxIncomingBytes }),
    });
  }
}

/** The twin of `installSnapshot`: one write switches the state, and the log follows, now or when it is opened next. */
export async function installMemorySnapshot(
  disk: MemoryDisk,
  snapshot: SnapshotReader,
  log: InstallableLog | null,
  options: InstallOptions & { readonly group?: number } = {},
): Promise<void> {
  const { generation } = disk;
  const step = options.onStep ?? (() => {});
  const region = stateRegion(disk, options.group ?? 0);
  const { index, term } = snapshot.info;
  const records = new Map<string, Uint8Array>();
  await step('create the fresh database');
  await snapshot.forEach((slice) => {
    for (const [key, value] of slice) records.set(textOf(key), Uint8Array.from(value));
  });
  await step('replace the pointer');
  const action = 'install a snapshot';
  if (generation !== disk.generation) throw new StorageError('CRASHED', { action });
  const position = { appliedIndex: index, appliedTerm: term };
  await disk.write(action, [
    () => {
      region.records = records;
      region.position = position;
      region.installed = position;
      region.installs += 1;
    },
  ]);
  await step('bring the log to the snapshot');
  await log?.compact(index, term);
}
