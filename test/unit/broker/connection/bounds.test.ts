import { LogBus } from '../../../support/log-bus.ts';
import { assert, suite } from '../../../support/suite.ts';
import { codeOf, connected, dial, goodbye, persistent, publish, SETTLE_MS, subscribe, subscribed } from '../support.ts';

const test = suite('connection: bounds of one client');

const NEVER = 0xffffffff;

test('a client id up to the limit in bytes, and not one byte more', () => {
  const bus = new LogBus({ limits: { maxClientIdBytes: 24 } });
  connected(bus, 'n1', 'x'.repeat(24));
  const long = dial(bus, 'n1', 'x'.repeat(25));
  const wide = dial(bus, 'n1', 'é'.repeat(13));
  const old = dial(bus, 'n1', 'x'.repeat(25), { version: 4 });
  bus.run(SETTLE_MS);
  assert.is(codeOf(long.next('connack')), 0x85);
  assert.is(codeOf(wide.next('connack')), 0x85);
  assert.is(codeOf(old.next('connack')), 2);
  assert.ok(long.isClosed && wide.isClosed && old.isClosed);
  assert.is(bus.node('n1').broker.counters.protocolErrors.get('CLIENT_ID_TOO_LONG'), 3);
  bus.assertForgotten();
});

test('topic names and filters up to the limit in bytes, and not one byte more', () => {
  const bus = new LogBus({ limits: { maxTopicBytes: 20 } });
  const client = connected(bus, 'n1', 'a');
  subscribe(client, 7, ['x'.repeat(20), 'x'.repeat(21), `${'é'.repeat(10)}`, `${'é'.repeat(10)}x`]);
  bus.run(SETTLE_MS);
  publish(client, 'x'.repeat(20), 'fits', 0);
  bus.run(SETTLE_MS);
  assert.equal(client.take('suback').granted, [2, 0x8f, 2, 0x8f]);
  assert.is(client.take('publish').payload.toString(), 'fits');
  publish(client, 'é'.repeat(11), 'does not', 0);
  bus.run(SETTLE_MS);
  assert.is(goodbye(client), 0x90);
  const will = { topic: 'x'.repeat(21), payload: Buffer.from('gone'), qos: 0, retain: false } as const;
  const refused = dial(bus, 'n1', 'b', { will });
  bus.run(SETTLE_MS);
  assert.is(codeOf(refused.next('connack')), 0x90);
  bus.assertForgotten();
});

test('a client whose socket takes nothing is let go, with QoS 0 dropped before', () => {
  const bus = new LogBus({ limits: { slowConsumerTimeoutMs: 5000, maxOutgoingBufferBytes: 4000 } });
  const client = connected(bus, 'n1', 'deaf');
  subscribed(bus, client, 't');
  const publisher = connected(bus, 'n2', 'publisher');
  client.socket.flowing = false;
  for (let at = 0; at < 10; at++) publish(publisher, 't', 'x'.repeat(1000), 0);
  bus.run(4500);
  const { counters } = bus.node('n1').broker;
  assert.ok((counters.dropped.get('slow_consumer_qos0') ?? 0) >= 5);
  assert.is(counters.disconnects.get('slow_consumer'), undefined);
  bus.run(2500);
  assert.is(counters.disconnects.get('slow_consumer'), 1);
  assert.is(bus.node('n1').broker.connections.size, 0);
  assert.ok(bus.lines.some((line) => /closing client 'deaf': .*took none of \d+ bytes for 5\d\d\d ms/.test(line)));
  bus.assertForgotten();
});

test('a client whose socket has not taken its CONNACK yet is not late already', () => {
  const bus = new LogBus({ limits: { slowConsumerTimeoutMs: 5000 } });
  bus.run(60_000);
  const client = dial(bus, 'n1', 'a');
  client.socket.flowing = false;
  bus.run(2000);
  assert.ok(client.socket.bufferedBytes > 0);
  assert.is(bus.node('n1').broker.connections.size, 1);
  client.socket.drain();
  bus.run(10_000);
  assert.is(codeOf(client.next('connack')), 0);
  assert.is(bus.node('n1').broker.connections.size, 1);
  bus.assertForgotten();
});

test('one that takes less than comes is kept, however much waits', () => {
  const bus = new LogBus({ limits: { slowConsumerTimeoutMs: 3000, maxOutgoingBufferBytes: 1_000_000 } });
  const client = connected(bus, 'n1', 'slow');
  subscribed(bus, client, 't');
  const publisher = connected(bus, 'n2', 'publisher');
  client.socket.flowing = false;
  for (let second = 0; second < 10; second++) {
    for (let at = 0; at < 10; at++) publish(publisher, 't', 'x'.repeat(1000), 0);
    bus.run(1000);
    // It grows all the time.
    client.socket.bufferedBytes -= 1000;
  }
  assert.ok(client.socket.bufferedBytes > 80_000);
  assert.not(client.isClosed);
  assert.is(bus.node('n1').broker.connections.size, 1);
  client.socket.drain();
  bus.run(SETTLE_MS);
  bus.assertForgotten();
});

test('one for which nothing waits may be silent for any time', () => {
  const bus = new LogBus({ limits: { slowConsumerTimeoutMs: 1000 } });
  const client = connected(bus, 'n1', 'a');
  bus.run(60_000);
  assert.not(client.isClosed);
  client.socket.flowing = false;
  client.send({ cmd: 'pingreq' });
  bus.run(600);
  client.socket.drain();
  bus.run(3000);
  assert.not(client.isClosed);
  bus.assertForgotten();
});

test('the longest session expiry: told in CONNACK when it is less than asked for, kept at DISCONNECT', () => {
  const bus = new LogBus({ limits: { maxSessionExpiryIntervalSec: 100 } });
  const { sessions } = bus.node('n3').broker.machine.state;
  for (const [asked, told] of [
    [undefined, undefined],
    [0, undefined],
    [100, undefined],
    [101, 100],
    [NEVER, 100],
  ] as const) {
    const client = dial(bus, 'n1', `asked ${asked}`, asked === undefined ? {} : { expirySec: asked });
    bus.run(SETTLE_MS);
    assert.is(client.next('connack').properties?.sessionExpiryInterval, told, `${asked}`);
    assert.is(sessions.get(`asked ${asked}`)?.expiryIntervalSec, Math.min(asked ?? 0, 100));
  }
  const leaving = persistent(bus, 'n1', 'leaving', { expirySec: 50 });
  leaving.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: NEVER } });
  bus.run(SETTLE_MS);
  assert.is(sessions.get('leaving')?.expiryIntervalSec, 100);
  bus.run(101_500);
  assert.not(sessions.has('leaving'));
  bus.assertForgotten();
});

test('sessions of 3.1.1 are kept for as long as is configured', () => {
  const bus = new LogBus({ limits: { sessionExpiryIntervalFor3xSec: 60, maxSessionExpiryIntervalSec: 10 } });
  const { sessions } = bus.node('n3').broker.machine.state;
  connected(bus, 'n1', 'kept', { version: 4, clean: false }).close();
  connected(bus, 'n1', 'clean', { version: 4 }).close();
  bus.run(58_000);
  assert.ok(sessions.has('kept'));
  assert.not(sessions.has('clean'));
  bus.run(3_500);
  assert.not(sessions.has('kept'));
  bus.assertForgotten();
});

test('Response Information for those that ask for it', () => {
  const bus = new LogBus({ limits: { responseInformation: 'answers/%c/' } });
  const informationOf = (clientId: string, options: Parameters<typeof dial>[3] = {}): string | undefined => {
    const client = dial(bus, 'n1', clientId, options);
    bus.run(SETTLE_MS);
    const connack = client.next('connack');
    assert.is(codeOf(connack), 0);
    return connack.properties?.responseInformation;
  };
  const asks = { properties: { requestResponseInformation: true } };
  assert.is(informationOf('$&a', asks), 'answers/$&a/');
  assert.is(informationOf('a'), undefined);
  assert.is(informationOf('a+b', asks), undefined, 'it would be no topic');
  assert.is(informationOf('', asks), 'answers/assigned-n1-0-1/');
  assert.is(informationOf('old', { version: 4 }), undefined);
  bus.assertForgotten();
});

test('a node that stops names the others to 5.0 clients, in turn', () => {
  const bus = new LogBus({ addresses: true });
  const clients = ['a', 'b'].map((id) => connected(bus, 'n1', id));
  const tls = connected(bus, 'n1', 'tls');
  tls.socket.isAdvertised = false;
  const small = connected(bus, 'n1', 'small', { maximumPacketSize: 60 });
  const tiny = connected(bus, 'n1', 'tiny', { maximumPacketSize: 30 });
  const old = connected(bus, 'n1', 'old', { version: 4 });
  const { broker } = bus.node('n1');
  broker.drain();
  bus.run(SETTLE_MS);
  const both = ['n2.example:1883 n3.example:1883', 'n3.example:1883 n2.example:1883'];
  const named = clients.map((client) => {
    const { reasonCode, properties } = client.take('disconnect');
    assert.is(reasonCode, 0x9c);
    return properties?.serverReference ?? '';
  });
  assert.equal([...named].sort(), both);
  const words = tls.take('disconnect');
  assert.is(words.reasonCode, 0x9c);
  assert.is(words.properties?.serverReference, undefined, 'a TLS client is sent to a plain address');
  const short = small.take('disconnect');
  assert.ok(both.includes(short.properties?.serverReference ?? ''));
  assert.is(short.properties?.reasonString, undefined);
  assert.equal(tiny.take('disconnect').properties, undefined);
  assert.is(old.find('disconnect'), null);
  assert.ok(old.isClosed);
  bus.assertForgotten();
});

test('a node that stops refuses a CONNECT on its way with the others’ addresses', () => {
  const bus = new LogBus({ addresses: true });
  bus.held = true;
  const client = dial(bus, 'n1', 'a');
  const old = dial(bus, 'n1', 'b', { version: 4 });
  bus.run(50);
  bus.node('n1').broker.drain();
  bus.run(50);
  const connack = client.next('connack');
  assert.is(codeOf(connack), 0x9c);
  assert.match(connack.properties?.serverReference ?? '', /^n\d\.example:1883 n\d\.example:1883$/);
  assert.is(codeOf(old.next('connack')), 3);
  bus.heal();
  bus.assertForgotten();
});

test('nobody is sent to a node that was given up', () => {
  const bus = new LogBus({ addresses: true });
  const client = connected(bus, 'n1', 'a');
  bus.node('n2').crash();
  bus.run(5000);
  assert.not(bus.node('n1').broker.machine.state.nodes.get('n2')?.up);
  bus.node('n1').broker.drain();
  bus.run(SETTLE_MS);
  assert.is(client.take('disconnect').properties?.serverReference, 'n3.example:1883');
  bus.assertForgotten();
});

test.run();
