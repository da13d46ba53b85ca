import type { Message } from '@quorate/consensus';
import { assert, suite } from '../../../support/suite.ts';
import { batch, type Did, entry, makeLeader, makeWorld, settle, texts } from './support.ts';

const test = suite('raft driver');

const ack: Message = {
  kind: 'appendResponse',
  term: 1,
  round: 0,
  success: true,
  matchIndex: 1,
  hintIndex: 0,
  hintTerm: 0,
};
const heartbeat: Message = { kind: 'heartbeat', term: 1, commitIndex: 0, round: 0 };

function whats(did: readonly Did[]): string[] {
  return did.map((each) => each.what);
}

test('batches of one turn become one entry at its end', async () => {
  const { driver, core, clock } = await makeLeader();
  for (const text of ['a', 'bb', '']) assert.ok(driver.propose(batch(text)));
  assert.is(driver.pendingProposalBytes, 15);
  assert.equal(core.of('propose'), []);
  await clock.turn();
  assert.equal(
    core.of('propose').map((input) => texts(input.data)),
    [['a', 'bb', '']],
  );
  assert.is(driver.pendingProposalBytes, 0);
});

test('batches gather while a write is in flight, and go as one entry when it is done', async () => {
  const { driver, core, clock, disk } = await makeLeader();
  disk.stall();
  core.write([entry(1)], null);
  await clock.tick(1);
  for (const text of ['a', 'b', 'c']) {
    driver.propose(batch(text));
    await clock.tick(1);
  }
  assert.equal(core.of('propose'), []);
  disk.release();
  await settle();
  assert.equal(
    core.of('propose').map((input) => texts(input.data)),
    [['a', 'b', 'c']],
  );
});

test('a full entry does not wait for the write in flight', async () => {
  const { driver, core, clock, disk } = await makeLeader({ maxEntryBytes: 20 });
  disk.stall();
  core.write([entry(1)], null);
  await clock.tick(1);
  for (const text of ['aaaa', 'bbbb', 'cccc', 'dddd']) driver.propose(batch(text));
  await clock.turn();
  assert.equal(
    core.of('propose').map((input) => texts(input.data)),
    [['aaaa', 'bbbb']],
  );
  assert.is(driver.pendingProposalBytes, 16);
});

test('a batch beyond the entry bound has an entry of its own', async () => {
  const { driver, core, clock } = await makeLeader({ maxEntryBytes: 20 });
  for (const text of ['a', 'x'.repeat(100), 'b']) driver.propose(batch(text));
  await clock.turn();
  assert.equal(
    core.of('propose').map((input) => texts(input.data)),
    [['a'], ['x'.repeat(100)], ['b']],
  );
});

test('proposals are refused without leadership, without room, and beyond the bound', async () => {
  const world = await makeWorld();
  assert.not(world.driver.propose(batch('a')));
  const { driver, core, clock } = await makeLeader({ maxPendingProposalBytes: 10 });
  assert.ok(driver.propose(batch('x'.repeat(50))), 'one batch always fits');
  assert.not(driver.propose(batch('a')));
  await clock.turn();
  core.mayPropose = false;
  assert.not(driver.propose(batch('a')));
});

test('what the core has no room for waits until it has', async () => {
  const { driver, core, clock } = await makeLeader();
  driver.propose(batch('a'));
  core.mayPropose = false;
  await clock.turn();
  assert.equal(core.of('propose'), []);
  assert.is(driver.pendingProposalBytes, 5);
  core.mayPropose = true;
  await clock.tick(10);
  assert.equal(
    core.of('propose').map((input) => texts(input.data)),
    [['a']],
  );
});

test('queued batches go with the leadership they were queued for', async () => {
  const { driver, core, clock, did } = await makeLeader();
  driver.propose(batch('a'));
  core.mayPropose = false;
  await clock.turn();
  core.become('follower', 2);
  await clock.tick(1);
  assert.is(driver.pendingProposalBytes, 0);
  core.become('leader', 3);
  core.mayPropose = true;
  await clock.tick(1);
  assert.equal(core.of('propose'), []);
  assert.equal(whats(did), ['status', 'status']);
});

test('messages leave before the write is durable, acknowledgements only after it', async () => {
  const { core, clock, disk, did } = await makeWorld();
  disk.stall();
  core.sendNow('n2', heartbeat);
  core.write([entry(1)], { term: 1, vote: 'n2' }, [{ to: 'n3', message: ack }]);
  await clock.tick(1);
  assert.equal(
    did.map((each) => each.what === 'send' && each.to),
    ['n2'],
  );
  assert.is(disk.writesInFlight, 1);
  await clock.tick(1);
  assert.is(did.length, 1);
  assert.equal(core.of('writeDone'), []);
  disk.release();
  await settle();
  assert.equal(
    core.of('writeDone').map((input) => input.seq),
    [1],
  );
  assert.equal(
    did.map((each) => each.what === 'send' && each.to),
    ['n2', 'n3', false],
  );
  assert.equal(did[2], { what: 'writeDone', durationMs: 1, sizeBytes: 10, entries: 1 });
});

test('an acknowledgement waits for its own write, not for the one before', async () => {
  const { core, clock, disk, did } = await makeWorld();
  disk.stall();
  core.write([entry(1)], { term: 1, vote: null });
  await clock.tick(1);
  core.write([entry(2)], null, [{ to: 'n3', message: ack }]);
  await clock.tick(1);
  assert.is(disk.writesInFlight, 1, 'one write in flight at a time');
  disk.release();
  disk.stall();
  await settle();
  assert.not(whats(did).includes('send'));
  disk.release();
  await settle();
  await settle();
  assert.ok(whats(did).includes('send'));
  assert.equal(
    core.of('writeDone').map((input) => input.seq),
    [1, 2],
  );
});

test('a long backlog of committed entries is handed over in slices, in order, each once', async () => {
  const { core, clock, did, hooks } = await makeWorld({ applySliceBytes: 30, applySliceMs: 5 });
  hooks.onCommitted = () => {
    clock.now += 3;
  };
  core.commit(Array.from({ length: 20 }, (_, at) => entry(at + 1)));
  await clock.tick(1);
  assert.is(did.length, 2, 'two slices of 3 ms each fill a turn of 5 ms');
  core.commit([entry(21)]);
  while (!clock.idle) await clock.turn();
  const indexes = did.flatMap((each) => (each.what === 'committed' ? each.indexes : []));
  assert.equal(
    indexes,
    Array.from({ length: 21 }, (_, at) => at + 1),
  );
  assert.ok(did.every((each) => each.what === 'committed' && each.indexes.length <= 3));
  assert.is(core.of('applied').at(-1)?.index, 21);
});

test('the first storage error is fatal: reported once, nothing is sent or taken after it', async () => {
  const { core, clock, disk, did, driver } = await makeLeader();
  disk.failNextWrite(new Error('EIO'));
  core.write([entry(1)], null, [{ to: 'n3', message: ack }]);
  await clock.tick(1);
  assert.equal(whats(did), ['fatal']);
  core.sendNow('n2', heartbeat);
  core.write([entry(2)], null);
  core.inputs.length = 0;
  driver.receive('n2', heartbeat);
  driver.peerLost('n2');
  driver.compact(1, 1);
  assert.not(driver.propose(batch('a')));
  await clock.tick(1);
  driver.pump();
  assert.equal(core.inputs, []);
  assert.equal(whats(did), ['fatal']);
  assert.is(clock.tickerCount, 0);
  await driver.stop();
});

test('several storage operations that fail are one fatal error', async () => {
  const { core, clock, disk, did, log } = await makeWorld();
  log.read = () => Promise.reject(new Error('EIO on read'));
  disk.failNextWrite(new Error('EIO on write'));
  core.wantLog('n2', 1);
  core.wantLog('n3', 1);
  core.write([entry(1)], null);
  await clock.tick(1);
  await settle();
  assert.equal(whats(did), ['fatal']);
});

test('an error of the core or of the state machine is fatal', async () => {
  const first = await makeWorld();
  first.core.failOn = 'message';
  first.core.sendNow('n2', heartbeat);
  first.driver.receive('n2', heartbeat);
  await first.clock.tick(1);
  assert.equal(first.did, [{ what: 'fatal', message: 'the core fails on message' }]);
  const second = await makeWorld({ applySliceEntries: 1 });
  second.hooks.onCommitted = () => {
    throw new Error('bad command');
  };
  second.core.commit([entry(1), entry(2)]);
  await second.clock.tick(1);
  await second.clock.tick(1);
  assert.equal(whats(second.did), ['committed', 'fatal']);
  assert.equal(second.core.of('applied'), []);
});

test('a step that fails while messages go out stops the rest of them', async () => {
  const { core, clock, did, driver, hooks } = await makeWorld();
  core.failOn = 'peerUnreachable';
  hooks.onSend = (to) => {
    driver.peerUnreachable(to);
  };
  core.sendNow('n2', heartbeat);
  core.sendNow('n3', heartbeat);
  core.write([entry(1)], { term: 1, vote: null });
  await clock.tick(1);
  assert.equal(whats(did), ['send', 'fatal']);
});

test('a stalled write is reported once and told to the core', async () => {
  const { core, clock, disk, did } = await makeWorld({ stallAfterMs: 50, slowWriteMs: 20 });
  disk.stall();
  core.write([entry(1)], null);
  await clock.tick(1);
  await clock.tick(49);
  assert.equal(core.of('storageStalled'), []);
  await clock.tick(1);
  await clock.tick(60);
  assert.is(core.of('storageStalled').length, 1);
  assert.equal(did, [{ what: 'slowWrite', durationMs: 50 }]);
  disk.release();
  await settle();
  assert.equal(whats(did), ['slowWrite', 'writeDone']);
  disk.stall();
  core.write([entry(2)], null);
  await clock.tick(1);
  clock.now += 20;
  disk.release();
  await settle();
  assert.equal(whats(did), ['slowWrite', 'writeDone', 'writeDone', 'slowWrite']);
});

test('reads asked for in one turn share one read of the core', async () => {
  const { core, clock, did, driver } = await makeWorld({ maxPendingReads: 3 });
  const ids = [driver.readIndex(), driver.readIndex()];
  await clock.turn();
  ids.push(driver.readIndex());
  const refused = driver.readIndex();
  await clock.turn();
  assert.equal(
    core.of('readIndex').map((input) => input.id),
    [1, 2],
  );
  assert.is(new Set([...ids, refused]).size, 4);
  assert.equal(did.splice(0), [{ what: 'readFailed', id: refused }]);
  core.answerRead(1, 42);
  core.failRead(2);
  await clock.tick(1);
  assert.equal(did, [
    { what: 'read', id: ids[0], index: 42 },
    { what: 'read', id: ids[1], index: 42 },
    { what: 'readFailed', id: ids[2] },
  ]);
});

test('an unreachable peer is told to the core once per tick, and drops do not go round in circles', async () => {
  const { core, clock, driver, hooks } = await makeWorld();
  hooks.onSend = (to) => {
    driver.peerUnreachable(to);
  };
  core.onStep = (input) => {
    if (input.kind === 'peerUnreachable') core.sendNow(input.peer, heartbeat);
  };
  core.sendNow('n2', heartbeat);
  await clock.tick(1);
  for (let at = 0; at < 10; at++) await clock.turn();
  assert.is(core.of('peerUnreachable').length, 1);
  await clock.tick(10);
  assert.is(core.of('peerUnreachable').length, 2, 'a drop within the tick is told at its end');
});

test('compaction and writes never run beside each other', async () => {
  const { core, clock, disk, driver, log } = await makeWorld();
  core.write([entry(1), entry(2), entry(3)], { term: 1, vote: null });
  await clock.tick(1);
  disk.stall();
  core.write([entry(4)], null);
  await clock.tick(1);
  driver.compact(1, 1);
  driver.compact(2, 1);
  driver.compact(1, 1);
  await clock.tick(1);
  assert.is(disk.writesInFlight, 1);
  core.write([entry(5)], null);
  disk.release();
  await settle();
  await clock.tick(1);
  assert.equal(
    core.of('writeDone').map((input) => input.seq),
    [1, 2, 3],
  );
  assert.equal((await log.read(1, 1000)).length, 0);
  assert.equal(
    (await log.read(3, 1000)).map((each) => each.index),
    [3, 4, 5],
  );
});

test('the log is read for the core, with the term before; compacted entries are an empty answer', async () => {
  const { core, clock, driver } = await makeWorld();
  core.write([entry(1), entry(2), entry(3)], { term: 1, vote: null });
  await clock.tick(1);
  driver.compact(1, 1);
  await clock.tick(1);
  core.wantLog('n2', 2);
  core.wantLog('n3', 1);
  await clock.tick(1);
  await settle();
  const answers = core.of('logRead').map(({ peer, prevIndex, prevTerm, entries }) => {
    return [peer, prevIndex, prevTerm, entries.map((each) => each.index)];
  });
  assert.equal(answers, [
    ['n2', 1, 1, [2, 3]],
    ['n3', 0, 0, []],
  ]);
});

test('stop waits for the write in flight and sends nothing more', async () => {
  const { core, clock, disk, did, driver } = await makeWorld();
  disk.stall();
  core.write([entry(1)], { term: 1, vote: null }, [{ to: 'n3', message: ack }]);
  await clock.tick(1);
  let stopped = false;
  const stop = driver.stop().then(() => {
    stopped = true;
  });
  await settle();
  assert.not(stopped);
  disk.release();
  await stop;
  await settle();
  assert.equal(did, []);
  assert.equal(core.of('writeDone'), []);
});

test('entries are stamped by the monotonic time since leadership began, from the last stamp on', async () => {
  const { core, clock, driver } = await makeLeader({}, 5_000);
  clock.now += 7.9;
  driver.propose(batch('a'));
  await clock.turn();
  assert.equal(
    core.of('propose').map((input) => input.stampMs),
    [5_007],
  );
  core.write([entry(1, 10, 6_000)], null);
  await clock.tick(10);
  clock.now += 5;
  driver.propose(batch('b'));
  await clock.turn();
  clock.now += 5;
  driver.propose(batch('c'));
  await clock.turn();
  assert.equal(
    core.of('propose').map((input) => input.stampMs),
    [5_007, 6_000, 6_005],
  );
});

test.run();
