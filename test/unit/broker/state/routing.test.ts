import { StateLimits, writePublish } from '@quorate/broker';
import { assert, suite } from '../../../support/suite.ts';
import { checkConsistency } from './support/digest.ts';
import { withLimit } from './support/limits.ts';
import { Bench, PERSISTENT } from './support/log.ts';

/* Who gets a message, once, and how: MQTT 5.0 sections 3.3.4, 3.8.3.1, 4.3.3 (QoS 2) and 4.6 (order). */

const test = suite('state: routing');

function withClients(...clientIds: string[]): Bench {
  const bench = new Bench();
  for (const clientId of clientIds) bench.connect(clientId, PERSISTENT);
  return bench;
}

/** The queue of a session as [payload, QoS, retain, identifiers]. */
function items(bench: Bench, clientId: string): unknown[] {
  const { queue } = bench.session(clientId);
  const found: unknown[] = [];
  for (let sequence = queue?.headSequence ?? 0; sequence < (queue?.nextSequence ?? 0); sequence++) {
    const item = queue?.get(sequence);
    if (item == null) continue;
    const payload = Buffer.from(item.message.payload).toString();
    found.push([payload, item.qos, item.retain, item.subscriptionIdentifiers]);
  }
  return found;
}

test('overlapping subscriptions give one copy, with the highest QoS and every identifier [MQTT-3.3.4-2, -4]', () => {
  const bench = withClients('c', 'p');
  bench.subscribe('c', 'a/b', { qos: 1 }, 7);
  bench.subscribe('c', 'a/+', { qos: 2 }, 5);
  bench.subscribe('c', 'a/#', { qos: 0 }, 7);
  bench.subscribe('c', '#', { qos: 0 });
  bench.publish('p', 'a/b', 'x', { qos: 2 });
  assert.equal(items(bench, 'c'), [['x', 2, false, [5, 7, 7]]]);
});

test('the QoS is the lower of the publisher’s and the subscriber’s', () => {
  const bench = withClients('c', 'p');
  bench.subscribe('c', 'one', { qos: 1 });
  bench.subscribe('c', 'two', { qos: 2 });
  bench.publish('p', 'one', 'x', { qos: 2 });
  bench.publish('p', 'two', 'y', { qos: 1 });
  assert.equal(items(bench, 'c'), [
    ['x', 1, false, null],
    ['y', 1, false, null],
  ]);
});

test('a subscription again replaces the first: QoS, options and identifier [MQTT-3.8.4-3]', () => {
  const bench = withClients('c', 'p');
  bench.subscribe('c', 'a', { qos: 2, noLocal: true }, 5);
  bench.subscribe('c', 'a', { qos: 1 });
  bench.publish('c', 'a', 'x', { qos: 2 });
  assert.equal(items(bench, 'c'), [['x', 1, false, null]]);
  assert.is(bench.state.subscriptions.size, 1);
});

test('No Local keeps a client’s own messages from it, and only from it', () => {
  const bench = withClients('c', 'd');
  for (const clientId of ['c', 'd']) bench.subscribe(clientId, 'a', { noLocal: true });
  bench.publish('c', 'a', 'mine');
  assert.is(bench.queued('c'), '');
  assert.is(bench.queued('d'), 'mine');
});

test('No Local counts for its own subscription: another one of the client still brings the message', () => {
  const bench = withClients('c');
  bench.subscribe('c', 'a', { noLocal: true, qos: 2 }, 5);
  bench.subscribe('c', '#', { qos: 1 }, 6);
  bench.publish('c', 'a', 'x', { qos: 2 });
  assert.equal(items(bench, 'c'), [['x', 1, false, [6]]]);
});

test('the RETAIN flag is kept for Retain As Published only [MQTT-3.3.1-12, -13]', () => {
  const bench = withClients('as-published', 'plain', 'p');
  bench.subscribe('as-published', 'a', { retainAsPublished: true });
  bench.subscribe('plain', 'a');
  bench.publish('p', 'a', '1', { retain: true });
  bench.publish('p', 'a', '2');
  const flags = (clientId: string): unknown[] => items(bench, clientId).map((item) => (item as unknown[])[2]);
  assert.equal(flags('as-published'), [true, false]);
  assert.equal(flags('plain'), [false, false]);
});

test('a message is queued for a session without a client, and handed to the client of one without expiry', () => {
  const bench = withClients('away', 'p');
  bench.connect('here');
  bench.subscribe('away', 'a', { qos: 1 });
  bench.subscribe('here', 'a', { qos: 1 }, 3);
  bench.disconnect('away');
  bench.sink.events.length = 0;
  bench.publish('p', 'a', 'x');
  assert.is(bench.queued('away'), 'x');
  assert.is(bench.queued('here'), 'none');
  assert.equal(
    bench.sink.events.filter((event) => event[0] === 'deliver').map((event) => [event[1], event[7], event[9]]),
    [['here', 1, [3]]],
  );
  assert.is(bench.sink.take('queued').length, 0, 'nobody is told of a queue without a client');
});

test('QoS 0 passes the queue by, and is not kept for who is away', () => {
  const bench = withClients('here', 'away', 'p');
  for (const clientId of ['here', 'away']) bench.subscribe(clientId, 'a', { qos: 0 });
  bench.disconnect('away');
  bench.sink.events.length = 0;
  bench.publish('p', 'a', 'x', { qos: 2 });
  assert.equal(
    bench.sink.take('deliver').map((event) => event[1]),
    ['here'],
  );
  assert.is(bench.queued('here') + bench.queued('away'), '');
});

test('subscribers are told in the order of their sessions, however their subscriptions came about', () => {
  const bench = new Bench();
  for (const clientId of ['first', 'second', 'third']) bench.connect(clientId);
  for (const clientId of ['third', 'first', 'second']) bench.subscribe(clientId, 'a');
  bench.sink.events.length = 0;
  bench.publish('first', 'a');
  assert.equal(
    bench.sink.take('deliver').map((event) => event[1]),
    ['first', 'second', 'third'],
  );
});

test('UNSUBSCRIBE ends it at once, and says what was not there', () => {
  const bench = withClients('c', 'p');
  bench.subscribe('c', 'a/+');
  bench.publish('p', 'a/b', '1');
  assert.equal(bench.unsubscribe('c', ['a/+', 'never', 'a/+']), { kind: 'reasonCodes', reasonCodes: [0, 0x11, 0x11] });
  assert.equal(bench.publish('p', 'a/b', '2'), { kind: 'published', matched: false });
  assert.is(bench.queued('c'), '1', 'what was accepted before is still delivered');
});

test('the publisher learns whether anybody matched', () => {
  const bench = withClients('c', 'p');
  assert.equal(bench.publish('p', 'a'), { kind: 'published', matched: false });
  bench.subscribe('c', 'a');
  assert.equal(bench.publish('p', 'a'), { kind: 'published', matched: true });
});

test('a QoS 2 message sent again is delivered once; after PUBREL its Packet Identifier is a new one [MQTT-4.3.3-10]', () => {
  const bench = withClients('c', 'p');
  bench.subscribe('c', 'a');
  const send = (payload: string) => bench.publish('p', 'a', payload, { qos: 2, packetId: 9 });
  send('1');
  assert.equal(send('1 again'), { kind: 'published', matched: true });
  bench.disconnect('p');
  bench.connect('p', PERSISTENT, 'b');
  send('1 from another node');
  assert.equal(bench.release('p', 9), { kind: 'released', found: true });
  assert.equal(bench.release('p', 9), { kind: 'released', found: false });
  send('2');
  assert.is(bench.queued('c'), '1 2');
});

test('commands of an epoch that is over do nothing', () => {
  const bench = withClients('c', 'p');
  bench.subscribe('c', '#');
  const { epoch } = bench.session('p');
  bench.connect('p', PERSISTENT, 'b');
  const result = bench.on('a', (writer) => writePublish(writer, epoch, 1, true, 0, 'a', null, Buffer.from('x')));
  assert.is(result.kind, 'stale');
  assert.is(bench.queued('c'), '');
  assert.is(bench.state.retained.size, 0);
});

test('a full queue refuses the newest by count and says so', () => {
  withLimit('queuedMessagesPerSession', 3, () => {
    const bench = withClients('c', 'p');
    bench.subscribe('c', 'a');
    for (const payload of '12345') bench.publish('p', 'a', payload);
    assert.is(bench.queued('c'), '1 2 3');
    assert.equal(bench.sink.take('dropped'), [
      ['dropped', 'c', 'queueFull'],
      ['dropped', 'c', 'queueFull'],
    ]);
    bench.settle('c', [0, 1]);
    bench.publish('p', 'a', '6');
    assert.is(bench.queued('c'), '2 3 6');
  });
});

test('a full queue refuses by bytes, and properties are bytes too', () => {
  withLimit('queuedBytesPerSession', 1000, () => {
    const bench = withClients('c', 'p');
    bench.subscribe('c', 'a');
    const userProperties: [string, string][] = [['k', 'v'.repeat(600)]];
    bench.publish('p', 'a', '1', { properties: { userProperties } });
    bench.publish('p', 'a', '2', { properties: { userProperties } });
    bench.publish('p', 'a', '3');
    assert.is(bench.queued('c'), '1 3');
  });
});

test('a full queue without a client gives up what expired at its front, but nothing that may have been sent', () => {
  withLimit('queuedMessagesPerSession', 3, () => {
    const bench = withClients('c', 'p', 'other');
    bench.connect('c', { ...PERSISTENT, receiveMaximum: 1 });
    for (const clientId of ['c', 'other']) bench.subscribe(clientId, 'a');
    const properties = { messageExpiryIntervalSec: 5 };
    bench.publish('p', 'a', '1', { properties });
    bench.disconnect('c');
    bench.publish('p', 'a', '2', { properties });
    bench.publish('p', 'a', '3', { properties });
    bench.after(5000);
    bench.publish('p', 'a', '4');
    assert.is(bench.queued('c'), '1 2 3', 'the client may have 1');
    bench.connect('c', PERSISTENT);
    bench.settle('c', [0, 1]);
    bench.disconnect('c');
    bench.session('c').maybeSentBefore = 1;
    bench.publish('p', 'a', '5');
    bench.sink.events.length = 0;
    bench.publish('p', 'a', '6');
    assert.is(bench.queued('c'), '5 6');
    assert.equal(bench.sink.take('dropped'), [
      ['dropped', 'c', 'expired'],
      ['dropped', 'c', 'expired'],
      ['dropped', 'other', 'queueFull'],
    ]);
    checkConsistency(bench.state);
  });
});

test('limits are what the documentation says', () => {
  assert.equal(StateLimits, {
    sessions: 4_000_000,
    queuedMessagesPerSession: 100_000,
    queuedBytesPerSession: 2 ** 28,
    retainedMessages: 4_000_000,
    retainedBytes: 2 ** 31,
    retainedWalk: 8192,
    effortPerTick: 4096,
    members: 64,
    memberNameLength: 64,
    memberAddressLength: 264,
    sharedInflightPerSession: 1024,
    queuedMessagesPerGroup: 100_000,
    queuedBytesPerGroup: 2 ** 28,
    documentsPerCollection: 100_000,
    documentNameLength: 600,
    documentBytes: 2 ** 19,
  });
});

test.run();
