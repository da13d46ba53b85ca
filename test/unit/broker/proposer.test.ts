import {
  type BrokerEnvironment,
  type CommandOwner,
  NOBODY,
  Proposer,
  readBatchHeader,
  StateMachine,
  type StateSink,
  writePublish,
  writePubrel,
} from '@quorate/broker';
import { assert, suite } from '../../support/suite.ts';

const test = suite('broker: proposer');
const NODE = { mqtt: '', http: '', peer: '', version: '', leaseMs: 1000 };

/** A proposer of n1 before a real state machine: batches are in `sent` until the test puts them into the log. */
class Bench {
  nowMs = 0;
  flushes = 0;
  readonly sent: Buffer[] = [];
  readonly proposer: Proposer;
  readonly machine: StateMachine;
  readonly outcomes: string[] = [];
  readonly owner: CommandOwner = {
    commandApplied: (kind, argument, result) => this.outcomes.push(`${kind}:${argument}:${result.kind}`),
  };

  constructor() {
    const environment: BrokerEnvironment = {
      nowMs: () => this.nowMs,
      transmit: (batch) => this.sent.push(batch),
      requestFlush: () => this.flushes++,
      sendQoS0: () => {},
      sendReleased: () => {},
      assignClientId: () => '',
      log: { debug: () => {}, info: () => {}, warn: () => {} },
    };
    this.proposer = new Proposer('n1', environment);
    const sink: StateSink = {
      batchBegin: (header, accepted) => this.proposer.batchBegin(header, accepted),
      commandResult: (_header, result) => this.proposer.commandResult(result),
      batchEnd: () => this.proposer.batchEnd(),
      deliver: () => {},
      queued: () => {},
      ownershipLost: () => {},
      nodeChanged: () => {},
      checkpoint: () => {},
      clusterNamed: () => {},
      dropped: () => {},
    };
    this.machine = new StateMachine(sink);
  }

  /** A command that finds no session; big enough in number to fill batches. */
  add(argument: number): void {
    writePubrel(this.proposer.open(), { epoch: 999, packetId: 1 });
    this.proposer.added(this.owner, 1, argument);
  }

  /** The batches in one entry, in the order given. */
  apply(...batches: readonly (Buffer | undefined)[]): void {
    const parts = batches.flatMap((batch) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(batch?.length ?? 0);
      return batch === undefined ? [] : [length, batch];
    });
    const index = this.machine.state.appliedIndex + 1;
    this.machine.apply({ index, term: 1, stampMs: 0, data: Buffer.concat(parts) });
  }

  started(): this {
    this.proposer.begin(1, NODE);
    this.proposer.flush();
    this.apply(this.sent.shift());
    this.flushes = 0;
    return this;
  }
}

test('batches are numbered from 1, and owners hear of their commands in order', () => {
  const bench = new Bench().started();
  for (const argument of [1, 2, 3]) bench.add(argument);
  assert.is(bench.flushes, 1, 'one flush for a turn');
  bench.proposer.flush();
  bench.add(4);
  bench.proposer.flush();
  assert.equal(
    bench.sent.map((batch) => readBatchHeader(batch).sequence),
    [2, 3],
  );
  bench.apply(...bench.sent);
  assert.equal(bench.outcomes, ['1:1:stale', '1:2:stale', '1:3:stale', '1:4:stale']);
  assert.is(bench.proposer.unappliedBytes, 0);
});

test('what is sent twice, late or in the wrong order is applied once and in order', () => {
  const bench = new Bench().started();
  for (const argument of [1, 2]) {
    bench.add(argument);
    bench.proposer.flush();
  }
  const [first, second] = bench.sent;
  bench.apply(second);
  assert.equal(bench.outcomes, []);
  bench.apply(first, first, second, first, second);
  assert.equal(bench.outcomes, ['1:1:stale', '1:2:stale']);
});

test('with enough on its way a batch grows, until it is large', () => {
  const bench = new Bench().started();
  for (const argument of [1, 2, 3]) {
    bench.add(argument);
    bench.proposer.flush();
  }
  assert.is(bench.sent.length, 2, 'the third waits');
  bench.flushes = 0;
  for (let argument = 4; bench.flushes === 0 && argument < 10_000; argument++) bench.add(argument);
  assert.ok(bench.proposer.unappliedBytes > 64 * 1024, 'it asks to leave early');
  bench.proposer.flush();
  assert.is(bench.sent.length, 3);
  bench.apply(...bench.sent);
  assert.is(bench.proposer.unappliedBytes, 0);
});

test('applied, the next batch leaves', () => {
  const bench = new Bench().started();
  for (const argument of [1, 2, 3]) {
    bench.add(argument);
    bench.proposer.flush();
  }
  bench.apply(bench.sent[0]);
  bench.proposer.flush();
  assert.is(bench.sent.length, 3);
});

test('unapplied batches are sent again after a second without progress, oldest first, and at once when asked', () => {
  const bench = new Bench().started();
  for (const argument of [1, 2]) {
    bench.add(argument);
    bench.proposer.flush();
  }
  const batches = bench.sent.splice(0);
  bench.nowMs = 999;
  bench.proposer.tick(bench.nowMs);
  assert.is(bench.sent.length, 0);
  bench.nowMs = 1000;
  bench.proposer.tick(bench.nowMs);
  assert.equal(bench.sent.splice(0), batches);
  bench.proposer.resend();
  assert.equal(bench.sent.splice(0), batches);
});

test('as long as there is progress nothing is sent again', () => {
  const bench = new Bench().started();
  for (const argument of [1, 2]) {
    bench.add(argument);
    bench.proposer.flush();
  }
  const [first, second] = bench.sent.splice(0);
  bench.nowMs = 900;
  bench.apply(first);
  bench.nowMs = 1800;
  bench.proposer.tick(bench.nowMs);
  assert.is(bench.sent.length, 0);
  bench.nowMs = 1900;
  bench.proposer.tick(bench.nowMs);
  assert.equal(bench.sent, [second]);
});

test('a new incarnation starts over: what was not applied is void, and a late batch of the old one too', () => {
  const bench = new Bench().started();
  bench.add(1);
  bench.proposer.flush();
  const [old] = bench.sent.splice(0);
  bench.add(2);
  bench.proposer.begin(2, NODE);
  bench.proposer.flush();
  const [introduction] = bench.sent.splice(0);
  assert.is(introduction && readBatchHeader(introduction).sequence, 1);
  bench.apply(introduction, old, introduction);
  assert.equal(bench.outcomes, []);
  assert.is(bench.machine.state.nodes.get('n1')?.lastSequence, 1);
  bench.add(3);
  bench.proposer.flush();
  bench.apply(bench.sent[0]);
  assert.equal(bench.outcomes, ['1:3:stale']);
  assert.throws(() => bench.proposer.begin(2, NODE), /incarnation 2 after 2/);
});

test('a batch of the old incarnation that is applied before the new one begins has no owner any more', () => {
  const bench = new Bench().started();
  bench.add(1);
  bench.proposer.flush();
  const [old] = bench.sent.splice(0);
  bench.proposer.begin(2, NODE);
  bench.proposer.flush();
  bench.apply(old, bench.sent[0]);
  assert.equal(bench.outcomes, []);
  assert.is(bench.proposer.unappliedBytes, 0);
});

test('abandoned: nothing of the incarnation is sent or recognized any more, until the next one begins', () => {
  const bench = new Bench().started();
  bench.add(1);
  bench.proposer.flush();
  const [before] = bench.sent.splice(0);
  bench.proposer.abandon();
  assert.ok(bench.proposer.abandoned);
  bench.add(2);
  bench.proposer.flush();
  bench.add(3);
  bench.proposer.tick(10_000);
  bench.proposer.resend();
  bench.apply(before);
  assert.equal([bench.sent, bench.outcomes], [[], []]);
  bench.proposer.begin(2, NODE);
  assert.not(bench.proposer.abandoned);
  bench.add(4);
  bench.proposer.flush();
  const [first] = bench.sent;
  assert.ok(first);
  assert.equal([readBatchHeader(first).incarnation, readBatchHeader(first).sequence], [2, 1]);
  bench.apply(first);
  assert.equal(bench.outcomes, ['1:4:stale']);
});

test('nothing is proposed without an incarnation, and no result comes that nobody asked for', () => {
  const bench = new Bench();
  assert.throws(() => bench.proposer.open(), /incarnation/);
  bench.started();
  bench.proposer.commandResult({ kind: 'ok' });
  assert.equal(bench.outcomes, []);
  assert.is(NOBODY.commandApplied(0, 0, { kind: 'ok' }), undefined);
});

test('no batch outgrows what fits between nodes, however much one turn brings', () => {
  const bench = new Bench().started();
  const willBytes = 64 * 1024;
  for (let at = 0; at < 100; at++) {
    const writer = bench.proposer.open();
    writePublish(writer, 999, 1, false, 0, 't', null, Buffer.alloc(willBytes));
    bench.proposer.added(bench.owner, 1, at);
  }
  bench.proposer.flush();
  assert.ok(bench.sent.length >= 6, `${bench.sent.length} batches`);
  for (const batch of bench.sent) assert.ok(batch.length <= 1024 * 1024 + willBytes + 100, `${batch.length}`);
  bench.apply(...bench.sent);
  assert.equal(
    bench.outcomes,
    Array.from({ length: 100 }, (_, at) => `1:${at}:stale`),
  );
});

test.run();
