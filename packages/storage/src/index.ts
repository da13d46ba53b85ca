export type { DataDirectory } from './directory/data-directory.ts';
export {
  DiskGuard,
  type DiskGuardOptions,
  type DiskLevel,
  type DiskStatus,
  releaseBallast,
} from './directory/disk-guard.ts';
export { DIRECTORY_FORMAT, type Identity, readDirectoryIdentity } from './directory/identity.ts';
export { type DataDirectoryOptions, openDataDirectory } from './directory/open.ts';
export { type SetAsideOptions, setAside } from './directory/set-aside.ts';
export type { SetAsideNote } from './directory/set-aside-note.ts';
export type { Suspect } from './directory/suspicion.ts';
export {
  isDamage,
  isDiskFull,
  STORAGE_ERROR_CODES,
  StorageError,
  type StorageErrorCode,
  type StorageErrorDetails,
} from './errors.ts';
export { type LevelDatabase, type LevelTuning, openLevelDatabase } from './level/level-database.ts';
export { LevelLogStore, type LevelLogStoreOptions } from './log/level-log-store.ts';
export { type CrashOptions, MemoryDisk } from './memory/memory-disk.ts';
export { MemoryLogStore } from './memory/memory-log-store.ts';
export {
  installMemorySnapshot,
  type MemoryInstallOptions,
  type MemorySnapshotOptions,
  MemorySnapshotStore,
  prepareMemoryInstall,
} from './memory/memory-snapshots.ts';
export { MemoryStateStore } from './memory/memory-state-store.ts';
export { FolderSnapshotStore, type FolderSnapshotStoreOptions } from './snapshot/folder-snapshot-store.ts';
export {
  type InstallableLog,
  type InstallOptions,
  installSnapshot,
  type PreparedInstall,
  prepareInstall,
} from './snapshot/install.ts';
export type * from './snapshot/types.ts';
export { LevelStateStore, type LevelStateStoreOptions } from './state/level-state-store.ts';
export { digestRecord, RECORD_HASH_BYTES, type RecordDigest, RecordHash } from './state/record-hash.ts';
export { TurnShare } from './turn-share.ts';
export * from './types.ts';
