import { LogBus } from '../../support/log-bus.ts';
import { assert, suite } from '../../support/suite.ts';
import { withLimit } from './state/support/limits.ts';
import {
  codeOf,
  connected,
  dial,
  goodbye,
  payloads,
  persistent,
  publish,
  SETTLE_MS,
  subscribe,
  subscribed,
} from './support.ts';

/* What the whole cluster may hold (`StateLimits`), and what is told, counted and logged when it holds that. */

const test = suite('broker: quotas of the cluster');

function countsOf(bus: LogBus, reason: string): number[] {
  return bus.nodes.map(({ broker }) => broker.counters.dropped.get(reason) ?? 0);
}

test('a full queue of a session that is away: the newest is refused, its publisher has its acknowledgement, one node counts', () => {
  withLimit('queuedMessagesPerSession', 3, () => {
    const bus = new LogBus();
    const kept = persistent(bus, 'n1', 'kept');
    subscribed(bus, kept, 'full');
    kept.close();
    const publisher = connected(bus, 'n2', 'publisher');
    for (const messageId of [1, 2, 3, 4, 5]) publish(publisher, 'full', `${messageId}`, 1, { messageId });
    bus.run(SETTLE_MS);
    publish(connected(bus, 'n3', 'old', { version: 4 }), 'full', '6', 2, { messageId: 1 });
    bus.run(SETTLE_MS);
    const codes = publisher.takeAll('puback').map(({ reasonCode }) => reasonCode ?? 0);
    assert.equal(codes, [0, 0, 0, 0, 0]);
    assert.equal(countsOf(bus, 'queue_full'), [0, 2, 1], 'each of them once, where it came from');
    const lines = bus.lines.filter((line) => line.startsWith("client 'kept': the queue of its session is full"));
    assert.is(lines.length, 2, 'one of each node');
    const back = dial(bus, 'n1', 'kept', { clean: false, expirySec: 3600 });
    bus.run(SETTLE_MS);
    assert.equal(payloads(back.takeAll('publish')), ['1', '2', '3'], 'what it holds has no gap');
    publish(publisher, 'full', '7', 1, { messageId: 7 });
    bus.run(SETTLE_MS);
    assert.equal(payloads(back.takeAll('publish')), ['7']);
    bus.assertForgotten();
  });
});

test('a full queue of a client that is there is counted where it is, and logged once in ten seconds', () => {
  withLimit('queuedMessagesPerSession', 2, () => {
    const bus = new LogBus();
    const slow = persistent(bus, 'n1', 'slow');
    subscribed(bus, slow, 'full');
    slow.autoAck = false;
    const publisher = connected(bus, 'n2', 'publisher');
    const lines = (): number => bus.lines.filter((line) => line.includes('is full')).length;
    for (const messageId of [1, 2, 3, 4, 5]) publish(publisher, 'full', 'x', 1, { messageId });
    bus.run(9000);
    assert.equal(countsOf(bus, 'queue_full'), [3, 0, 0]);
    assert.is(lines(), 1);
    publish(publisher, 'full', 'x', 1, { messageId: 6 });
    bus.run(2000);
    assert.is(lines(), 1);
    publish(publisher, 'full', 'x', 1, { messageId: 7 });
    bus.run(SETTLE_MS);
    assert.is(lines(), 2);
    assert.not(slow.isClosed);
    bus.assertForgotten();
  });
});

test('retained messages: 5.0 is told, older clients are closed, QoS 0 is dropped and counted', () => {
  withLimit('retainedMessages', 1, () => {
    const bus = new LogBus();
    const client = connected(bus, 'n1', 'a');
    const old = connected(bus, 'n2', 'old', { version: 4 });
    publish(client, 'r/1', 'x', 1, { messageId: 1, retain: true });
    bus.run(SETTLE_MS);
    publish(client, 'r/2', 'x', 1, { messageId: 2, retain: true });
    publish(client, 'r/3', 'x', 2, { messageId: 3, retain: true });
    publish(client, 'r/4', 'x', 0, { retain: true });
    publish(old, 'r/5', 'x', 1, { messageId: 1, retain: true });
    bus.run(SETTLE_MS);
    assert.equal(
      client.takeAll('puback').map(({ reasonCode }) => reasonCode),
      [0x10, 0x97],
    );
    assert.is(client.take('pubrec').reasonCode, 0x97);
    assert.ok(old.isClosed);
    assert.is(old.find('puback'), null, 'what is not kept is not acknowledged');
    assert.equal(countsOf(bus, 'retained_quota_exceeded'), [3, 1, 0]);
    bus.assertForgotten();
  });
});

test('sessions: a client that needs a further one is refused', () => {
  withLimit('sessions', 2, () => {
    const bus = new LogBus();
    persistent(bus, 'n1', 'a').close();
    const clean = connected(bus, 'n2', 'b');
    const third = dial(bus, 'n3', 'c');
    const old = dial(bus, 'n3', 'd', { version: 4 });
    bus.run(SETTLE_MS);
    assert.is(codeOf(third.next('connack')), 0x97);
    assert.is(codeOf(old.next('connack')), 3);
    assert.is(bus.node('n3').broker.counters.connectsRefused.get('quota_exceeded'), 2);
    persistent(bus, 'n3', 'a');
    clean.close();
    bus.run(SETTLE_MS);
    connected(bus, 'n3', 'c');
    bus.assertForgotten();
  });
});

test('SUBSCRIBE and UNSUBSCRIBE packets on their way through the log are bounded', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a');
  bus.held = true;
  for (let at = 1; at <= 1024; at++) subscribe(client, at, ['t']);
  bus.run(10);
  assert.not(client.isClosed);
  client.send({ cmd: 'unsubscribe', messageId: 1025, unsubscriptions: ['t'] });
  bus.run(10);
  assert.is(goodbye(client), 0x93);
  bus.heal();
  bus.assertForgotten();
});

test('QoS 0 to another node: what one turn has too much of is dropped and counted', () => {
  const bus = new LogBus({ limits: { maxPacketSizeBytes: 8_000_000, maxOutgoingBufferBytes: 100_000_000 } });
  const subscriber = connected(bus, 'n2', 'subscriber');
  subscribed(bus, subscriber, 't');
  const publisher = connected(bus, 'n1', 'publisher');
  const payload = Buffer.alloc(1_000_000);
  for (let at = 0; at < 8; at++) publish(publisher, 't', payload, 0);
  bus.run(SETTLE_MS);
  const got = subscriber.takeAll('publish').length;
  assert.is(got, 5, 'up to 4 MiB and the one that goes beyond');
  assert.equal(countsOf(bus, 'forward_qos0'), [8 - got, 0, 0]);
  bus.assertForgotten();
});

test.run();
