import { LogBus } from '../../../support/log-bus.ts';
import { assert, suite } from '../../../support/suite.ts';
import { codeOf, connected, goodbye, payloads, publish, SETTLE_MS, subscribe, subscribed } from '../support.ts';
import {
  AGAIN,
  auth,
  CONTINUE,
  type FakeAccess,
  guarded,
  loggedIn,
  loggedInToStay,
  login,
  present,
  RIGHT,
} from './support.ts';

/* What clients have when the rules change: `Broker.accessChanged`. */

const test = suite('broker: changed rules');

function changed(bus: LogBus): void {
  for (const { broker } of bus.nodes) broker.accessChanged();
}

function filters(bus: LogBus, clientId: string): string[] {
  return [...(bus.node('n3').broker.machine.state.sessions.get(clientId)?.subscriptions.keys() ?? [])];
}

/** The most filters asked for in one turn of a node. */
function watchTurns(bus: LogBus, access: FakeAccess, nodeId: string): () => number {
  const { broker } = bus.node(nodeId);
  let most = 0;
  const flush = broker.flush.bind(broker);
  broker.flush = () => {
    const before = access.filtersAsked;
    flush();
    most = Math.max(most, access.filtersAsked - before);
  };
  return () => most;
}

test('a client that something stands against is closed with a code that DISCONNECT has; others stay', () => {
  const { bus, access, lines } = guarded();
  const codes = [
    [0x86, 0x87],
    [0x87, 0x87],
    [0x8a, 0x98],
    [0x97, 0x97],
  ] as const;
  const other = loggedIn(bus, 'n1', 'other', { user: 'other' });
  for (const [reasonCode, expected] of codes) {
    const newer = loggedIn(bus, 'n1', 'a');
    const older = loggedIn(bus, 'n1', 'b', { version: 4 });
    access.user('alice').refusal = { reasonCode, detail: 'she has gone' };
    changed(bus);
    bus.run(50);
    assert.is(goodbye(newer), expected);
    assert.ok(older.isClosed);
    assert.equal(older.received, []);
    access.user('alice').refusal = null;
  }
  assert.not(other.isClosed);
  assert.ok(lines.some(({ message }) => /client 'a' of user 'alice'.*she has gone/.test(message)));
  bus.assertForgotten();
});

test('a client whose session is being claimed is refused', () => {
  const { bus, access } = guarded();
  bus.held = true;
  const client = login(bus, 'n1', 'a');
  bus.run(50);
  access.user('alice').refusal = { reasonCode: 0x8a, detail: 'banned' };
  changed(bus);
  bus.run(50);
  assert.is(codeOf(client.next('connack')), 0x8a);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.is(bus.node('n1').broker.counters.connectsRefused.get('banned'), 1);
  bus.assertForgotten();
});

test('subscriptions that are not allowed any more leave the session on every node; the client stays', () => {
  const { bus, access, lines } = guarded();
  const client = loggedInToStay(bus, 'n1', 'a');
  subscribed(bus, client, 'open', 'shut', 'shut/too');
  access.user('alice').maySubscribe = (filter) => filter === 'open';
  changed(bus);
  bus.run(SETTLE_MS);
  assert.equal(filters(bus, 'a'), ['open']);
  const publisher = loggedIn(bus, 'n2', 'publisher', { user: 'publisher' });
  for (const topic of ['open', 'shut', 'shut/too']) publish(publisher, topic, topic);
  bus.run(SETTLE_MS);
  assert.equal(payloads(client.takeAll('publish')), ['open']);
  assert.is(bus.node('n1').broker.counters.denied.get('subscription_removed'), 2);
  assert.ok(lines.some(({ message }) => message.includes("may not be subscribed any more to 'shut'")));
  // As the rules stand, it may come back.
  access.user('alice').maySubscribe = () => true;
  subscribed(bus, client, 'shut');
  assert.equal(filters(bus, 'a'), ['open', 'shut']);
  bus.assertForgotten();
});

test('while a subscription is on its way out, nothing comes by it any more', () => {
  const { bus, access } = guarded();
  const publisher = loggedIn(bus, 'n1', 'publisher', { user: 'publisher' });
  for (const expirySec of [0, 3600]) {
    access.user('alice').maySubscribe = () => true;
    const client = loggedIn(bus, 'n1', 'a', { clean: false, expirySec });
    subscribed(bus, client, 'open/+', 'shut/+');
    // In the log before the subscription is out of it, in the entry that is held back.
    bus.held = true;
    publish(publisher, 'shut/1', 'shut/1', 1, { messageId: 1 });
    publish(publisher, 'open/1', 'open/1', 1, { messageId: 2 });
    bus.run(10);
    access.user('alice').maySubscribe = (filter) => filter.startsWith('open');
    changed(bus);
    bus.run(10);
    publish(publisher, 'shut/0', 'shut/0', 0);
    publish(publisher, 'open/0', 'open/0', 0);
    bus.run(50);
    bus.heal();
    bus.run(SETTLE_MS);
    assert.equal(payloads(client.takeAll('publish')), ['open/0', 'open/1'], `expiry ${String(expirySec)}`);
    assert.equal(filters(bus, 'a'), ['open/+']);
    client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
    bus.run(SETTLE_MS);
  }
  bus.assertForgotten();
});

test('a SUBSCRIBE on its way through the log when the rules change does not outlive it', () => {
  const { bus, access } = guarded();
  const keeper = loggedIn(bus, 'n2', 'keeper', { user: 'keeper' });
  publish(keeper, 'shut', 'retained', 0, { retain: true });
  bus.run(SETTLE_MS);
  const client = loggedInToStay(bus, 'n1', 'a');
  bus.held = true;
  subscribe(client, 1, ['open', 'shut']);
  bus.run(50);
  access.user('alice').maySubscribe = (filter) => filter === 'open';
  changed(bus);
  bus.run(50);
  bus.heal();
  bus.run(SETTLE_MS);
  client.take('suback');
  assert.equal(filters(bus, 'a'), ['open']);
  assert.equal(payloads(client.takeAll('publish')), []);
  bus.assertForgotten();
});

test('retained messages that are being read for a subscription end with it', () => {
  const { bus, access } = guarded({ limits: { maxOutgoingBufferBytes: 100_000, maxUnappliedBytes: 20_000_000 } });
  const keeper = loggedIn(bus, 'n2', 'keeper', { user: 'keeper' });
  for (let n = 0; n < 9_000; n++) publish(keeper, `shut/${String(n)}`, 'x'.repeat(20), 0, { retain: true });
  bus.run(2000);
  const client = loggedInToStay(bus, 'n1', 'a');
  client.socket.flowing = false;
  subscribe(client, 1, [{ topic: 'shut/#', qos: 0 }]);
  bus.run(SETTLE_MS);
  assert.ok(client.socket.bufferedBytes > 50_000);
  access.user('alice').maySubscribe = (filter) => filter === 'open';
  changed(bus);
  bus.run(SETTLE_MS);
  assert.is(bus.node('n1').broker.scanning.size, 0);
  client.socket.drain();
  bus.run(SETTLE_MS);
  assert.ok(client.takeAll('publish').length < 5_000);
  bus.assertForgotten();
});

test('many clients are looked at over many turns, and all of them', () => {
  const { bus, access } = guarded({ limits: { maxSubscriptionsPerClient: 5000 } });
  const names = Array.from({ length: 40 }, (_, n) => `a${String(n)}`);
  const many = Array.from({ length: 200 }, (_, n) => `f/${String(n)}`);
  for (const name of names) subscribed(bus, loggedIn(bus, 'n1', name), ...many, 'shut');
  const most = watchTurns(bus, access, 'n1');
  access.filtersAsked = 0;
  access.user('alice').maySubscribe = (filter) => filter !== 'shut';
  bus.node('n1').broker.accessChanged();
  bus.run(SETTLE_MS);
  assert.is(access.filtersAsked, 40 * 201);
  assert.ok(most() <= 2_000, `${String(most())} in one turn`);
  assert.is(bus.node('n1').broker.counters.denied.get('subscription_removed'), 40);
  bus.assertForgotten();
});

test('one client with many subscriptions is looked at over many turns too, and loses them in small commands', () => {
  const { bus, access } = guarded({ limits: { maxSubscriptionsPerClient: 10_000 } });
  const client = loggedInToStay(bus, 'n1', 'a');
  for (let at = 0; at < 5_000; at += 500) {
    subscribed(bus, client, ...Array.from({ length: 500 }, (_, n) => `f/${String(at + n)}`));
  }
  const most = watchTurns(bus, access, 'n1');
  access.user('alice').maySubscribe = () => false;
  bus.node('n1').broker.accessChanged();
  bus.run(SETTLE_MS);
  assert.equal(filters(bus, 'a'), []);
  assert.ok(most() <= 2_000, `${String(most())} in one turn`);
  // And at its resumption.
  access.user('alice').maySubscribe = () => true;
  for (let at = 0; at < 5_000; at += 500) {
    subscribed(bus, client, ...Array.from({ length: 500 }, (_, n) => `f/${String(at + n)}`));
  }
  client.send({ cmd: 'disconnect' });
  bus.run(SETTLE_MS);
  access.user('alice').maySubscribe = (filter) => filter === 'f/4999';
  loggedInToStay(bus, 'n1', 'a');
  assert.equal(filters(bus, 'a'), ['f/4999']);
  assert.ok(most() <= 2_000, `${String(most())} in one turn`);
  bus.assertForgotten();
});

test('rules that change again while clients are looked at are looked at again', () => {
  const { bus, access } = guarded();
  const names = Array.from({ length: 60 }, (_, n) => `a${String(n)}`);
  for (const name of names)
    subscribed(bus, loggedIn(bus, 'n1', name), ...Array.from({ length: 50 }, (_, n) => `f/${n}`));
  const { broker } = bus.node('n1');
  const flush = broker.flush.bind(broker);
  let turns = 0;
  broker.flush = () => {
    flush();
    if (++turns !== 1) return;
    // Half way through.
    access.user('alice').maySubscribe = (filter) => filter !== 'f/7';
    broker.accessChanged();
  };
  broker.accessChanged();
  bus.run(SETTLE_MS);
  assert.is(broker.counters.denied.get('subscription_removed'), 60);
  bus.assertForgotten();
});

test('clients that come and go while others are looked at do no harm', () => {
  const { bus, access } = guarded();
  const clients = Array.from({ length: 60 }, (_, n) => loggedInToStay(bus, 'n1', `a${String(n)}`));
  for (const client of clients) subscribed(bus, client, ...Array.from({ length: 49 }, (_, n) => `f/${n}`), 'shut');
  access.user('alice').maySubscribe = (filter) => filter !== 'shut';
  bus.node('n1').broker.accessChanged();
  for (const [at, client] of clients.entries()) if (at % 3 === 0) client.reset();
  const others = [login(bus, 'n1', 'b'), login(bus, 'n2', 'a10', { clean: false, expirySec: 100 })];
  bus.run(SETTLE_MS);
  for (const other of others) assert.is(codeOf(other.next('connack')), 0);
  for (const [at] of clients.entries()) {
    if (at % 3 !== 0) assert.is(filters(bus, `a${String(at)}`).length, 49);
  }
  bus.assertForgotten();
});

test('nothing is put into a log that does not keep up', () => {
  const { bus, access } = guarded({ limits: { maxUnappliedBytes: 2000 } });
  const publisher = loggedIn(bus, 'n1', 'publisher', { user: 'publisher' });
  const client = loggedInToStay(bus, 'n1', 'a');
  subscribed(bus, client, 'shut');
  bus.held = true;
  publish(publisher, 't', 'x'.repeat(3000), 1, { messageId: 1 });
  bus.run(50);
  const { broker } = bus.node('n1');
  assert.ok(broker.congested);
  access.user('alice').maySubscribe = () => false;
  const { unappliedBytes } = broker.proposer;
  changed(bus);
  bus.run(300);
  assert.is(broker.proposer.unappliedBytes, unappliedBytes);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.equal(filters(bus, 'a'), []);
  bus.assertForgotten();
});

test('a re-authentication is followed by a look at what the client has', () => {
  const { bus, access } = guarded();
  const client = present(bus, 'n1', 'a');
  auth(client, CONTINUE, RIGHT);
  bus.run(SETTLE_MS);
  client.next('auth');
  client.next('connack');
  subscribed(bus, client, 'open', 'shut');
  access.user('alice').maySubscribe = (filter) => filter === 'open';
  auth(client, AGAIN, 'alice');
  auth(client, CONTINUE, RIGHT);
  bus.run(SETTLE_MS);
  assert.equal(filters(bus, 'a'), ['open']);
  bus.assertForgotten();
});

test('a will is published at the end of a connection if its client may publish it then', () => {
  const { bus, access } = guarded();
  const watcher = loggedIn(bus, 'n2', 'watcher', { user: 'watcher' });
  subscribed(bus, watcher, 'w/#');
  const ends: [string, boolean, (user: ReturnType<FakeAccess['user']>) => void][] = [
    ['lost', true, () => {}],
    [
      'expired',
      true,
      (user) => {
        user.expiresAtMs = bus.scheduler.nowMs;
      },
    ],
    [
      'forbidden',
      false,
      (user) => {
        user.mayPublish = () => false;
      },
    ],
    [
      'banned',
      false,
      (user) => {
        user.refusal = { reasonCode: 0x8a, detail: 'banned' };
      },
    ],
  ];
  for (const [what, isPublished, happens] of ends) {
    const user = access.user(what);
    user.expiresAtMs = bus.scheduler.nowMs + 1000;
    const will = { topic: `w/${what}`, payload: Buffer.from(what), qos: 1, retain: false } as const;
    const client = loggedIn(bus, 'n1', 'a', { user: what, will });
    happens(user);
    changed(bus);
    if (what === 'expired') bus.run(2000);
    if (what === 'lost' || what === 'forbidden') client.reset();
    bus.run(SETTLE_MS);
    assert.equal(payloads(watcher.takeAll('publish')), isPublished ? [what] : [], what);
  }
  assert.is(bus.node('n1').broker.counters.denied.get('will'), 2);
  bus.assertForgotten();
});

test('without access control there is nothing to look at', () => {
  const free = new LogBus();
  const client = connected(free, 'n1', 'a');
  subscribed(free, client, 'x');
  changed(free);
  free.run(SETTLE_MS);
  assert.equal(filters(free, 'a'), ['x']);
  free.assertForgotten();
});

test.run();
