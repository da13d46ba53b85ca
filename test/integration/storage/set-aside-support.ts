import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataDirectory, installSnapshot, type OpenedLog, openDataDirectory } from '@quorate/storage';
import { assert } from '../../support/suite.ts';
import { makeEntries, plain } from '../../unit/storage/harness.ts';

export const REASON = 'the log is damaged';
const CLUSTER_ID = 'cluster one';
const MEMBERS = 'n1,n2,n3';
const FOUNDING = Uint8Array.of(1, 2, 3);
const SNAPSHOT_INDEX = 20;
const LAST_INDEX = 60;
const HARD_STATE = { term: 4, vote: 'n3' };
const KEY = Buffer.from('key');
const MEMORY = /^(?:log|state|superblock|current|suspect|snapshots)/;

export const openDirectory = (path: string): Promise<DataDirectory> =>
  openDataDirectory({ path, nodeId: 'n1', clusterMembers: MEMBERS, nowMs: () => 5_000 });

/** What a node finds at its start, read to the last record. */
export interface Started {
  readonly directoryId: string;
  readonly incarnation: number;
  readonly founding: Uint8Array | null;
  readonly setAside: DataDirectory['setAside'];
  readonly doubts: readonly string[];
  readonly opened: OpenedLog;
  readonly appliedIndex: number;
  readonly records: number;
}

/** Starts as a node does. @throws StorageError when something is damaged */
export async function start(path: string): Promise<Started> {
  const directory = await openDirectory(path);
  const log = directory.logStore();
  try {
    const opened = await log.open();
    const state = directory.stateStore();
    const { appliedIndex } = await state.open();
    let records = 0;
    await state.load(() => {
      records += 1;
    });
    assert.is(directory.clusterId, CLUSTER_ID);
    const { directoryId, incarnation, founding, setAside } = directory;
    const doubts = [...log.doubts, ...(directory.suspect?.reasons ?? [])];
    await state.close();
    return { directoryId, incarnation, founding, setAside, doubts, opened, appliedIndex, records };
  } finally {
    await log.close();
    await directory.close();
  }
}

/** A directory in which there is something of everything: an installed snapshot, a log behind it, tables of LevelDB. */
export async function makeFull(path: string): Promise<string> {
  const directory = await openDirectory(path);
  await directory.setClusterId(CLUSTER_ID);
  await directory.setFounding(FOUNDING);
  const old = directory.stateStore();
  await old.open();
  const position = { appliedIndex: SNAPSHOT_INDEX, appliedTerm: 1 };
  await old.write({ position, puts: [[KEY, Buffer.alloc(1_000, 'v')]], deletes: [] });
  const facts = { index: SNAPSHOT_INDEX, term: 1, stampMs: 1, configuration: FOUNDING, clusterId: CLUSTER_ID };
  const { id } = await directory.snapshots().create(old, facts);
  await old.close();
  const log = directory.logStore();
  await log.open();
  await log.append({ entries: makeEntries(1, LAST_INDEX, 1, 500), hardState: HARD_STATE });
  const reader = await directory.snapshots().open(id);
  await installSnapshot(directory, reader, log);
  await reader.close();
  await log.close();
  await directory.close();
  // Opening again makes tables of LevelDB's log.
  const { directoryId } = await start(path);
  demandOld(await start(path), directoryId);
  return directoryId;
}

/** @param id of the directory as it was made */
export function demandOld(found: Started, id: string): void {
  assert.is(found.directoryId, id);
  assert.equal(found.founding, FOUNDING);
  assert.equal(found.doubts, []);
  assert.equal(found.opened.hardState, HARD_STATE);
  assert.is(found.opened.compactedIndex, SNAPSHOT_INDEX);
  assert.equal(plain(found.opened.entries), plain(makeEntries(1, LAST_INDEX, 1, 500).slice(SNAPSHOT_INDEX)));
  assert.equal([found.appliedIndex, found.records], [SNAPSHOT_INDEX, 1]);
}

/** @param id of the directory before it was set aside */
export function demandNew(found: Started, id: string, before: number): void {
  assert.is.not(found.directoryId, id);
  assert.is(found.founding, null);
  assert.equal(found.doubts, []);
  assert.equal(found.opened, { hardState: { term: 0, vote: null }, compactedIndex: 0, compactedTerm: 0, entries: [] });
  assert.equal([found.appliedIndex, found.records], [0, 0]);
  assert.ok(found.incarnation > before, `incarnation ${found.incarnation} after ${before}`);
}

export async function identityOf(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(path, 'identity.json'), 'utf8')) as Record<string, unknown>;
}

export async function memoryIn(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => MEMORY.test(name)).sort();
}

/** The rule that holds at every moment: no directory has the new id and anything of the old data. */
export async function demandNeverBoth(path: string, id: string): Promise<void> {
  if ((await identityOf(path))['directoryId'] === id) return;
  assert.equal(await memoryIn(path), []);
}

/** Puts what was set aside back where it was, with the identity it had: it has to be whole. */
export async function demandKept(path: string, full: string, id: string): Promise<void> {
  const back = `${path}-back`;
  await cp(join(path, 'set-aside'), back, { recursive: true });
  await cp(join(full, 'identity.json'), join(back, 'identity.json'));
  for (const name of ['note.json', 'lock']) await rm(join(back, name), { recursive: true });
  demandOld(await start(back), id);
  await rm(back, { recursive: true });
}
