import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, StorageError } from '../errors.ts';
import { DiskFolder } from '../folder/disk-folder.ts';
import { openLevelDatabase } from '../level/level-database.ts';
import { FolderSnapshotStore } from '../snapshot/folder-snapshot-store.ts';
import { DataDirectory } from './data-directory.ts';
import { explain, withRoom } from './explain.ts';
import { createFile, syncDirectory } from './files.ts';
import { demandUnused, writeHolder } from './holder.ts';
import {
  encodeIdentity,
  type Identity,
  newIdentity,
  randomDirectoryId,
  readIdentity,
  writeIdentity,
} from './identity.ts';
import {
  HOLDER_FILE,
  IDENTITY_FILE,
  LOG_DIRECTORY,
  LOG_TUNING,
  SNAPSHOT_DIRECTORY,
  SUPERBLOCK_PREFIX,
  SUSPICION_FILE,
} from './layout.ts';
import { isStateDirectory } from './pointer.ts';
import { completeSetAside } from './set-aside.ts';
import { readNote, removePlace } from './set-aside-note.ts';
import { StateSlot } from './state-slot.ts';
import { Suspicion } from './suspicion.ts';

export interface DataDirectoryOptions {
  readonly path: string;
  readonly nodeId: string;
  /**
   * The bootstrap member ids as one normalised text, for example `n1,n2,n3`; compared as it is until the directory has a
   * cluster id. After that the list is the operator's to change, and a new one is stored.
   */
  readonly clusterMembers: string;
  /** Wall clock for the first incarnation, in milliseconds. Default `Date.now`. */
  readonly nowMs?: () => number;
  /** Largest snapshot taken in from a peer, in bytes. Default 64 GiB. */
  readonly maxSnapshotBytes?: number;
  /** Makes the directory id when the directory is formatted: 32 lower-case hexadecimal digits. Random by default. */
  readonly newDirectoryId?: () => string;
}

/**
 * Creates the data directory of a node, or checks that it is this node's, takes its lock and begins a new incarnation.
 * On a full disk it lets go of the ballast (see `DiskGuard`) and tries once more. Completes a `setAside` that was
 * interrupted.
 * @throws StorageError any DIRECTORY_*, FORMAT_*, IDENTITY_* code, LOG_CORRUPTED, STATE_CORRUPTED, DATABASE_NOT_OPENED;
 *   `isDamage` tells for which of them `setAside` helps
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  return await withRoom(options.path, async () => {
    try {
      return await openOnce(options);
    } catch (error) {
      throw await explain(error, options.path);
    }
  });
}

async function openOnce(options: DataDirectoryOptions): Promise<DataDirectory> {
  const { path, newDirectoryId = randomDirectoryId } = options;
  await makeDirectory(path);
  const { identity, created } = await readOrFormat(options, newDirectoryId);
  checkOwner(identity, options);
  await demandUnused(path);
  if (identity.settingAside !== null) await completeSetAside(path, newDirectoryId);
  return await takeOver(options, created);
}

async function makeDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
  if (found !== null) {
    if (!found.isDirectory()) throw new StorageError('DIRECTORY_NOT_A_DIRECTORY', { path });
    return;
  }
  await mkdir(path, { recursive: true, mode: 0o700 });
  await syncDirectory(dirname(path));
}

async function readOrFormat(
  options: DataDirectoryOptions,
  newDirectoryId: () => string,
): Promise<{ identity: Identity; created: boolean }> {
  const { path, nodeId, clusterMembers, nowMs = Date.now } = options;
  const file = join(path, IDENTITY_FILE);
  const found = await readIdentity(file, path);
  if (found !== null) return { identity: found, created: false };
  const data = (await readdir(path)).find((name) => isData(name));
  if (data !== undefined) throw new StorageError('IDENTITY_MISSING', { path, found: data });
  const facts = { nodeId, clusterMembers, clusterId: null, incarnation: nowMs() };
  const identity = newIdentity(facts, newDirectoryId());
  if (await createFile(file, encodeIdentity(identity))) return { identity, created: true };
  // Another process formatted it in between: its file counts.
  return { identity: (await readIdentity(file, path)) ?? identity, created: false };
}

function isData(name: string): boolean {
  return name === LOG_DIRECTORY || isStateDirectory(name) || name.startsWith(SUPERBLOCK_PREFIX);
}

function checkOwner(identity: Identity, options: DataDirectoryOptions): void {
  const { path, nodeId, clusterMembers } = options;
  if (identity.nodeId !== nodeId) {
    throw new StorageError('DIRECTORY_OTHER_NODE', { path, found: identity.nodeId, expected: nodeId });
  }
  // Once there is a cluster, it says who its members are; the list only says where to look for them.
  if (identity.clusterId === null && identity.clusterMembers !== clusterMembers) {
    const details = { path, what: 'list of first members', found: identity.clusterMembers, expected: clusterMembers };
    throw new StorageError('DIRECTORY_OTHER_CLUSTER', details);
  }
}

/** Takes the lock, and only then changes anything that is there. */
async function takeOver(options: DataDirectoryOptions, created: boolean): Promise<DataDirectory> {
  const { path, clusterMembers, nowMs = Date.now, maxSnapshotBytes } = options;
  const { acknowledged } = (await Suspicion.read(join(path, SUSPICION_FILE), nowMs)).content;
  const log = await openLevelDatabase(
    join(path, LOG_DIRECTORY),
    LOG_TUNING,
    'LOG_CORRUPTED',
    acknowledged[LOG_DIRECTORY] ?? null,
  );
  let stateSlot: StateSlot | null = null;
  try {
    const found = await demandIdentity(options);
    await writeHolder(join(path, HOLDER_FILE));
    const suspicion = await Suspicion.read(join(path, SUSPICION_FILE), nowMs);
    // At once: opening the log has made the traces disappear, and what comes now may fail or be killed.
    await suspicion.add({ reasons: log.doubts, highWaterIndex: 0, stateDoubtful: false });
    stateSlot = await StateSlot.open(path, (name) => acknowledged[name] ?? null);
    const { doubts } = stateSlot.database;
    await suspicion.add({ reasons: doubts, highWaterIndex: 0, stateDoubtful: doubts.length > 0 });
    const snapshots = new FolderSnapshotStore({
      folder: new DiskFolder(join(path, SNAPSHOT_DIRECTORY)),
      ...(maxSnapshotBytes === undefined ? {} : { maxIncomingBytes: maxSnapshotBytes }),
    });
    await snapshots.removeLeftovers();
    const setAside = await readNote(path);
    if (setAside === null) await removePlace(path);
    // Both databases' directories are on the disk before anything in them is relied upon.
    await syncDirectory(path);
    const identity = created ? found : { ...found, clusterMembers, incarnation: found.incarnation + 1 };
    if (!created) await writeIdentity(join(path, IDENTITY_FILE), identity);
    return new DataDirectory({ path, identity, created, log, stateSlot, suspicion, snapshots, setAside });
  } catch (error) {
    await stateSlot?.database.level.close();
    await log.level.close();
    throw error;
  }
}

/** The identity again, with the lock: what was read before may have changed since. */
async function demandIdentity(options: DataDirectoryOptions): Promise<Identity> {
  const { path } = options;
  const found = await readIdentity(join(path, IDENTITY_FILE), path);
  if (found === null) throw new StorageError('IDENTITY_MISSING', { path, found: LOG_DIRECTORY });
  checkOwner(found, options);
  // Another process is at it: it will meet the log that was made here, or not look at it any more.
  if (found.settingAside !== null) throw new StorageError('DIRECTORY_LOCKED', { path, holder: 'another process' });
  return found;
}
