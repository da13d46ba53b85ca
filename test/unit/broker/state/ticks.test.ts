import { assert, suite } from '../../../support/suite.ts';
import { withLimit } from './support/limits.ts';
import { Bench, PERSISTENT } from './support/log.ts';

/* What falls due at once is done in portions: every node stands still while it applies one entry. */

const test = suite('state: ticks');
const COUNT = 25;

/** That many clients have gone, with sessions for 10 s and, if asked, wills due after 5 s. */
function gone(withWills: boolean): Bench {
  const bench = new Bench();
  bench.connect('watcher', PERSISTENT);
  bench.subscribe('watcher', 'will');
  for (let number = 0; number < COUNT; number++) {
    const will = { delayIntervalSec: 5, payload: Buffer.from(`${number}`) };
    bench.connect(`c${number}`, { sessionExpiryIntervalSec: 10, ...(withWills && { will }) });
    bench.disconnect(`c${number}`);
  }
  return bench;
}

/** How many sessions are left after each Tick at one moment. */
function leftAfterTicks(bench: Bench): number[] {
  const left: number[] = [];
  do {
    bench.after(0);
    left.push(bench.state.sessions.size - 1);
  } while (bench.state.hasDue);
  return left;
}

test('sessions that expire in one moment end in the portions of several Ticks', () => {
  const bench = gone(false);
  bench.nowMs += 9999;
  bench.after(0);
  assert.not(bench.state.hasDue);
  bench.nowMs += 1;
  withLimit('effortPerTick', 10, () => assert.equal(leftAfterTicks(bench), [15, 5, 0]));
});

test('subscriptions and queued messages of a session that ends count', () => {
  const bench = gone(false);
  for (const number of [0, 1, 2, 3]) {
    bench.connect(`c${number}`, { sessionExpiryIntervalSec: 10 });
    for (let filter = 0; filter < 4; filter++) bench.subscribe(`c${number}`, `f${filter}`);
    for (let message = 0; message < 5; message++) bench.publish('watcher', 'f0');
    bench.disconnect(`c${number}`);
  }
  bench.nowMs += 10_000;
  // In the order of their numbers: 1 + 4 + 20 for the first, 15, 10, 10 for the fourth, then ten at a time.
  withLimit('effortPerTick', 10, () => assert.equal(leftAfterTicks(bench), [24, 23, 22, 21, 11, 1, 0]));
});

test('wills are sent in portions and in their order, and a delivery counts', () => {
  const bench = gone(true);
  bench.nowMs += 5000;
  withLimit('effortPerTick', 10, () => {
    bench.after(0);
    assert.is(bench.queued('watcher'), '0 1 2 3 4');
    assert.ok(bench.state.hasDue);
    leftAfterTicks(bench);
  });
  assert.is(bench.queued('watcher'), Array.from({ length: COUNT }, (_, number) => number).join(' '));
});

test('retained messages expire in portions, and one that is due is not delivered before its turn either', () => {
  const bench = new Bench();
  bench.connect('c', PERSISTENT);
  for (let number = 0; number < COUNT; number++) {
    bench.publish('c', `t/${number}`, 'x', { retain: true, properties: { messageExpiryIntervalSec: 1 } });
  }
  bench.nowMs += 1000;
  withLimit('effortPerTick', 10, () => {
    bench.after(0);
    assert.is(bench.state.retained.size, COUNT - 5);
    bench.subscribe('c', '#');
    assert.is(bench.session('c').queue?.count, 0);
    leftAfterTicks(bench);
  });
  assert.is(bench.state.retained.size, 0);
});

test('a client whose own will and session are due finds them settled, whatever else is due before them', () => {
  const bench = gone(true);
  bench.nowMs += 7000;
  withLimit('effortPerTick', 1, () => {
    bench.connect('c20', { sessionExpiryIntervalSec: 10 });
    assert.is(bench.queued('watcher'), '20');
    bench.nowMs += 7000;
    const result = bench.tryConnect('c21', { sessionExpiryIntervalSec: 10 });
    assert.ok(result.kind === 'connected' && !result.sessionPresent);
    assert.is(bench.queued('watcher'), '20 21');
    leftAfterTicks(bench);
  });
  assert.is(bench.session('watcher').queue?.count, COUNT, 'every will once');
  assert.is(bench.state.sessions.size, 3);
});

test.run();
