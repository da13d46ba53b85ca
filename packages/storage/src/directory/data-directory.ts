import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { asBuffer } from '../bytes.ts';
import { invariant, StorageError } from '../errors.ts';
import type { LevelDatabase } from '../level/level-database.ts';
import { LevelLogStore } from '../log/level-log-store.ts';
import type { FolderSnapshotStore } from '../snapshot/folder-snapshot-store.ts';
import { LevelStateStore } from '../state/level-state-store.ts';
import { removeHolder } from './holder.ts';
import { type Identity, writeIdentity } from './identity.ts';
import { HOLDER_FILE, IDENTITY_FILE, LOG_DIRECTORY, SUPERBLOCK_PREFIX } from './layout.ts';
import { removePlace, type SetAsideNote } from './set-aside-note.ts';
import type { StateSlot } from './state-slot.ts';
import type { Suspect, Suspicion } from './suspicion.ts';

const MAX_FOUNDING_BYTES = 512 << 10;

/** What `openDataDirectory` makes a `DataDirectory` of. For this package. */
export interface DataDirectoryParts {
  readonly path: string;
  readonly identity: Identity;
  readonly created: boolean;
  readonly log: LevelDatabase;
  readonly stateSlot: StateSlot;
  readonly suspicion: Suspicion;
  readonly snapshots: FolderSnapshotStore;
  readonly setAside: SetAsideNote | null;
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
  #setAside: SetAsideNote | null;
  #updating: Promise<void> = Promise.resolve();

  constructor(parts: DataDirectoryParts) {
    const { path, identity, created, log, stateSlot, suspicion, snapshots, setAside } = parts;
    this.path = path;
    this.nodeId = identity.nodeId;
    this.created = created;
    this.stateSlot = stateSlot;
    this.#identity = identity;
    this.#log = log;
    this.#suspicion = suspicion;
    this.#snapshots = snapshots;
    this.#setAside = setAside;
  }

  /**
   * 32 lower-case hexadecimal digits: names this directory since it was formatted, by its first start or by `setAside`.
   * The cluster admits a member with it; another one means that the member's memory is gone.
   */
  get directoryId(): string {
    return this.#identity.directoryId;
  }

  /** The encoded configuration that `setFounding` stored, a copy; null before and after the directory was set aside. */
  get founding(): Uint8Array | null {
    const { founding } = this.#identity;
    return founding === null ? null : new Uint8Array(Buffer.from(founding, 'base64'));
  }

  /**
   * Stores the encoded configuration that the cluster is founded with, once; the same bytes again change nothing. 1 byte to
   * 512 KiB. Durable when it resolves. @throws StorageError DIRECTORY_OTHER_CLUSTER when others are stored
   */
  async setFounding(configuration: Uint8Array): Promise<void> {
    const { length } = configuration;
    invariant(length > 0 && length <= MAX_FOUNDING_BYTES, 'data directory', `a configuration has not ${length} bytes`);
    const founding = asBuffer(configuration).toString('base64');
    await this.#update(() => {
      const found = this.#identity.founding;
      if (found === null) return { ...this.#identity, founding };
      if (found === founding) return this.#identity;
      const details = { what: 'founding configuration', found: digestOf(found), expected: digestOf(founding) };
      throw new StorageError('DIRECTORY_OTHER_CLUSTER', { path: this.path, ...details });
    });
  }

  /** Null until `setClusterId`. */
  get clusterId(): string | null {
    return this.#identity.clusterId;
  }

  /** Greater than at every earlier start of this directory, and durable. Milliseconds-sized, safe integer. */
  get incarnation(): number {
    return this.#identity.incarnation;
  }

  /**
   * Begins another incarnation without a restart: one more than the present one, or `atLeast` if that is greater (a safe
   * integer). Resolves with it when it is durable.
   */
  async nextIncarnation(atLeast = 0): Promise<number> {
    let incarnation = 0;
    await this.#update(() => {
      incarnation = Math.max(this.#identity.incarnation + 1, atLeast);
      invariant(
        Number.isSafeInteger(incarnation),
        'data directory',
        `an incarnation is no safe integer: ${incarnation}`,
      );
      return { ...this.#identity, incarnation };
    });
    return incarnation;
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
    const superblockPath = join(this.path, `${SUPERBLOCK_PREFIX}${group}`);
    return new LevelLogStore({
      database: this.#log,
      superblockPath,
      group,
      installed: group === 0 ? this.stateSlot.installed : null,
      inUse: group === 0 && this.#identity.inUse,
      onCreated: async () => {
        if (group === 0) await this.#update(() => ({ ...this.#identity, inUse: true }));
      },
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

  /** Marks the directory as suspect, its state too: found by comparing it with others. Durable when it resolves. */
  async doubt(reason: string): Promise<void> {
    await this.#suspicion.add({ reasons: [reason], highWaterIndex: 0, stateDoubtful: true });
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

  /** What was set aside in this directory (see `setAside`) and not dropped since; null for nothing. */
  get setAside(): SetAsideNote | null {
    return this.#setAside;
  }

  /** Deletes the set-aside data: this node is a voter again and its present memory is whole. Durable when it resolves. */
  async dropSetAside(): Promise<void> {
    if (this.#setAside === null) return;
    await removePlace(this.path);
    this.#setAside = null;
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
      await writeIdentity(join(this.path, IDENTITY_FILE), next);
      this.#identity = next;
    });
    this.#updating = turn.catch(() => {});
    await turn;
  }
}

/** Short words for a configuration, in messages. */
function digestOf(founding: string): string {
  return createHash('sha256').update(founding).digest('hex').slice(0, 16);
}
