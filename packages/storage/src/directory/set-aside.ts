import { access, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, isDamage, StorageError } from '../errors.ts';
import { type LevelDatabase, type LevelTuning, openLevelDatabase } from '../level/level-database.ts';
import type { StepHook } from '../snapshot/types.ts';
import { explain, withRoom } from './explain.ts';
import { syncDirectory } from './files.ts';
import { demandUnused, removeHolder, writeHolder } from './holder.ts';
import { type Identity, newIdentity, randomDirectoryId, readIdentity, writeIdentity } from './identity.ts';
import {
  HOLDER_FILE,
  IDENTITY_FILE,
  LOG_DIRECTORY,
  LOG_TUNING,
  POINTER_FILE,
  SNAPSHOT_DIRECTORY,
  SUPERBLOCK_PREFIX,
  SUSPICION_FILE,
} from './layout.ts';
import { isStateDirectory } from './pointer.ts';
import { emptyPlace, MOVING_LOCK, makePlace, readNote, writeNote } from './set-aside-note.ts';

const MAX_REASON_CHARS = 2_000;
const LOCK_TUNING: LevelTuning = { writeBufferSizeBytes: 1 << 16, cacheSizeBytes: 1 << 16, compression: false };

export interface SetAsideOptions {
  /** The data directory; it is not open. */
  readonly path: string;
  /** Whose it must be. */
  readonly nodeId: string;
  /** A sentence for the operator: why. The first 2,000 characters are kept. */
  readonly reason: string;
  /** Wall clock in milliseconds for the note. Default `Date.now`. */
  readonly nowMs?: () => number;
  /** Makes the new directory id: 32 lower-case hexadecimal digits. Random by default. */
  readonly newDirectoryId?: () => string;
  readonly onStep?: StepHook;
}

/**
 * Moves everything that a data directory remembers (log, term and vote, state, doubts) into `set-aside/` within it and
 * formats it anew: another directory id, nothing founded; node id, cluster id and members stay, and the incarnation goes
 * on. Snapshots are deleted. If data of an earlier time lies in `set-aside/` already, that stays and the present data is
 * deleted: the earlier is of a time when this node was a voter.
 *
 * A crash at any point leaves a directory whose next `openDataDirectory` or `setAside` completes it. At no time does the
 * directory have its new id and any of the old data.
 * @throws StorageError IDENTITY_*, FORMAT_*, DIRECTORY_OTHER_NODE, DIRECTORY_LOCKED, DIRECTORY_COPIED: nothing was changed then;
 *   DIRECTORY_NOT_WRITABLE, DATABASE_NOT_OPENED
 */
export async function setAside(options: SetAsideOptions): Promise<void> {
  const { path, nodeId, reason, nowMs = Date.now, newDirectoryId = randomDirectoryId, onStep = () => {} } = options;
  await withRoom(path, async () => {
    try {
      const { nodeId: found } = await demandIdentity(path);
      if (found !== nodeId) throw new StorageError('DIRECTORY_OTHER_NODE', { path, found, expected: nodeId });
      await demandUnused(path);
      const cause = { reason: reason.slice(0, MAX_REASON_CHARS), since: nowMs() };
      await moveAway(path, cause, newDirectoryId, onStep);
    } catch (error) {
      throw await explain(error, path);
    }
  });
}

/** Completes what was interrupted; does nothing when another process has. For `openDataDirectory`. */
export async function completeSetAside(path: string, newDirectoryId: () => string): Promise<void> {
  await moveAway(path, null, newDirectoryId, () => {});
}

/** `cause`: null to go on with one that was begun, if there is one. */
async function moveAway(
  path: string,
  cause: { readonly reason: string; readonly since: number } | null,
  newDirectoryId: () => string,
  step: StepHook,
): Promise<void> {
  const place = await makePlace(path);
  const movingLock = await takeMovingLock(place);
  const holderFile = join(path, HOLDER_FILE);
  let log: LevelDatabase | null = null;
  let noted = false;
  try {
    // What appears from here on is an empty log that another process made, just before it finds the mark.
    const names = (await readdir(path)).filter(isMemory).sort();
    if (names.includes(LOG_DIRECTORY)) log = await holdLog(path);
    noted = true;
    await writeHolder(holderFile);
    // Again, now that nobody else can change it.
    let identity = await demandIdentity(path);
    if (identity.settingAside === null) {
      if (cause === null) return;
      const keep = (await readNote(path)) === null;
      await step('empty the place');
      if (keep) await emptyPlace(place);
      await step('mark the directory');
      identity = { ...identity, settingAside: { ...cause, keep } };
      await writeIdentity(join(path, IDENTITY_FILE), identity);
    }
    await moveData(path, place, identity, names, step);
    await step('format anew');
    await writeIdentity(join(path, IDENTITY_FILE), newIdentity(identity, newDirectoryId()));
  } finally {
    if (noted) await removeHolder(holderFile);
    await log?.level.close();
    await movingLock.level.close();
  }
}

/** Resolves when none of `names` is in the directory any more, durably. */
async function moveData(
  path: string,
  place: string,
  { settingAside, directoryId }: Identity,
  names: readonly string[],
  step: StepHook,
): Promise<void> {
  const { reason, since, keep } = settingAside ?? { reason: '', since: 0, keep: false };
  await step('write the note');
  if (keep) await writeNote(path, { reason, since, directoryId });
  for (const name of names) {
    const from = join(path, name);
    const to = join(place, name);
    // The place was empty when this began: what it has is moved, and what stands in its old place came after.
    const moves = keep && name !== SNAPSHOT_DIRECTORY && !(await exists(to));
    await step(`${moves ? 'move' : 'delete'} ${name}`);
    if (moves) await rename(from, to);
    else await rm(from, { recursive: true, force: true });
  }
  await step('sync the directories');
  await syncDirectory(place);
  await syncDirectory(path);
}

/** Whether a name in a data directory holds what the node remembers, or what says so. */
function isMemory(name: string): boolean {
  return (
    name === LOG_DIRECTORY ||
    name === SNAPSHOT_DIRECTORY ||
    isStateDirectory(name) ||
    // Temporary files of replacing them too.
    [SUPERBLOCK_PREFIX, POINTER_FILE, SUSPICION_FILE].some((prefix) => name.startsWith(prefix))
  );
}

async function demandIdentity(path: string): Promise<Identity> {
  const identity = await readIdentity(join(path, IDENTITY_FILE), path);
  if (identity === null) {
    const found = (await readdir(path)).find(isMemory) ?? 'nothing of a node';
    throw new StorageError('IDENTITY_MISSING', { path, found });
  }
  return identity;
}

/** One process at a time moves data. LevelDB's lock, since the kernel frees it whatever happens. */
async function takeMovingLock(place: string): Promise<LevelDatabase> {
  const path = join(place, MOVING_LOCK);
  try {
    return await openLevelDatabase(path, LOCK_TUNING, 'DIRECTORY_CORRUPTED');
  } catch (error) {
    if (!isDamage(error)) throw error;
    await rm(path, { recursive: true, force: true });
    return await openLevelDatabase(path, LOCK_TUNING, 'DIRECTORY_CORRUPTED');
  }
}

/**
 * Takes the lock that a process which uses the directory holds. Null when the log is too damaged to be opened: then nobody
 * has it open, since LevelDB takes the lock before it finds that out, and nobody can open it until it is moved away.
 * Stays open while its directory is renamed: nobody else can get into the old log between.
 */
async function holdLog(path: string): Promise<LevelDatabase | null> {
  try {
    return await openLevelDatabase(join(path, LOG_DIRECTORY), LOG_TUNING, 'LOG_CORRUPTED');
  } catch (error) {
    if (isDamage(error)) return null;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
