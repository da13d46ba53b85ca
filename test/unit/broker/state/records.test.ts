import { InvariantError, NewerVersionError, StateLoader, writeMember } from '@quorate/broker';
import { assert, suite } from '../../../support/suite.ts';
import { checkConsistency } from './support/digest.ts';
import { Bench, PERSISTENT } from './support/log.ts';

/* What a checkpoint writes and what a load accepts. That the two agree on everything is in replay.test.ts. */

const test = suite('state: records');

/** Kinds of the records in the store: 3 message, 4 session, 5 cursor, 6 queue item, 7 retained. */
function kinds(keys: Iterable<Uint8Array>): number[] {
  return [...keys].map((key) => key[0] as number).sort();
}

function persistent(): Bench {
  const bench = new Bench();
  bench.connect('c', PERSISTENT);
  bench.connect('p', PERSISTENT);
  bench.subscribe('c', 'a');
  bench.checkpoint();
  return bench;
}

test('what was queued and settled between two checkpoints costs no record of its own', () => {
  const bench = persistent();
  for (let sequence = 0; sequence < 100; sequence++) bench.publish('p', 'a');
  bench.settle('c', [0, 100]);
  const { puts, deletes } = bench.checkpoint();
  assert.equal(kinds(puts.map(([key]) => key)), [1, 2, 5]);
  assert.is(deletes.length, 0);
});

test('a session that came and went between two checkpoints leaves nothing to write and nothing in memory', () => {
  const bench = persistent();
  for (let round = 0; round < 10; round++) {
    bench.connect('brief', PERSISTENT);
    bench.subscribe('brief', 'a');
    bench.publish('p', 'a');
    bench.disconnect('brief', false, 0);
  }
  bench.settle('c', [0, 10]);
  assert.is(bench.state.dirty.removedSessions.length, 0);
  const { puts, deletes } = bench.checkpoint();
  assert.equal(kinds(puts.map(([key]) => key)), [1, 2, 5]);
  assert.is(deletes.length, 0);
});

test('the end of a session takes its items and the messages that only it held', () => {
  const bench = persistent();
  bench.connect('d', PERSISTENT);
  bench.subscribe('d', 'a');
  bench.publish('p', 'a', 'both');
  bench.unsubscribe('d', ['a']);
  bench.publish('p', 'a', 'one');
  bench.checkpoint();
  bench.disconnect('c', false, 0);
  assert.equal(kinds(bench.checkpoint().deletes), [3, 4, 5, 6, 6]);
  bench.restart();
  assert.is(bench.queued('d'), 'both');
});

test('a message under way keeps its place and its PUBREC through a restart', () => {
  const bench = persistent();
  for (const payload of '012345') bench.publish('p', 'a', payload, { qos: 2 });
  bench.settle('c', [1, 1]);
  bench.checkpoint();
  bench.settle('c', [0, 1, 3, 1, 5, 1]);
  bench.settle('c', [2, 1], true);
  bench.restart();
  assert.is(bench.queued('c'), '2 - 4 -');
  const { queue } = bench.session('c');
  assert.equal([queue?.headSequence, queue?.nextSequence, queue?.get(2)?.state], [2, 6, 1]);
  checkConsistency(bench.state);
});

test('a checkpoint lets go of the batches that payloads are views of', () => {
  const bench = persistent();
  bench.publish('p', 'a', 'queued');
  bench.publish('p', 'r', 'retained', { retain: true });
  const messages = [bench.session('c').queue?.get(0)?.message, bench.state.retained.get('r')];
  bench.checkpoint();
  for (const message of messages) assert.is(message?.payload.buffer.byteLength, message?.payload.length);
});

test('the payload of a will is not a view of its batch', () => {
  const bench = new Bench();
  bench.connect('c', { ...PERSISTENT, will: { payload: Buffer.from('w') } });
  assert.is(bench.session('c').will?.payload.buffer.byteLength, 1);
});

test('a kind or a format of a later version is refused, not misread', () => {
  const bench = persistent();
  bench.publish('p', 'a', 'queued');
  bench.publish('p', 'r', 'retained', { retain: true });
  bench.on('a', (writer) => writeMember(writer, { nodeId: 'd', peer: 'd:1', voter: true, replaces: null }, bench.term));
  bench.checkpoint();
  const refused = (error: unknown): boolean =>
    error instanceof NewerVersionError && /upgrade this node/.test(error.message);
  assert.throws(() => new StateLoader().add(Uint8Array.of(99), Uint8Array.of(1)), refused);
  const seen = new Set<string>();
  for (const [key, value] of bench.store.records) {
    const later = Buffer.from(value);
    later[0] = 2;
    assert.throws(() => new StateLoader().add(Buffer.from(key, 'hex'), later), refused, key);
    seen.add(key.slice(0, 2));
  }
  assert.is(seen.size, 8, 'every kind of record was tried');
});

test('a store with something missing is refused', () => {
  const bench = persistent();
  bench.publish('p', 'a', 'queued');
  bench.checkpoint();
  for (const missing of ['03', '04']) {
    const { records } = bench.store;
    const loader = new StateLoader();
    const load = (): void => {
      for (const [key, value] of [...records].sort()) {
        if (!key.startsWith(missing)) loader.add(Buffer.from(key, 'hex'), value);
      }
    };
    assert.throws(load, (error: unknown) => error instanceof InvariantError);
  }
});

test.run();
