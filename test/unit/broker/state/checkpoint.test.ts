import {
  type AppliedEntry,
  type CheckpointRecords,
  CheckpointTaker,
  StateMachine,
  takeCheckpoint,
} from '@quorate/broker';
import fc from 'fast-check';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';
import { checkConsistency, digest } from './support/digest.ts';
import { Bench, PERSISTENT, RecordingSink, RecordStore } from './support/log.ts';
import { type History, history, play } from './support/random-log.ts';

/* A checkpoint that is gathered in slices, between which the log goes on. */

const test = suite('state: checkpoint in slices');

/** Records as text in the order of their keys: gathered in slices, they have no order of their own. */
function sorted({ appliedIndex, appliedTerm, puts, deletes }: CheckpointRecords): unknown {
  const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return {
    ...{ appliedIndex, appliedTerm },
    puts: puts.map(([key, value]) => `${toHex(key)} ${toHex(value)}`).sort(),
    deletes: deletes.map(toHex).sort(),
  };
}

/** Records of every checkpoint of a log. With slices, `slice` are gathered between any two entries. */
function checkpointsOf(log: readonly AppliedEntry[], slices: { slice: number; smallQueue: number } | null): unknown[] {
  const sink = new RecordingSink();
  const machine = new StateMachine(sink);
  const store = new RecordStore();
  const found: unknown[] = [];
  let taker: CheckpointTaker | null = null;
  const keep = (records: CheckpointRecords): void => {
    store.write(records);
    found.push(sorted(records));
  };
  for (const entry of log) {
    machine.apply(entry);
    if (sink.checkpointDue) {
      sink.checkpointDue = false;
      const before: CheckpointTaker | null = taker;
      if (slices === null) keep(takeCheckpoint(machine.state));
      else taker = new CheckpointTaker(machine.state, slices.smallQueue);
      // The next checkpoint ends one that is not at its end yet.
      if (before !== null) {
        assert.ok(before.done);
        keep(before.records());
      }
    }
    if (taker !== null && slices !== null && !taker.next(slices.slice)) {
      keep(taker.records());
      taker = null;
    }
    if (taker === null) assert.is(machine.state.pending, null);
  }
  if (taker !== null) keep(taker.records());
  checkConsistency(machine.state);
  const { appliedIndex, appliedTerm } = machine.state;
  keep(takeCheckpoint(machine.state));
  assert.equal(digest(store.load(appliedIndex, appliedTerm)), digest(machine.state));
  return found;
}

function logOf(steps: History): readonly AppliedEntry[] {
  const bench = new Bench();
  play(bench, steps, () => {});
  return bench.log;
}

test(
  'records gathered in slices are those that one step would have given at that place in the log',
  () => {
    const slices = fc.record({ slice: fc.integer({ min: 0, max: 6 }), smallQueue: fc.constantFrom(0, 2, 32) });
    const property = fc.property(history, slices, (steps, how) => {
      const log = logOf(steps);
      assert.equal(checkpointsOf(log, how), checkpointsOf(log, null));
    });
    fc.assert(property, { seed: seedFor('checkpoint in slices'), numRuns: 300 });
  },
  { timeoutMs: 120_000 },
);

function busy(): Bench {
  const bench = new Bench();
  for (const clientId of ['p', 'q']) bench.connect(clientId, PERSISTENT);
  for (const clientId of ['p', 'q']) bench.subscribe(clientId, 'a');
  return bench;
}

test('no slice gathers more than it was asked for, and nothing is gathered by itself', () => {
  const bench = busy();
  for (let number = 0; number < 500; number++) bench.publish('p', 'a', `${number}`, { retain: number % 2 === 0 });
  const taker = new CheckpointTaker(bench.state);
  const few = taker.size;
  assert.ok(few < 5);
  let slices = 0;
  for (let size = taker.size, more = true; more; size = taker.size) {
    more = taker.next(100);
    slices++;
    assert.ok(taker.size - size <= 100, `${taker.size - size} records`);
  }
  // 500 messages, an item each for two sessions, and a few records more.
  assert.is(slices, 16);
  assert.ok(taker.done);
  assert.is(bench.state.pending, null);
  assert.is(taker.records().puts.length + taker.records().deletes.length, taker.size);
});

test('a long queue that changes meanwhile is kept, not encoded, and a message behind its end does not even do that', () => {
  const bench = busy();
  for (let number = 0; number < 100; number++) bench.publish('p', 'a', `${number}`);
  const taker = new CheckpointTaker(bench.state);
  const { size } = taker;
  bench.publish('p', 'a', 'after');
  assert.is(taker.size, size);
  bench.settle('q', [0, 50]);
  assert.is(taker.size, size);
  bench.store.write(taker.records());
  const stored = bench.store.load(taker.appliedIndex, taker.appliedTerm);
  for (const clientId of ['p', 'q']) {
    const queue = stored.sessions.get(clientId)?.queue;
    assert.equal([queue?.headSequence, queue?.count], [0, 100], clientId);
  }
  bench.restart();
  assert.equal([bench.session('q').queue?.headSequence, bench.session('q').queue?.count], [50, 51]);
});

test('a checkpoint ends one that is still being gathered', () => {
  const bench = busy();
  const first = new CheckpointTaker(bench.state);
  const { appliedIndex } = bench.state;
  bench.publish('p', 'a');
  const second = new CheckpointTaker(bench.state);
  assert.ok(first.done);
  assert.is(first.appliedIndex, appliedIndex);
  assert.is(bench.state.pending, second);
  bench.store.write(first);
  bench.store.write(second);
  assert.equal(digest(bench.store.load(bench.state.appliedIndex, bench.state.appliedTerm)), digest(bench.state));
});

test.run();
