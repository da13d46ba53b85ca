import { type SharedStrategy, writeSharedStrategy } from '@quorate/broker';
import { LogBus } from '../../../support/log-bus.ts';
import type { FakeClient } from '../../../support/log-bus-client.ts';
import { assert, suite } from '../../../support/suite.ts';
import {
  connected,
  connectPacket,
  dial,
  payloads,
  persistent,
  publish,
  SETTLE_MS,
  subscribe,
  subscribed,
} from '../support.ts';

const test = suite('broker: shared subscriptions');

const FILTER = '$share/g/t/#';

function setStrategy(bus: LogBus, strategy: SharedStrategy): void {
  const { broker } = bus.node('n1');
  writeSharedStrategy(broker.proposer.open(), strategy);
  broker.proposer.added(broker.unowned, 0, 0);
  bus.run(SETTLE_MS);
}

/** Sends `count` messages, each when the one before is acknowledged. */
function send(bus: LogBus, client: FakeClient, qos: 0 | 1 | 2, count: number, first = 1): void {
  for (let at = first; at < first + count; at++) {
    publish(client, 't', `${at}`, qos, { messageId: at });
    bus.run(3);
  }
}

function got(client: FakeClient): string[] {
  return payloads(client.takeAll('publish'));
}

for (const version of [3, 4, 5] as const) {
  test(`protocol level ${version}: any client may share; CONNACK does not say otherwise`, () => {
    const bus = new LogBus();
    const client = dial(bus, 'n1', 'a', { version });
    bus.run(SETTLE_MS);
    const connack = client.next('connack');
    assert.is(connack.properties?.sharedSubscriptionAvailable ?? true, true);
    subscribe(client, 1, [{ topic: FILTER, qos: 1 }, `$share/g/${Array(17).fill('l').join('/')}`]);
    bus.run(SETTLE_MS);
    // 3.1 can not say no.
    assert.equal(client.next('suback').granted, [1, { 3: 0, 4: 0x80, 5: 0x8f }[version]]);
    send(bus, connected(bus, 'n2', 'p'), 1, 2);
    bus.run(SETTLE_MS);
    assert.equal(got(client), ['1', '2']);
    client.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: [FILTER] });
    bus.run(SETTLE_MS);
    client.take('unsuback');
    assert.is(bus.node('n3').broker.machine.state.groups.size, 0);
    bus.assertForgotten();
  });
}

for (const qos of [0, 1, 2] as const) {
  test(`QoS ${qos}: once per group over all nodes, in turn`, () => {
    const bus = new LogBus({ duplicateRate: qos === 0 ? 0 : 0.2 });
    const members = ['n1', 'n2', 'n3'].map((node) => connected(bus, node, `m-${node}`));
    for (const member of members) subscribed(bus, member, FILTER);
    const ordinary = connected(bus, 'n2', 'ordinary');
    subscribed(bus, ordinary, 't');
    send(bus, connected(bus, 'n1', 'p'), qos, 9);
    bus.run(SETTLE_MS);
    const shares = members.map(got);
    for (const share of shares) assert.is(share.length, 3);
    assert.equal(shares.flat().sort(), ['1', '2', '3', '4', '5', '6', '7', '8', '9']);
    assert.is(got(ordinary).length, 9);
    bus.assertForgotten();
  });
}

test('QoS 0 by the strategies, over nodes', () => {
  const bus = new LogBus();
  const members = ['n1', 'n2', 'n3'].map((node) => connected(bus, node, `m-${node}`));
  for (const member of members) subscribed(bus, member, { topic: FILTER, qos: 1 });
  const publisher = connected(bus, 'n2', 'p');
  for (const strategy of ['sticky', 'hash_client_id', 'hash_topic'] as const) {
    setStrategy(bus, strategy);
    send(bus, publisher, 0, 6);
    bus.run(SETTLE_MS);
    const counts = members.map((member) => got(member).length);
    assert.equal(counts.sort(), [0, 0, 6], strategy);
  }
  bus.assertForgotten();
});

test('QoS 0: the node that gets it for a member that has gone gives it to nobody else', () => {
  const bus = new LogBus({ maxDelayMs: 50 });
  const member = connected(bus, 'n2', 'm');
  const other = connected(bus, 'n2', 'other');
  subscribed(bus, member, FILTER);
  publish(connected(bus, 'n1', 'p'), 't', 'x', 0);
  bus.node('n2').stalled = false;
  member.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: [FILTER] });
  subscribed(bus, other, FILTER);
  assert.ok(got(member).length + got(other).length <= 1);
  bus.assertForgotten();
});

for (const clean of [true, false]) {
  const kind = clean ? 'clean' : 'kept';
  for (const qos of [1, 2] as const) {
    test(`Receive Maximum 1, ${kind} session, QoS ${qos}: one at a time, without waiting for the next tick`, () => {
      const bus = new LogBus();
      const member = connected(bus, 'n1', 'm', { clean, expirySec: clean ? 0 : 60, receiveMaximum: 1 });
      subscribed(bus, member, FILTER);
      send(bus, connected(bus, 'n2', 'p'), qos, 20);
      bus.run(20 * 10);
      assert.is(got(member).length, 20);
      bus.assertForgotten();
    });

    test(`a silent member, ${kind} session, QoS ${qos}: holds its window, the others get the rest`, () => {
      const bus = new LogBus();
      const silent = connected(bus, 'n1', 'silent', { clean, expirySec: clean ? 0 : 60, receiveMaximum: 2 });
      silent.autoAck = false;
      const member = connected(bus, 'n2', 'm');
      for (const client of [silent, member]) subscribed(bus, client, FILTER);
      send(bus, connected(bus, 'n3', 'p'), qos, 10);
      bus.run(SETTLE_MS);
      const first = got(silent);
      assert.is(first.length, 2);
      assert.is(got(member).length, 8);
      silent.close();
      bus.run(SETTLE_MS);
      // What a QoS 2 delivery has begun is nobody else's [MQTT-4.8.2-4], [MQTT-4.8.2-5].
      assert.equal(got(member), qos === 1 ? first : []);
      bus.assertForgotten();
    });
  }
}

for (const clean of [true, false]) {
  test(`a node dies (${clean ? 'clean' : 'kept'} sessions): others get what its members had not begun`, () => {
    const bus = new LogBus();
    const lost = ['a', 'b'].map((id) => connected(bus, 'n3', id, { clean, expirySec: clean ? 0 : 60 }));
    for (const client of lost) {
      client.autoAck = false;
      subscribed(bus, client, FILTER);
    }
    const member = connected(bus, 'n1', 'm');
    subscribed(bus, member, FILTER);
    const publisher = connected(bus, 'n1', 'p');
    bus.node('n3').crash();
    send(bus, publisher, 1, 6);
    send(bus, publisher, 2, 6, 7);
    bus.run(6000);
    assert.equal(
      got(member)
        .map(Number)
        .sort((a, b) => a - b),
      Array.from({ length: 12 }, (_, at) => at + 1),
      'also QoS 2: the dead node had begun nothing',
    );
    bus.assertForgotten();
  });
}

test('QoS 2 begun before a takeover by the same client is finished there, once', () => {
  const bus = new LogBus();
  const first = persistent(bus, 'n1', 'a');
  subscribed(bus, first, FILTER);
  const other = connected(bus, 'n3', 'other');
  first.autoAck = false;
  send(bus, connected(bus, 'n3', 'p'), 2, 1);
  bus.run(SETTLE_MS);
  const begun = first.take('publish');
  subscribed(bus, other, FILTER);
  const second = persistent(bus, 'n2', 'a');
  bus.run(SETTLE_MS);
  const again = second.take('publish');
  assert.equal([again.messageId, again.dup, again.payload.toString()], [begun.messageId, true, '1']);
  assert.equal([got(other), got(second)], [[], []]);
  bus.assertForgotten();
});

test('a message that a member refuses goes to nobody else', () => {
  const bus = new LogBus();
  const refusing = connected(bus, 'n1', 'refusing');
  const other = connected(bus, 'n2', 'other');
  subscribed(bus, refusing, FILTER);
  refusing.autoAck = false;
  refusing.onPacket = (packet) => {
    if (packet.cmd !== 'publish') return;
    const cmd = packet.qos === 1 ? 'puback' : 'pubrec';
    refusing.send({ cmd, messageId: packet.messageId ?? 0, reasonCode: 0x83 });
  };
  const publisher = connected(bus, 'n3', 'p');
  send(bus, publisher, 1, 1);
  send(bus, publisher, 2, 1, 2);
  bus.run(SETTLE_MS);
  assert.equal(got(refusing), ['1', '2']);
  subscribed(bus, other, FILTER);
  refusing.close();
  bus.run(SETTLE_MS);
  assert.equal(got(other), []);
  assert.is(bus.node('n1').broker.machine.state.groupsByName.get(FILTER)?.queue.count, 0);
  bus.assertForgotten();
});

test('QoS 2 of both kinds on one clean session: each exchange is its own, and none is left', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a', { receiveMaximum: 3 });
  subscribed(bus, client, FILTER, 't/#');
  const publisher = connected(bus, 'n2', 'p');
  send(bus, publisher, 2, 10);
  send(bus, publisher, 1, 10, 11);
  bus.run(SETTLE_MS);
  const counts = new Map<string, number>();
  for (const payload of got(client)) counts.set(payload, (counts.get(payload) ?? 0) + 1);
  assert.equal([...counts.values()], Array<number>(20).fill(2));
  const session = bus.node('n3').broker.machine.state.sessions.get('a');
  assert.equal([session?.held, session?.ledger?.count], [0, 0]);
  bus.assertForgotten();
});

test('a full local queue does not count what share groups gave', () => {
  const bus = new LogBus({ limits: { maxQueuedMessages: 3, maxInflightMessages: 3 } });
  const client = connected(bus, 'n1', 'a');
  client.autoAck = false;
  subscribed(bus, client, FILTER, 'u');
  const publisher = connected(bus, 'n2', 'p');
  send(bus, publisher, 1, 8);
  for (let at = 1; at <= 3; at++) publish(publisher, 'u', `u${at}`, 1, { messageId: 20 + at });
  bus.run(SETTLE_MS);
  assert.not(client.isClosed);
  publish(publisher, 'u', 'u4', 1, { messageId: 30 });
  bus.run(SETTLE_MS);
  assert.ok(client.isClosed, 'its own part is bounded as ever');
  bus.assertForgotten();
});

test('a bridge of 3.1.1 shares without No Local', () => {
  const bus = new LogBus();
  const bridge = bus.open('n1', 4);
  // Bit 7 of the protocol level; mqtt-packet knows it, its types do not.
  bridge.send({ ...connectPacket('b', { version: 4 }), ...{ bridgeMode: true } });
  bus.run(SETTLE_MS);
  subscribed(bus, bridge, { topic: FILTER, qos: 1 });
  const { subscriptions } = bus.node('n2').broker.machine.state.sessions.get('b') ?? {};
  const { noLocal, retainAsPublished } = subscriptions?.get(FILTER) ?? {};
  assert.equal([noLocal, retainAsPublished], [false, true]);
  bus.assertForgotten();
});

test.run();
