import { Session } from '@quorate/broker';
import { mayReceive, maySubscribe } from '../../../../packages/broker/src/connection/permissions.ts';
import type { FakeClient } from '../../../support/log-bus-client.ts';
import { assert, suite } from '../../../support/suite.ts';
import { codeOf, goodbye, payloads, publish, SETTLE_MS, subscribe, subscribed } from '../support.ts';
import { guarded, loggedIn, login } from './support.ts';

const test = suite('broker: authorization');

test('PUBLISH that is not allowed: 5.0 is told, QoS 0 and 3.x are not, and nobody gets it', () => {
  const { bus, access, lines } = guarded();
  const watcher = loggedIn(bus, 'n2', 'watcher', { user: 'watcher' });
  subscribed(bus, watcher, '#');
  access.user('alice').mayPublish = (topic) => topic === 'open';
  const newer = loggedIn(bus, 'n1', 'newer');
  publish(newer, 'shut', 'x', 0);
  publish(newer, 'shut', 'x', 0, { retain: true });
  publish(newer, 'shut', 'x', 1, { messageId: 1 });
  publish(newer, 'shut', 'x', 2, { messageId: 2 });
  bus.run(50);
  assert.is(newer.next('puback').reasonCode, 0x87);
  assert.is(newer.next('pubrec').reasonCode, 0x87);
  for (const version of [3, 4] as const) {
    const older = loggedIn(bus, 'n1', 'older', { version });
    publish(older, 'shut', 'x', 0);
    publish(older, 'shut', 'x', 1, { messageId: 1 });
    publish(older, 'shut', 'x', 2, { messageId: 2 });
    bus.run(50);
    older.next('puback');
    older.next('pubrec');
    older.next('pubcomp');
    assert.not(older.isClosed);
  }
  publish(newer, 'open', 'x', 1, { messageId: 3 });
  bus.run(SETTLE_MS);
  assert.is(newer.next('puback').reasonCode ?? 0, 0);
  assert.equal(
    watcher.takeAll('publish').map(({ topic }) => topic),
    ['open'],
  );
  assert.not(
    bus.entries.some(({ data }) => Buffer.from(data).includes('shut')),
    'it is in the log',
  );
  const { counters, machine } = bus.node('n1').broker;
  assert.is(counters.denied.get('publish'), 10);
  assert.is(counters.dropped.get('not_authorized'), 8, 'those of which the publisher is not told');
  assert.is(machine.state.retained.size, 0);
  const written = lines.filter(({ message }) => message.includes("may not publish to 'shut'"));
  assert.is(written.length, 3, 'one line for each client');
  assert.match(written[0]?.message ?? '', /client 'newer' of user 'alice'/);
  bus.assertForgotten();
});

test('the topic behind an alias is asked for', () => {
  const { bus, access } = guarded();
  const asked: string[] = [];
  access.user('alice').mayPublish = (topic) => {
    asked.push(topic);
    return topic !== 'shut';
  };
  const client = loggedIn(bus, 'n1', 'a');
  publish(client, 'shut', 'x', 1, { messageId: 1, properties: { topicAlias: 1 } });
  publish(client, '', 'x', 1, { messageId: 2, properties: { topicAlias: 1 } });
  bus.run(50);
  assert.equal(
    client.takeAll('puback').map(({ reasonCode }) => reasonCode),
    [0x87, 0x87],
  );
  assert.equal(asked, ['shut', 'shut']);
  bus.assertForgotten();
});

test('what is asked is what the packet says: QoS and RETAIN of PUBLISH and will, the filter of a shared subscription', () => {
  const { bus, access } = guarded();
  const asked: unknown[] = [];
  const user = access.user('alice');
  user.mayPublish = (...what) => asked.push(what) > 0;
  user.maySubscribe = (...what) => asked.push(what) > 0;
  const will = { topic: 'w', payload: Buffer.from('x'), qos: 1, retain: true } as const;
  const client = loggedIn(bus, 'n1', 'a', { will });
  publish(client, 't', 'x', 2, { messageId: 1, retain: true });
  bus.run(50);
  assert.equal(asked, [
    ['w', 1, true],
    ['t', 2, true],
  ]);
  asked.length = 0;
  subscribe(client, 2, [{ topic: 'f/+', qos: 1 }]);
  bus.run(50);
  assert.equal(asked, [['f/+', 1]]);
  bus.assertForgotten();
});

test('a shared filter is asked for without its group, in SUBSCRIBE and for what was queued by it', () => {
  const { access } = guarded();
  const asked: string[] = [];
  const user = access.user('alice');
  user.maySubscribe = (filter) => {
    asked.push(filter);
    return filter === 'f/+';
  };
  const outcome = access.granted('alice', null);
  if (outcome.kind !== 'granted') throw new Error('refused');
  const { grant } = outcome;
  assert.ok(maySubscribe(grant, '$share/group/f/+', 1));
  assert.not(maySubscribe(grant, '$share/f/+', 1));
  assert.equal(asked, ['f/+', '+']);
  const session = new Session(1, 'a', 1);
  const subscription = {
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    identifier: null,
  } as const;
  const has = (filter: string): unknown => session.subscriptions.set(filter, { filter, ...subscription });
  has('g/#');
  assert.not(mayReceive(grant, session, 'f/1', 1));
  has('$share/group/f/+');
  assert.ok(mayReceive(grant, session, 'f/1', 1));
  assert.not(mayReceive(grant, session, 'f/1/2', 1));
  assert.not(mayReceive(grant, session, 'g/1', 1), 'it matches, and may not be had');
});

test('told to disconnect, a node closes who publishes or subscribes to what it may not', () => {
  const { bus, access } = guarded({ disconnectOnDenied: true });
  access.user('alice').mayPublish = () => false;
  access.user('alice').maySubscribe = () => false;
  for (const version of [4, 5] as const) {
    for (const qos of [0, 1, 2] as const) {
      const client = loggedIn(bus, 'n1', 'a', { version });
      publish(client, 'shut', 'x', qos, { messageId: 1 });
      bus.run(50);
      assert.ok(client.isClosed);
      if (version === 5) assert.is(goodbye(client), 0x87);
      else assert.equal(client.received, []);
    }
    const client = loggedIn(bus, 'n1', 'a', { version });
    subscribe(client, 1, ['shut']);
    bus.run(50);
    assert.ok(client.isClosed);
    assert.is(client.find('suback'), null);
  }
  bus.assertForgotten();
});

test('a QoS 2 PUBLISH that comes again gets the answer of the first, whatever is allowed by now', () => {
  const { bus, access } = guarded();
  const watcher = loggedIn(bus, 'n2', 'watcher', { user: 'watcher' });
  subscribed(bus, watcher, 't');
  const first = loggedIn(bus, 'n1', 'a', { clean: false, expirySec: 100 });
  first.autoAck = false;
  publish(first, 't', 'x', 2, { messageId: 5 });
  bus.run(SETTLE_MS);
  first.take('pubrec');
  first.reset();
  bus.run(SETTLE_MS);
  access.user('alice').mayPublish = () => false;
  const second = loggedIn(bus, 'n1', 'a', { clean: false, expirySec: 100 });
  publish(second, 't', 'x', 2, { messageId: 5, dup: true });
  bus.run(SETTLE_MS);
  assert.is(second.take('pubrec').reasonCode ?? 0, 0);
  assert.is(second.take('pubcomp').reasonCode ?? 0, 0);
  assert.not(bus.node('n1').broker.counters.denied.has('publish'));
  // Released: the identifier stands for a new message, which is not allowed.
  publish(second, 't', 'y', 2, { messageId: 5 });
  bus.run(SETTLE_MS);
  assert.is(second.take('pubrec').reasonCode, 0x87);
  assert.equal(payloads(watcher.takeAll('publish')), ['x']);
  bus.assertForgotten();
});

test('a PUBLISH that uses the identifier of one being released does not slip through', () => {
  const { bus, access } = guarded();
  const watcher = loggedIn(bus, 'n2', 'watcher', { user: 'watcher' });
  subscribed(bus, watcher, 't');
  const client = loggedIn(bus, 'n1', 'a', { clean: false, expirySec: 100 });
  client.autoAck = false;
  publish(client, 't', 'x', 2, { messageId: 5 });
  bus.run(SETTLE_MS);
  access.user('alice').mayPublish = () => false;
  client.send({ cmd: 'pubrel', messageId: 5 });
  publish(client, 't', 'secret', 2, { messageId: 5 });
  bus.run(SETTLE_MS);
  assert.equal(payloads(watcher.takeAll('publish')), ['x']);
  bus.assertForgotten();
});

test('SUBSCRIBE: a filter that is not allowed is refused in its place', () => {
  const { bus, access } = guarded();
  access.user('alice').maySubscribe = (filter) => filter !== 'shut';
  const newer = loggedIn(bus, 'n1', 'newer');
  subscribe(newer, 1, ['open', 'shut', { topic: 'also/open', qos: 1 }]);
  const older = loggedIn(bus, 'n1', 'older', { version: 4 });
  subscribe(older, 1, ['open', 'shut']);
  const oldest = loggedIn(bus, 'n1', 'oldest', { version: 3 });
  subscribe(oldest, 1, ['open', 'shut']);
  bus.run(SETTLE_MS);
  assert.equal(newer.next('suback').granted, [2, 0x87, 1]);
  assert.equal(older.next('suback').granted, [2, 0x80]);
  assert.ok(oldest.isClosed, 'SUBACK of 3.1 can not say it');
  assert.equal(oldest.received, []);
  const { machine, counters } = bus.node('n1').broker;
  assert.equal([...(machine.state.sessions.get('newer')?.subscriptions.keys() ?? [])], ['open', 'also/open']);
  assert.is(counters.denied.get('subscribe'), 3);
  bus.assertForgotten();
});

test('a will that is not allowed is refused with its CONNECT, and there is no session', () => {
  const { bus, access } = guarded();
  access.user('alice').mayPublish = (_topic, qos, retain) => qos < 2 && !retain;
  const will = (qos: 0 | 1 | 2, retain: boolean) => ({ topic: 'w', payload: Buffer.from('x'), qos, retain });
  for (const [qos, retain, code] of [
    [1, false, 0],
    [2, false, 0x87],
    [0, true, 0x87],
  ] as const) {
    const client = login(bus, 'n1', 'a', { will: will(qos, retain) });
    bus.run(SETTLE_MS);
    assert.is(codeOf(client.next('connack')), code);
    client.reset();
    bus.run(SETTLE_MS);
  }
  const older = login(bus, 'n1', 'a', { version: 4, will: will(2, false) });
  bus.run(SETTLE_MS);
  assert.is(codeOf(older.next('connack')), 5);
  assert.is(bus.node('n1').broker.counters.connectsRefused.get('will_not_authorized'), 3);
  assert.not(bus.node('n1').broker.machine.state.sessions.has('a'));
  bus.assertForgotten();
});

test('what many clients are denied is counted, and written down in part', () => {
  const { bus, access, lines } = guarded();
  access.user('alice').mayPublish = () => false;
  const clients = Array.from({ length: 30 }, (_, n) => loggedIn(bus, 'n1', `a${String(n)}`));
  lines.length = 0;
  for (const client of clients) for (let n = 0; n < 10; n++) publish(client, 'shut', 'x');
  bus.run(50);
  assert.is(bus.node('n1').broker.counters.denied.get('publish'), 300);
  assert.is(lines.length, 20);
  bus.run(10_000);
  publish(clients[0] as FakeClient, 'shut', 'x');
  bus.run(50);
  assert.is(lines.length, 21);
  const unwritten = lines.map(({ details }) => (details as { unwritten: number }).unwritten);
  assert.is(
    unwritten.reduce((sum, count) => sum + count, 0),
    280,
  );
  bus.assertForgotten();
});

test.run();
