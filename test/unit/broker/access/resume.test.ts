import type { LogBus } from '../../../support/log-bus.ts';
import { assert, suite } from '../../../support/suite.ts';
import { codeOf, payloads, publish, SETTLE_MS, subscribed } from '../support.ts';
import { guarded, loggedIn, loggedInToStay, login } from './support.ts';

/* A session that is resumed by somebody who may have less of it. */

const test = suite('broker: resumption under other rights');

const STAYS = { clean: false, expirySec: 3600 } as const;

function filters(bus: LogBus, clientId: string): string[] {
  return [...(bus.node('n3').broker.machine.state.sessions.get(clientId)?.subscriptions.keys() ?? [])];
}

function publishAll(bus: LogBus, topics: readonly string[], qos: 1 | 2): void {
  const publisher = loggedIn(bus, 'n2', 'publisher', { user: 'publisher' });
  for (const [at, topic] of topics.entries()) publish(publisher, topic, topic, qos, { messageId: at + 1 });
  bus.run(SETTLE_MS);
}

test('what the other user may not have leaves the session before CONNACK, and what was queued for it is not sent', () => {
  const { bus, access } = guarded();
  const first = loggedInToStay(bus, 'n1', 'a');
  subscribed(bus, first, 'open/#', 'secret/#', 'secret/but/mine');
  first.send({ cmd: 'disconnect' });
  bus.run(SETTLE_MS);
  publishAll(bus, ['open/1', 'secret/1', 'secret/but/mine', 'open/2'], 1);
  access.user('bob').maySubscribe = (filter) => filter.startsWith('open') || filter === 'secret/but/mine';
  const second = loggedInToStay(bus, 'n1', 'a', { user: 'bob' });
  assert.equal(filters(bus, 'a'), ['open/#', 'secret/but/mine']);
  publishAll(bus, ['secret/2', 'open/3'], 1);
  assert.equal(payloads(second.takeAll('publish')), ['open/1', 'secret/but/mine', 'open/2', 'open/3']);
  const { counters } = bus.node('n1').broker;
  assert.is(counters.denied.get('subscription_removed'), 1);
  assert.is(counters.denied.get('queued_message'), 1);
  // It is out of the queue: the first user does not get it either.
  second.send({ cmd: 'disconnect' });
  bus.run(SETTLE_MS);
  const third = loggedInToStay(bus, 'n1', 'a');
  assert.equal(payloads(third.takeAll('publish')), []);
  bus.assertForgotten();
});

test('what was queued for a subscription that has gone since is not sent to another user either', () => {
  const { bus, access } = guarded();
  const first = loggedInToStay(bus, 'n1', 'a', { receiveMaximum: 1 });
  first.autoAck = false;
  subscribed(bus, first, 'secret', 'open');
  publishAll(bus, ['open', 'secret', 'open'], 1);
  first.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['secret', 'open'] });
  bus.run(SETTLE_MS);
  assert.equal(filters(bus, 'a'), []);
  first.reset();
  bus.run(SETTLE_MS);
  access.user('bob').maySubscribe = (filter) => filter === 'open';
  const second = loggedInToStay(bus, 'n1', 'a', { user: 'bob' });
  assert.equal(payloads(second.takeAll('publish')), ['open', 'open']);
  bus.assertForgotten();
});

test('of a QoS 2 message that may have been sent the Packet Identifier is released, without the message', () => {
  const { bus, access } = guarded();
  const first = loggedInToStay(bus, 'n1', 'a');
  first.autoAck = false;
  subscribed(bus, first, 'secret', 'open');
  publishAll(bus, ['secret', 'open'], 2);
  const [secret] = first.takeAll('publish');
  first.reset();
  bus.run(SETTLE_MS);
  access.user('bob').maySubscribe = (filter) => filter === 'open';
  const second = loggedInToStay(bus, 'n1', 'a', { user: 'bob' });
  assert.is(second.find('pubrel')?.messageId, secret?.messageId);
  assert.equal(payloads(second.takeAll('publish')), ['open']);
  bus.run(SETTLE_MS);
  const session = bus.node('n1').broker.machine.state.sessions.get('a');
  assert.is(session?.queue?.count, 0);
  bus.assertForgotten();
});

test('CONNACK waits for what leaves the session; what comes until then is looked at too', () => {
  const { bus, access } = guarded({ maxCommitMs: 1 });
  const first = loggedInToStay(bus, 'n1', 'a');
  subscribed(bus, first, 'secret', 'open');
  first.send({ cmd: 'disconnect' });
  bus.run(SETTLE_MS);
  access.user('bob').maySubscribe = (filter) => filter === 'open';
  const publisher = loggedIn(bus, 'n1', 'publisher', { user: 'publisher' });
  const second = login(bus, 'n1', 'a', { user: 'bob', ...STAYS });
  const phaseOf = (): string | undefined =>
    [...bus.node('n1').broker.connections.values()].find(({ clientId }) => clientId === 'a')?.phase;
  for (let ms = 0; phaseOf() !== 'reviewing'; ms++) {
    assert.ok(ms < 100, `it is ${String(phaseOf())}`);
    bus.run(1);
    // Behind Connect and, as it is of the same node, perhaps before what takes the subscription out.
    publish(publisher, 'secret', 'late', 1, { messageId: ms + 1 });
  }
  bus.held = true;
  bus.run(300);
  assert.equal(second.received, [], 'CONNACK before it is in the log');
  bus.heal();
  bus.run(SETTLE_MS);
  assert.is(codeOf(second.next('connack')), 0);
  publishAll(bus, ['open'], 1);
  assert.equal(payloads(second.takeAll('publish')), ['open']);
  bus.assertForgotten();
});

test('a client that waits for it is told after the connect timeout, and the session is given back without its will', () => {
  const { bus, access } = guarded({ limits: { connectTimeoutMs: 2000 } });
  const first = loggedInToStay(bus, 'n1', 'a');
  subscribed(bus, first, 'secret');
  first.send({ cmd: 'disconnect' });
  const watcher = loggedIn(bus, 'n1', 'watcher', { user: 'watcher' });
  subscribed(bus, watcher, 'will');
  access.user('bob').maySubscribe = () => false;
  const will = { topic: 'will', payload: Buffer.from('x'), qos: 0, retain: false } as const;
  const second = login(bus, 'n1', 'a', { user: 'bob', will, ...STAYS });
  const { connections, machine } = bus.node('n1').broker;
  const reviewing = (): boolean => [...connections.values()].some(({ phase }) => phase === 'reviewing');
  for (let ms = 0; !reviewing() && ms < 100; ms++) bus.run(1);
  assert.ok(reviewing());
  bus.held = true;
  bus.run(3000);
  assert.is(codeOf(second.next('connack')), 0x88);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.is(machine.state.sessions.get('a')?.owner, null);
  assert.is(watcher.find('publish'), null);
  bus.assertForgotten();
});

test('a client that is taken over while it waits is told so, and the next one has the session', () => {
  const { bus, access } = guarded();
  for (const node of ['n1', 'n2'] as const) {
    const clientId = `for-${node}`;
    const first = loggedInToStay(bus, 'n1', clientId);
    subscribed(bus, first, 'secret', 'open');
    first.send({ cmd: 'disconnect' });
    bus.run(SETTLE_MS);
    access.user('bob').maySubscribe = (filter) => filter === 'open';
    const waits = login(bus, 'n1', clientId, { user: 'bob', ...STAYS });
    const { connections } = bus.node('n1').broker;
    const reviewing = (): boolean => [...connections.values()].some(({ phase }) => phase === 'reviewing');
    for (let ms = 0; !reviewing() && ms < 100; ms++) bus.run(1);
    assert.ok(reviewing());
    const next = login(bus, node, clientId, { user: 'bob', ...STAYS });
    bus.held = true;
    bus.run(100);
    bus.heal();
    bus.run(SETTLE_MS);
    assert.is(codeOf(next.next('connack')), 0);
    assert.ok(waits.isClosed);
    assert.not(codeOf(waits.next('connack')) === undefined);
    publishAll(bus, ['secret', 'open'], 1);
    assert.equal(payloads(next.takeAll('publish')), ['open']);
  }
  bus.assertForgotten();
});

test('a long queue that the user may not have is gone through a few messages a turn', () => {
  const { bus, access } = guarded();
  const first = loggedInToStay(bus, 'n1', 'a');
  subscribed(bus, first, 'secret/#', 'open');
  first.send({ cmd: 'disconnect' });
  bus.run(SETTLE_MS);
  for (let round = 0; round < 12; round++) {
    publishAll(
      bus,
      Array.from({ length: 90 }, (_, n) => `secret/${String(n)}`),
      1,
    );
  }
  publishAll(bus, ['open'], 1);
  access.user('bob').maySubscribe = (filter) => filter === 'open';
  const { broker } = bus.node('n1');
  let most = 0;
  const flush = broker.flush.bind(broker);
  broker.flush = () => {
    const before = broker.counters.denied.get('queued_message') ?? 0;
    flush();
    most = Math.max(most, (broker.counters.denied.get('queued_message') ?? 0) - before);
  };
  const second = loggedInToStay(bus, 'n1', 'a', { user: 'bob' });
  bus.run(SETTLE_MS);
  assert.equal(payloads(second.takeAll('publish')), ['open']);
  assert.is(broker.counters.denied.get('queued_message'), 12 * 90);
  assert.ok(most <= 256, `${String(most)} in one turn`);
  assert.is(broker.machine.state.sessions.get('a')?.queue?.count, 0);
  bus.assertForgotten();
});

test.run();
