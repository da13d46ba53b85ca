import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Entry } from '@quorate/consensus';
import {
  type DataDirectory,
  type LogStore,
  MemoryDisk,
  MemoryLogStore,
  MemoryStateStore,
  openDataDirectory,
  type StateStore,
} from '@quorate/storage';

/** A log store as the suites need it: with its doubts. */
export type TestedLogStore = LogStore & { readonly doubts: readonly string[] };

/** One place that stores are opened on, again and again. */
export interface Place {
  /** A store on this place, not yet opened. Close the one before first. */
  logStore(): Promise<TestedLogStore>;
  stateStore(): Promise<StateStore>;
  /** Ends the process that uses the place, in order; the stores are closed already. */
  stop(): Promise<void>;
  remove(): Promise<void>;
}

export type PlaceFactory = () => Promise<Place>;

export async function memoryPlace(): Promise<Place> {
  const disk = new MemoryDisk();
  return {
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
  return {
    logStore: async () => (await open()).logStore(),
    stateStore: async () => (await open()).stateStore(),
    stop,
    remove: async () => {
      await stop();
      await rm(path, { recursive: true, force: true });
    },
  };
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
