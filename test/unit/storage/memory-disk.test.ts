import { MemoryDisk, MemoryLogStore, MemoryStateStore } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeEntries, makeEntry, plain } from './harness.ts';
import { loadAll, makeWrite } from './state-store-suite.ts';

const test = suite('memory disk');

async function openLog(disk: MemoryDisk): Promise<MemoryLogStore> {
  const store = new MemoryLogStore(disk);
  await store.open();
  return store;
}

async function indexesAfter(disk: MemoryDisk): Promise<number[]> {
  return (await new MemoryLogStore(disk).open()).entries.map((entry) => entry.index);
}

test('a crash drops the write in flight, keeps what was acknowledged, and kills the old store', async () => {
  const disk = new MemoryDisk();
  const store = await openLog(disk);
  await store.append({ entries: makeEntries(1, 3, 1), hardState: null });
  disk.stall();
  const lost = store.append({ entries: [makeEntry(4, 1)], hardState: null });
  assert.is(disk.writesInFlight, 1);
  disk.crash();
  await assert.rejects(lost, 'CRASHED');
  await assert.rejects(store.append({ entries: [makeEntry(4, 1)], hardState: null }), 'CRASHED');
  await assert.rejects(store.read(1, 1), 'CRASHED');
  assert.equal(await indexesAfter(disk), [1, 2, 3]);
});

test('a torn write leaves the vote in the superblock but not the entries; whole, it leaves both', async () => {
  for (const [torn, term, indexes] of [
    [0, 1, [1]],
    [1, 2, [1]],
    [2, 2, [1, 2]],
  ] as const) {
    const disk = new MemoryDisk();
    const store = await openLog(disk);
    await store.append({ entries: [makeEntry(1, 1)], hardState: { term: 1, vote: 'n1' } });
    disk.stall();
    const torn1 = store.append({ entries: [makeEntry(2, 2)], hardState: { term: 2, vote: 'n2' } });
    disk.crash({ torn });
    await assert.rejects(torn1, 'CRASHED');
    const again = new MemoryLogStore(disk);
    const found = await again.open();
    assert.is(found.hardState.term, term, `torn ${torn}`);
    assert.equal(
      found.entries.map((entry) => entry.index),
      indexes,
    );
    assert.equal(again.doubts, []);
  }
});

test('votes that twice in a row reached the superblock only are no doubt', async () => {
  const disk = new MemoryDisk();
  for (const term of [1, 2, 3]) {
    const store = await openLog(disk);
    assert.equal(store.doubts, []);
    disk.stall();
    const cutShort = store.append({ entries: [], hardState: { term, vote: 'n2' } });
    disk.crash({ torn: 1 });
    await assert.rejects(cutShort, 'CRASHED');
  }
  const last = new MemoryLogStore(disk);
  assert.equal((await last.open()).hardState, { term: 3, vote: 'n2' });
  assert.equal(last.doubts, []);
});

test('a stalled write completes on release, in order, and not before', async () => {
  const disk = new MemoryDisk();
  const log = await openLog(disk);
  const state = new MemoryStateStore(disk);
  await state.open();
  const order: string[] = [];
  disk.stall();
  const both = [
    log.append({ entries: [makeEntry(1, 1)], hardState: null }).then(() => order.push('log')),
    state.write(makeWrite(1, 1, [['a', '1']])).then(() => order.push('state')),
  ];
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assert.equal(order, []);
  disk.release();
  await Promise.all(both);
  assert.equal(order, ['log', 'state']);
});

test('the first error poisons: every later call rejects with the same error, and nothing is stored', async () => {
  const disk = new MemoryDisk();
  const store = await openLog(disk);
  const cause = new Error('no space left on device');
  disk.failNextWrite(cause);
  const error = await store.append({ entries: [makeEntry(1, 1)], hardState: null }).catch((e: unknown) => e);
  assert.is((error as Error).cause, cause);
  assert.match((error as Error).message, /no space left on device.*Nothing more is acknowledged/);
  for (const call of [
    () => store.append({ entries: [makeEntry(1, 1)], hardState: null }),
    () => store.read(1, 1),
    () => store.termAt(1),
    () => store.compact(1, 1),
  ]) {
    assert.is(await call().catch((e: unknown) => e), error);
  }
  assert.equal(await indexesAfter(disk), []);
});

test('a poisoned state store stays poisoned too', async () => {
  const disk = new MemoryDisk();
  const store = new MemoryStateStore(disk);
  await store.open();
  disk.failNextWrite(new Error('broken'));
  const error = await store.write(makeWrite(1, 1, [['a', '1']])).catch((e: unknown) => e);
  assert.is(await store.write(makeWrite(1, 1, [])).catch((e: unknown) => e), error);
  assert.is(await store.load(() => {}).catch((e: unknown) => e), error);
  const again = new MemoryStateStore(disk);
  assert.equal(await again.open(), { appliedIndex: 0, appliedTerm: 0 });
  assert.equal(await loadAll(again), []);
});

test('a disk that loses a write in the middle is found out', async () => {
  const disk = new MemoryDisk();
  const store = await openLog(disk);
  await store.append({ entries: [makeEntry(1, 1)], hardState: null });
  disk.loseNextWrite();
  await store.append({ entries: [makeEntry(2, 1)], hardState: null });
  await store.append({ entries: [makeEntry(3, 1)], hardState: null });
  await assert.rejects(new MemoryLogStore(disk).open(), 'LOG_CORRUPTED');
});

test('a disk that loses the tail is doubted, once the high-water mark tells of it', async () => {
  const disk = new MemoryDisk();
  const store = await openLog(disk);
  disk.loseNextWrite();
  await store.append({ entries: [makeEntry(1, 1)], hardState: null });
  await store.append({ entries: [], hardState: { term: 2, vote: null } });
  const again = new MemoryLogStore(disk);
  assert.equal((await again.open()).entries, []);
  assert.match(again.doubts.join(), /ends at 0, but was durable through 1/);
});

test('a suffix cut off below the high-water mark, then a crash, is no doubt', async () => {
  const disk = new MemoryDisk();
  const first = await openLog(disk);
  await first.append({ entries: makeEntries(1, 10, 1), hardState: null });
  await first.close();
  const second = await openLog(disk);
  await second.append({ entries: [makeEntry(4, 2)], hardState: null });
  disk.crash();
  const third = await openLog(disk);
  assert.equal(third.doubts, []);
});

test('leftovers of a compaction that a crash undid are deleted at the next open', async () => {
  const disk = new MemoryDisk();
  const store = await openLog(disk);
  await store.append({ entries: makeEntries(1, 5, 1), hardState: null });
  await store.compact(3, 1);
  disk.crash();
  const again = await openLog(disk);
  assert.equal(plain(await again.read(4, 1000)), plain(makeEntries(4, 2, 1)));
  assert.equal(await again.read(3, 1000), []);
  assert.equal(await indexesAfter(disk), [4, 5]);
});

test.run();
