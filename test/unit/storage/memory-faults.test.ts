import {
  isDamage,
  MemoryDisk,
  MemoryLogStore,
  MemorySnapshotStore,
  MemoryStateStore,
  StorageError,
} from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeEntries, makeEntry, plain } from './harness.ts';
import { factsAt, pairsOf } from './snapshot-support.ts';
import { loadAll, makeWrite } from './state-store-suite.ts';

/* What a simulated disk does to its content, and that the stores tell of it as those on LevelDB do. */

const test = suite('memory disk faults');

async function openLog(disk: MemoryDisk): Promise<MemoryLogStore> {
  const store = new MemoryLogStore(disk);
  await store.open();
  return store;
}

async function openState(disk: MemoryDisk): Promise<MemoryStateStore> {
  const store = new MemoryStateStore(disk);
  await store.open();
  return store;
}

async function rejection(promise: Promise<unknown>): Promise<StorageError> {
  const error = await promise.then(
    () => null,
    (e: unknown) => e,
  );
  assert.instance(error, StorageError);
  return error as StorageError;
}

test('wiped: stores from before are dead, what is made next finds nothing', async () => {
  const disk = new MemoryDisk();
  const log = await openLog(disk);
  await log.append({ entries: makeEntries(1, 3, 1), hardState: { term: 1, vote: 'n2' } });
  const state = await openState(disk);
  await state.write(makeWrite(3, 1, [['a', '1']]));
  const snapshots = new MemorySnapshotStore(disk);
  const { id } = await snapshots.create(state, factsAt(3, 1));
  disk.stall();
  const pending = log.append({ entries: [makeEntry(4, 1)], hardState: null });
  disk.fill();
  disk.wipe();
  await assert.rejects(pending, 'CRASHED');
  await assert.rejects(log.read(1, 1), 'CRASHED');
  await assert.rejects(
    state.load(() => {}),
    'CRASHED',
  );
  const fresh = new MemoryLogStore(disk);
  const empty = { hardState: { term: 0, vote: null }, compactedIndex: 0, compactedTerm: 0, entries: [] };
  assert.equal(await fresh.open(), empty);
  assert.equal(fresh.doubts, []);
  const freshState = await openState(disk);
  assert.equal(freshState.position, { appliedIndex: 0, appliedTerm: 0 });
  assert.equal(await loadAll(freshState), []);
  const freshSnapshots = new MemorySnapshotStore(disk);
  assert.equal(await freshSnapshots.list(), []);
  // Neither full nor stalled, and no id is given twice.
  await fresh.append({ entries: [makeEntry(1, 1)], hardState: null });
  await freshState.write(makeWrite(1, 1, [['b', '2']]));
  assert.is.not((await freshSnapshots.create(freshState, factsAt(1, 1))).id, id);
});

test('a flipped byte in an entry: LOG_CORRUPTED at the next reading, until the entry is overwritten', async () => {
  const disk = new MemoryDisk();
  const log = await openLog(disk);
  await log.append({ entries: makeEntries(1, 5, 1), hardState: null });
  assert.is(disk.corruptLog(6), false);
  assert.is(disk.corruptLog(4), true);
  assert.equal(plain(await log.read(1, 40)), plain(makeEntries(1, 2, 1)));
  const error = await rejection(log.read(3, 1_000));
  assert.is(error.code, 'LOG_CORRUPTED');
  assert.match(error.message, /entry 4 \(its checksum/);
  assert.ok(isDamage(error));
  assert.is(await rejection(log.read(1, 1)), error, 'and the store is poisoned');
  const again = await rejection(new MemoryLogStore(disk).open());
  assert.is(again.code, 'LOG_CORRUPTED');
});

test('a damaged entry that is overwritten or compacted away does no harm', async () => {
  for (const mend of [
    (log: MemoryLogStore) => log.append({ entries: [makeEntry(4, 2)], hardState: null }),
    (log: MemoryLogStore) => log.compact(4, 1),
    (log: MemoryLogStore) => log.compact(9, 3),
  ]) {
    const disk = new MemoryDisk();
    const log = await openLog(disk);
    await log.append({ entries: makeEntries(1, 5, 1), hardState: null });
    disk.corruptLog(4);
    await mend(log);
    disk.crash();
    await openLog(disk);
  }
});

test('a flipped byte in a record of the state: STATE_CORRUPTED when it is read, until it is overwritten', async () => {
  const disk = new MemoryDisk();
  const state = await openState(disk);
  await state.write(
    makeWrite(1, 1, [
      ['a', '1'],
      ['b', ''],
    ]),
  );
  assert.is(disk.corruptState(Buffer.from('c')), false);
  for (const key of ['a', 'b']) {
    assert.is(disk.corruptState(Buffer.from(key)), true);
    const damaged = await openState(disk);
    const error = await rejection(damaged.load(() => {}));
    assert.is(error.code, 'STATE_CORRUPTED');
    assert.match(error.message, new RegExp(`key ${Buffer.from(key).toString('hex')}`));
    assert.ok(isDamage(error));
    assert.is(await rejection(damaged.write(makeWrite(2, 1, []))), error);
    await assert.rejects((await openState(disk)).readSlice(null, 10, 1_000), 'STATE_CORRUPTED');
    await assert.rejects((await openState(disk)).recordHash(), 'STATE_CORRUPTED');
    const snapshots = new MemorySnapshotStore(disk);
    await assert.rejects(snapshots.create(await openState(disk), factsAt(1, 1)), 'STATE_CORRUPTED');
    assert.equal(await snapshots.list(), []);
    await (await openState(disk)).write(makeWrite(1, 1, [[key, 'new']]));
    await loadAll(await openState(disk));
  }
});

test('a damaged position: STATE_CORRUPTED when the store is opened', async () => {
  const disk = new MemoryDisk();
  assert.is(disk.corruptState('position'), false);
  const state = await openState(disk);
  await state.write(makeWrite(1, 1, [['a', '1']]));
  assert.is(disk.corruptState('position'), true);
  await assert.rejects(new MemoryStateStore(disk).open(), 'STATE_CORRUPTED');
  await state.write(makeWrite(2, 1, []));
  assert.equal((await openState(disk)).position, { appliedIndex: 2, appliedTerm: 1 });
});

test('a lost tail is doubted below the high-water index, and not to be seen above it', async () => {
  const disk = new MemoryDisk();
  const log = await openLog(disk);
  await log.append({ entries: makeEntries(1, 10, 1), hardState: null });
  // Raises the mark to 10.
  await log.append({ entries: [], hardState: { term: 2, vote: null } });
  await log.append({ entries: makeEntries(11, 5, 2), hardState: null });
  await log.compact(3, 1);
  disk.crash();
  assert.is(disk.loseTail(0), 0);
  assert.is(disk.loseTail(5), 5);
  const above = new MemoryLogStore(disk);
  assert.is((await above.open()).entries.at(-1)?.index, 10);
  assert.equal(above.doubts, []);
  disk.crash();
  assert.is(disk.loseTail(2), 2);
  const below = new MemoryLogStore(disk);
  assert.is((await below.open()).entries.at(-1)?.index, 8);
  assert.match(below.doubts.join(), /ends at 8, but was durable through 10/);
  disk.crash();
  assert.is(disk.loseTail(100), 5);
});

test('what is compacted is no tail, also when it is not deleted yet', async () => {
  const disk = new MemoryDisk();
  const log = await openLog(disk);
  await log.append({ entries: makeEntries(1, 10, 1), hardState: null });
  await log.compact(3, 1);
  assert.is(disk.loseTail(100), 7);
});

test('a tail lost under an open store is found by a reading and at the next start', async () => {
  const disk = new MemoryDisk();
  const log = await openLog(disk);
  await log.append({ entries: makeEntries(1, 5, 1), hardState: null });
  disk.loseTail(2);
  await log.append({ entries: [makeEntry(6, 1)], hardState: null });
  await assert.rejects(log.read(4, 100), 'LOG_CORRUPTED');
  await assert.rejects(new MemoryLogStore(disk).open(), 'LOG_CORRUPTED');
});

test('what LevelDB reports is a doubt of the store, at every start until it is cleared', async () => {
  const disk = new MemoryDisk();
  const log = await openLog(disk);
  await log.append({ entries: makeEntries(1, 2, 1), hardState: null });
  assert.equal([log.doubts, (await openState(disk)).doubts], [[], []]);
  disk.reportDamage('state');
  disk.crash();
  assert.equal((await openLog(disk)).doubts, []);
  assert.match((await openState(disk)).doubts.join(), /dropping \d+ bytes/);
  disk.reportDamage('log');
  disk.crash();
  assert.is((await openLog(disk)).doubts.length, 1);
  assert.is((await openState(disk)).doubts.length, 1);
  disk.clearReports();
  assert.equal([(await openLog(disk)).doubts, (await openState(disk)).doubts], [[], []]);
});

test('a full disk: every write fails and poisons, after a restart too, until there is room', async () => {
  const disk = new MemoryDisk();
  const log = await openLog(disk);
  const state = await openState(disk);
  const snapshots = new MemorySnapshotStore(disk);
  await log.append({ entries: makeEntries(1, 3, 1), hardState: null });
  disk.stall();
  const underway = log.append({ entries: [makeEntry(4, 1)], hardState: null });
  disk.fill();
  disk.release();
  const error = await rejection(underway);
  assert.is(error.code, 'STORAGE_FAILED');
  assert.match(error.message, /no space left on device/);
  assert.is((error.cause as Error & { code: string }).code, 'ENOSPC');
  assert.not.ok(isDamage(error));
  assert.is(await rejection(log.read(1, 1)), error);
  await assert.rejects(state.write(makeWrite(1, 1, [])), /no space left/);
  await assert.rejects(snapshots.create(await openState(disk), factsAt(0, 0)), /no space left/);
  disk.stall();
  const torn = (await openLog(disk)).append({ entries: [makeEntry(4, 1)], hardState: { term: 2, vote: null } });
  disk.crash({ torn: 2 });
  await assert.rejects(torn, 'CRASHED');
  const again = new MemoryLogStore(disk);
  const { entries, hardState } = await again.open();
  assert.equal([entries.length, hardState.term], [3, 0]);
  await assert.rejects(again.append({ entries: [makeEntry(4, 1)], hardState: null }), /no space left/);
  disk.makeRoom();
  const last = await openLog(disk);
  await last.append({ entries: [makeEntry(4, 1)], hardState: null });
  assert.is((await last.read(4, 1)).length, 1);
});

test('a damaged snapshot is left out or refused wherever it is hit; the older one stays', async () => {
  const disk = new MemoryDisk();
  const state = await openState(disk);
  await state.write(makeWrite(1, 1, [['a', 'x'.repeat(5_000)]]));
  const snapshots = new MemorySnapshotStore(disk);
  const first = await snapshots.create(state, factsAt(1, 1));
  await state.write(makeWrite(2, 1, []));
  const second = await snapshots.create(state, factsAt(2, 1));
  assert.is(disk.corruptSnapshot('0'.repeat(32)), false);
  assert.is(disk.corruptSnapshot(second.id), true);
  const reader = await snapshots.open(second.id);
  await assert.rejects(reader.verify(), 'SNAPSHOT_CORRUPTED');
  await reader.close();
  disk.corruptSnapshot(second.id, 10);
  await assert.rejects(snapshots.open(second.id), 'SNAPSHOT_CORRUPTED');
  assert.is((await snapshots.newest())?.id, first.id);
  assert.is((await pairsOf(await snapshots.open(first.id))).length, 1);
});

test.run();
