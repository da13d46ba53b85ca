import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type LevelDatabase, LevelLogStore, openLevelDatabase } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeEntries, makeEntry, makeTemporaryDirectory } from './harness.ts';

/* How the log store uses LevelDB: which calls, synced or not, and never two writes at a time. */

const test = suite('writes of the log store to LevelDB');

class Spy {
  readonly calls: string[] = [];
  mostInFlight = 0;
  #inFlight = 0;

  constructor({ level }: LevelDatabase) {
    const put = level.put.bind(level) as (...args: unknown[]) => Promise<void>;
    const batch = level.batch.bind(level) as () => ReturnType<typeof level.batch>;
    const watch = async (name: string, options: unknown, write: () => Promise<void>): Promise<void> => {
      this.calls.push(`${name} sync=${String((options as { sync: boolean }).sync)}`);
      this.mostInFlight = Math.max(this.mostInFlight, ++this.#inFlight);
      try {
        await write();
      } finally {
        this.#inFlight -= 1;
      }
    };
    const watchedBatch = () => {
      const chained = batch();
      const write = chained.write.bind(chained) as (options: unknown) => Promise<void>;
      const watched = (options: unknown) => watch(`batch(${chained.length})`, options, () => write(options));
      return Object.assign(chained, { write: watched });
    };
    Object.assign(level, {
      put: (key: unknown, value: unknown, options: unknown) => watch('put', options, () => put(key, value, options)),
      batch: watchedBatch,
      clear: () => assert.unreachable('clear() is neither synced nor atomic'),
    });
  }
}

const withSpy = (body: (store: LevelLogStore, spy: Spy) => Promise<void>) => async (): Promise<void> => {
  const path = await makeTemporaryDirectory();
  const tuning = { writeBufferSizeBytes: 1 << 20, cacheSizeBytes: 1 << 20, compression: false };
  const database = await openLevelDatabase(join(path, 'log'), tuning, 'LOG_CORRUPTED');
  const spy = new Spy(database);
  const superblockPath = join(path, 'superblock-0');
  const store = new LevelLogStore({ database, superblockPath, group: 0, compactAfterDeletes: 1000 });
  try {
    await store.open();
    await body(store, spy);
  } finally {
    await store.close();
    await database.level.close();
    await rm(path, { recursive: true, force: true });
  }
};

test(
  'one entry is one synced put; several, or term and vote with them, are one synced batch',
  withSpy(async (store, spy) => {
    await store.append({ entries: [makeEntry(1, 1)], hardState: null });
    await store.append({ entries: makeEntries(2, 3, 1), hardState: null });
    await store.append({ entries: [makeEntry(5, 1)], hardState: { term: 1, vote: null } });
    await store.append({ entries: [], hardState: { term: 2, vote: null } });
    await store.append({ entries: [makeEntry(3, 2)], hardState: null });
    await store.append({ entries: [], hardState: null });
    assert.equal(spy.calls, [
      'put sync=true',
      'batch(3) sync=true',
      'batch(2) sync=true',
      'put sync=true',
      'batch(3) sync=true',
    ]);
  }),
);

test(
  'a compaction writes its bounds synced, then deletes in unsynced slices, never beside an append',
  withSpy(async (store, spy) => {
    await store.append({ entries: makeEntries(1, 4000, 1), hardState: null });
    spy.calls.length = 0;
    await store.compact(3500, 1);
    assert.is(spy.calls[0], 'put sync=true');
    for (let index = 4001; index <= 4010; index++) {
      await store.append({ entries: [makeEntry(index, 1)], hardState: null });
    }
    const slices = spy.calls.filter((call) => call.startsWith('batch'));
    assert.equal(slices, [...Array(3).fill('batch(1000) sync=false'), 'batch(500) sync=false']);
    assert.is(spy.mostInFlight, 1);
  }),
);

test(
  'an installed snapshot discards the log in one batch with the bounds, and leaves nothing to delete',
  withSpy(async (store, spy) => {
    await store.append({ entries: makeEntries(1, 50, 1), hardState: null });
    spy.calls.length = 0;
    await store.compact(1_000_000, 1);
    await store.append({ entries: [makeEntry(1_000_001, 1)], hardState: null });
    await store.compact(1_000_001, 1);
    await store.append({ entries: [makeEntry(1_000_002, 1)], hardState: null });
    await store.append({ entries: [makeEntry(1_000_003, 1)], hardState: null });
    assert.equal(spy.calls, [
      'batch(51) sync=true',
      'put sync=true',
      'put sync=true',
      'batch(1) sync=false',
      'put sync=true',
      'put sync=true',
    ]);
  }),
);

test.run();
