import { LogBus } from '../../../support/log-bus.ts';
import type { FakeClient } from '../../../support/log-bus-client.ts';
import { assert, suite } from '../../../support/suite.ts';
import { codeOf, connected, dial, goodbye, payloads, persistent, publish, SETTLE_MS, subscribed } from '../support.ts';

const test = suite('broker: takeover');
const LEASE_MS = 1000;

function isLive(client: FakeClient): boolean {
  const connack = client.find('connack');
  return connack !== null && codeOf(connack) === 0 && !client.isClosed;
}

test('on the same node the older connection is told and closed', () => {
  const bus = new LogBus();
  const older = connected(bus, 'n1', 'a');
  connected(bus, 'n1', 'a');
  assert.is(goodbye(older), 0x8e);
  assert.is(bus.node('n1').broker.counters.takeoversTotal, 1);
  bus.assertForgotten();
});

test('on another node the older one is closed, and the newer one waits for that and no longer', () => {
  const bus = new LogBus();
  const older = connected(bus, 'n1', 'a');
  const newer = connected(bus, 'n2', 'a');
  assert.is(goodbye(older), 0x8e);
  assert.not(newer.isClosed);
  bus.assertForgotten();
});

test('of three at once one remains', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const bus = new LogBus({ seed, maxDelayMs: 50, maxApplyDelayMs: 50, maxCommitMs: 20, maxLatencyMs: 5 });
    const clients = ['n1', 'n2', 'n3', 'n1'].map((node) => dial(bus, node, 'a'));
    bus.run(2500);
    assert.is(clients.filter(isLive).length, 1, `seed ${seed}`);
    assert.is(clients.filter(({ isClosed }) => isClosed).length, 3, `seed ${seed}`);
    bus.assertForgotten();
  }
});

test('two connections of one node in one batch: the second remains', () => {
  const bus = new LogBus();
  bus.held = true;
  const clients = [dial(bus, 'n1', 'a'), dial(bus, 'n1', 'a')];
  bus.run(50);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.equal(clients.map(isLive), [false, true]);
  bus.assertForgotten();
});

test('what the older connection had coming goes to the newer one', () => {
  const bus = new LogBus();
  const older = persistent(bus, 'n1', 'a');
  subscribed(bus, older, 't');
  older.autoAck = false;
  const publisher = connected(bus, 'n3', 'publisher');
  publish(publisher, 't', 'x', 1, { messageId: 1 });
  bus.run(SETTLE_MS);
  assert.is(older.take('publish').dup, false);
  const newer = persistent(bus, 'n2', 'a');
  bus.run(SETTLE_MS);
  const again = newer.take('publish');
  assert.is(again.dup, true);
  assert.is(again.payload.toString(), 'x');
  bus.assertForgotten();
});

test('a node that is out of contact keeps its clients for the rest of its lease, and the taker waits for that', () => {
  const bus = new LogBus();
  const older = connected(bus, 'n1', 'a');
  bus.run(500);
  bus.node('n1').disconnect();
  bus.run(20);
  const newer = dial(bus, 'n2', 'a');
  bus.run(600);
  assert.is(newer.received.length, 0, 'CONNACK before the lease of n1 is over');
  bus.run(LEASE_MS);
  assert.is(codeOf(newer.next('connack')), 0);
  older.send({ cmd: 'pingreq' });
  bus.run(SETTLE_MS);
  assert.is(older.received.length, 0, 'n1 answers without a lease');
  bus.assertForgotten();
});

test('a taker that is itself taken over passes the wait on', () => {
  const bus = new LogBus();
  connected(bus, 'n1', 'a');
  bus.node('n1').disconnect();
  bus.run(20);
  const takenAtMs = bus.scheduler.nowMs;
  const second = dial(bus, 'n2', 'a');
  bus.run(100);
  const third = dial(bus, 'n3', 'a');
  while (third.received.length === 0) bus.run(10);
  assert.ok(isLive(third));
  const waitedMs = bus.scheduler.nowMs - takenAtMs;
  assert.ok(waitedMs >= LEASE_MS && waitedMs < LEASE_MS + 60, `waited ${waitedMs} ms`);
  assert.is(codeOf(second.next('connack')), 0x88);
  bus.assertForgotten();
});

test('the wait is passed on between connections of one node, and by a client that went away', () => {
  for (const gone of [false, true]) {
    const bus = new LogBus();
    connected(bus, 'n1', 'a');
    bus.node('n1').disconnect();
    bus.run(20);
    const takenAtMs = bus.scheduler.nowMs;
    const second = dial(bus, 'n2', 'a');
    bus.run(50);
    if (gone) second.reset();
    bus.run(50);
    const third = dial(bus, 'n2', 'a');
    bus.run(50);
    const fourth = dial(bus, 'n3', 'a');
    while (fourth.received.length === 0) bus.run(10);
    assert.ok(isLive(fourth));
    assert.not(isLive(third));
    assert.ok(bus.scheduler.nowMs - takenAtMs >= LEASE_MS);
    bus.assertForgotten();
  }
});

test('a client that goes while it waits gives its session back afterwards', () => {
  const bus = new LogBus();
  connected(bus, 'n1', 'a', { clean: false, expirySec: 60 });
  bus.node('n1').disconnect();
  bus.run(20);
  const second = dial(bus, 'n2', 'a', { clean: false, expirySec: 60 });
  bus.run(50);
  second.reset();
  bus.run(50);
  const { sessions } = bus.node('n3').broker.machine.state;
  assert.is(sessions.get('a')?.owner, 'n2', 'given back while n1 may still serve it');
  bus.run(LEASE_MS);
  assert.is(sessions.get('a')?.owner, null);
  bus.assertForgotten();
});

for (const how of ['crashes', 'is given up'] as const) {
  for (const clean of [true, false]) {
    test(`the wait outlives a taker that ${how} (${clean ? 'clean' : 'kept'} session)`, () => {
      const bus = new LogBus({ leaseMs: 3000 });
      const options = clean ? {} : { clean: false, expirySec: 60 };
      connected(bus, 'n1', 'a', options);
      bus.run(700);
      bus.node('n1').disconnect();
      bus.run(10);
      const takenAtMs = bus.scheduler.nowMs;
      dial(bus, 'n2', 'a', options);
      bus.run(50);
      if (how === 'crashes') bus.node('n2').restart();
      else bus.node('n2').broker.register(100, { mqtt: '', http: '', peer: '', version: '', leaseMs: 1000 });
      bus.run(700);
      assert.is(bus.node('n3').broker.machine.state.sessions.get('a')?.owner ?? null, null, 'n2 still has the session');
      const third = dial(bus, 'n3', 'a', options);
      const fourth = bus.open('n2');
      bus.run(100);
      assert.not(isLive(third), 'n1 may still serve the client');
      fourth.close();
      while (third.received.length === 0) bus.run(10);
      assert.ok(isLive(third));
      assert.ok(bus.scheduler.nowMs - takenAtMs >= 2900);
      bus.assertForgotten();
    });
  }
}

test('a taker that restarts from a checkpoint does not forget the wait', () => {
  const bus = new LogBus({ leaseMs: 4000 });
  connected(bus, 'n1', 'a');
  bus.run(900);
  bus.node('n1').disconnect();
  bus.run(10);
  dial(bus, 'n2', 'a');
  bus.run(1500);
  bus.node('n2').restart();
  bus.node('n3').restart();
  const second = bus.open('n3');
  bus.run(1200);
  const third = dial(bus, 'n3', 'a');
  bus.run(300);
  assert.not(isLive(third), 'n1 may still serve the client');
  second.close();
  bus.run(6000);
  bus.assertForgotten();
});

test('a taker that restarts and reads of its own loss in the log releases nobody: it does not know whom it waited for', () => {
  const bus = new LogBus({ leaseMs: 3000, nodeIds: ['n1', 'n2', 'n3', 'n4', 'n5'] });
  connected(bus, 'n1', 'a');
  bus.run(700);
  bus.node('n1').disconnect();
  bus.run(10);
  const takenAtMs = bus.scheduler.nowMs;
  dial(bus, 'n2', 'a');
  bus.run(50);
  bus.node('n2').crash();
  bus.run(400);
  const third = dial(bus, 'n3', 'a');
  bus.run(50);
  assert.is(bus.node('n4').broker.machine.state.sessions.get('a')?.owner, 'n3');
  bus.node('n2').restart();
  bus.run(500);
  assert.not(isLive(third), 'n1 may still serve the client');
  while (third.received.length === 0) bus.run(10);
  assert.ok(bus.scheduler.nowMs - takenAtMs >= 2900);
  bus.assertForgotten();
});

test('after a normal end nobody waits', () => {
  const bus = new LogBus();
  const first = connected(bus, 'n1', 'a');
  const second = connected(bus, 'n2', 'a');
  second.send({ cmd: 'disconnect' });
  bus.run(50);
  connected(bus, 'n3', 'a');
  assert.ok(first.isClosed);
  bus.assertForgotten();
});

test('acknowledgements end with the epoch', () => {
  const bus = new LogBus();
  const watcher = connected(bus, 'n3', 'watcher');
  subscribed(bus, watcher, '#');
  const older = persistent(bus, 'n1', 'a');
  // The takeover is in the log before the publication.
  bus.node('n1').stalled = true;
  dial(bus, 'n2', 'a', { clean: false, expirySec: 3600 });
  bus.run(50);
  publish(older, 't', 'late', 1, { messageId: 1 });
  publish(older, 't', 'later', 2, { messageId: 2 });
  bus.run(50);
  bus.node('n1').stalled = false;
  bus.node('n1').apply();
  bus.run(SETTLE_MS);
  assert.is(goodbye(older), 0x8e);
  assert.equal(older.received, []);
  assert.equal(payloads(watcher.takeAll('publish')), [], 'a stale publication is delivered');
  bus.assertForgotten();
});

test('output that waits in the socket of the older connection is dropped', () => {
  const bus = new LogBus();
  const older = connected(bus, 'n1', 'a');
  subscribed(bus, older, 't');
  older.socket.flowing = false;
  publish(connected(bus, 'n2', 'publisher'), 't', 'x', 0);
  bus.run(SETTLE_MS);
  assert.ok(older.socket.bufferedBytes > 0);
  connected(bus, 'n2', 'a');
  assert.ok(older.socket.destroyed);
  bus.assertForgotten();
});

test.run();
