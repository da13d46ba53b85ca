import { assert, suite } from '../../../support/suite.ts';
import { checkConsistency } from './support/digest.ts';
import { setLimit, withLimit } from './support/limits.ts';
import { Bench, type ConnectPart, PERSISTENT, type PublishPart } from './support/log.ts';

/* MQTT 5.0 sections 3.3.1.3 (RETAIN), 3.8.3.1 (Retain Handling) and 3.3.2.3.3 (Message Expiry Interval). */

const test = suite('state: retained messages');

function retaining(...topics: string[]): Bench {
  const bench = new Bench();
  bench.connect('p');
  for (const topic of topics) retain(bench, topic);
  return bench;
}

function retain(bench: Bench, topic: string, payload = topic, part: PublishPart = {}): string {
  return bench.publish('p', topic, payload, { retain: true, ...part }).kind;
}

/** What a new session gets that subscribes to `filter`. */
function found(bench: Bench, filter: string, part: ConnectPart = PERSISTENT): string {
  bench.connect('new', { ...part, cleanStart: true });
  bench.subscribe('new', filter);
  return bench.queued('new');
}

test('the newest message of a topic replaces the older [MQTT-3.3.1-5]', () => {
  const bench = retaining();
  retain(bench, 'a', '1');
  retain(bench, 'a', '2');
  assert.is(found(bench, 'a'), '2');
  assert.is(bench.state.retained.size, 1);
});

test('an empty payload removes it, and is delivered like any other message [MQTT-3.3.1-6, -7]', () => {
  const bench = retaining('a');
  bench.connect('c', PERSISTENT);
  bench.subscribe('c', 'a');
  retain(bench, 'a', '');
  assert.is(bench.session('c').queue?.count, 2);
  assert.is(found(bench, 'a'), '');
  assert.is(bench.state.retained.size, 0);
  assert.is(bench.state.retained.sizeBytes, 0);
});

test('a message without RETAIN changes nothing [MQTT-3.3.1-8]', () => {
  const bench = retaining('a');
  bench.publish('p', 'a', 'live');
  bench.publish('p', 'a', '');
  assert.is(found(bench, 'a'), 'a');
});

test('they come in the order in which they were published, with RETAIN and the identifier', () => {
  const bench = retaining('z', 'm/1', 'a');
  retain(bench, 'z', 'z again');
  bench.connect('c', PERSISTENT);
  bench.subscribe('c', '#', { qos: 1 }, 12);
  assert.is(bench.queued('c'), 'm/1 a z again');
  const { queue } = bench.session('c');
  const item = queue?.get(0);
  assert.equal([item?.qos, item?.retain, item?.subscriptionIdentifiers], [1, true, [12]]);
});

test('wildcards find their topics, `$` ones only by name', () => {
  const bench = retaining('a', 'a/b', '$x/y', '/');
  assert.is(found(bench, 'a/#'), 'a a/b');
  assert.is(found(bench, '+'), 'a');
  assert.is(found(bench, '+/+'), 'a/b /');
  assert.is(found(bench, '#'), 'a a/b /');
  assert.is(found(bench, '$x/#'), '$x/y');
});

test('Retain Handling 0 sends at each SUBSCRIBE, 1 at the first, 2 never', () => {
  const bench = retaining('a');
  for (const retainHandling of [0, 1, 2] as const) {
    bench.connect('c', { ...PERSISTENT, cleanStart: true });
    bench.subscribe('c', 'a', { retainHandling });
    bench.subscribe('c', 'a', { retainHandling });
    bench.unsubscribe('c', ['a']);
    bench.subscribe('c', 'a', { retainHandling });
    assert.is(bench.session('c').queue?.count, [3, 2, 0][retainHandling]);
  }
});

test('for Retain Handling 1 a subscription of the session before its reconnect is not new', () => {
  const bench = retaining('a');
  bench.connect('c', PERSISTENT);
  bench.subscribe('c', 'a', { retainHandling: 1 });
  bench.disconnect('c');
  bench.connect('c', PERSISTENT);
  bench.subscribe('c', 'a', { retainHandling: 1 });
  assert.is(bench.queued('c'), 'a');
});

test('QoS 0 is retained too, and sent past the queue', () => {
  const bench = retaining();
  retain(bench, 'a', 'x', { qos: 0 });
  bench.sink.events.length = 0;
  assert.is(found(bench, 'a'), '');
  assert.is(bench.sink.take('deliver').length, 1);
});

test('an expired message is not sent although no Tick has come, and a Tick takes it out', () => {
  const bench = retaining();
  retain(bench, 'a', 'x', { properties: { messageExpiryIntervalSec: 5 } });
  bench.nowMs += 4_999;
  assert.is(found(bench, 'a'), 'x');
  bench.nowMs += 1;
  bench.publish('p', 'other');
  assert.is(bench.state.nowMs, bench.nowMs);
  bench.subscribe('new', 'a', { retainHandling: 0 });
  assert.is(bench.queued('new'), 'x');
  bench.after(0);
  assert.is(bench.state.retained.size, 0);
  assert.is(bench.state.retained.sizeBytes, 0);
});

test('the expiry of a message that was replaced says nothing about the new one', () => {
  const bench = retaining();
  retain(bench, 'a', 'short', { properties: { messageExpiryIntervalSec: 1 } });
  retain(bench, 'a', 'long', { properties: { messageExpiryIntervalSec: 9 } });
  retain(bench, 'b', 'short', { properties: { messageExpiryIntervalSec: 1 } });
  retain(bench, 'b', 'endless');
  bench.after(1000);
  assert.is(found(bench, '#'), 'long endless');
  bench.after(8000);
  assert.is(found(bench, '#'), 'endless');
});

test('the quota refuses a further topic, not a new message of a known one, and the Packet Identifier is free', () => {
  withLimit('retainedMessages', 2, () => {
    const bench = retaining('a', 'b');
    bench.connect('c', PERSISTENT);
    bench.subscribe('c', 'new');
    bench.connect('q', PERSISTENT);
    bench.sink.events.length = 0;
    const refused = bench.publish('q', 'new', 'x', { qos: 2, packetId: 5, retain: true });
    assert.equal(refused, { kind: 'reasonCodes', reasonCodes: [0x97] });
    assert.equal(bench.sink.take('dropped'), [['dropped', 'q', 'retainedQuotaExceeded']]);
    assert.is(bench.session('q').incoming.size, 0);
    assert.is(bench.queued('c'), '', 'what is refused is delivered to nobody');
    assert.is(retain(bench, 'a', '2'), 'published');
    retain(bench, 'a', '');
    assert.is(retain(bench, 'new'), 'published');
  });
});

test('the quota counts bytes, and what is replaced or removed gives its bytes back', () => {
  withLimit('retainedBytes', 100, () => {
    const bench = retaining();
    assert.is(retain(bench, 'a', 'x'.repeat(90)), 'published');
    assert.is(retain(bench, 'b', 'x'.repeat(20)), 'reasonCodes');
    assert.is(retain(bench, 'a', 'x'.repeat(99)), 'published');
    assert.is(retain(bench, 'a', 'x'.repeat(50)), 'published');
    assert.is(retain(bench, 'b', 'x'.repeat(20)), 'published');
    assert.is(bench.state.retained.sizeBytes, 72);
  });
});

test('a retained message in queues too is one message, and outlives them', () => {
  const bench = retaining('a');
  bench.connect('c', PERSISTENT);
  bench.subscribe('c', 'a');
  const message = bench.state.retained.get('a');
  assert.is(message?.references, 1);
  bench.restart();
  checkConsistency(bench.state);
  assert.is(bench.state.retained.get('a'), bench.session('c').queue?.get(0)?.message);
  bench.settle('c', [0, 1]);
  bench.checkpoint();
  bench.subscribe('c', 'a');
  bench.restart();
  assert.is(bench.queued('c'), 'a');
  checkConsistency(bench.state);
});

test('a topic that is written often does not pile up expiries', () => {
  const bench = retaining();
  for (let round = 0; round < 3000; round++) {
    retain(bench, 'a', 'x', { properties: { messageExpiryIntervalSec: 1000 + (round % 7) } });
  }
  assert.ok(bench.state.retained.pendingExpiries < 1100, `${bench.state.retained.pendingExpiries} expiries`);
  bench.after(2_000_000);
  assert.is(bench.state.retained.size, 0);
});

test('a name of 65,535 levels is kept, found and removed like any other', () => {
  const bench = retaining();
  const topic = '/'.repeat(65_535);
  retain(bench, topic, 'deep');
  assert.is(found(bench, '#'), 'deep');
  assert.is(found(bench, `${'+/'.repeat(65_535)}+`.slice(0, 65_535)), '');
  retain(bench, topic, '');
  assert.is(bench.state.retained.size, 0);
  bench.subscribe('new', topic);
  bench.subscribe('new', '/'.repeat(65_534));
  bench.publish('p', topic, 'live');
  assert.is(bench.queued('new'), 'live');
  bench.unsubscribe('new', [topic]);
  checkConsistency(bench.state);
});

test('too many for one step: a replicated queue gets the oldest that fit, the owner is told of the rest', () => {
  const bench = new Bench();
  bench.connect('p');
  for (const payload of ['0', '1', '2', '3', '4', '5']) {
    bench.publish('p', `t/${9 - Number(payload)}`, payload, { retain: true, qos: payload === '1' ? 0 : 1 });
  }
  bench.connect('c', PERSISTENT);
  bench.sink.events.length = 0;
  setLimit(bench, 'queuedMessagesPerSession', 3);
  withLimit('retainedWalk', 5, () => bench.subscribe('c', 't/#', { qos: 1 }, 7));
  assert.is(bench.queued('c'), '0 2 3');
  assert.equal(
    bench.sink.events.filter(([kind]) => kind === 'dropped'),
    [['dropped', 'c', 'queueFull']],
  );
  const request = { filter: 't/#', qos: 1, identifiers: [7], endId: bench.state.nextMessageId };
  assert.equal(bench.sink.take('requested'), [['requested', 'c', request]]);
  withLimit('retainedWalk', 8, () => bench.subscribe('c', 't/#', { qos: 0 }));
  assert.is(bench.sink.take('deliver').length, 6, 'root, t and six topics are within the walk');
});

test.run();
