import type { CheckpointRecords, CheckpointTaker } from '@quorate/broker';
import { decodeConfiguration } from '@quorate/consensus';
import { MemoryDisk, MemorySnapshotStore, MemoryStateStore, type StateWrite } from '@quorate/storage';
import { Checkpointer } from '../../../../packages/node/src/runtime/checkpointer.ts';
import { RecordSum } from '../../../../packages/node/src/runtime/record-sum.ts';
import { isConfigurationKey } from '../../../../packages/node/src/runtime/stored-configuration.ts';
import { assert, suite } from '../../../support/suite.ts';
import { settle } from '../raft/support.ts';

const test = suite('checkpointer');

const MIB = 1024 * 1024;
const COMPACT_ENTRIES = 4096;
const SLICE = 256;
const SLICES_PER_TURN = 16;
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (data: Uint8Array): string => Buffer.from(data).toString();

function records(appliedIndex: number, puts: Record<string, string> = {}, deletes: string[] = []): CheckpointRecords {
  const pairs = Object.entries(puts).map(([key, value]) => [bytes(key), bytes(value)] as const);
  return { appliedIndex, appliedTerm: 1, puts: pairs, deletes: deletes.map(bytes) };
}

/** A taker of given records; it counts the turns that gathering them takes. */
function taker(of: CheckpointRecords): CheckpointTaker & { readonly turns: number } {
  let left = of.puts.length + of.deletes.length;
  let turns = 0;
  return {
    ...of,
    get turns() {
      return turns;
    },
    next(count: number) {
      turns++;
      left = Math.max(0, left - count);
      return left > 0;
    },
    records() {
      left = 0;
      return of;
    },
  } as unknown as CheckpointTaker & { readonly turns: number };
}

function factsAt(index: number) {
  const configuration = { voters: [`of ${String(index)}`], learners: [], outgoing: [] };
  return { index, term: 1, stampMs: index * 10, configuration };
}

/** A state store whose writes wait for the test while `disk` is stalled. */
async function make(compactedIndex = 0) {
  const disk = new MemoryDisk();
  const store = new MemoryStateStore(disk);
  await store.open();
  const writes: StateWrite[] = [];
  const { write } = store;
  store.write = async (given) => {
    writes.push(given);
    await write.call(store, given);
  };
  const compacted: [index: number, term: number][] = [];
  const sums: [index: number, sum: string][] = [];
  const fatal: unknown[] = [];
  let deferred: (() => void)[] = [];
  const clock = { nowMs: 0, stepMs: 100 };
  const snapshots = new MemorySnapshotStore(disk);
  const checkpointer = new Checkpointer(
    {
      log: { termAt: async (index) => (index > 1_000_000 ? null : 3) },
      snapshots,
      nowMs: () => {
        clock.nowMs += clock.stepMs;
        return clock.nowMs;
      },
      defer: (task) => deferred.push(task),
      compactEntries: COMPACT_ENTRIES,
      compact: (index, term) => compacted.push([index, term]),
      onWritten: () => {},
      onSum: (index, sum) => sums.push([index, sum.toString('hex')]),
      onFatal: (error) => fatal.push(error),
    },
    store,
    factsAt(compactedIndex),
    compactedIndex,
  );
  return {
    checkpointer,
    disk,
    store,
    snapshots,
    writes,
    compacted,
    sums,
    fatal,
    clock,
    add: (of: CheckpointRecords, compactIndex = 0, logBytes = 0) => {
      const made = taker(of);
      checkpointer.add(() => made, factsAt(of.appliedIndex), compactIndex, logBytes);
      return made;
    },
    /** One turn of what was deferred. */
    turn: () => {
      const tasks = deferred;
      deferred = [];
      for (const task of tasks) task();
      return tasks.length;
    },
    end: async () => {
      disk.release();
      await settle();
      disk.stall();
    },
  };
}

const positions = (writes: readonly StateWrite[]): number[] => writes.map(({ position }) => position.appliedIndex);

test('one write at a time, and one gathered meanwhile; further ones are missed and cost nothing', async () => {
  const { checkpointer, disk, writes, add, end } = await make();
  disk.stall();
  assert.ok(checkpointer.accepts);
  add(records(10, { a: '1' }));
  await settle();
  assert.ok(checkpointer.accepts, 'one may be gathered beside the write');
  assert.is(add(records(11, { b: '1' })).turns, 1, 'at once, not when the write has ended');
  for (let index = 12; index <= 30; index++) {
    assert.not.ok(checkpointer.accepts);
    assert.is(add(records(index, { c: '1' })).turns, 0);
  }
  assert.equal(positions(writes), [10]);
  await end();
  assert.equal(positions(writes), [10, 11]);
  assert.equal(recordsOf(writes[1]), { b: '1' });
  assert.ok(checkpointer.accepts);
  await end();
  add(records(31));
  await end();
  assert.equal(positions(writes), [10, 11, 31]);
  await checkpointer.stop();
});

test('one that is not gathered yet stands in the way of the next: that would have it gathered at once', async () => {
  const { checkpointer, writes, add, turn } = await make();
  add(records(10, Object.fromEntries(Array.from({ length: SLICE * 3 }, (_, at) => [String(at), 'v']))));
  assert.not.ok(checkpointer.accepts);
  assert.is(add(records(11)).turns, 0);
  while (turn() > 0) await settle();
  assert.ok(checkpointer.accepts);
  assert.equal(positions(writes), [10]);
});

/** Without the configuration. */
function recordsOf(write: StateWrite | undefined): Record<string, string> {
  const puts = (write?.puts ?? []).filter(([key]) => !isConfigurationKey(key));
  return Object.fromEntries(puts.map(([key, value]) => [text(key), text(value)] as const).sort());
}

test('with each checkpoint goes the configuration in force there', async () => {
  const { disk, writes, add, end } = await make();
  disk.stall();
  for (const index of [10, 11, 12]) add(records(index));
  await settle();
  await end();
  const stored = writes.map(({ puts }) => puts.filter(([key]) => isConfigurationKey(key)));
  assert.equal(
    stored.map((each) => each.map(([, value]) => decodeConfiguration(value).voters)),
    [[['of 10']], [['of 11']]],
  );
});

test('records are gathered and summed in slices, in turns of their own', async () => {
  const { disk, writes, sums, add, turn } = await make();
  disk.stall();
  const many = records(10, Object.fromEntries(Array.from({ length: SLICE * 3 }, (_, at) => [`k${String(at)}`, 'v'])));
  const made = add(many);
  assert.is(made.turns, 1, 'a bounded part at once');
  let turns = 0;
  while (writes.length === 0) {
    assert.is(turn(), 1, 'one task at a time');
    assert.ok(++turns < 20);
    if (made.turns < 3) assert.equal(sums, []);
  }
  assert.is(made.turns, 3);
  assert.ok(turns >= 4, 'the sums of 3 slices take turns, too');
  assert.is(Object.keys(recordsOf(writes[0])).length, SLICE * 3);
  const whole = new RecordSum();
  whole.add(many, 0, Number.MAX_SAFE_INTEGER);
  assert.equal(sums, [[10, whole.value().toString('hex')]]);
});

test('a turn takes several slices while there is time, and never more than its bound', async () => {
  const { clock, writes, add, turn } = await make();
  const many = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${String(at)}`, 'v']));
  clock.stepMs = 0;
  const made = add(records(10, many(SLICE * SLICES_PER_TURN * 2)));
  assert.is(made.turns, SLICES_PER_TURN, 'on a clock that stands still');
  while (turn() > 0) await settle();
  assert.is(writes.length, 1);
  // The first turn of a task has 2 ms, and there are two looks at the clock before that of the first slice.
  clock.stepMs = 0.9;
  assert.is(add(records(11, many(SLICE * 100))).turns, 3);
});

test('no sum is told of a checkpoint behind missed ones: it stands for more than those of other nodes', async () => {
  const { disk, writes, sums, add, end } = await make();
  disk.stall();
  for (const index of [10, 11, 12]) add(records(index, { a: String(index) }));
  await settle();
  await end();
  await end();
  for (const index of [13, 14]) {
    add(records(index, { a: String(index) }));
    await settle();
    await end();
  }
  assert.equal(positions(writes), [10, 11, 13, 14]);
  assert.equal(
    sums.map(([index]) => index),
    [10, 11, 14],
  );
});

test('the log is let go only behind what the state store holds durably', async () => {
  const { disk, compacted, add, end } = await make();
  disk.stall();
  add(records(10_000), 9_000);
  await settle();
  assert.equal(compacted, []);
  await end();
  assert.equal(compacted, [[9_000, 3]]);
  // The leader knows that all members are further than this node's own state.
  add(records(15_000), 20_000);
  await settle();
  await end();
  assert.equal(compacted[1], [15_000, 3]);
});

test('a few entries are not worth a compaction, unless they are large', async () => {
  const { compacted, add } = await make(100);
  add(records(300), 300, MIB);
  await settle();
  assert.equal(compacted, []);
  add(records(400), 400, 32 * MIB);
  await settle();
  assert.equal(compacted, [[400, 3]]);
  add(records(500), 500, MIB);
  await settle();
  assert.is(compacted.length, 1);
});

test('a member that holds nothing new keeps the log', async () => {
  const { compacted, add } = await make(100);
  add(records(50_000), 100, 100 * MIB);
  await settle();
  assert.equal(compacted, []);
});

test('the first error is told once; nothing is written after it', async () => {
  const { checkpointer, disk, writes, compacted, fatal, add, end } = await make();
  disk.stall();
  disk.failNextWrite(new Error('disk full'));
  add(records(10_000), 10_000);
  await settle();
  add(records(11_000), 11_000);
  await end();
  add(records(12_000), 12_000);
  await end();
  await checkpointer.stop();
  assert.equal(positions(writes), [10_000]);
  assert.equal(compacted, []);
  assert.is(fatal.length, 1);
  assert.not.ok(checkpointer.accepts);
});

test('a dump holds writes back, and is of one checkpoint', async () => {
  const { checkpointer, disk, snapshots, writes, add } = await make();
  add(records(10, { a: '10' }));
  await settle();
  disk.stall();
  let dumped: number | null | undefined;
  const dumping = checkpointer.dump(1, 'c', 1).then((info) => {
    dumped = info?.index ?? null;
  });
  await settle();
  add(records(11, { a: '11' }));
  add(records(12, { a: '12' }));
  for (let at = 0; at < 5; at++) await settle();
  assert.equal(positions(writes), [10], 'nothing is written beside the dump');
  assert.is(dumped, undefined);
  assert.not.ok(checkpointer.accepts, 'the leader asks for no further checkpoint');
  disk.release();
  await dumping;
  assert.is(dumped, 10);
  const [info] = await snapshots.list();
  assert.equal([info?.index, info?.term, info?.stampMs, info?.clusterId], [10, 1, 100, 'c']);
  assert.equal(decodeConfiguration(info?.configuration ?? bytes('')).voters, ['of 10']);
  for (let at = 0; at < 5; at++) await settle();
  assert.equal(positions(writes), [10, 11]);
  await checkpointer.stop();
});

test('a dump waits for the write in flight, and says so when it does not reach far enough', async () => {
  const { checkpointer, disk, add } = await make();
  disk.stall();
  add(records(10));
  await settle();
  const dumping = checkpointer.dump(10, 'c', 1);
  await settle();
  disk.release();
  assert.is((await dumping)?.index, 10);
  assert.is(await checkpointer.dump(11, 'c', 1), null, 'not there yet');
  assert.is(await checkpointer.dump(10, null, 1), null, 'of a cluster without a name');
  await checkpointer.stop();
});

test('two dumps at once go one after the other', async () => {
  const { checkpointer, snapshots, add } = await make();
  add(records(10));
  await settle();
  let running = 0;
  let most = 0;
  const { create } = snapshots;
  snapshots.create = async (...args) => {
    most = Math.max(most, ++running);
    const info = await create.apply(snapshots, args);
    running--;
    return info;
  };
  const infos = await Promise.all([checkpointer.dump(1, 'c', 1), checkpointer.dump(1, 'c', 1)]);
  assert.equal([infos.map((info) => info?.index), most], [[10, 10], 1]);
  await checkpointer.stop();
});

test('a hand-over waits for the write in flight and drops what waits: it belongs to the state before', async () => {
  const { checkpointer, disk, store, writes, compacted, add, end } = await make();
  disk.stall();
  add(records(10));
  await settle();
  add(records(11), 11, 100 * MIB);
  const other = new MemoryStateStore(new MemoryDisk());
  await other.open();
  const later: StateWrite[] = [];
  const { write } = other;
  other.write = async (one) => {
    later.push(one);
    await write.call(other, one);
  };
  let given: unknown = null;
  const over = checkpointer.handOver(async (before) => {
    given = before;
    // Comes from the log that is being replaced.
    add(records(12));
    return other;
  }, factsAt(9_000));
  await settle();
  assert.is(given, null, 'the write has not ended');
  await end();
  await over;
  disk.release();
  assert.is(given, store);
  assert.ok(checkpointer.accepts);
  assert.equal(positions(writes), [10]);
  // Counted from where the log begins now.
  add(records(9_100), 9_100);
  await settle();
  assert.equal([positions(writes), positions(later), compacted], [[10], [9_100], []]);
  assert.is((await checkpointer.dump(9_100, 'c', 1))?.index, 9_100, 'of the store that counts now');
  await checkpointer.stop();
  await assert.rejects(other.write({ position: { appliedIndex: 1, appliedTerm: 1 }, puts: [], deletes: [] }));
});

test('a hand-over that fails lets go of the state store, and its error is for who asked', async () => {
  const { checkpointer, add, writes } = await make();
  const broken = checkpointer.handOver(async () => await Promise.reject(new Error('no')), factsAt(5));
  await assert.rejects(broken, /no/);
  add(records(10));
  await settle();
  assert.equal(positions(writes), [10]);
  await checkpointer.stop();
});

test('a stop waits for the write in flight, gives up what waits, and closes the store', async () => {
  const { checkpointer, disk, store, writes, sums, add, turn, end } = await make();
  disk.stall();
  add(records(10));
  await settle();
  add(records(11));
  let stopped = false;
  const stopping = checkpointer.stop().then(() => {
    stopped = true;
  });
  await settle();
  assert.not.ok(stopped);
  await end();
  await stopping;
  add(records(12));
  await settle();
  assert.is(turn(), 0);
  assert.equal(positions(writes), [10]);
  assert.equal(
    sums.map(([index]) => index),
    [10, 11],
  );
  await assert.rejects(store.write({ position: { appliedIndex: 1, appliedTerm: 1 }, puts: [], deletes: [] }));
});

test('a stop while records are being gathered ends without a write', async () => {
  const { checkpointer, writes, add, turn } = await make();
  add(records(10, Object.fromEntries(Array.from({ length: SLICE * 3 }, (_, at) => [String(at), 'v']))));
  const stopping = checkpointer.stop();
  while (turn() > 0) await settle();
  await stopping;
  assert.equal(writes, []);
});

test.run();
