import { LogBus } from '../../../support/log-bus.ts';
import { assert, suite } from '../../../support/suite.ts';
import { codeOf, connected, dial, goodbye, payloads, persistent, publish, SETTLE_MS, subscribed } from '../support.ts';

const test = suite('broker: flow control');

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${at + 1}`);
}

test('congestion: clients are not read, nothing is lost, and all go on afterwards', () => {
  const bus = new LogBus({ limits: { maxUnappliedBytes: 2000, receiveMaximum: 60 } });
  const watcher = connected(bus, 'n2', 'watcher');
  subscribed(bus, watcher, '#');
  const clients = ['a', 'b', 'c'].map((id) => connected(bus, 'n1', id));
  // One that gets no acknowledgements, which would be an occasion to go on.
  const mute = connected(bus, 'n1', 'mute');
  bus.held = true;
  for (const count of numbers(50)) {
    for (const client of clients) publish(client, client.socket.remoteAddress, count, 1, { messageId: Number(count) });
    publish(mute, 'mute', count, 0, { retain: true });
    bus.run(1);
  }
  assert.ok(bus.node('n1').broker.congested);
  assert.ok(bus.node('n1').broker.proposer.unappliedBytes < 4000, 'it does not stop');
  assert.is(bus.node('n1').broker.paused.size, 4);
  const late = dial(bus, 'n1', 'late');
  bus.run(SETTLE_MS);
  assert.is(codeOf(late.next('connack')), 0x89, 'a CONNECT is taken');
  bus.heal();
  bus.run(3000);
  const got = watcher.takeAll('publish');
  for (const client of clients) {
    assert.is(client.takeAll('puback').length, 50);
    assert.equal(payloads(got.filter(({ topic }) => topic === client.socket.remoteAddress)), numbers(50));
    assert.not(client.socket.paused);
  }
  assert.equal(payloads(got.filter(({ topic }) => topic === 'mute')), numbers(50));
  bus.assertForgotten();
});

test('a client that does not read is not read either, and its QoS 1 messages wait outside its socket', () => {
  const bus = new LogBus({ limits: { maxOutgoingBufferBytes: 10_000 } });
  for (const connect of [connected, persistent]) {
    const client = connect(bus, 'n1', 'a');
    subscribed(bus, client, 't');
    client.socket.flowing = false;
    const publisher = connected(bus, 'n2', 'publisher');
    for (const count of numbers(90)) publish(publisher, 't', count.padEnd(1000), 1, { messageId: Number(count) });
    bus.run(SETTLE_MS);
    assert.ok(client.socket.bufferedBytes >= 10_000 && client.socket.bufferedBytes < 12_000, 'the limit');
    client.send({ cmd: 'pingreq' });
    client.send({ cmd: 'pingreq' });
    bus.run(SETTLE_MS);
    client.socket.drain();
    bus.run(2000);
    assert.equal(
      payloads(client.takeAll('publish')).map((payload) => payload.trim()),
      numbers(90),
    );
    assert.is(client.takeAll('pingresp').length, 2);
    client.close();
    bus.run(SETTLE_MS);
  }
  bus.assertForgotten();
});

test('QoS 0 beyond the socket’s limit is dropped and counted', () => {
  const bus = new LogBus({ limits: { maxOutgoingBufferBytes: 10_000 } });
  const client = connected(bus, 'n1', 'a');
  subscribed(bus, client, 't');
  client.socket.flowing = false;
  const publisher = connected(bus, 'n2', 'publisher');
  for (const count of numbers(30)) publish(publisher, 't', count.padEnd(1000), 0);
  bus.run(SETTLE_MS);
  client.socket.drain();
  bus.run(SETTLE_MS);
  const got = client.takeAll('publish').length;
  assert.ok(got >= 10 && got < 12, `${got} messages`);
  assert.is(bus.node('n1').broker.counters.dropped.get('slow_consumer_qos0'), 30 - got);
  bus.assertForgotten();
});

test('more than one write takes: the rest follows, also from a socket that takes everything at once', () => {
  const bus = new LogBus({
    limits: { maxOutgoingBufferBytes: 4_000_000, maxPacketSizeBytes: 200_000, maxUnappliedBytes: 20_000_000 },
  });
  const client = persistent(bus, 'n1', 'a');
  subscribed(bus, client, 't');
  client.close();
  bus.run(SETTLE_MS);
  const publisher = connected(bus, 'n2', 'publisher');
  for (const count of numbers(12)) publish(publisher, 't', count.padEnd(100_000), 1, { messageId: Number(count) });
  bus.run(SETTLE_MS);
  const again = dial(bus, 'n3', 'a', { clean: false, expirySec: 60 });
  again.autoAck = false;
  bus.run(SETTLE_MS);
  assert.equal(
    payloads(again.takeAll('publish')).map((payload) => payload.trim()),
    numbers(12),
  );
  bus.assertForgotten();
});

test('answers beyond the limit in one turn go out in several, without anybody’s help', () => {
  const bus = new LogBus({ limits: { maxOutgoingBufferBytes: 100 } });
  const client = connected(bus, 'n1', 'a');
  client.sendBytes(Buffer.alloc(1000, Buffer.from('c000', 'hex')));
  bus.run(SETTLE_MS);
  assert.is(client.takeAll('pingresp').length, 500);
  bus.assertForgotten();
});

test('time without reading is not the client’s silence', () => {
  const bus = new LogBus({ limits: { maxUnappliedBytes: 100 } });
  const client = connected(bus, 'n1', 'a', { keepalive: 4 });
  bus.held = true;
  publish(client, 't', 'x'.repeat(200), 1, { messageId: 1 });
  publish(client, 't', 'x'.repeat(200), 1, { messageId: 2 });
  bus.run(20_000);
  assert.ok(client.socket.paused);
  bus.heal();
  bus.run(5000);
  assert.is(client.takeAll('puback').length, 2);
  assert.not(client.isClosed, 'closed for a silence that was ours');
  bus.run(2500);
  assert.is(goodbye(client), 0x8d);
  bus.assertForgotten();
});

test('but it is when the client takes nothing itself', () => {
  const bus = new LogBus({ limits: { maxOutgoingBufferBytes: 2000 } });
  const client = connected(bus, 'n1', 'a', { keepalive: 4 });
  subscribed(bus, client, 't');
  client.socket.flowing = false;
  const publisher = connected(bus, 'n2', 'publisher');
  publish(publisher, 't', 'x'.repeat(3000), 1, { messageId: 1 });
  bus.run(3000);
  client.send({ cmd: 'pingreq' });
  client.send({ cmd: 'pingreq' });
  bus.run(3000);
  assert.ok(client.socket.paused);
  assert.is(bus.node('n1').broker.connectionCount, 1);
  bus.run(6000);
  assert.is(bus.node('n1').broker.connectionCount, 0);
  bus.assertForgotten();
});

test('a slow client that takes a little now and then is kept', () => {
  const bus = new LogBus({ limits: { maxOutgoingBufferBytes: 2000 } });
  const client = connected(bus, 'n1', 'a', { keepalive: 4 });
  subscribed(bus, client, 't');
  client.socket.flowing = false;
  publish(connected(bus, 'n2', 'publisher'), 't', 'x'.repeat(30_000), 1, { messageId: 1 });
  bus.run(1000);
  client.send({ cmd: 'pingreq' });
  for (let taken = 0; taken < 10; taken++) {
    bus.run(3000);
    client.socket.bufferedBytes -= 2000;
  }
  assert.is(bus.node('n1').broker.connectionCount, 2 - 1);
  client.socket.drain();
  bus.run(SETTLE_MS);
  client.take('pingresp');
  bus.assertForgotten();
});

test.run();
