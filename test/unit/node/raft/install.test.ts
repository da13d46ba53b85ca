import type { Message } from '@quorate/consensus';
import type { RaftDriver } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

import { entry, makeWorld, settle, type World } from './support.ts';

const test = suite('raft driver: installing a snapshot');

type Installation = Parameters<RaftDriver['install']>[0];

const CONFIGURATION = { voters: ['n1', 'n2'], learners: [], outgoing: [] };
const FACTS = { index: 50, term: 3, stampMs: 9_000, configuration: CONFIGURATION, from: 'n2', leaderTerm: 4 };
const MESSAGE: Message = { kind: 'heartbeat', term: 1, commitIndex: 0, round: 0 };

/** An installation whose commit ends when the test says so; `order` is what happened, in order. */
function installation(world: World) {
  const order: string[] = [];
  let end: (installed: boolean) => void = () => {};
  let fail: (error: Error) => void = () => {};
  world.core.onStep = ({ kind }) => {
    if (kind !== 'tick') order.push(kind);
  };
  const value: Installation = {
    facts: FACTS,
    commit: () => {
      order.push('commit');
      return new Promise((resolve, reject) => {
        end = resolve;
        fail = reject;
      });
    },
    done: (installed) => {
      order.push(`done ${String(installed)}`);
    },
  };
  return {
    value,
    order,
    end: async (installed: boolean) => {
      end(installed);
      await settle();
    },
    fail: async (error: Error) => {
      fail(error);
      await settle();
    },
  };
}

test('the core hears of it when it is durable, in the turn of `done` and before it', async () => {
  const world = await makeWorld();
  const { value, order, end } = installation(world);
  world.driver.install(value);
  assert.equal(order, [], 'at the end of the turn');
  await world.clock.turn();
  assert.equal(order, ['commit']);
  await end(true);
  assert.equal(order, ['commit', 'snapshotReceiving', 'snapshotInstalled', 'done true']);
  assert.equal(world.core.of('snapshotReceiving'), [{ kind: 'snapshotReceiving', from: 'n2', term: 4 }]);
  const [installed] = world.core.of('snapshotInstalled');
  assert.equal(installed, {
    kind: 'snapshotInstalled',
    index: 50,
    term: 3,
    stampMs: 9_000,
    configuration: CONFIGURATION,
  });
});

test('meanwhile no outputs are taken: nothing is written, sent or applied, and no silence of the leader is counted', async () => {
  const world = await makeWorld();
  const { value, end } = installation(world);
  world.driver.install(value);
  await world.clock.turn();
  const { taken } = world.core;
  world.core.inputs.length = 0;
  world.did.length = 0;
  world.core.write([entry(1)], { term: 1, vote: null });
  world.core.sendNow('n2', MESSAGE);
  world.core.commit([entry(1)]);
  world.core.become('leader', 2);
  world.driver.receive('n2', MESSAGE);
  for (let at = 0; at < 5; at++) await world.clock.tick(1_000);
  world.driver.pump();
  assert.is(world.core.taken, taken);
  assert.equal(world.did, []);
  // Each tick comes behind a word of the sender: no election begins, however long it takes.
  const clocks = world.core.inputs.map(({ kind }) => kind).filter((kind) => kind !== 'message');
  assert.equal(clocks, Array.from({ length: 5 }, () => ['snapshotReceiving', 'tick']).flat());
  assert.equal(world.core.of('snapshotReceiving')[0], { kind: 'snapshotReceiving', from: 'n2', term: 4 });
  assert.is(world.core.of('message').length, 1, 'what comes in is stepped');
  await end(true);
  await world.clock.tick(10);
  assert.ok(world.core.taken > taken);
  assert.equal(
    world.did.map(({ what }) => what).filter((what) => what !== 'writeDone'),
    ['send', 'status', 'committed'],
  );
});

test('it waits for the storage operation in flight, and the next one waits for it', async () => {
  const world = await makeWorld();
  const { core, disk, clock, driver } = world;
  const { value, order, end } = installation(world);
  disk.stall();
  core.write([entry(1)], { term: 1, vote: null });
  await clock.tick(10);
  driver.install(value);
  await clock.tick(10);
  assert.equal(order, [], 'a write is in flight');
  disk.release();
  await settle();
  assert.equal(order, ['writeDone', 'commit']);
  driver.compact(1, 1);
  core.write([entry(2)], null);
  await clock.tick(10);
  assert.is(await world.log.termAt(2), null, 'not while it is under way');
  await end(false);
  await clock.tick(10);
  assert.is(await world.log.termAt(2), 1);
});

test('entries that were handed out and not applied are void: they lie before the snapshot', async () => {
  const world = await makeWorld({ applySliceEntries: 1, applySliceMs: 0 });
  const { core, clock, driver, did } = world;
  const { value, end } = installation(world);
  core.commit([entry(1), entry(2), entry(3)]);
  await clock.tick(10);
  assert.equal(
    did.filter(({ what }) => what === 'committed'),
    [{ what: 'committed', indexes: [1] }],
  );
  driver.install(value);
  await clock.turn();
  await end(true);
  assert.is(driver.backlogBytes, 0);
  await clock.tick(10);
  await clock.tick(10);
  assert.is(did.filter(({ what }) => what === 'committed').length, 1);
});

test('one that came to nothing changes nothing: the backlog goes on', async () => {
  const world = await makeWorld({ applySliceEntries: 1, applySliceMs: 0 });
  const { core, clock, driver, did } = world;
  const { value, order, end } = installation(world);
  core.commit([entry(1), entry(2)]);
  await clock.tick(10);
  driver.install(value);
  await clock.turn();
  await end(false);
  assert.equal(order.slice(1), ['commit', 'done false', 'applied']);
  assert.equal(
    did.filter(({ what }) => what === 'committed').map((each) => ('indexes' in each ? each.indexes : [])),
    [[1], [2]],
  );
  assert.equal(core.of('snapshotInstalled'), []);
});

test('a leader’s clock goes on from the stamp of the snapshot', async () => {
  const world = await makeWorld();
  const { core, clock, driver } = world;
  const { value, end } = installation(world);
  driver.install(value);
  await clock.turn();
  await end(true);
  core.become('leader', 5);
  await clock.tick(0);
  driver.propose(Buffer.from('a'));
  await clock.turn();
  assert.is(core.of('propose')[0]?.stampMs, 9_000);
});

test('one at a time', async () => {
  const world = await makeWorld();
  const { value, end } = installation(world);
  world.driver.install(value);
  assert.throws(() => world.driver.install(value), /two installations/);
  await world.clock.turn();
  assert.throws(() => world.driver.install(value), /two installations/);
  await end(true);
  world.driver.install(value);
});

test('an error of the commit is fatal, and nothing goes on after it', async () => {
  const world = await makeWorld();
  const { core, clock, driver, did } = world;
  const { value, order, fail } = installation(world);
  driver.install(value);
  await clock.turn();
  core.sendNow('n2', MESSAGE);
  await fail(new Error('the disk is gone'));
  await clock.tick(10);
  assert.equal(did, [{ what: 'fatal', message: 'the disk is gone' }]);
  assert.equal(order, ['commit']);
});

test('a core that does not take it is fatal, and it does not count as installed', async () => {
  const world = await makeWorld();
  const { value, order, end } = installation(world);
  world.driver.install(value);
  await world.clock.turn();
  world.core.failOn = 'snapshotInstalled';
  await end(true);
  assert.equal(world.did, [{ what: 'fatal', message: 'the core fails on snapshotInstalled' }]);
  assert.is(order.at(-1), 'done false');
});

test('a stop waits for the commit that is under way; what has not begun is dropped', async () => {
  const world = await makeWorld();
  const { value, order, end } = installation(world);
  world.driver.install(value);
  await world.clock.turn();
  let stopped = false;
  const stopping = world.driver.stop().then(() => {
    stopped = true;
  });
  await settle();
  assert.not.ok(stopped);
  await end(true);
  await stopping;
  assert.equal(order, ['commit', 'done false'], 'the node does not go on from it');
  const early = await makeWorld();
  const dropped = installation(early);
  early.driver.install(dropped.value);
  await early.driver.stop();
  await early.clock.tick(10);
  assert.equal(dropped.order, []);
});

test.run();
