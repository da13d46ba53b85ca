import { LogBus } from '../../../support/log-bus.ts';
import type { Version } from '../../../support/log-bus-client.ts';
import { assert, suite } from '../../../support/suite.ts';
import { connected, dial, goodbye, payloads, persistent, publish, SETTLE_MS, subscribed } from '../support.ts';

const test = suite('broker: messages from a client');

for (const version of [3, 4, 5] as const satisfies Version[]) {
  test(`QoS 0, 1 and 2 arrive on every node, protocol ${version}`, () => {
    const bus = new LogBus();
    const subscribers = ['n1', 'n2', 'n3'].map((node) => connected(bus, node, `sub-${node}`, { version }));
    for (const subscriber of subscribers) subscribed(bus, subscriber, 't/+');
    const publisher = connected(bus, 'n1', 'publisher', { version });
    publish(publisher, 't/a', '0', 0);
    publish(publisher, 't/a', '1', 1, { messageId: 1 });
    publish(publisher, 't/a', '2', 2, { messageId: 2 });
    bus.run(SETTLE_MS);
    assert.equal(
      publisher.received.map(({ cmd, messageId }) => [cmd, messageId]),
      [
        ['puback', 1],
        ['pubrec', 2],
        ['pubcomp', 2],
      ],
    );
    for (const subscriber of subscribers) {
      const got = subscriber.takeAll('publish');
      assert.equal(payloads(got).sort(), ['0', '1', '2']);
      for (const { qos, payload, dup, retain } of got)
        assert.equal([`${qos}`, dup, retain], [payload.toString(), false, false]);
      assert.is(subscriber.take('pubrel').messageId, got.find(({ qos }) => qos === 2)?.messageId);
    }
    bus.assertForgotten();
  });
}

test('an acknowledgement waits until its command is committed and applied on the node', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a');
  bus.held = true;
  publish(client, 't', 'x', 1, { messageId: 1 });
  publish(client, 't', 'x', 2, { messageId: 2 });
  client.send({ cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'u', qos: 1 }] });
  client.send({ cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['u'] });
  bus.run(500);
  assert.equal(client.received, [], 'before the commit');
  bus.node('n1').stalled = true;
  bus.held = false;
  bus.run(1500);
  assert.ok(bus.node('n2').broker.machine.state.appliedIndex > bus.node('n1').broker.machine.state.appliedIndex);
  assert.equal(client.received, [], 'before the application');
  bus.heal();
  bus.run(SETTLE_MS);
  assert.equal(
    client.received.map(({ cmd }) => cmd),
    ['puback', 'pubrec', 'suback', 'unsuback', 'pubcomp'],
  );
  bus.assertForgotten();
});

test('no subscriber: 5.0 is told so', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a');
  publish(client, 't', 'x', 1, { messageId: 1 });
  bus.run(SETTLE_MS);
  assert.is(client.next('puback').reasonCode, 0x10);
  bus.assertForgotten();
});

for (const clean of [true, false]) {
  test(`QoS 2: a repeated PUBLISH is acknowledged again and delivered once (${clean ? 'clean' : 'kept'} session)`, () => {
    const bus = new LogBus();
    const watcher = connected(bus, 'n3', 'watcher');
    subscribed(bus, watcher, 't');
    const client = connected(bus, 'n1', 'a', clean ? {} : { clean: false, expirySec: 60 });
    client.autoAck = false;
    publish(client, 't', 'x', 2, { messageId: 7 });
    publish(client, 't', 'x', 2, { messageId: 7, dup: true });
    bus.run(SETTLE_MS);
    client.next('pubrec');
    publish(client, 't', 'x', 2, { messageId: 7, dup: true });
    bus.run(SETTLE_MS);
    client.next('pubrec');
    client.send({ cmd: 'pubrel', messageId: 7 });
    bus.run(SETTLE_MS);
    assert.is(client.next('pubcomp').reasonCode ?? 0, 0);
    client.send({ cmd: 'pubrel', messageId: 7 });
    bus.run(SETTLE_MS);
    assert.is(client.next('pubcomp').reasonCode, 0x92);
    publish(client, 't', 'y', 2, { messageId: 7 });
    bus.run(SETTLE_MS);
    assert.equal(payloads(watcher.takeAll('publish')), ['x', 'y']);
    assert.equal(
      client.received.map(({ cmd }) => cmd),
      ['pubrec'],
    );
    bus.assertForgotten();
  });
}

test('QoS 2: the Packet Identifier is remembered on the next node, until PUBREL', () => {
  const bus = new LogBus();
  const watcher = connected(bus, 'n3', 'watcher');
  subscribed(bus, watcher, 't');
  const first = persistent(bus, 'n1', 'a');
  first.autoAck = false;
  publish(first, 't', 'x', 2, { messageId: 7 });
  bus.run(SETTLE_MS);
  first.next('pubrec');
  const second = persistent(bus, 'n2', 'a');
  second.autoAck = false;
  publish(second, 't', 'x', 2, { messageId: 7, dup: true });
  bus.run(SETTLE_MS);
  second.next('pubrec');
  second.send({ cmd: 'pubrel', messageId: 7 });
  bus.run(SETTLE_MS);
  assert.is(second.next('pubcomp').reasonCode ?? 0, 0);
  assert.equal(payloads(watcher.takeAll('publish')), ['x']);
  bus.assertForgotten();
});

test('a PUBREL that comes before its PUBREC does not leave the identifier behind', () => {
  const bus = new LogBus();
  const watcher = connected(bus, 'n3', 'watcher');
  subscribed(bus, watcher, 't');
  const client = connected(bus, 'n1', 'a');
  client.autoAck = false;
  for (const payload of ['x', 'y']) {
    publish(client, 't', payload, 2, { messageId: 7 });
    client.send({ cmd: 'pubrel', messageId: 7 });
    bus.run(SETTLE_MS);
  }
  assert.equal(payloads(watcher.takeAll('publish')), ['x', 'y']);
  bus.assertForgotten();
});

test('5.0 is closed when it exceeds our Receive Maximum; PUBREL and PUBACK give room again', () => {
  const bus = new LogBus({ limits: { receiveMaximum: 3 } });
  const client = connected(bus, 'n1', 'a');
  for (let round = 0; round < 4; round++) {
    publish(client, 't', 'x', 1, { messageId: 1 });
    publish(client, 't', 'x', 2, { messageId: 2 });
    publish(client, 't', 'x', 2, { messageId: 3 });
    bus.run(SETTLE_MS);
  }
  assert.not(client.isClosed);
  client.autoAck = false;
  for (const messageId of [4, 5, 6]) publish(client, 't', 'x', 2, { messageId });
  bus.run(SETTLE_MS);
  publish(client, 't', 'x', 1, { messageId: 7 });
  bus.run(SETTLE_MS);
  assert.is(goodbye(client), 0x93);
  bus.assertForgotten();
});

test('3.1.1 is slowed down at our Receive Maximum, and nothing is lost or stuck', () => {
  const bus = new LogBus({ limits: { receiveMaximum: 3 } });
  const client = connected(bus, 'n1', 'a', { version: 4 });
  bus.held = true;
  for (let messageId = 1; messageId <= 20; messageId++) publish(client, 't', 'x', 1, { messageId });
  bus.run(50);
  assert.ok(client.socket.paused);
  bus.heal();
  bus.run(2000);
  assert.equal(
    client.takeAll('puback').map(({ messageId }) => messageId),
    Array.from({ length: 20 }, (_, at) => at + 1),
  );
  assert.not(client.socket.paused);
  bus.assertForgotten();
});

test('3.1.1: PUBRELs are read however many QoS 2 messages wait for them', () => {
  const bus = new LogBus({ limits: { receiveMaximum: 3 } });
  const client = connected(bus, 'n1', 'a', { version: 4 });
  client.autoAck = false;
  for (let messageId = 1; messageId <= 10; messageId++) publish(client, 't', 'x', 2, { messageId });
  bus.run(2000);
  assert.is(client.takeAll('pubrec').length, 10);
  for (let messageId = 1; messageId <= 10; messageId++) client.send({ cmd: 'pubrel', messageId });
  bus.run(SETTLE_MS);
  assert.is(client.takeAll('pubcomp').length, 10);
  bus.assertForgotten();
});

test('topic aliases', () => {
  const bus = new LogBus();
  const watcher = connected(bus, 'n2', 'watcher');
  subscribed(bus, watcher, '#');
  const client = connected(bus, 'n1', 'a');
  publish(client, 'one', '1', 1, { messageId: 1, properties: { topicAlias: 5 } });
  publish(client, '', '2', 1, { messageId: 2, properties: { topicAlias: 5 } });
  publish(client, 'two', '3', 1, { messageId: 3, properties: { topicAlias: 5 } });
  publish(client, '', '4', 1, { messageId: 4, properties: { topicAlias: 5 } });
  bus.run(SETTLE_MS);
  const got = watcher.takeAll('publish');
  assert.equal(
    got.map(({ topic }) => topic),
    ['one', 'one', 'two', 'two'],
  );
  assert.ok(
    got.every(({ properties }) => properties?.topicAlias === undefined),
    'an alias is one connection’s',
  );
  publish(client, '', 'x', 0, { properties: { topicAlias: 6 } });
  bus.run(SETTLE_MS);
  assert.is(goodbye(client), 0x94);
  const other = connected(bus, 'n1', 'b');
  publish(other, 't', 'x', 0, { properties: { topicAlias: 33 } });
  bus.run(SETTLE_MS);
  assert.is(goodbye(other), 0x94);
  bus.assertForgotten();
});

test('nobody but the broker publishes to $SYS, and levels are limited', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a');
  publish(client, '$SYS/x', 'x', 0);
  const deep = connected(bus, 'n1', 'b');
  publish(deep, Array(16).fill('l').join('/'), 'x', 0);
  bus.run(SETTLE_MS);
  assert.not(deep.isClosed);
  publish(deep, Array(17).fill('l').join('/'), 'x', 0);
  bus.run(SETTLE_MS);
  assert.is(goodbye(client), 0x90);
  assert.is(goodbye(deep), 0x90);
  bus.assertForgotten();
});

test('what was published before DISCONNECT counts', () => {
  const bus = new LogBus();
  const watcher = connected(bus, 'n2', 'watcher');
  subscribed(bus, watcher, 't');
  const client = connected(bus, 'n1', 'a');
  publish(client, 't', '0', 0);
  publish(client, 't', '1', 1, { messageId: 1 });
  client.send({ cmd: 'disconnect' });
  bus.run(SETTLE_MS);
  assert.equal(payloads(watcher.takeAll('publish')).sort(), ['0', '1']);
  bus.assertForgotten();
});

test('one order at all subscribers of a topic', () => {
  const bus = new LogBus({
    seed: 7,
    maxDelayMs: 30,
    maxApplyDelayMs: 30,
    maxCommitMs: 10,
    lossRate: 0.1,
    duplicateRate: 0.2,
  });
  bus.run(2000);
  const ids = ['n1', 'n2', 'n3'];
  const dialled = (name: string): ReturnType<typeof dial>[] => ids.map((node) => dial(bus, node, `${name}-${node}`));
  const subscribers = dialled('sub');
  const publishers = dialled('pub');
  bus.run(4000);
  for (const subscriber of subscribers)
    subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 1 }] });
  bus.run(4000);
  for (let round = 1; round <= 20; round++) {
    for (const [at, publisher] of publishers.entries())
      publish(publisher, 't', `${at}.${round}`, 1, { messageId: round });
    bus.run(10);
  }
  bus.run(20_000);
  const orders = subscribers.map((subscriber) => payloads(subscriber.takeAll('publish')));
  assert.is(orders[0]?.length, 60);
  for (const order of orders) assert.equal(order, orders[0]);
  bus.assertForgotten();
});

test.run();
