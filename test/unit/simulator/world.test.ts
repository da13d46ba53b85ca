import { setImmediate as nextTurn } from 'node:timers/promises';
import { World } from '@quorate/simulator';
import { assert, suite } from '../../support/suite.ts';

const test = suite('simulator: the virtual world');

test('an operation that waits for turns goes on though nothing else settles a promise', async () => {
  const world = new World(1, false);
  for (let atMs = 1; atMs <= 100; atMs++) world.at(atMs, () => {});
  let endedMs = Number.POSITIVE_INFINITY;
  world.at(1, () => {
    const operation = async (): Promise<void> => {
      for (let turns = 0; turns < 5; turns++) await nextTurn();
      endedMs = world.nowMs;
    };
    void world.takesTurns(operation());
  });
  await world.run(100);
  assert.ok(endedMs <= 10, `it ended at ${endedMs}`);
});

test('reactions run before the next event', async () => {
  const world = new World(1, false);
  const order: string[] = [];
  world.at(1, () => {
    world.settle();
    void Promise.resolve()
      .then(() => order.push('reaction'))
      .then(() => order.push('its reaction'));
  });
  world.at(1, () => order.push('event'));
  await world.run(2);
  assert.equal(order, ['reaction', 'its reaction', 'event']);
});

test.run();
