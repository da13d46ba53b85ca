import {
  MemoryDisk,
  MemoryLogStore,
  MemorySnapshotStore,
  MemoryStateStore,
  prepareMemoryInstall,
} from '@quorate/storage';
import type { Stores } from './recovery.ts';

/**
 * Stores on a disk in memory: of a simulated node, and the stand-in of a node whose data directory is in doubt.
 *
 * @param clusterId asked when a snapshot is installed: one of another cluster is refused
 */
export function memoryStores(
  disk: MemoryDisk = new MemoryDisk(),
  clusterId: () => string | null = () => null,
  founding: Uint8Array | null = null,
  doubts: readonly string[] = [],
): Stores {
  const stateStore = (): MemoryStateStore => new MemoryStateStore(disk);
  const store = new MemorySnapshotStore(disk);
  return {
    founding,
    doubts,
    stateStore,
    logStore: () => new MemoryLogStore(disk),
    snapshots: {
      store,
      stateStore,
      prepareInstall: (reader) => prepareMemoryInstall(disk, reader, { clusterId: clusterId() }),
    },
  };
}
