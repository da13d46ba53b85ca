import { type AppliedEntry, CheckpointTaker, StateLoader, StateMachine } from '@quorate/broker';
import type { Configuration } from '@quorate/consensus';
import { MemoryDisk, MemorySnapshotStore, MemoryStateStore, type StorageError } from '@quorate/storage';
import fc from 'fast-check';
import { Checkpointer } from '../../../../packages/node/src/runtime/checkpointer.ts';
import { RECORD_SUM_BYTES, RecordSum } from '../../../../packages/node/src/runtime/record-sum.ts';
import { StateComparison, type StateDiverged } from '../../../../packages/node/src/runtime/state-comparison.ts';
import { isConfigurationKey } from '../../../../packages/node/src/runtime/stored-configuration.ts';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';
import { Bench, RecordingSink } from '../../broker/state/support/log.ts';
import { history, play } from '../../broker/state/support/random-log.ts';
import { settle } from '../raft/support.ts';

const test = suite('comparison of states');

const ONE: Configuration = { voters: ['n1'], learners: [], outgoing: [] };

const sumOf = (value: number): Buffer => Buffer.alloc(RECORD_SUM_BYTES, value);

/** n1 among `voters`; `of(n2)` is what n2 would have broadcast. */
function make(voters: readonly string[] = ['n1', 'n2', 'n3'], nodeId = 'n1') {
  const now = { configuration: { voters, learners: [], outgoing: [] } as Configuration };
  const sent: Buffer[] = [];
  const log: string[] = [];
  const diverged: StateDiverged[] = [];
  const say = (_fields: object, message: string): void => void log.push(message);
  const comparison = new StateComparison({
    nodeId,
    configuration: () => now.configuration,
    broadcast: (payload) => sent.push(payload),
    logger: { debug: say, info: say, warn: say, error: say },
    onDiverged: (error) => diverged.push(error),
  });
  return { comparison, sent, log, diverged, now };
}

/** The message that tells a sum. */
function told(index: number, value: number): Buffer {
  const { comparison, sent } = make();
  comparison.own(index, sumOf(value));
  return sent[0] as Buffer;
}

test('a node that differs from a majority of the voters is itself the one that is wrong, and says so once', () => {
  const { comparison, diverged, log } = make();
  comparison.own(10, sumOf(1));
  comparison.received('n2', told(10, 2));
  assert.equal(diverged, [], 'one of three is no majority');
  assert.match(log.join(), /state of n2 differs/);
  comparison.received('n3', told(10, 2));
  assert.is(diverged.length, 1);
  assert.match(diverged[0]?.message ?? '', /checkpoint at entry 10/);
  comparison.own(11, sumOf(1));
  for (const id of ['n2', 'n3']) comparison.received(id, told(11, 2));
  assert.is(diverged.length, 1);
});

test('the others keep going, with a line in the log', () => {
  const { comparison, diverged, log } = make();
  comparison.own(10, sumOf(1));
  comparison.received('n2', told(10, 1));
  assert.equal(log, []);
  comparison.received('n3', told(10, 2));
  assert.equal(diverged, []);
  assert.equal(log, ['the state of n3 differs from that of this node at entry 10']);
});

test('with no majority against it a node only says so: nobody knows who is right', () => {
  const { comparison, diverged, log } = make(['n1', 'n2', 'n3', 'n4', 'n5']);
  comparison.own(10, sumOf(1));
  for (const [id, value] of [
    ['n2', 2],
    ['n3', 2],
    ['n4', 3],
    ['n5', 4],
  ] as const) {
    comparison.received(id, told(10, value));
  }
  assert.equal(diverged, []);
  assert.match(log.at(-1) ?? '', /n2, n3, n4, n5/);
});

test('learners and strangers have no say, and a learner judges itself by the voters', () => {
  const { comparison, diverged, now } = make(['n1', 'n2', 'n3']);
  now.configuration = { ...now.configuration, learners: ['n4', 'n5'] };
  comparison.own(10, sumOf(1));
  for (const id of ['n4', 'n5', 'n6', 'n7']) comparison.received(id, told(10, 2));
  assert.equal(diverged, []);
  const learner = make(['n1', 'n2', 'n3'], 'n4');
  learner.comparison.own(10, sumOf(1));
  for (const id of ['n1', 'n2']) learner.comparison.received(id, told(10, 2));
  assert.is(learner.diverged.length, 1);
});

test('what comes before this node’s own sum is compared when that is there', () => {
  const { comparison, diverged, log } = make();
  for (const id of ['n2', 'n3']) comparison.received(id, told(10, 2));
  assert.equal([diverged, log], [[], []]);
  comparison.own(9, sumOf(1));
  assert.equal([diverged, log], [[], []]);
  comparison.own(10, sumOf(1));
  assert.is(diverged.length, 1);
});

test('64 checkpoints are remembered, the newest; a later sum of an older one is compared with nothing', () => {
  const { comparison, diverged, log } = make();
  for (let index = 1; index <= 65; index++) comparison.own(index, sumOf(1));
  for (const id of ['n2', 'n3']) comparison.received(id, told(1, 2));
  assert.equal([diverged, log], [[], []]);
  for (const id of ['n2', 'n3']) comparison.received(id, told(3, 2));
  assert.is(diverged.length, 1);
  // One that is far ahead does not push out what the others are at.
  const slow = make();
  slow.comparison.own(1_000, sumOf(1));
  for (let index = 1; index <= 500; index++) slow.comparison.received('n2', told(index, 2));
  for (const id of ['n2', 'n3']) slow.comparison.received(id, told(1_000, 2));
  assert.is(slow.diverged.length, 1);
});

test('after a snapshot nothing of before is compared', () => {
  const { comparison, diverged } = make();
  comparison.own(10, sumOf(1));
  comparison.reset();
  for (const id of ['n2', 'n3']) comparison.received(id, told(10, 2));
  assert.equal(diverged, []);
});

test('what is no sum is ignored', () => {
  const { comparison, diverged, log } = make();
  comparison.own(10, sumOf(1));
  const fraction = told(10, 2);
  fraction.writeDoubleBE(10.5);
  for (const payload of [Buffer.alloc(0), Buffer.alloc(8), Buffer.concat([told(10, 2), Buffer.alloc(1)]), fraction]) {
    comparison.received('n2', payload);
    comparison.received('n3', payload);
  }
  assert.equal([diverged, log], [[], []]);
});

test('a sum tells puts from deletes, keys from values, and not the order', () => {
  const bytes = (text: string): Uint8Array => Buffer.from(text);
  const put = (key: string, value: string) => [bytes(key), bytes(value)] as const;
  const sum = (puts: (readonly [Uint8Array, Uint8Array])[], deletes: string[] = [], slice = 100): string => {
    const records = { appliedIndex: 1, appliedTerm: 1, puts, deletes: deletes.map(bytes) };
    const of = new RecordSum();
    for (let from = 0; from < puts.length + deletes.length; from += slice) of.add(records, from, from + slice);
    return of.value().toString('hex');
  };
  assert.is(sum([put('a', '1'), put('b', '2')]), sum([put('b', '2'), put('a', '1')]));
  assert.is(sum([put('a', '1'), put('b', '2')], ['x', 'y'], 1), sum([put('a', '1'), put('b', '2')], ['y', 'x']));
  const all = [
    sum([]),
    sum([put('a', '1')]),
    sum([put('a', '2')]),
    sum([put('a1', '')]),
    sum([put('a', '')]),
    sum([], ['a']),
    sum([put('a', '1')], ['a']),
    sum([put('a', '1'), put('a', '1')]),
  ];
  assert.is(new Set(all).size, all.length);
  assert.is(sum([]).length, RECORD_SUM_BYTES * 2);
});

/** A node that applies a log, with a disk, a checkpointer and restarts. */
class LoggedNode {
  readonly sums = new Map<number, string>();
  readonly #log: readonly AppliedEntry[];
  readonly #disk = new MemoryDisk();
  #sink = new RecordingSink();
  #machine = new StateMachine(this.#sink);
  #checkpointer: Checkpointer | null = null;
  #deferred: (() => void)[] = [];

  constructor(log: readonly AppliedEntry[]) {
    this.#log = log;
  }

  get appliedIndex(): number {
    return this.#machine.state.appliedIndex;
  }

  /** From what is on the disk; whatever was on its way there is done again. */
  async start(): Promise<void> {
    this.#disk.crash();
    this.#deferred = [];
    const store = new MemoryStateStore(this.#disk);
    const { appliedIndex, appliedTerm } = await store.open();
    const loader = new StateLoader();
    await store.load((key, value) => {
      if (!isConfigurationKey(key)) loader.add(key, value);
    });
    this.#sink = new RecordingSink();
    this.#machine = new StateMachine(this.#sink, loader.finish(appliedIndex, appliedTerm));
    this.#checkpointer = new Checkpointer(
      {
        log: { termAt: async () => null },
        snapshots: new MemorySnapshotStore(this.#disk),
        nowMs: () => 0,
        defer: (task) => this.#deferred.push(task),
        compactEntries: 1_000_000,
        compact: () => {},
        onWritten: () => {},
        onSum: (index, sum) => {
          const hex = sum.toString('hex');
          assert.is(this.sums.get(index) ?? hex, hex, `the checkpoint at ${String(index)}, once more`);
          this.sums.set(index, hex);
        },
        onFatal: (error) => {
          // Of the process before, by the loss of its disk.
          if ((error as StorageError).code !== 'CRASHED') throw error;
        },
      },
      store,
      { index: appliedIndex, term: appliedTerm, stampMs: 0, configuration: ONE },
      0,
    );
  }

  /** Applies the next entry. @returns false at the end of the log */
  step(): boolean {
    const entry = this.#log[this.appliedIndex];
    if (entry === undefined) return false;
    this.#machine.apply(entry);
    if (!this.#sink.checkpointDue) return true;
    this.#sink.checkpointDue = false;
    const { state } = this.#machine;
    const facts = { index: state.appliedIndex, term: state.appliedTerm, stampMs: state.nowMs, configuration: ONE };
    this.#checkpointer?.add(() => new CheckpointTaker(state), facts, 0, 0);
    return true;
  }

  /** Where its store stands, and the sum of all records there. */
  async stored(): Promise<{ readonly index: number; readonly hash: string }> {
    const store = new MemoryStateStore(this.#disk);
    const { appliedIndex: index } = await store.open();
    return { index, hash: String(await store.recordHash()) };
  }

  /** One turn: a slice of records or of a sum, or the end of a write. */
  async turn(): Promise<void> {
    for (const task of this.#deferred.splice(0)) task();
    await settle();
  }
}

test(
  'the same log gives the same sums on every node, wherever each was restarted',
  async () => {
    let compared = 0;
    let missed = 0;
    let sameStores = 0;
    const property = fc.asyncProperty(
      history,
      fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
      async (steps, draws) => {
        const bench = new Bench();
        play(bench, steps, () => {});
        const straight = new LoggedNode(bench.log);
        const restarted = new LoggedNode(bench.log);
        for (const node of [straight, restarted]) await node.start();
        while (straight.step()) for (let turn = 0; turn < 3; turn++) await straight.turn();
        for (let at = 0; restarted.step(); at++) {
          // Sometimes the disk is slow: checkpoints are missed then, and a restart does them again.
          const draw = draws[at % draws.length] ?? 0;
          if (draw % 7 === 0) await restarted.turn();
          if (draw % 11 === 0 && at < 200) await restarted.start();
        }
        for (let turn = 0; turn < 5; turn++) await restarted.turn();
        for (const [index, sum] of restarted.sums) {
          assert.is(sum, straight.sums.get(index), `the checkpoint at ${String(index)}`);
          compared++;
        }
        missed += straight.sums.size - restarted.sums.size;
        // Whatever was missed on the way: a later checkpoint has it.
        const [one, other] = [await straight.stored(), await restarted.stored()];
        if (one.index !== other.index) return;
        assert.is(other.hash, one.hash);
        sameStores++;
      },
    );
    await fc.assert(property, { seed: seedFor('sums'), numRuns: 60 });
    assert.ok(compared > 100 && missed > 0, `${String(compared)} compared, ${String(missed)} missed`);
    assert.ok(sameStores > 20, `${String(sameStores)} stores compared`);
  },
  { timeoutMs: 60_000 },
);

test.run();
