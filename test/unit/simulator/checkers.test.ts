import { parseArguments, RegisterChecker, type RegisterWrite, Rng, World } from '@quorate/simulator';
import { assert, suite } from '../../support/suite.ts';

const test = suite('simulator: parts');

/** Three writes of one register; the second is acknowledged at 20. */
function register(): { checker: RegisterChecker; at: (ms: number) => void } {
  const writes: RegisterWrite[] = [
    { position: 1, value: 'a', atMs: 1 },
    { position: 2, value: 'b', atMs: 12 },
    { position: 3, value: null, atMs: 30 },
  ];
  let nowMs = 0;
  const checker = new RegisterChecker({ registers: new Map([['r', writes]]) }, () => nowMs);
  return { checker, at: (ms) => (nowMs = ms) };
}

test('a read may return what was complete, or anything newer', () => {
  const { checker, at } = register();
  checker.read('c', 'r', null, 0);
  at(20);
  checker.written('r', 'b', 10);
  at(21);
  checker.read('c', 'r', 'a', 19);
  checker.read('c', 'r', 'b', 21);
  checker.read('c', 'r', null, 21);
});

test('a read that misses a complete write is stale', () => {
  const { checker, at } = register();
  at(20);
  checker.written('r', 'b', 10);
  at(21);
  assert.throws(() => checker.read('c', 'r', 'a', 21), /'?a'? from r|read a from r/);
});

test('a read that goes back behind an earlier read is stale', () => {
  const { checker, at } = register();
  at(31);
  checker.read('c', 'r', 'b', 25);
  at(40);
  checker.read('d', 'r', 'a', 30);
  assert.throws(() => checker.read('e', 'r', 'a', 40), /read a from r/);
});

test('a value that nobody wrote is no value', () => {
  assert.throws(() => register().checker.read('c', 'r', 'z', 50), /read z from r/);
});

test('events run by time, then in the order of scheduling, and promise reactions before the next event', async () => {
  const world = new World(1, false);
  const seen: string[] = [];
  world.at(5, () => seen.push('b'));
  world.at(1, () => {
    seen.push('a');
    world.settle();
    Promise.resolve()
      .then(() => {})
      .then(() => seen.push('a, later'), assert.unreachable);
  });
  world.at(5, () => seen.push('c'));
  world.at(50, () => seen.push('too late'));
  await world.run(10);
  assert.equal(seen, ['a', 'a, later', 'b', 'c']);
  assert.is(world.nowMs, 10);
});

test('an operation that waits for turns of the event loop goes on with every settling until it ends', async () => {
  const world = new World(1, false);
  const seen: string[] = [];
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const operate = async (): Promise<void> => {
    for (const step of [1, 2]) {
      await turn();
      seen.push(`step ${step}`);
    }
  };
  world.at(1, () => void world.takesTurns(operate()));
  for (const atMs of [2, 3]) {
    world.at(atMs, () => {
      seen.push(`at ${atMs}`);
      world.settle();
    });
  }
  await world.run(10);
  assert.equal(seen, ['step 1', 'at 2', 'step 2', 'at 3']);
});

test('an event that throws ends the simulation', async () => {
  const world = new World(1, true);
  world.at(1, () => {
    throw new RangeError('broken');
  });
  world.at(2, () => assert.unreachable());
  await world.run(10);
  assert.is(world.violation?.invariant, 'no-exception');
  assert.match(world.trace.last(1)[0] ?? '', /VIOLATION no-exception/);
});

test('chance follows from the seed alone', () => {
  const draw = (seed: number): number[] => {
    const rng = new Rng(seed);
    return Array.from({ length: 50 }, () => rng.below(1_000));
  };
  assert.equal(draw(7), draw(7));
  assert.not.equal(draw(7), draw(8));
  assert.not.equal(draw(7), draw(7 + 2 ** 32), 'the high half of a seed counts');
  assert.ok(draw(7).some((value) => value < 250) && draw(7).some((value) => value > 750));
});

test('arguments of the command', () => {
  const parse = (...argv: string[]) => parseArguments(argv, 4, () => 99);
  assert.equal(parse('--seeds', '5', '--base=7'), {
    seeds: 5,
    base: 7,
    seconds: 15,
    workers: 4,
    trace: false,
    replay: null,
    leftOut: [],
    minimiseSec: 60,
    budgetSec: Number.POSITIVE_INFINITY,
  });
  assert.equal(parse('--replay', '12', '--leave-out', '3,7').leftOut, [3, 7]);
  assert.is(parse('--replay', '12', '--trace').replay, 12);
  assert.is(parse().base, 99);
  for (const bad of [['--seeds', '0'], ['--seeds'], ['--base', 'x'], ['--what'], ['--seconds', '1.5']]) {
    assert.throws(() => parse(...bad), /--/, bad.join(' '));
  }
});

test.run();
