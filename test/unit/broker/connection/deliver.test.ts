import { LogBus } from '../../../support/log-bus.ts';
import type { FakeClient } from '../../../support/log-bus-client.ts';
import { assert, suite } from '../../../support/suite.ts';
import { connected, dial, goodbye, payloads, persistent, publish, SETTLE_MS, subscribed } from '../support.ts';

const test = suite('broker: messages to a client');

function publishMany(bus: LogBus, client: FakeClient, topic: string, qos: 1 | 2, count: number, from = 1): void {
  for (let number = from; number < from + count; number++) {
    publish(client, topic, `${number}`, qos, { messageId: number });
    bus.run(5);
  }
  bus.run(SETTLE_MS);
}

function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, at) => `${from + at}`);
}

test('a resumed session on another node: same identifiers, DUP, in order, and what waited comes after', () => {
  const bus = new LogBus();
  const first = persistent(bus, 'n1', 'a', { receiveMaximum: 4 });
  subscribed(bus, first, 't');
  first.autoAck = false;
  const publisher = connected(bus, 'n3', 'publisher');
  publishMany(bus, publisher, 't', 1, 3);
  publishMany(bus, publisher, 't', 2, 3, 4);
  const sent = first.takeAll('publish');
  assert.equal(payloads(sent), numbers(1, 4), 'the client’s Receive Maximum');
  first.close();
  bus.run(SETTLE_MS);
  const second = persistent(bus, 'n2', 'a', { receiveMaximum: 10 });
  second.autoAck = false;
  bus.run(SETTLE_MS);
  const again = second.takeAll('publish');
  assert.equal(payloads(again), numbers(1, 6));
  assert.equal(
    again.map(({ dup }) => dup),
    [true, true, true, true, false, false],
  );
  assert.equal(
    again.slice(0, 4).map(({ messageId }) => messageId),
    sent.map(({ messageId }) => messageId),
  );
  assert.equal(
    again.map(({ qos }) => qos),
    [1, 1, 1, 2, 2, 2],
  );
  bus.assertForgotten();
});

test('acknowledged is not sent again, and its room is used', () => {
  const bus = new LogBus();
  const first = persistent(bus, 'n1', 'a', { receiveMaximum: 2 });
  subscribed(bus, first, 't');
  first.autoAck = false;
  const publisher = connected(bus, 'n3', 'publisher');
  publishMany(bus, publisher, 't', 1, 5);
  const [one, two] = first.takeAll('publish');
  // The second first: the first keeps its place.
  first.send({ cmd: 'puback', messageId: two?.messageId ?? 0 });
  bus.run(SETTLE_MS);
  assert.equal(payloads(first.takeAll('publish')), ['3']);
  first.send({ cmd: 'puback', messageId: one?.messageId ?? 0 });
  first.send({ cmd: 'puback', messageId: one?.messageId ?? 0 });
  bus.run(SETTLE_MS);
  assert.equal(payloads(first.takeAll('publish')), ['4']);
  first.send({ cmd: 'disconnect' });
  bus.run(SETTLE_MS);
  const second = persistent(bus, 'n2', 'a');
  bus.run(SETTLE_MS);
  assert.equal(payloads(second.takeAll('publish')), ['3', '4', '5']);
  bus.assertForgotten();
});

test('every message that an owner may have sent before it crashed comes with DUP', () => {
  const bus = new LogBus();
  const first = persistent(bus, 'n1', 'a', { receiveMaximum: 2 });
  subscribed(bus, first, 't');
  first.autoAck = true;
  const publisher = connected(bus, 'n3', 'publisher');
  // Acknowledged to n1, which dies before the log hears of it.
  bus.node('n1').broker.environment.transmit = () => {};
  publishMany(bus, publisher, 't', 1, 9);
  const seen = payloads(first.takeAll('publish'));
  assert.equal(seen, numbers(1, 9));
  bus.node('n1').crash();
  bus.run(4000);
  const second = persistent(bus, 'n2', 'a');
  bus.run(SETTLE_MS);
  const again = second.takeAll('publish');
  assert.equal(payloads(again), seen);
  assert.ok(again.every(({ dup }) => dup));
  bus.assertForgotten();
});

test('PUBREL leaves only when the PUBREC is committed', () => {
  const bus = new LogBus();
  const client = persistent(bus, 'n1', 'a');
  subscribed(bus, client, 't');
  client.autoAck = false;
  publishMany(bus, connected(bus, 'n3', 'publisher'), 't', 2, 1);
  const { messageId = 0 } = client.take('publish');
  bus.held = true;
  client.send({ cmd: 'pubrec', messageId });
  client.send({ cmd: 'pubrec', messageId });
  bus.run(300);
  assert.equal(client.received, []);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.is(client.next('pubrel').messageId, messageId);
  client.send({ cmd: 'pubrec', messageId });
  bus.run(SETTLE_MS);
  assert.is(client.next('pubrel').messageId, messageId, 'a repeated PUBREC is answered');
  client.send({ cmd: 'pubcomp', messageId });
  bus.run(SETTLE_MS);
  client.send({ cmd: 'pubrec', messageId });
  bus.run(SETTLE_MS);
  assert.is(client.next('pubrel').reasonCode, 0x92, 'of an exchange that is over');
  bus.assertForgotten();
});

test('after a PUBREC the next owner sends PUBREL, not PUBLISH', () => {
  const bus = new LogBus();
  const first = persistent(bus, 'n1', 'a');
  subscribed(bus, first, 't');
  first.autoAck = false;
  publishMany(bus, connected(bus, 'n3', 'publisher'), 't', 2, 2);
  const [one, two] = first.takeAll('publish');
  first.send({ cmd: 'pubrec', messageId: one?.messageId ?? 0 });
  bus.run(SETTLE_MS);
  first.next('pubrel');
  const second = persistent(bus, 'n2', 'a');
  bus.run(SETTLE_MS);
  assert.is(second.next('pubrel').messageId, one?.messageId);
  const again = second.next('publish');
  assert.equal([again.messageId, again.dup], [two?.messageId, true]);
  bus.run(SETTLE_MS);
  bus.assertForgotten();
});

test('a PUBREC with an error ends the exchange', () => {
  const bus = new LogBus();
  const client = persistent(bus, 'n1', 'a', { receiveMaximum: 1 });
  subscribed(bus, client, 't');
  client.autoAck = false;
  publishMany(bus, connected(bus, 'n3', 'publisher'), 't', 2, 2);
  client.send({ cmd: 'pubrec', messageId: client.take('publish').messageId ?? 0, reasonCode: 0x87 });
  bus.run(SETTLE_MS);
  assert.equal(payloads(client.takeAll('publish')), ['2']);
  assert.equal(client.received, []);
  bus.assertForgotten();
});

test('the client’s Maximum Packet Size: what is larger counts as delivered', () => {
  const bus = new LogBus();
  const publisher = connected(bus, 'n3', 'publisher');
  for (const [name, connect] of [['kept', persistent] as const, ['clean', connected] as const]) {
    const client = connect(bus, 'n1', name, { maximumPacketSize: 100 });
    subscribed(bus, client, 't');
    for (const qos of [0, 1, 2] as const) {
      publish(publisher, 't', 'x'.repeat(200), qos, { messageId: 1 });
      publish(publisher, 't', 'small', qos, { messageId: 2 });
    }
    bus.run(SETTLE_MS);
    assert.equal(payloads(client.takeAll('publish')), ['small', 'small', 'small']);
    client.close();
    bus.run(SETTLE_MS);
  }
  assert.is(bus.node('n1').broker.counters.dropped.get('packet_too_large_for_client'), 6);
  bus.assertForgotten();
});

test('DISCONNECT too leaves its sentence out for it', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a', { maximumPacketSize: 30 });
  connected(bus, 'n2', 'a');
  const { reasonCode, properties } = client.take('disconnect');
  assert.equal([reasonCode, properties?.reasonString], [0x8e, undefined]);
  bus.assertForgotten();
});

test('message expiry: the time left is passed on, and what expired is not sent', () => {
  const bus = new LogBus();
  const first = persistent(bus, 'n1', 'a');
  subscribed(bus, first, 't');
  first.close();
  bus.run(SETTLE_MS);
  const publisher = connected(bus, 'n3', 'publisher');
  publish(publisher, 't', 'short', 1, { messageId: 1, properties: { messageExpiryInterval: 2 } });
  publish(publisher, 't', 'long', 1, { messageId: 2, properties: { messageExpiryInterval: 60 } });
  bus.run(10_000);
  const second = persistent(bus, 'n2', 'a');
  bus.run(SETTLE_MS);
  const got = second.takeAll('publish');
  assert.equal(payloads(got), ['long']);
  const left = got[0]?.properties?.messageExpiryInterval ?? 0;
  assert.ok(left >= 49 && left <= 51, `${left} s left`);
  assert.is(bus.node('n2').broker.counters.dropped.get('expired'), 1);
  bus.assertForgotten();
});

test('a clean session’s queue is bounded: its client is let go', () => {
  const bus = new LogBus({ limits: { maxQueuedMessages: 10 } });
  const client = connected(bus, 'n1', 'a', { receiveMaximum: 1 });
  subscribed(bus, client, 't');
  client.autoAck = false;
  publishMany(bus, connected(bus, 'n3', 'publisher'), 't', 1, 11);
  assert.is(goodbye(client), 0x97);
  bus.assertForgotten();
});

test('thousands of messages through a small window, acknowledged out of order', () => {
  const bus = new LogBus({ limits: { maxInflightMessages: 5 } });
  for (const clean of [true, false]) {
    const client = dial(bus, 'n1', 'a', { clean, expirySec: clean ? 0 : 60 });
    bus.run(SETTLE_MS);
    subscribed(bus, client, 't');
    client.autoAck = false;
    const seen: string[] = [];
    const unacknowledged: number[] = [];
    client.onPacket = (packet) => {
      if (packet.cmd !== 'publish') return;
      seen.push(packet.payload.toString());
      unacknowledged.push(packet.messageId ?? 0);
      assert.ok(unacknowledged.length <= 5, 'more in flight than allowed');
      bus.scheduler.after(2, () => {
        const [messageId = 0] = unacknowledged.splice(bus.scheduler.integer(0, unacknowledged.length - 1), 1);
        client.send({ cmd: 'puback', messageId });
      });
    };
    const publisher = connected(bus, 'n3', 'publisher');
    for (let number = 1; number <= 900; number++) {
      publish(publisher, 't', `${number}`, 1, { messageId: number });
      if (number % 50 === 0) bus.run(10);
    }
    bus.run(3000);
    assert.equal(seen, numbers(1, 900));
    client.close();
    bus.run(SETTLE_MS);
  }
  bus.assertForgotten();
});

test.run();
