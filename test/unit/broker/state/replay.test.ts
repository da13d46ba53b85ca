import {
  type AppliedEntry,
  type CommandResult,
  FULL_QUEUE_POLICIES,
  ItemState,
  type Session,
  SHARED_STRATEGIES,
  StateMachine,
  takeCheckpoint,
} from '@quorate/broker';
import fc from 'fast-check';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';
import { checkConsistency, digest, dumpOf, withoutIdleCursors } from './support/digest.ts';
import { withLimit } from './support/limits.ts';
import { Bench, RecordingSink, RecordStore } from './support/log.ts';
import { endEverything, type History, history, play } from './support/random-log.ts';

/*
 * The promise behind snapshots, restarts and the comparison of hashes: the state is a function of the log, and the
 * records of a checkpoint are a function of the log too, wherever a node was restored in between.
 */

const test = suite('state: replay');

/** With the smaller one, queues fill up and give up what expired. */
const queueLimit = fc.constantFrom(3, 100_000);
/** With the smaller ones, what is due waits for further Ticks. */
const effortLimit = fc.constantFrom(1, 3, 4096);
/** With the smaller ones, retained messages are read from their log and not found in their tree. */
const walkLimit = fc.constantFrom(0, 3, 8192);

function holds(title: string, body: (steps: History) => void): void {
  const run = (): void => {
    const property = fc.property(history, queueLimit, effortLimit, walkLimit, (steps, queue, effort, walk) => {
      withLimit('queuedMessagesPerSession', queue, () =>
        withLimit('queuedMessagesPerGroup', queue, () =>
          withLimit('effortPerTick', effort, () => withLimit('retainedWalk', walk, () => body(steps))),
        ),
      );
    });
    fc.assert(property, { seed: seedFor(title), numRuns: 150 });
  };
  test(title, run, { timeoutMs: 120_000 });
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** A node that applies a log, checkpoints where the log says so, and may lose its memory behind a checkpoint. */
class Node {
  sink = new RecordingSink();
  machine = new StateMachine(this.sink);
  readonly store = new RecordStore();

  /** What the entry did, to be compared between nodes: calls of the sink, and the records of a checkpoint in order. */
  apply(entry: AppliedEntry, restored: boolean): unknown[] {
    this.sink.events.length = 0;
    this.machine.apply(entry);
    const effects: unknown[] = [...this.sink.events];
    if (!this.sink.checkpointDue) return effects;
    this.sink.checkpointDue = false;
    const records = takeCheckpoint(this.machine.state);
    this.store.write(records);
    effects.push(records.puts.map(([key, value]) => [toHex(key), toHex(value)]));
    effects.push(records.deletes.map(toHex));
    if (restored) {
      this.machine = new StateMachine(this.sink, this.store.load(records.appliedIndex, records.appliedTerm));
    }
    return effects;
  }
}

function logOf(steps: History): { readonly log: readonly AppliedEntry[]; readonly restored: ReadonlySet<number> } {
  const bench = new Bench();
  const restored = new Set<number>();
  play(bench, steps, (step) => {
    if (step.checkpoint && step.restored) restored.add(bench.state.appliedIndex);
  });
  return { log: bench.log, restored };
}

holds('a node restored at any checkpoint goes on exactly as one that never stopped', (steps) => {
  const { log, restored } = logOf(steps);
  const straight = new Node();
  const interrupted = new Node();
  for (const entry of log) {
    const expected = straight.apply(entry, false);
    assert.equal(interrupted.apply(entry, restored.has(entry.index)), expected, `entry ${entry.index}`);
    assert.equal(digest(interrupted.machine.state), digest(straight.machine.state), `after entry ${entry.index}`);
    checkConsistency(interrupted.machine.state);
  }
  assert.equal([...interrupted.store.records].sort(), [...straight.store.records].sort());
});

holds('the same log gives the same state and calls twice, and checkpoints change nothing', (steps) => {
  const bench = new Bench();
  const sink = new RecordingSink();
  const again = new StateMachine(sink);
  bench.log.forEach((entry) => again.apply(entry));
  const replayed = bench.log.length;
  sink.events.length = 0;
  bench.sink.events.length = 0;
  play(bench, steps, () => takeCheckpoint(bench.state));
  for (const entry of bench.log.slice(replayed)) again.apply(entry);
  assert.equal(sink.events, bench.sink.events);
  assert.equal(digest(again.state), digest(bench.state));
});

holds('the store holds what a full dump of the state would hold, no more and no less', (steps) => {
  const bench = new Bench();
  play(bench, steps, (step) => {
    checkConsistency(bench.state);
    if (!step.checkpoint) return;
    bench.checkpoint();
    const stored = [...bench.store.records].map(([key, value]) => [key, toHex(value)] as const);
    assert.equal(withoutIdleCursors(stored), withoutIdleCursors(dumpOf(bench.state)));
  });
  endEverything(bench);
  checkConsistency(bench.state);
  bench.checkpoint();
  const kinds = [...bench.store.records.keys()].map((key) => key.slice(0, 2)).sort();
  assert.equal(kinds, ['01', '02', '02', '02'], 'only meta and the nodes remain');
});

function isBegun({ tracked }: Session): boolean {
  for (let at = tracked?.headSequence ?? 0; at < (tracked?.nextSequence ?? 0); at++) {
    if (tracked?.get(at)?.state === ItemState.begun) return true;
  }
  return false;
}

test('random histories reach what they are meant to reach', () => {
  const seen = new Map<string, number>();
  const count = (name: string): void => {
    seen.set(name, (seen.get(name) ?? 0) + 1);
  };
  for (const steps of fc.sample(history, { seed: 1, numRuns: 100 })) {
    const bench = new Bench();
    play(bench, steps, (step) => {
      if (step.checkpoint && step.restored) count('restored');
      for (const session of bench.state.sessions.values()) {
        if ((session.queue?.count ?? 0) > 0) count('queued');
        if (session.willAtMs !== Number.POSITIVE_INFINITY) count('delayed will');
        if (session.incoming.size > 0) count('incoming');
        if (session.queue !== null && session.queue.nextSequence - session.queue.headSequence > session.queue.count) {
          count('hole');
        }
      }
      if (bench.state.retained.size > 0) count('retained');
      for (const group of bench.state.groups.values()) {
        if (group.queue.count > 0) count('group keeps');
        if (group.connected.length > 1) count('group of several');
      }
      for (const session of bench.state.sessions.values()) {
        if (session.held > 0) count(session.ledger === null ? 'held in a queue' : 'held in a ledger');
        if (isBegun(session)) count('begun');
      }
      count(bench.state.sharedStrategy);
      count(bench.state.fullQueuePolicy);
    });
    for (const event of bench.sink.events) {
      count(event[0] === 'batch' ? `batch ${String(event[4])}` : `${String(event[0])}`);
      if (event[0] === 'connected') count(`sessionPresent ${String(event[2])}`);
      if (event[0] === 'lost') count(String(event[4]));
      if (event[0] === 'document') count(event[3] === null ? 'document gone' : 'document put');
      if (event[0] !== 'result') continue;
      const result = event[1] as CommandResult;
      if (result.kind === 'document') count(`document ${result.outcome}`);
    }
    // What expires goes at a Tick or Checkpoint, behind which no result of a document command stands.
    bench.sink.events.forEach((event, at) => {
      if (event[0] !== 'document' || event[3] !== null) return;
      const next = bench.sink.events.slice(at).find(([kind]) => kind === 'result')?.[1] as CommandResult | undefined;
      if (next?.kind !== 'document') count('document expired');
    });
  }
  const wanted = [
    ...['restored', 'queued', 'delayed will', 'incoming', 'hole', 'retained', 'batch true', 'batch false'],
    ...['deliver', 'sessionPresent true', 'sessionPresent false', 'takenOver', 'nodeDown', 'checkpoint', 'named'],
    ...['members', 'changing', 'document put', 'document gone', 'document expired', 'document conflict'],
    ...['members', 'changing', 'group keeps', 'group of several', 'held in a queue', 'held in a ledger', 'begun'],
    ...SHARED_STRATEGIES,
    ...FULL_QUEUE_POLICIES,
  ];
  for (const name of wanted) assert.ok((seen.get(name) ?? 0) >= 30, `${name}: ${seen.get(name) ?? 0} times`);
});

test.run();
