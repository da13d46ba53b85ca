import fc from 'fast-check';
import { RaftLog } from '../../../packages/consensus/src/log.ts';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';
import { entriesOf, initialOf } from './support/harness.ts';

const test = suite('raft log');

function logOf(terms: readonly number[], sizeBytes = 0): RaftLog {
  return new RaftLog(initialOf(['n1'], { entries: entriesOf(terms, 1, sizeBytes) }));
}

test('starts durable after a snapshot', () => {
  const log = new RaftLog(initialOf(['n1'], { snapshotIndex: 5, snapshotTerm: 2, entries: entriesOf([2, 3], 6) }));
  assert.equal([log.baseIndex, log.lastIndex, log.lastTerm, log.stableIndex], [5, 7, 3, 7]);
  assert.equal(
    [4, 5, 6, 7, 8].map((index) => log.termAt(index)),
    [null, 2, 2, 3, null],
  );
  assert.not.ok(log.hasUnwritten);
});

test('a completion does not make durable what was rewritten meanwhile (ABA)', () => {
  const log = logOf([1]);
  log.append(entriesOf([1, 1], 2));
  log.takeUnwritten(1);
  log.truncateFrom(3);
  log.append(entriesOf([2], 3));
  log.takeUnwritten(2);
  // Back to an entry of the same index and term as the first: only its own write counts.
  log.truncateFrom(3);
  log.append(entriesOf([3], 3));
  log.takeUnwritten(3);
  log.written(1);
  assert.is(log.stableIndex, 2);
  log.written(2);
  assert.is(log.stableIndex, 2);
  log.written(3);
  assert.is(log.stableIndex, 3);
});

test('writes everything from the first change on', () => {
  const log = logOf([1, 1, 1]);
  log.append(entriesOf([1], 4));
  log.truncateFrom(2);
  log.append(entriesOf([2], 2));
  assert.equal(
    log.takeUnwritten(1).map((entry) => [entry.index, entry.term]),
    [[2, 2]],
  );
  assert.not.ok(log.hasUnwritten);
  assert.is(log.stableIndex, 1);
});

test('keeps a recent window of what is applied', () => {
  const log = logOf(new Array<number>(100).fill(1), 68);
  log.applied(50, 1000);
  // 100 bytes an entry, overhead included.
  assert.is(log.baseIndex, 40);
  log.applied(50, 1000);
  assert.is(log.baseIndex, 40);
  log.applied(100, 0);
  assert.equal([log.baseIndex, log.lastIndex, log.lastTerm], [100, 100, 1]);
  assert.throws(() => log.applied(101, 0), /durable/);
  assert.throws(() => log.truncateFrom(100), /applied/);
});

test('gives memory back over a long life', () => {
  const log = logOf([]);
  for (let index = 1; index <= 5000; index++) {
    log.append(entriesOf([1], index));
    log.takeUnwritten(index);
    log.written(index);
    log.applied(index, 320);
  }
  assert.equal([log.baseIndex, log.lastIndex], [4990, 5000]);
  assert.equal(
    log.slice(4991, 5000).map((entry) => entry.index),
    Array.from({ length: 10 }, (_, at) => 4991 + at),
  );
});

test('slices by bytes, one entry at least', () => {
  const log = logOf([1, 1, 1, 1], 68);
  const lengths = [1, 100, 199, 200, 350, 1000].map((maxBytes) => log.sliceBytes(1, maxBytes).length);
  assert.equal(lengths, [1, 1, 1, 2, 3, 4]);
  assert.equal(log.sliceBytes(5, 100), []);
});

test('refuses holes and falling terms', () => {
  const log = logOf([1, 2]);
  assert.throws(() => log.append(entriesOf([2], 4)), /after/);
  assert.throws(() => log.append(entriesOf([1], 3)), /term/);
});

test('conflict hints bring two logs together in one round trip per term at most (thesis section 3.5)', () => {
  const terms = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 30 }).map((list) => list.sort((a, b) => a - b));
  fc.assert(
    fc.property(fc.nat(8), terms, terms, (common, left, right) => {
      const shared = new Array<number>(common).fill(1);
      // Different terms on the two sides, except the shared prefix: even here, odd there.
      const leader = logOf([...shared, ...left.map((term) => term * 2)]);
      const follower = logOf([...shared, ...right.map((term) => term * 2 + 1)]);
      let prevIndex = leader.lastIndex;
      let rounds = 0;
      while (follower.termAt(prevIndex) !== leader.termAt(prevIndex)) {
        const hint = follower.findConflict(prevIndex, leader.termAt(prevIndex) as number);
        const next = leader.findConflict(Math.min(hint.index, prevIndex - 1), hint.term).index;
        assert.ok(next < prevIndex, 'each probe goes back');
        assert.ok(next >= common, 'never skips past the agreement');
        prevIndex = next;
        rounds++;
      }
      assert.ok(rounds <= 6, `${rounds} rounds`);
    }),
    { seed: seedFor('conflict hints') | 0, numRuns: 300 },
  );
});

test.run();
