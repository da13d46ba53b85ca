import { TokenBucket } from '../../../packages/broker/src/token-bucket.ts';
import { LogBus } from '../../support/log-bus.ts';
import { assert, suite } from '../../support/suite.ts';
import { codeOf, connected, dial, payloads, publish, SETTLE_MS, subscribed } from './support.ts';

const test = suite('broker: how fast clients publish');

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${at + 1}`);
}

test('a bucket: a burst, a debt that is worked off, and nothing from a clock that goes back', () => {
  const bucket = new TokenBucket(10, 1000);
  bucket.take(10, 1000);
  assert.is(bucket.debtMs(1000), 0);
  assert.not(bucket.has(1000));
  bucket.take(5, 1000);
  assert.is(bucket.debtMs(1000), 500);
  assert.is(bucket.debtMs(900), 500);
  assert.is(bucket.debtMs(1000), 400);
  assert.is(bucket.debtMs(60_000), 0);
  bucket.take(10, 60_000);
  assert.not(bucket.has(60_000), 'no more than a second is saved up');
});

test('messages a second: the client is read more slowly, and nothing is lost', () => {
  const bus = new LogBus({ limits: { maxPublishesPerSec: 10 } });
  const watcher = connected(bus, 'n2', 'watcher');
  subscribed(bus, watcher, '#');
  const fast = connected(bus, 'n1', 'fast');
  const calm = connected(bus, 'n1', 'calm');
  for (const count of numbers(60))
    publish(fast, 'fast', count, Number(count) % 2 === 0 ? 1 : 0, { messageId: Number(count) });
  bus.run(1000);
  publish(calm, 'calm', 'x', 0);
  bus.run(50);
  const { counters, bounds } = bus.node('n1').broker;
  assert.ok(fast.socket.paused);
  assert.is(bounds.pacer.heldCount, 1);
  const early = watcher.takeAll('publish');
  assert.ok(
    early.some(({ topic }) => topic === 'calm'),
    'the others are read',
  );
  const soFar = early.filter(({ topic }) => topic === 'fast').length;
  assert.ok(soFar >= 18 && soFar <= 23, `${soFar} after a burst of 10 and one second`);
  bus.run(5000);
  const all = early.concat(watcher.takeAll('publish')).filter(({ topic }) => topic === 'fast');
  // QoS 0 does not go through the log and may overtake.
  assert.equal(
    payloads(all).sort((a, b) => Number(a) - Number(b)),
    numbers(60),
  );
  assert.is(fast.takeAll('puback').length, 30);
  assert.not(fast.socket.paused);
  assert.is(bounds.pacer.heldCount, 0);
  assert.ok((counters.publishersHeld.get('messages') ?? 0) >= 40);
  assert.ok(counters.heldMs >= 4500 && counters.heldMs <= 5500, `${counters.heldMs} ms`);
  bus.assertForgotten();
});

test('bytes a second', () => {
  const bus = new LogBus({ limits: { maxPublishBytesPerSec: 10_000 } });
  const watcher = connected(bus, 'n2', 'watcher');
  subscribed(bus, watcher, '#');
  const client = connected(bus, 'n1', 'a');
  for (const count of numbers(6)) publish(client, 't', count.padEnd(5000), 0);
  bus.run(1000);
  const soFar = watcher.takeAll('publish').length;
  assert.ok(soFar >= 3 && soFar <= 5, `${soFar} messages`);
  bus.run(1500);
  assert.is(watcher.takeAll('publish').length, 6 - soFar);
  assert.ok((bus.node('n1').broker.counters.publishersHeld.get('bytes') ?? 0) > 0);
  bus.assertForgotten();
});

test('the time in which a client is held back is not its silence', () => {
  const bus = new LogBus({ limits: { maxPublishesPerSec: 1 } });
  const client = connected(bus, 'n1', 'a', { keepalive: 2 });
  for (const count of numbers(12)) publish(client, 't', count, 1, { messageId: Number(count) });
  bus.run(11_500);
  assert.is(client.takeAll('puback').length, 12);
  assert.not(client.isClosed);
  bus.run(5000);
  assert.is(client.take('disconnect').reasonCode, 0x8d);
  bus.assertForgotten();
});

test('a client that goes while it is held back is forgotten', () => {
  const bus = new LogBus({ limits: { maxPublishesPerSec: 1 } });
  const client = connected(bus, 'n1', 'a');
  for (const count of numbers(5)) publish(client, 't', count, 0);
  bus.run(100);
  const { pacer } = bus.node('n1').broker.bounds;
  assert.is(pacer.heldCount, 1);
  client.reset();
  bus.run(SETTLE_MS);
  assert.is(pacer.heldCount, 0);
  bus.assertForgotten();
});

test('one that is closed for the very message that is too much is forgotten', () => {
  const bus = new LogBus({ limits: { maxPublishesPerSec: 1 } });
  const client = connected(bus, 'n1', 'a');
  publish(client, 't', 'x', 0);
  publish(client, '$SYS/x', 'x', 0);
  bus.run(3000);
  assert.is(client.take('disconnect').reasonCode, 0x90);
  const { bounds, counters } = bus.node('n1').broker;
  assert.is(bounds.pacer.heldCount, 0);
  assert.is(counters.publishersHeld.size, 0);
  bus.assertForgotten();
});

test('one that is held back and then has to wait for the log goes on when that does', () => {
  const bus = new LogBus({ limits: { maxPublishesPerSec: 1, maxUnappliedBytes: 500 } });
  const client = connected(bus, 'n1', 'a');
  bus.held = true;
  // Of QoS 0, so that no acknowledgement is an occasion to go on.
  for (const count of numbers(5)) publish(client, count, 'x'.repeat(400), 0, { retain: true });
  bus.run(500);
  const { broker } = bus.node('n1');
  assert.is(broker.bounds.pacer.heldCount, 1);
  assert.is(broker.paused.size, 0, 'it is tried again and again although it can not go on');
  bus.run(2500);
  assert.ok(broker.congested);
  assert.is(broker.bounds.pacer.heldCount, 0);
  assert.ok(client.socket.paused);
  bus.heal();
  bus.run(5000);
  assert.is(broker.counters.received[0], 5);
  assert.not(client.socket.paused);
  bus.assertForgotten();
});

test('short of memory: no new client, publishers are slowed down, and acknowledgements still come through', () => {
  const bus = new LogBus();
  const { broker } = bus.node('n1');
  const subscriber = connected(bus, 'n1', 'subscriber');
  subscribed(bus, subscriber, 't');
  subscriber.autoAck = false;
  const publisher = connected(bus, 'n1', 'publisher');
  bus.memoryShare = 1;
  bus.run(300);
  assert.ok(broker.bounds.memory.isShort);
  assert.ok(bus.lines.some((line) => line.startsWith('memory is at its high-water mark')));
  const refused = dial(bus, 'n1', 'late');
  for (const count of numbers(10)) publish(publisher, 't', count, 1, { messageId: Number(count) });
  bus.run(3200);
  assert.is(codeOf(refused.next('connack')), 0x89);
  assert.is(broker.counters.connectsRefused.get('memory_high'), 1);
  const got = subscriber.takeAll('publish');
  assert.ok(got.length >= 3 && got.length <= 5, `${got.length} messages in 3 s`);
  assert.ok((broker.counters.publishersHeld.get('memory') ?? 0) >= 3);
  for (const { messageId } of got) subscriber.send({ cmd: 'puback', messageId: messageId ?? 0 });
  bus.run(100);
  assert.not(subscriber.socket.paused, 'who does not publish is read');
  bus.memoryShare = 0.97;
  bus.run(300);
  assert.ok(broker.bounds.memory.isShort, 'a little less is not enough');
  bus.memoryShare = 0.94;
  bus.run(2000);
  assert.not(broker.bounds.memory.isShort);
  assert.is(broker.bounds.memory.reachedTotal, 1);
  assert.is(publisher.takeAll('puback').length, 10);
  assert.equal(connected(bus, 'n1', 'late').received, []);
  bus.assertForgotten();
});

test.run();
