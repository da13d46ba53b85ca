import { mkdtemp, open as openFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Entry } from '@quorate/consensus';
import {
  type DataDirectory,
  type InstallableLog,
  installMemorySnapshot,
  installSnapshot,
  type LogStore,
  MemoryDisk,
  MemoryLogStore,
  MemorySnapshotStore,
  MemoryStateStore,
  openDataDirectory,
  type RecordHash,
  type SnapshotReader,
  type SnapshotSource,
  type SnapshotStore,
  type StateStore,
  type StepHook,
} from '@quorate/storage';

/** A log store as the suites need it: with its doubts. */
export type TestedLogStore = LogStore & InstallableLog & { readonly doubts: readonly string[] };
/** A state store that can be dumped and hashed. */
export type TestedStateStore = StateStore & SnapshotSource & { recordHash(): Promise<RecordHash> };

/** One place that stores are opened on, again and again. */
export interface Place {
  /** A store on this place, not yet opened. Close the one before first. */
  logStore(): Promise<TestedLogStore>;
  stateStore(): Promise<TestedStateStore>;
  snapshotStore(): Promise<SnapshotStore>;
  install(snapshot: SnapshotReader, log: InstallableLog | null, onStep?: StepHook): Promise<void>;
  /** Names of the files that belong to snapshots. */
  snapshotFiles(): Promise<string[]>;
  /** Flips one bit of a file of snapshots. A negative offset counts from the end. */
  damage(name: string, offset: number): Promise<void>;
  /** Drops the end of a file of snapshots. */
  cutOff(name: string, sizeBytes: number): Promise<void>;
  /** Ends the process that uses the place, in order; the stores are closed already. */
  stop(): Promise<void>;
  remove(): Promise<void>;
}

export type PlaceFactory = () => Promise<Place>;

export async function memoryPlace(): Promise<Place> {
  const disk = new MemoryDisk();
  const files = disk.region('snapshots-0', () => new Map<string, Buffer>());
  const contentOf = (name: string): Buffer => {
    const content = files.get(name);
    if (content === undefined) throw new Error(`no file ${name}`);
    return Buffer.from(content);
  };
  return {
    snapshotStore: async () => new MemorySnapshotStore(disk),
    install: async (snapshot, log, onStep = () => {}) => await installMemorySnapshot(disk, snapshot, log, { onStep }),
    snapshotFiles: async () => [...files.keys()].sort(),
    damage: async (name, offset) => {
      files.set(name, flipped(contentOf(name), offset));
    },
    cutOff: async (name, sizeBytes) => {
      files.set(name, contentOf(name).subarray(0, sizeBytes));
    },
    logStore: async () => new MemoryLogStore(disk),
    stateStore: async () => new MemoryStateStore(disk),
    stop: async () => {},
    remove: async () => {},
  };
}

export async function levelPlace(): Promise<Place> {
  const path = await makeTemporaryDirectory();
  let directory: DataDirectory | null = null;
  const open = async (): Promise<DataDirectory> => {
    directory ??= await openDataDirectory({ path, nodeId: 'n1', clusterMembers: 'n1,n2,n3' });
    return directory;
  };
  const stop = async (): Promise<void> => {
    await directory?.close();
    directory = null;
  };
  const folder = join(path, 'snapshots-0');
  const rewrite = async (name: string, change: (content: Buffer) => Buffer): Promise<void> => {
    const file = await openFile(join(folder, name), 'r+');
    try {
      const content = change(await file.readFile());
      await file.truncate(content.length);
      await file.write(content, 0, content.length, 0);
    } finally {
      await file.close();
    }
  };
  return {
    snapshotStore: async () => (await open()).snapshots(),
    install: async (snapshot, log, onStep = () => {}) => await installSnapshot(await open(), snapshot, log, { onStep }),
    snapshotFiles: async () => (await readdir(folder).catch(() => [])).sort(),
    damage: async (name, offset) => await rewrite(name, (content) => flipped(content, offset)),
    cutOff: async (name, sizeBytes) => await rewrite(name, (content) => content.subarray(0, sizeBytes)),
    logStore: async () => (await open()).logStore(),
    stateStore: async () => (await open()).stateStore(),
    stop,
    remove: async () => {
      await stop();
      await rm(path, { recursive: true, force: true });
    },
  };
}

function flipped(content: Buffer, offset: number): Buffer {
  const at = offset < 0 ? content.length + offset : offset;
  content.writeUInt8(content.readUInt8(at) ^ 0x10, at);
  return content;
}

export async function makeTemporaryDirectory(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'quorate-storage-'));
}

/** An entry whose payload tells index, term and `salt`. */
export function makeEntry(index: number, term: number, sizeBytes = 16, salt = 0): Entry {
  const data = Buffer.alloc(sizeBytes, `${index}/${term}/${salt};`);
  return { index, term, type: 1, stampMs: 1_000 * index + 0.5, data };
}

export function makeEntries(from: number, count: number, term: number, sizeBytes = 16, salt = 0): Entry[] {
  return Array.from({ length: count }, (_, i) => makeEntry(from + i, term, sizeBytes, salt));
}

/** Entries as plain values, for comparison: payloads may be Buffer or Uint8Array. */
export function plain(entries: readonly Entry[]): unknown[] {
  return entries.map(({ data, ...rest }) => ({ ...rest, data: Buffer.from(data).toString('latin1') }));
}
