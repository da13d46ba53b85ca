import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, reasonOf, StorageError } from '../errors.ts';
import { DiskFolder } from '../folder/disk-folder.ts';
import { type LevelDatabase, type LevelTuning, openLevelDatabase } from '../level/level-database.ts';
import { LevelLogStore } from '../log/level-log-store.ts';
import { FolderSnapshotStore } from '../snapshot/folder-snapshot-store.ts';
import { LevelStateStore } from '../state/level-state-store.ts';
import { releaseBallast } from './disk-guard.ts';
import { createFile, replaceFile, syncDirectory } from './files.ts';
import { describeHolder, findHolder, removeHolder, writeHolder } from './holder.ts';
import { DIRECTORY_FORMAT, encodeIdentity, type Identity, readIdentity } from './identity.ts';
import { isStateDirectory } from './pointer.ts';
import { StateSlot } from './state-slot.ts';
import { type Suspect, Suspicion } from './suspicion.ts';

const IDENTITY_FILE = 'identity.json';
const HOLDER_FILE = 'holder.json';
const LOG_DIRECTORY = 'log';
const SUSPICION_FILE = 'suspect.json';
/** The state database and the snapshots are for one group so far. */
const SNAPSHOT_DIRECTORY = 'snapshots-0';
const MIB = 1 << 20;

/** The log's payloads are opaque and partly compressed; it is written once and mostly read from memory. */
const LOG_TUNING: LevelTuning = { writeBufferSizeBytes: 16 * MIB, cacheSizeBytes: 2 * MIB, compression: false };

export interface DataDirectoryOptions {
  readonly path: string;
  readonly nodeId: string;
  /** The bootstrap member ids as one normalised text, for example `n1,n2,n3`; compared as it is. */
  readonly clusterMembers: string;
  /** Wall clock for the first incarnation, in milliseconds. Default `Date.now`. */
  readonly nowMs?: () => number;
  /** Largest snapshot taken in from a peer, in bytes. Default 64 GiB. */
  readonly maxSnapshotBytes?: number;
}

/**
 * Creates the data directory of a node, or checks that it is this node's, takes its lock and begins a new incarnation.
 * On a full disk it lets go of the ballast (see `DiskGuard`) and tries once more.
 * @throws StorageError any DIRECTORY_*, FORMAT_*, IDENTITY_* code, LOG_CORRUPTED, STATE_CORRUPTED, DATABASE_NOT_OPENED
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  try {
    return await openOnce(options);
  } catch (error) {
    if (!isDiskFull(error) || !(await releaseBallast(options.path))) throw error;
    return await openOnce(options);
  }
}

async function openOnce(options: DataDirectoryOptions): Promise<DataDirectory> {
  const { path } = options;
  try {
    await makeDirectory(path);
    const { identity: before, created } = await readOrFormat(options);
    checkOwner(before, options);
    const holder = await findHolder(join(path, HOLDER_FILE));
    if (holder !== null) throw new StorageError('DIRECTORY_LOCKED', { path, holder });
    return await takeOver(options, created);
  } catch (error) {
    throw await explain(error, path);
  }
}

interface Parts {
  readonly path: string;
  readonly identity: Identity;
  readonly created: boolean;
  readonly log: LevelDatabase;
  readonly stateSlot: StateSlot;
  readonly suspicion: Suspicion;
  readonly snapshots: FolderSnapshotStore;
}

/** A node's data directory, locked for this process until `close`. */
export class DataDirectory {
  readonly path: string;
  readonly nodeId: string;
  /** True if this start formatted the directory: the node has no memory of earlier votes. */
  readonly created: boolean;
  /** For installing a snapshot; not for callers outside this package. */
  readonly stateSlot: StateSlot;
  #identity: Identity;
  readonly #log: LevelDatabase;
  readonly #suspicion: Suspicion;
  readonly #snapshots: FolderSnapshotStore;
  #updating: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    const { path, identity, created, log, stateSlot, suspicion, snapshots } = parts;
    this.path = path;
    this.nodeId = identity.nodeId;
    this.created = created;
    this.stateSlot = stateSlot;
    this.#identity = identity;
    this.#log = log;
    this.#suspicion = suspicion;
    this.#snapshots = snapshots;
  }

  /** Null until `setClusterId`. */
  get clusterId(): string | null {
    return this.#identity.clusterId;
  }

  /** Greater than at every earlier start of this directory, and durable. Milliseconds-sized, safe integer. */
  get incarnation(): number {
    return this.#identity.incarnation;
  }

  /** Begins another incarnation without a restart. Resolves with it when it is durable. */
  async nextIncarnation(): Promise<number> {
    await this.#update(() => ({ ...this.#identity, incarnation: this.#identity.incarnation + 1 }));
    return this.#identity.incarnation;
  }

  /** Binds the directory to a cluster, once; the same id again changes nothing. @throws DIRECTORY_OTHER_CLUSTER */
  async setClusterId(clusterId: string): Promise<void> {
    await this.#update(() => {
      const found = this.#identity.clusterId;
      if (found === null) return { ...this.#identity, clusterId };
      if (found === clusterId) return this.#identity;
      const details = { path: this.path, what: 'cluster id', found, expected: clusterId };
      throw new StorageError('DIRECTORY_OTHER_CLUSTER', details);
    });
  }

  /** The log of a group: a new object each time; keep one open per group, and close it before the directory. */
  logStore(group = 0): LevelLogStore {
    const superblockPath = join(this.path, `superblock-${group}`);
    return new LevelLogStore({
      database: this.#log,
      superblockPath,
      group,
      installed: group === 0 ? this.stateSlot.installed : null,
      onDoubts: async (reasons, highWaterIndex) => {
        await this.#suspicion.add({ reasons, highWaterIndex, stateDoubtful: false });
      },
    });
  }

  /** The state store of a group: a new object each time; keep one open per group, and close it before the directory. */
  stateStore(group = 0): LevelStateStore {
    return new LevelStateStore({ database: this.stateSlot.database, group });
  }

  /** Snapshots of group 0: always the same object. */
  snapshots(): FolderSnapshotStore {
    return this.#snapshots;
  }

  /**
   * Whether acknowledged writes may be missing from this directory, and why: found at this start or an earlier one and not
   * cleared since. Complete when the log store is open. A node that is suspect must neither vote nor acknowledge before a
   * leader of a new term has brought it up to date, and must replace its state if that is doubtful.
   */
  get suspect(): Suspect | null {
    return this.#suspicion.suspect;
  }

  /** Takes the mark away, for good: what was found does not come back at the next start. */
  async clearSuspect(): Promise<void> {
    const { name, database } = this.stateSlot;
    await this.#suspicion.clear({ [LOG_DIRECTORY]: this.#log.reports, [name]: database.reports });
  }

  /** After a snapshot has replaced the state. For this package. */
  async stateReplaced(): Promise<void> {
    await this.#suspicion.stateReplaced();
  }

  /** Closes the databases and frees the lock. Close the stores first. */
  async close(): Promise<void> {
    await this.#updating;
    await this.#snapshots.receiver.close();
    await Promise.all([this.stateSlot.database.level.close(), removeHolder(join(this.path, HOLDER_FILE))]);
    await this.#log.level.close();
  }

  /** One change of the identity at a time, each durable before it shows. */
  async #update(change: () => Identity): Promise<void> {
    const turn = this.#updating.then(async () => {
      const next = change();
      if (next === this.#identity) return;
      await replaceFile(join(this.path, IDENTITY_FILE), encodeIdentity(next));
      this.#identity = next;
    });
    this.#updating = turn.catch(() => {});
    await turn;
  }
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

async function readOrFormat(options: DataDirectoryOptions): Promise<{ identity: Identity; created: boolean }> {
  const { path, nodeId, clusterMembers, nowMs = Date.now } = options;
  const file = join(path, IDENTITY_FILE);
  const found = await readIdentity(file, path);
  if (found !== null) return { identity: found, created: false };
  const data = (await readdir(path)).find((name) => isData(name));
  if (data !== undefined) throw new StorageError('IDENTITY_MISSING', { path, found: data });
  const identity = { format: DIRECTORY_FORMAT, nodeId, clusterMembers, clusterId: null, incarnation: nowMs() };
  if (await createFile(file, encodeIdentity(identity))) return { identity, created: true };
  // Another process formatted it in between: its file counts.
  return { identity: (await readIdentity(file, path)) ?? identity, created: false };
}

function isData(name: string): boolean {
  return name === LOG_DIRECTORY || isStateDirectory(name) || name.startsWith('superblock-');
}

function checkOwner(identity: Identity, options: DataDirectoryOptions): void {
  const { path, nodeId, clusterMembers } = options;
  if (identity.nodeId !== nodeId) {
    throw new StorageError('DIRECTORY_OTHER_NODE', { path, found: identity.nodeId, expected: nodeId });
  }
  if (identity.clusterMembers !== clusterMembers) {
    const details = { path, what: 'list of first members', found: identity.clusterMembers, expected: clusterMembers };
    throw new StorageError('DIRECTORY_OTHER_CLUSTER', details);
  }
}

/** Takes the lock, and only then changes anything that is there. */
async function takeOver(options: DataDirectoryOptions, created: boolean): Promise<DataDirectory> {
  const { path, nowMs = Date.now, maxSnapshotBytes } = options;
  const { acknowledged } = (await Suspicion.read(join(path, SUSPICION_FILE), nowMs)).content;
  const log = await openLevelDatabase(
    join(path, LOG_DIRECTORY),
    LOG_TUNING,
    'LOG_CORRUPTED',
    acknowledged[LOG_DIRECTORY] ?? null,
  );
  let stateSlot: StateSlot | null = null;
  try {
    await writeHolder(join(path, HOLDER_FILE));
    const suspicion = await Suspicion.read(join(path, SUSPICION_FILE), nowMs);
    stateSlot = await StateSlot.open(path, (name) => acknowledged[name] ?? null);
    const snapshots = new FolderSnapshotStore({
      folder: new DiskFolder(join(path, SNAPSHOT_DIRECTORY)),
      ...(maxSnapshotBytes === undefined ? {} : { maxIncomingBytes: maxSnapshotBytes }),
    });
    await snapshots.removeLeftovers();
    // Both databases' directories are on the disk before anything in them is relied upon.
    await syncDirectory(path);
    const file = join(path, IDENTITY_FILE);
    const found = await readIdentity(file, path);
    if (found === null) throw new StorageError('IDENTITY_MISSING', { path, found: LOG_DIRECTORY });
    checkOwner(found, options);
    await suspicion.add({ reasons: log.doubts, highWaterIndex: 0, stateDoubtful: false });
    const { doubts } = stateSlot.database;
    await suspicion.add({ reasons: doubts, highWaterIndex: 0, stateDoubtful: doubts.length > 0 });
    const identity = created ? found : { ...found, incarnation: found.incarnation + 1 };
    if (!created) await replaceFile(file, encodeIdentity(identity));
    return new DataDirectory({ path, identity, created, log, stateSlot, suspicion, snapshots });
  } catch (error) {
    await stateSlot?.database.level.close();
    await log.level.close();
    throw error;
  }
}

function isDiskFull(error: unknown): boolean {
  // LevelDB gives no code for it, only the system's words.
  return (
    hasCode(error, 'ENOSPC', 'EDQUOT') ||
    (error instanceof Error && /no space left|quota exceeded/i.test(error.message))
  );
}

async function explain(error: unknown, path: string): Promise<unknown> {
  if (error instanceof StorageError) {
    if (error.code !== 'DIRECTORY_LOCKED') return error;
    return new StorageError('DIRECTORY_LOCKED', { path, holder: await holderOf(error, path) }, error);
  }
  if (hasCode(error, 'ENOTDIR', 'EEXIST')) return new StorageError('DIRECTORY_NOT_A_DIRECTORY', { path }, error);
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'ENOENT')) {
    return new StorageError('DIRECTORY_NOT_WRITABLE', { path, reason: reasonOf(error) }, error);
  }
  return new StorageError('DATABASE_NOT_OPENED', { path, reason: reasonOf(error) }, error);
}

async function holderOf(error: StorageError, path: string): Promise<string> {
  const { holder } = error.details;
  return holder === 'another process' ? await describeHolder(join(path, HOLDER_FILE)) : String(holder);
}
