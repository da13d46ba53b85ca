import { open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type DataDirectory,
  type LevelLogStore,
  type OpenedLog,
  openDataDirectory,
  openLevelDatabase,
  StorageError,
} from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeEntries, makeEntry, makeTemporaryDirectory, plain } from '../../unit/storage/harness.ts';

/*
 * Disks that flip and lose bytes. LevelDB skips damaged log records in silence; the store has to notice, by an error or
 * by a doubt, whenever fewer entries come back than were acknowledged.
 */

const test = suite('storage on a damaged disk');
const COUNT = 100;

const withDirectory = (body: (path: string) => Promise<void>) => async (): Promise<void> => {
  const path = await makeTemporaryDirectory();
  try {
    await body(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
};

const openDirectory = (path: string) => openDataDirectory({ path, nodeId: 'n1', clusterMembers: 'n1,n2,n3' });

/** Writes entries one by one, term and vote before them, then ends as a crash does. */
async function fill(path: string): Promise<void> {
  const directory = await openDirectory(path);
  const store = directory.logStore();
  await store.open();
  await store.append({ entries: [], hardState: { term: 1, vote: 'n2' } });
  for (let i = 1; i <= COUNT; i++) await store.append({ entries: [makeEntry(i, 1, 1000)], hardState: null });
  await endLikeACrash(path, directory, store);
}

/** Closes everything, but leaves on the disk what a crash would: no high-water mark of an orderly end. */
async function endLikeACrash(path: string, directory: DataDirectory, store: LevelLogStore): Promise<void> {
  const file = join(path, 'superblock-0');
  const superblock = await readFile(file);
  await store.close();
  await directory.close();
  await writeFile(file, superblock);
}

type Outcome = { error: StorageError } | { error: null; found: OpenedLog; doubts: readonly string[] };

async function reopen(path: string): Promise<Outcome> {
  const directory = await openDirectory(path);
  const store = directory.logStore();
  try {
    const found = await store.open();
    return { error: null, found, doubts: store.doubts };
  } catch (error) {
    assert.instance(error, StorageError);
    return { error: error as StorageError };
  } finally {
    await store.close();
    await directory.close();
  }
}

async function writeAheadLogOf(path: string): Promise<string> {
  const logs = (await readdir(join(path, 'log'))).filter((name) => name.endsWith('.log')).sort();
  return join(path, 'log', logs.at(-1) as string);
}

async function flip(file: string, offset: number): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, offset);
    byte[0] = (byte[0] as number) ^ 0x40;
    await handle.write(byte, 0, 1, offset);
  } finally {
    await handle.close();
  }
}

for (const part of [0.02, 0.3, 0.5, 0.8, 0.995]) {
  test(
    `a byte flipped at ${part * 100} % of LevelDB's log is noticed`,
    withDirectory(async (path) => {
      await fill(path);
      const file = await writeAheadLogOf(path);
      await flip(file, Math.floor((await stat(file)).size * part));
      const outcome = await reopen(path);
      if (outcome.error !== null) {
        assert.is(outcome.error.code, 'LOG_CORRUPTED');
        assert.match(outcome.error.message, /Move the data directory away/);
      } else {
        assert.ok(outcome.found.entries.length < COUNT);
        assert.match(outcome.doubts.join('\n'), /LevelDB reported at this start.*dropping \d+ bytes/);
      }
      if (outcome.error === null) {
        const term = outcome.found.hardState;
        assert.equal(term, { term: 1, vote: 'n2' }, 'the vote never goes back');
      }
    }),
  );
}

/** Offsets of the records in LevelDB's log. */
async function recordsOf(file: string): Promise<number[]> {
  const bytes = await readFile(file);
  const offsets: number[] = [];
  for (let at = 0; at + 7 <= bytes.length; ) {
    const left = 32_768 - (at % 32_768);
    if (left < 7) at += left;
    else {
      offsets.push(at);
      at += 7 + bytes.readUInt16LE(at + 4);
    }
  }
  return offsets;
}

test(
  'damage that LevelDB itself skips in silence is doubted: a length flipped, a sector zeroed',
  withDirectory(async (path) => {
    for (const damage of ['length', 'zeroes'] as const) {
      await fill(path);
      const file = await writeAheadLogOf(path);
      const sixthLast = (await recordsOf(file)).at(-6) as number;
      const bytes = await readFile(file);
      if (damage === 'length') bytes[sixthLast + 5] = 0x70;
      else bytes.fill(0, sixthLast, sixthLast + 512);
      await writeFile(file, bytes);
      const outcome = await reopen(path);
      assert.ok(outcome.error === null && outcome.found.entries.length < COUNT, damage);
      assert.match(outcome.error === null ? outcome.doubts.join() : '', /damaged at byte \d+: sound records follow/);
      await rm(path, { recursive: true });
    }
  }),
);

test(
  'a tail torn at any byte of the last record, or zero-filled from there, is no doubt',
  withDirectory(async (path) => {
    await fill(path);
    const file = await writeAheadLogOf(path);
    const last = (await recordsOf(file)).at(-1) as number;
    const bytes = await readFile(file);
    const superblock = await readFile(join(path, 'superblock-0'));
    for (const kept of [0, 1, 6, 7, 8, 500, bytes.length - last - 1]) {
      for (const zeroes of kept === 0 ? [0, 4096] : [0]) {
        await rm(path, { recursive: true });
        await fill(path);
        await writeFile(
          await writeAheadLogOf(path),
          Buffer.concat([bytes.subarray(0, last + kept), Buffer.alloc(zeroes)]),
        );
        await writeFile(join(path, 'superblock-0'), superblock);
        const outcome = await reopen(path);
        assert.ok(outcome.error === null && outcome.found.entries.length >= COUNT - 1);
        assert.equal(outcome.error === null && outcome.doubts, [], `${kept} bytes kept`);
      }
    }
  }),
);

test(
  'the report of an earlier start that ended before it could tell is found again',
  withDirectory(async (path) => {
    await fill(path);
    const file = await writeAheadLogOf(path);
    await flip(file, (await stat(file)).size - 100);
    await (await openDirectory(path)).close();
    const outcome = await reopen(path);
    assert.ok(outcome.error === null);
    assert.match(outcome.error === null ? outcome.doubts.join() : '', /in the run before.*dropping \d+ bytes/);
  }),
);

test(
  'a tail torn off below the high-water mark is doubted',
  withDirectory(async (path) => {
    await fill(path);
    const directory = await openDirectory(path);
    const store = directory.logStore();
    await store.open();
    await store.append({ entries: makeEntries(COUNT + 1, 5, 1), hardState: null });
    await store.close();
    await directory.close();
    await truncate(await writeAheadLogOf(path), 0);
    const outcome = await reopen(path);
    assert.ok(outcome.error === null && outcome.found.entries.length === COUNT);
    assert.match(
      outcome.error === null ? outcome.doubts.join() : '',
      /ends at entry 100, but was durable through entry 105/,
    );
  }),
);

test(
  'a torn tail that nobody was told of is no doubt',
  withDirectory(async (path) => {
    await fill(path);
    const file = await writeAheadLogOf(path);
    await truncate(file, (await stat(file)).size - 300);
    const outcome = await reopen(path);
    assert.ok(outcome.error === null);
    if (outcome.error !== null) return;
    assert.equal(plain(outcome.found.entries), plain(makeEntries(1, COUNT - 1, 1, 1000)));
    assert.equal(outcome.doubts, []);
  }),
);

test(
  'a suffix cut off below the high-water mark, then a crash, is no doubt',
  withDirectory(async (path) => {
    const directory = await openDirectory(path);
    const first = directory.logStore();
    await first.open();
    await first.append({ entries: makeEntries(1, 10, 1), hardState: null });
    await first.close();
    const second = directory.logStore();
    await second.open();
    await second.append({ entries: [makeEntry(4, 2)], hardState: null });
    await endLikeACrash(path, directory, second);
    const outcome = await reopen(path);
    assert.ok(outcome.error === null && outcome.found.entries.length === 4);
    assert.equal(outcome.error === null && outcome.doubts, []);
  }),
);

test(
  'lost writes of term and vote are doubted, and the superblock keeps the vote',
  withDirectory(async (path) => {
    const directory = await openDirectory(path);
    const store = directory.logStore();
    await store.open();
    for (const term of [1, 2, 3]) await store.append({ entries: [], hardState: { term, vote: 'n3' } });
    await endLikeACrash(path, directory, store);
    await truncate(await writeAheadLogOf(path), 0);
    const outcome = await reopen(path);
    assert.ok(outcome.error === null);
    if (outcome.error !== null) return;
    assert.equal(outcome.found.hardState, { term: 3, vote: 'n3' });
    assert.match(outcome.doubts.join(), /change 0 of term and vote, the superblock change 3/);
  }),
);

/** Term and vote reach the superblock, and the power goes before they reach LevelDB. */
async function voteCutShort(path: string, term: number): Promise<void> {
  const directory = await openDirectory(path);
  const store = directory.logStore();
  await store.open();
  const log = await writeAheadLogOf(path);
  const { size } = await stat(log);
  await store.append({ entries: [], hardState: { term, vote: 'n3' } });
  await endLikeACrash(path, directory, store);
  await truncate(log, size);
}

test(
  'a vote that only the superblock holds, and a flipped byte there after the next start: noticed',
  withDirectory(async (path) => {
    await fill(path);
    await voteCutShort(path, 2);
    const outcome = await reopen(path);
    assert.ok(outcome.error === null);
    // From here on the node may answer with this vote: it is on the disk.
    assert.equal(outcome.error === null && [outcome.found.hardState, outcome.doubts], [{ term: 2, vote: 'n3' }, []]);
    const file = join(path, 'superblock-0');
    const bytes = await readFile(file);
    const newest = bytes.readUInt32BE(8) > bytes.readUInt32BE(4096 + 8) ? 0 : 4096;
    await flip(file, newest + 24);
    const after = await reopen(path);
    assert.ok(after.error === null);
    if (after.error !== null) return;
    const kept = after.found.hardState.term === 2 && after.found.hardState.vote === 'n3';
    assert.ok(kept || after.doubts.length > 0, `${JSON.stringify(after.found.hardState)} without a doubt`);
  }),
);

test(
  'power that goes twice between superblock and log is no doubt',
  withDirectory(async (path) => {
    await fill(path);
    for (const term of [2, 3]) await voteCutShort(path, term);
    const outcome = await reopen(path);
    assert.ok(outcome.error === null);
    assert.equal(outcome.error === null && [outcome.found.hardState, outcome.doubts], [{ term: 3, vote: 'n3' }, []]);
  }),
);

test(
  'a lost or damaged superblock is doubted, and made again from the log',
  withDirectory(async (path) => {
    await fill(path);
    const file = join(path, 'superblock-0');
    const cases = [() => rm(file), () => writeFile(file, 'nonsense'), () => writeFile(file, Buffer.alloc(8192))];
    for (const damage of cases) {
      await damage();
      const outcome = await reopen(path);
      assert.ok(outcome.error === null && outcome.found.entries.length === COUNT);
      if (outcome.error !== null) return;
      assert.equal(outcome.found.hardState, { term: 1, vote: 'n2' });
      assert.match(outcome.doubts.join(), /superblock/);
      const again = await reopen(path);
      assert.ok(again.error === null && again.doubts.length === 0);
    }
  }),
);

test(
  'one slot of the superblock torn: the other holds',
  withDirectory(async (path) => {
    await fill(path);
    const file = join(path, 'superblock-0');
    const bytes = await readFile(file);
    // The first write went to the second slot; a torn write to the first one must not matter.
    bytes.fill(7, 0, 500);
    await writeFile(file, bytes);
    const outcome = await reopen(path);
    assert.ok(outcome.error === null && outcome.doubts.length === 0);
    assert.equal(outcome.error === null && outcome.found.hardState, { term: 1, vote: 'n2' });
  }),
);

for (const [name, change] of [
  ['an entry missing in the middle', (index: number) => (index === 50 ? 'delete' : 'keep')],
  ['an entry changed in place', (index: number) => (index === 70 ? 'flip' : 'keep')],
  ['an entry of another history, sound in itself', (index: number) => (index === 30 ? 'swap' : 'keep')],
] as const) {
  test(
    `${name} is damage`,
    withDirectory(async (path) => {
      await fill(path);
      const other = await makeTemporaryDirectory();
      await fill(other);
      try {
        await tamper(path, change);
        const outcome = await reopen(path);
        assert.is(outcome.error?.code, 'LOG_CORRUPTED');
      } finally {
        await rm(other, { recursive: true, force: true });
      }
    }),
  );
}

async function tamper(path: string, change: (index: number) => string): Promise<void> {
  const tuning = { writeBufferSizeBytes: 1 << 20, cacheSizeBytes: 1 << 20, compression: false };
  const { level } = await openLevelDatabase(join(path, 'log'), tuning, 'LOG_CORRUPTED');
  const rows = await level.iterator().all();
  for (const [key, value] of rows) {
    const index = key[0] === 1 ? key.readUInt32BE(9) : 0;
    const what = change(index);
    if (what === 'delete') await level.del(key);
    if (what === 'flip') {
      value[value.length - 1] = (value[value.length - 1] as number) ^ 1;
      await level.put(key, value);
    }
    if (what === 'swap') await level.put(key, await historyOf(index));
  }
  await level.close();
}

/** The record of entry `index` from a log with other entries before it. */
async function historyOf(index: number): Promise<Buffer> {
  const path = await makeTemporaryDirectory();
  try {
    const directory = await openDirectory(path);
    const store = directory.logStore();
    await store.open();
    await store.append({ entries: [...makeEntries(1, index - 1, 1, 10), makeEntry(index, 1, 1000)], hardState: null });
    await store.close();
    await directory.close();
    const tuning = { writeBufferSizeBytes: 1 << 20, cacheSizeBytes: 1 << 20, compression: false };
    const { level } = await openLevelDatabase(join(path, 'log'), tuning, 'LOG_CORRUPTED');
    const rows = await level.iterator().all();
    await level.close();
    const row = rows.find(([key]) => key[0] === 1 && key.readUInt32BE(9) === index);
    assert.ok(row);
    return (row as [Buffer, Buffer])[1];
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

test(
  'a database that fails poisons the store: the same error ever after',
  withDirectory(async (path) => {
    const directory = await openDirectory(path);
    const store = directory.logStore();
    const state = directory.stateStore();
    await store.open();
    await state.open();
    await store.append({ entries: [makeEntry(1, 1)], hardState: null });
    await directory.close();
    const error = await store.append({ entries: [makeEntry(2, 1)], hardState: null }).catch((e: unknown) => e);
    assert.is((error as StorageError).code, 'STORAGE_FAILED');
    assert.is(await store.append({ entries: [makeEntry(2, 1)], hardState: null }).catch((e: unknown) => e), error);
    assert.is(await store.read(1, 1).catch((e: unknown) => e), error);
    const position = { appliedIndex: 1, appliedTerm: 1 };
    const broken = await state.write({ position, puts: [], deletes: [] }).catch((e: unknown) => e);
    assert.is(await state.write({ position, puts: [], deletes: [] }).catch((e: unknown) => e), broken);
    await store.close();
  }),
);

test(
  'a state record changed in place is damage',
  withDirectory(async (path) => {
    const directory = await openDirectory(path);
    const state = directory.stateStore();
    await state.open();
    const puts = [[Buffer.from('k'), Buffer.from('value')]] as const;
    await state.write({ position: { appliedIndex: 1, appliedTerm: 1 }, puts, deletes: [] });
    await directory.close();
    const tuning = { writeBufferSizeBytes: 1 << 20, cacheSizeBytes: 1 << 20, compression: true };
    const { level } = await openLevelDatabase(join(path, 'state'), tuning, 'STATE_CORRUPTED');
    for (const [key, value] of await level.iterator().all()) {
      if (key[0] !== 1) continue;
      value[5] = (value[5] as number) ^ 1;
      await level.put(key, value);
    }
    await level.close();
    const again = await openDirectory(path);
    const damaged = again.stateStore();
    await damaged.open();
    await assert.rejects(
      damaged.load(() => {}),
      'STATE_CORRUPTED',
    );
    await again.close();
  }),
);

test.run();
