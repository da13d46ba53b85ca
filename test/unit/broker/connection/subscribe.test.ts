import { LogBus } from '../../../support/log-bus.ts';
import { assert, suite } from '../../../support/suite.ts';
import { connected, payloads, persistent, publish, SETTLE_MS, subscribe, subscribed } from '../support.ts';

const test = suite('broker: subscribe');

for (const clean of [true, false]) {
  test(`SUBACK comes before the retained messages that it brings (${clean ? 'clean' : 'kept'} session)`, () => {
    const bus = new LogBus();
    const publisher = connected(bus, 'n1', 'publisher');
    for (const qos of [0, 1, 2] as const)
      publish(publisher, `r/${qos}`, `${qos}`, qos, { messageId: qos + 1, retain: true });
    bus.run(SETTLE_MS);
    const client = connected(bus, 'n2', 'a', { clean, expirySec: 60 });
    subscribe(client, 9, ['r/#'], 77);
    bus.run(SETTLE_MS);
    assert.equal(client.next('suback').granted, [2]);
    const got = client.takeAll('publish');
    assert.equal(payloads(got).sort(), ['0', '1', '2']);
    for (const { retain, qos, payload, properties } of got) {
      assert.equal([retain, `${qos}`, properties?.subscriptionIdentifier], [true, payload.toString(), 77]);
    }
    bus.assertForgotten();
  });
}

test('a live message keeps its place before the SUBACK of a SUBSCRIBE that comes behind it in the log', () => {
  const bus = new LogBus();
  const publisher = connected(bus, 'n2', 'publisher');
  const client = connected(bus, 'n1', 'a');
  subscribed(bus, client, { topic: 't', qos: 0, rap: true });
  bus.held = true;
  publish(publisher, 't', 'x', 0, { retain: true });
  bus.run(10);
  subscribe(client, 2, ['u']);
  bus.run(10);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.equal(
    client.received.map(({ cmd }) => cmd),
    ['publish', 'suback'],
  );
  bus.assertForgotten();
});

test('write retained on one node, acknowledged, subscribe on another: it is there', () => {
  const bus = new LogBus({ maxApplyDelayMs: 50, maxDelayMs: 30, seed: 3 });
  const publisher = connected(bus, 'n1', 'publisher');
  const readers = ['n2', 'n3'].map((node) => connected(bus, node, `reader-${node}`));
  for (let version = 1; version <= 10; version++) {
    publish(publisher, 'r', `${version}`, 1, { messageId: version, retain: true });
    while (publisher.find('puback') === null) bus.run(1);
    for (const reader of readers) subscribe(reader, version, ['r']);
    bus.run(400);
    for (const reader of readers) assert.equal(payloads(reader.takeAll('publish')).at(-1), `${version}`);
  }
  bus.assertForgotten();
});

test('limits: subscriptions of a client, levels of a filter', () => {
  const bus = new LogBus({ limits: { maxSubscriptionsPerClient: 3 } });
  const client = connected(bus, 'n1', 'a');
  subscribe(client, 1, ['a', 'b']);
  subscribe(client, 2, ['c', 'd', Array(17).fill('l').join('/')]);
  subscribe(client, 3, ['a', 'e']);
  bus.run(SETTLE_MS);
  assert.equal(
    client.takeAll('suback').map(({ granted }) => granted),
    [
      [2, 2],
      [2, 0x97, 0x8f],
      [0x97, 0x97],
    ],
    'an existing filter counts while another SUBSCRIBE is on its way',
  );
  const { subscriptionsRefused } = bus.node('n1').broker.counters;
  assert.equal(
    [...subscriptionsRefused],
    [
      ['quota_exceeded', 3],
      ['topic_filter_invalid', 1],
    ],
  );
  subscribe(client, 4, ['a']);
  client.send({ cmd: 'unsubscribe', messageId: 5, unsubscriptions: ['a', 'never'] });
  bus.run(SETTLE_MS);
  subscribe(client, 6, ['e']);
  bus.run(SETTLE_MS);
  assert.equal(client.next('suback').granted, [2]);
  assert.equal(client.next('unsuback').granted, [0, 0x11]);
  assert.equal(client.next('suback').granted, [2]);
  bus.assertForgotten();
});

test('$SYS: what stands at once, then as often as it is published; not for wildcards', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n2', 'a');
  subscribed(bus, client, '#', '+/broker/node');
  assert.equal(client.takeAll('publish'), []);
  subscribed(bus, client, '$SYS/broker/node');
  const [first] = client.takeAll('publish');
  assert.equal([first?.topic, first?.payload.toString(), first?.retain], ['$SYS/broker/node', 'n2', true]);
  for (const node of bus.nodes) node.broker.sys.publish();
  bus.run(SETTLE_MS);
  const again = client.takeAll('publish');
  assert.equal(
    again.map(({ payload, retain }) => [payload.toString(), retain]),
    [['n2', false]],
  );
  bus.assertForgotten();
});

test('No Local, and the identifiers of the other subscriptions', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a');
  subscribe(client, 1, [{ topic: 't/#', qos: 1, nl: true }], 1);
  bus.run(SETTLE_MS);
  for (const qos of [0, 1] as const) publish(client, 't/a', `own ${qos}`, qos, { messageId: 1 });
  bus.run(SETTLE_MS);
  assert.is(client.find('publish'), null);
  subscribe(client, 2, [{ topic: 't/+', qos: 1 }], 2);
  bus.run(SETTLE_MS);
  for (const qos of [0, 1] as const) publish(client, 't/a', `own ${qos}`, qos, { messageId: 1 });
  bus.run(SETTLE_MS);
  const got = client.takeAll('publish');
  assert.equal(
    got.map(({ properties }) => properties?.subscriptionIdentifier),
    [2, 2],
  );
  bus.assertForgotten();
});

test('QoS 0 crosses once to a node, for all its subscribers', () => {
  const bus = new LogBus();
  const clients = ['a', 'b'].map((id) => persistent(bus, 'n2', id));
  for (const client of clients) subscribed(bus, client, 't');
  const sent: string[] = [];
  const { environment } = bus.node('n1').broker;
  const { sendQoS0 } = environment;
  environment.sendQoS0 = (nodeId, messages) => {
    sent.push(nodeId);
    sendQoS0(nodeId, messages);
  };
  publish(connected(bus, 'n1', 'publisher'), 't', 'x', 0);
  bus.run(SETTLE_MS);
  assert.equal(sent, ['n2']);
  for (const client of clients) assert.equal(payloads(client.takeAll('publish')), ['x']);
  const entries = bus.entries.length;
  publish(bus.clients[2] ?? bus.open('n1'), 't', 'y', 0);
  bus.run(20);
  assert.ok(bus.entries.length <= entries + 1, 'QoS 0 is in the log');
  bus.assertForgotten();
});

test.run();
