import { cp, readdir } from 'node:fs/promises';
import type { Entry, HardState } from '@quorate/consensus';
import { type DataDirectory, type OpenedLog, openDataDirectory, RecordHash, type StateStore } from '@quorate/storage';
import { assert } from '../../support/suite.ts';
import { makeEntries, plain } from '../../unit/storage/harness.ts';

export const OLD_INDEX = 5;
export const NEW_INDEX = 100;
export const NEW_TERM = 3;
export const HARD_STATE: HardState = { term: 4, vote: 'n3' };
/** Two batches. */
const RECORDS = 1_200;
const CLUSTER_ID = 'cluster one';

export const openDirectory = (path: string): Promise<DataDirectory> =>
  openDataDirectory({ path, nodeId: 'n1', clusterMembers: 'n1,n2,n3', nowMs: () => 5_000 });

/** A log that an installation meets, and what it has to be afterwards. */
export interface LogCase {
  readonly name: string;
  readonly entries: readonly Entry[];
  readonly after: readonly Entry[];
}

const AGREEING = [...makeEntries(1, 60, 2), ...makeEntries(61, 60, NEW_TERM)];
export const LOG_CASES: readonly LogCase[] = [
  { name: 'a log that ends before the snapshot', entries: makeEntries(1, 10, 1), after: [] },
  { name: 'a log that goes on from the snapshot', entries: AGREEING, after: AGREEING.slice(NEW_INDEX) },
  { name: 'a log that disagrees at the snapshot', entries: makeEntries(1, 130, 2), after: [] },
];

function recordsOf(salt: string): [Buffer, Buffer][] {
  return Array.from({ length: RECORDS }, (_, i) => [Buffer.from(`${salt} ${i}`), Buffer.alloc(2_000, `${salt}${i};`)]);
}

/** A directory with an old state, the given log, and beside them the snapshot that is to be installed. */
export async function makeTemplate(path: string, { entries }: LogCase): Promise<void> {
  const directory = await openDirectory(path);
  await directory.setClusterId(CLUSTER_ID);
  const maker = await openDirectory(`${path}-maker`);
  const made = maker.stateStore();
  await made.open();
  await made.write({
    position: { appliedIndex: NEW_INDEX, appliedTerm: NEW_TERM },
    puts: recordsOf('new'),
    deletes: [],
  });
  const facts = { index: NEW_INDEX, term: NEW_TERM, stampMs: 1, configuration: Buffer.of(1), clusterId: CLUSTER_ID };
  const offer = await maker.snapshots().create(made, facts);
  const reader = await maker.snapshots().open(offer.id);
  const { receiver } = directory.snapshots();
  for (let offset = await receiver.begin(offer); offset < offer.sizeBytes; ) {
    offset = await receiver.write(offset, await reader.read(offset, 1 << 20));
  }
  await receiver.finish();
  await reader.close();
  await made.close();
  await maker.close();
  const state = directory.stateStore();
  await state.open();
  const position = { appliedIndex: OLD_INDEX, appliedTerm: 1 };
  await state.write({ position, puts: recordsOf('old').slice(0, 50), deletes: [] });
  await state.close();
  const log = directory.logStore();
  await log.open();
  await log.append({ entries, hardState: HARD_STATE });
  await log.close();
  await directory.close();
}

/** Copies a directory as a killed process would leave it. */
export async function copyDirectory(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true });
}

async function hashOf(store: StateStore): Promise<string> {
  const hash = new RecordHash();
  await store.load((key, value) => {
    hash.add(key, value);
  });
  return hash.toString();
}

function hashOfRecords(records: readonly [Buffer, Buffer][]): string {
  const hash = new RecordHash();
  for (const [key, value] of records) hash.add(key, value);
  return hash.toString();
}

const NEW_HASH = hashOfRecords(recordsOf('new'));
const OLD_HASH = hashOfRecords(recordsOf('old').slice(0, 50));

/** Opens the directory and demands that it is wholly before or wholly after; says which. */
export async function verify(path: string, { entries, after }: LogCase): Promise<'before' | 'after'> {
  const directory = await openDirectory(path);
  try {
    const state = directory.stateStore();
    const { appliedIndex, appliedTerm } = await state.open();
    const hash = await hashOf(state);
    await state.close();
    const log = directory.logStore();
    const opened = await log.open();
    assert.equal(log.doubts, []);
    assert.is(directory.suspect, null);
    assert.equal(opened.hardState, HARD_STATE);
    await log.close();
    const found = (await readdir(path)).filter((name) => name.startsWith('state'));
    assert.is(found.length, 1, `one state database is left: ${found.join()}`);
    if (appliedIndex === OLD_INDEX) {
      assert.equal([appliedTerm, hash], [1, OLD_HASH]);
      demandLog(opened, 0, 0, entries);
      return 'before';
    }
    assert.equal([appliedIndex, appliedTerm, hash], [NEW_INDEX, NEW_TERM, NEW_HASH]);
    demandLog(opened, NEW_INDEX, NEW_TERM, after);
    return 'after';
  } finally {
    await directory.close();
  }
}

function demandLog(opened: OpenedLog, index: number, term: number, entries: readonly Entry[]): void {
  assert.equal([opened.compactedIndex, opened.compactedTerm], [index, term]);
  assert.equal(plain(opened.entries), plain(entries));
}
