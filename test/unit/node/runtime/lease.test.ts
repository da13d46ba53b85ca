import { ServingLease } from '../../../../packages/node/src/runtime/lease.ts';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('serving lease');

const LEASE_MS = 1_000;

/** A lease whose reads the test answers. */
function make() {
  const asked: { id: number; atMs: number }[] = [];
  const extended: number[] = [];
  let nowMs = 0;
  let appliedIndex = 0;
  const lease = new ServingLease({
    leaseMs: LEASE_MS,
    readIndex: () => {
      asked.push({ id: asked.length + 1, atMs: nowMs });
      return asked.length;
    },
    appliedIndex: () => appliedIndex,
    extend: (untilMs) => extended.push(untilMs),
  });
  return {
    lease,
    asked,
    extended,
    pass(ms: number) {
      for (let left = ms; left > 0; left -= 10) {
        nowMs += 10;
        lease.tick(nowMs);
      }
    },
    apply(index: number) {
      appliedIndex = index;
      lease.applied();
    },
  };
}

test('counts from the moment of the question, not of the answer', () => {
  const { lease, asked, extended, pass } = make();
  pass(10);
  pass(150);
  assert.is(asked.length, 1);
  lease.onRead(1, 0);
  assert.equal(extended, [10 + LEASE_MS]);
});

test('is not granted before everything up to the read index is applied', () => {
  const { lease, extended, pass, apply } = make();
  pass(10);
  lease.onRead(1, 7);
  assert.equal(extended, []);
  apply(6);
  assert.equal(extended, []);
  apply(7);
  assert.equal(extended, [10 + LEASE_MS]);
  apply(8);
  assert.equal(extended, [10 + LEASE_MS], 'each question counts once');
});

test('a late answer grants what is left since its own question', () => {
  const { lease, asked, extended, pass } = make();
  pass(10);
  pass(200);
  assert.equal(
    asked.map(({ atMs }) => atMs),
    [10, 210],
  );
  lease.onRead(2, 0);
  lease.onRead(1, 0);
  assert.equal(extended, [210 + LEASE_MS, 10 + LEASE_MS]);
});

test('asks five times in its length, four times as often after a failure', () => {
  const { lease, asked, pass } = make();
  pass(LEASE_MS);
  assert.is(asked.length, 5);
  lease.onReadFailed(5);
  const before = asked.length;
  pass(50);
  assert.is(asked.length, before + 1);
});

test('an answer to nothing, or to a question that failed, grants nothing', () => {
  const { lease, extended, pass } = make();
  pass(10);
  lease.onRead(99, 0);
  lease.onReadFailed(1);
  lease.onRead(1, 0);
  assert.equal(extended, []);
});

test('questions that are never answered are forgotten', () => {
  const { lease, extended, pass } = make();
  pass(10);
  pass(6_000);
  lease.onRead(1, 0);
  assert.equal(extended, []);
});

test.run();
