import { cp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  type DataDirectory,
  type LevelDatabase,
  LevelLogStore,
  openDataDirectory,
  openLevelDatabase,
  setAside,
} from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeEntries, makeEntry, makeTemporaryDirectory } from '../storage/harness.ts';
import { factsAt, somePairs } from '../storage/snapshot-support.ts';
import { makeWrite } from '../storage/state-store-suite.ts';
import { LevelWatch } from './level-watch.ts';

/* What befell others who kept a Raft log on LevelDB. The whole list is docs/pitfalls.md. */

const test = suite('pitfalls: storage');
const TUNING = { writeBufferSizeBytes: 1 << 20, cacheSizeBytes: 1 << 20, compression: false };

const withDirectory = (body: (path: string) => Promise<void>) => async (): Promise<void> => {
  const path = await makeTemporaryDirectory();
  try {
    await body(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
};

const openDirectory = (path: string): Promise<DataDirectory> =>
  openDataDirectory({ path, nodeId: 'n1', clusterMembers: 'n1,n2,n3' });

/**
 * What a data directory goes through in its life: growth, conflicts, compaction, checkpoints, a dump, a hash.
 * @param onRead called after everything that reads much
 */
async function live(path: string, onRead: (what: string) => void = () => {}): Promise<void> {
  const directory = await openDirectory(path);
  const log = directory.logStore();
  const state = directory.stateStore();
  await log.open();
  await state.open();
  onRead('open');
  await log.append({ entries: makeEntries(1, 3000, 1), hardState: { term: 1, vote: 'n1' } });
  await log.append({ entries: makeEntries(2900, 50, 2), hardState: { term: 2, vote: null } });
  for (let at = 0; at < 5; at++) await state.write(makeWrite(100 + at, 1, somePairs(200, String(at))));
  await log.compact(1500, 1);
  assert.is((await log.read(1501, 1 << 20))[0]?.index, 1501);
  onRead('read of the log');
  await directory.snapshots().create(state, factsAt(104, 1));
  onRead('dump');
  await state.recordHash();
  onRead('hash');
  await state.load(() => {});
  onRead('load');
  await log.compact(1_000_000, 3);
  await log.append({ entries: [makeEntry(1_000_001, 3)], hardState: { term: 3, vote: null } });
  await state.close();
  await log.close();
  await directory.close();
}

test('Level/classic-level#86: the LevelDB inside is the one that these precautions are made for', async () => {
  const folder = dirname(createRequire(import.meta.url).resolve('classic-level/package.json'));
  const sources = join(folder, 'deps', 'leveldb');
  const [version, ...others] = (await readdir(sources)).filter((name) => name.startsWith('leveldb-'));
  assert.equal([version, others], ['leveldb-1.20', []]);
  // google/leveldb#320 is mended by this function, which is not in it.
  const versions = await readFile(join(sources, 'leveldb-1.20', 'db', 'version_set.cc'), 'utf8');
  assert.not.match(versions, /AddBoundaryInputs/);
});

test(
  'google/leveldb#320: no LevelDB snapshot is taken, no iterator outlives its call, and none is open beside a write of the state',
  withDirectory(async (path) => {
    const watch = new LevelWatch();
    const left: [string, number][] = [];
    try {
      await live(path, (what) => left.push([what, watch.open]));
    } finally {
      watch.stop();
    }
    assert.ok(watch.iterators > 10 && watch.writes > 10, 'the watch sees them');
    assert.is(watch.snapshots, 0);
    assert.equal(
      left,
      ['open', 'read of the log', 'dump', 'hash', 'load'].map((what) => [what, 0]),
    );
    // Entries of the log are hardly ever written twice: there a bounded read beside a deletion does no harm.
    assert.equal(
      watch.writesBesideIterators.filter((name) => name !== 'log'),
      [],
    );
  }),
);

test(
  'db.clear() is neither synced nor atomic, and repair() loses data: neither is ever called, on damage neither',
  withDirectory(async (path) => {
    const watch = new LevelWatch();
    try {
      await live(path);
      // A table of the state is damaged, and CURRENT of the log: what could tempt to repair, or to begin anew.
      const state = (await readdir(path)).find((name) => name.startsWith('state')) as string;
      const [table] = (await readdir(join(path, state))).filter((name) => /\.(ldb|log)$/.test(name));
      await truncate(join(path, state, table as string), 20);
      await rm(join(path, 'log', 'CURRENT'));
      await assert.rejects(openDirectory(path), /./);
      await setAside({ path, nodeId: 'n1', reason: 'damage' });
      await (await openDirectory(path)).close();
    } finally {
      watch.stop();
    }
    assert.equal(watch.forbidden, []);
  }),
);

test(
  'tombstones: every read of the log begins at a live entry, not in the deleted range before it',
  withDirectory(async (path) => {
    const watch = new LevelWatch();
    const directory = await openDirectory(path);
    try {
      const log = directory.logStore();
      await log.open();
      await log.append({ entries: makeEntries(1, 3000, 1), hardState: null });
      await log.compact(2900, 1);
      watch.bounds.length = 0;
      for (const from of [1, 2900, 2901, 2950, 3000, 3001]) await log.read(from, 1 << 20);
      await log.close();
    } finally {
      watch.stop();
      await directory.close();
    }
    const firsts = watch.bounds.map(({ gte }) => Number((gte as Buffer).readBigUInt64BE(5)));
    const lasts = watch.bounds.map(({ lte }) => Number((lte as Buffer).readBigUInt64BE(5)));
    assert.equal(firsts, [2901, 2950, 3000]);
    assert.equal(lasts, [3000, 3000, 3000]);
  }),
);

/** Ends of the records in the newest log file of LevelDB: 32 KiB blocks of records with a header of 7 bytes. */
function recordEnds(bytes: Buffer): number[] {
  const ends: number[] = [];
  for (let at = 0; at + 7 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at + 4);
    if (length === 0) break;
    at += 7 + length;
    ends.push(at);
  }
  return ends;
}

async function terms(database: LevelDatabase): Promise<number[]> {
  const store = new LevelLogStore({ database, superblockPath: join(database.path, '..', 'superblock-0'), group: 0 });
  const { entries } = await store.open();
  await store.close();
  return entries.map(({ term }) => term);
}

test(
  'braft#119, sofa-jraft#1187: a suffix is replaced whole or not at all, wherever the power fails',
  withDirectory(async (path) => {
    const directory = await openDirectory(path);
    const log = directory.logStore();
    await log.open();
    await log.append({ entries: makeEntries(1, 10, 1), hardState: { term: 1, vote: null } });
    // Two entries of term 2 take the place of seven: five have to go.
    await log.append({ entries: makeEntries(4, 2, 2), hardState: { term: 2, vote: null } });
    const [name = ''] = (await readdir(join(path, 'log'))).filter((file) => file.endsWith('.log'));
    const ends = recordEnds(await readFile(join(path, 'log', name)));
    const [before, end] = ends.slice(-2) as [number, number];
    const old = Array(10).fill(1);
    const found: number[][] = [];
    for (const cut of [before, before + 1, before + 7, Math.floor((before + end) / 2), end - 1, end]) {
      const copy = `${path}-cut`;
      await cp(path, copy, { recursive: true });
      await truncate(join(copy, 'log', name), cut);
      const database = await openLevelDatabase(join(copy, 'log'), TUNING, 'LOG_CORRUPTED');
      found.push(await terms(database));
      await database.level.close();
      await rm(copy, { recursive: true });
    }
    await log.close();
    await directory.close();
    assert.equal(found, [old, old, old, old, old, [1, 1, 1, 2, 2]]);
  }),
);

test.run();
