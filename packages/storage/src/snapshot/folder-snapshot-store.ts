import { randomBytes } from 'node:crypto';
import { invariant, StorageError } from '../errors.ts';
import type { Folder } from '../folder/folder.ts';
import { SnapshotFile } from './reader.ts';
import { FolderSnapshotReceiver } from './receiver.ts';
import type { SnapshotFacts, SnapshotInfo, SnapshotReader, SnapshotSource, SnapshotStore, StepHook } from './types.ts';
import { dumpState } from './writer.ts';

const CREATING = 'creating.tmp';
const SUFFIX = '.snapshot';
const KEPT = 2;
const NAME = /^(\d{16})-(\d{16})-([0-9a-f]{32})\.snapshot$/;

export interface FolderSnapshotStoreOptions {
  readonly folder: Folder;
  /** Largest snapshot that is taken in, in bytes. Default 64 GiB. */
  readonly maxIncomingBytes?: number;
  /** Makes ids: 32 lower-case hexadecimal digits. Random by default; given by a simulation. */
  readonly newId?: () => string;
  readonly onStep?: StepHook;
}

interface Named {
  readonly name: string;
  readonly id: string;
}

/** Snapshots as files of a folder: `<index>-<term>-<id>.snapshot`, so that the order of names is that of age. */
export class FolderSnapshotStore implements SnapshotStore {
  readonly receiver: FolderSnapshotReceiver;
  readonly #folder: Folder;
  readonly #newId: () => string;
  readonly #step: StepHook;
  #creating = false;

  constructor(options: FolderSnapshotStoreOptions) {
    this.#folder = options.folder;
    this.#newId = options.newId ?? (() => randomBytes(16).toString('hex'));
    this.#step = options.onStep ?? (() => {});
    this.receiver = new FolderSnapshotReceiver({
      folder: options.folder,
      maxBytes: options.maxIncomingBytes ?? 64 * 2 ** 30,
      onStep: this.#step,
      find: async (id) => {
        const found = await this.#find(id);
        return found === null ? null : await this.#openNamed(found);
      },
      keep: async (from, info) => await this.#keep(from, info),
    });
  }

  async create(source: SnapshotSource, facts: SnapshotFacts): Promise<SnapshotInfo> {
    invariant(!this.#creating, 'snapshot store', 'one snapshot is made at a time');
    this.#creating = true;
    try {
      const id = this.#newId();
      await this.#step('create the temporary file');
      const file = await this.#folder.create(CREATING);
      try {
        await dumpState(file, source, facts, id);
      } finally {
        await file.close();
      }
      const { sizeBytes } = file;
      const info = { ...facts, machineVersion: facts.machineVersion ?? 1, id, sizeBytes };
      await this.#keep(CREATING, info);
      return info;
    } catch (error) {
      await this.#folder.remove(CREATING).catch(() => {});
      throw error;
    } finally {
      this.#creating = false;
    }
  }

  async list(): Promise<SnapshotInfo[]> {
    const infos: SnapshotInfo[] = [];
    for (const named of await this.#names()) {
      const info = await this.#infoOf(named);
      if (info !== null) infos.push(info);
    }
    return infos;
  }

  async newest(): Promise<SnapshotInfo | null> {
    for (const named of await this.#names()) {
      const info = await this.#infoOf(named);
      if (info !== null) return info;
    }
    return null;
  }

  async open(id: string): Promise<SnapshotReader> {
    const found = await this.#find(id);
    const reader = found === null ? null : await this.#openNamed(found);
    if (reader === null) throw new StorageError('SNAPSHOT_NOT_FOUND', { id, path: this.#folder.path });
    return reader;
  }

  /** Deletes what a crash left: half a snapshot, and an incoming one that nothing is known of. Before anything else. */
  async removeLeftovers(): Promise<void> {
    const names = await this.#folder.list();
    for (const name of names) {
      if (name.endsWith('.tmp')) await this.#folder.remove(name);
    }
    await this.receiver.removeLeftovers();
    await this.#prune(null);
  }

  /** Gives a whole, synced file its name and deletes what is older than the newest two. */
  async #keep(from: string, info: SnapshotInfo): Promise<void> {
    await this.#step('rename to the final name');
    const name = nameOf(info);
    await this.#folder.rename(from, name);
    await this.#step('delete older snapshots');
    await this.#prune(name);
  }

  /** `kept` stays whatever its index is: it was asked for. */
  async #prune(kept: string | null): Promise<void> {
    const names = (await this.#names()).map(({ name }) => name).filter((name) => name !== kept);
    for (const name of names.slice(kept === null ? KEPT : KEPT - 1)) await this.#folder.remove(name);
  }

  /** Newest first. */
  async #names(): Promise<Named[]> {
    const names = (await this.#folder.list()).sort().reverse();
    return names.flatMap((name) => {
      const id = NAME.exec(name)?.[3];
      return id === undefined ? [] : [{ name, id }];
    });
  }

  async #find(id: string): Promise<Named | null> {
    return (await this.#names()).find((named) => named.id === id) ?? null;
  }

  /** Null when it was deleted meanwhile. */
  async #openNamed({ name, id }: Named): Promise<SnapshotFile | null> {
    const path = `${this.#folder.path}/${name}`;
    const file = await this.#folder.open(name);
    if (file === null) return null;
    const reader = await SnapshotFile.open(file, path);
    try {
      if (reader.info.id !== id || nameOf(reader.info) !== name) {
        throw new StorageError('SNAPSHOT_CORRUPTED', { path, reason: 'its header names another snapshot' });
      }
      await reader.readFooter();
      return reader;
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  async #infoOf(named: Named): Promise<SnapshotInfo | null> {
    try {
      const reader = await this.#openNamed(named);
      await reader?.close();
      return reader?.info ?? null;
    } catch (error) {
      if (error instanceof StorageError && error.code.startsWith('SNAPSHOT_')) return null;
      throw error;
    }
  }
}

function nameOf({ index, term, id }: SnapshotInfo): string {
  return `${String(index).padStart(16, '0')}-${String(term).padStart(16, '0')}-${id}${SUFFIX}`;
}
