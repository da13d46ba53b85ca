import { LogBus } from '../../../support/log-bus.ts';
import { assert, suite } from '../../../support/suite.ts';
import {
  codeOf,
  connected,
  connectPacket,
  dial,
  goodbye,
  persistent,
  publish,
  SETTLE_MS,
  subscribed,
} from '../support.ts';

const test = suite('broker: connect');

test('a new session has no past; a kept one is present, on any node', () => {
  const bus = new LogBus();
  const first = dial(bus, 'n1', 'a', { clean: false, expirySec: 60 });
  bus.run(SETTLE_MS);
  assert.is(first.next('connack').sessionPresent, false);
  first.send({ cmd: 'disconnect' });
  bus.run(SETTLE_MS);
  assert.ok(first.isClosed);
  const second = dial(bus, 'n2', 'a', { clean: false, expirySec: 60 });
  bus.run(SETTLE_MS);
  assert.is(second.next('connack').sessionPresent, true);
  const third = dial(bus, 'n3', 'a', { clean: true });
  bus.run(SETTLE_MS);
  assert.is(third.next('connack').sessionPresent, false, 'clean start ends the session');
  bus.assertForgotten();
});

test('a session without expiry ends with its connection', () => {
  const bus = new LogBus();
  connected(bus, 'n1', 'a', { clean: false }).send({ cmd: 'disconnect' });
  bus.run(SETTLE_MS);
  const again = dial(bus, 'n1', 'a', { clean: false });
  bus.run(SETTLE_MS);
  assert.is(again.next('connack').sessionPresent, false);
  bus.assertForgotten();
});

test('an empty client id gets one assigned, and 3.1 or a kept session of 3.1.1 is refused it', () => {
  const bus = new LogBus();
  const assigned = dial(bus, 'n1', '');
  const clean = dial(bus, 'n1', '', { version: 4 });
  // mqtt-packet does not write such a packet.
  const kept = bus.open('n1', 4);
  kept.sendBytes(Buffer.from('100c00044d5154540400000a0000', 'hex'));
  const oldest = bus.open('n1', 3);
  oldest.sendBytes(Buffer.from('100e00064d51497364700302000a0000', 'hex'));
  bus.run(SETTLE_MS);
  const connack = assigned.next('connack');
  assert.is(connack.reasonCode, 0);
  assert.match(connack.properties?.assignedClientIdentifier ?? '', /^assigned-n1/);
  assert.is(codeOf(clean.next('connack')), 0);
  assert.is(codeOf(kept.next('connack')), 2);
  assert.is(codeOf(oldest.next('connack')), 2);
  assert.ok(kept.isClosed && oldest.isClosed);
  assert.is(bus.node('n1').broker.counters.connectsRefused.get('client_id_invalid'), 2);
  bus.assertForgotten();
});

test('3.1 connects', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a', { version: 3 });
  subscribed(bus, client, 't');
  publish(client, 't', 'x', 1, { messageId: 9 });
  bus.run(SETTLE_MS);
  assert.is(client.take('puback').messageId, 9);
  assert.is(client.take('publish').payload.toString(), 'x');
  bus.assertForgotten();
});

test('without a lease CONNECT is refused, in the words of every version', () => {
  const bus = new LogBus();
  bus.node('n1').disconnect();
  bus.run(bus.options.leaseMs);
  const newer = dial(bus, 'n1', 'a');
  const older = dial(bus, 'n1', 'b', { version: 4 });
  bus.run(SETTLE_MS);
  assert.is(codeOf(newer.next('connack')), 0x88);
  assert.is(codeOf(older.next('connack')), 3);
  assert.ok(newer.isClosed && older.isClosed);
  assert.equal(connected(bus, 'n2', 'a').received, [], 'the majority serves');
  bus.assertForgotten();
});

test('CONNACK waits for the commit', () => {
  const bus = new LogBus();
  bus.held = true;
  const client = dial(bus, 'n1', 'a');
  bus.run(500);
  assert.is(client.received.length, 0);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0);
  bus.assertForgotten();
});

test('what a client sends behind its CONNECT waits for the CONNACK', () => {
  const bus = new LogBus();
  const client = dial(bus, 'n1', 'a');
  publish(client, 't', 'x', 1, { messageId: 1 });
  client.send({ cmd: 'pingreq' });
  bus.run(SETTLE_MS);
  assert.equal(
    client.received.map(({ cmd }) => cmd),
    ['connack', 'pingresp', 'puback'],
  );
  bus.assertForgotten();
});

test('a client that goes before its CONNACK leaves nothing behind, its will neither', () => {
  const bus = new LogBus();
  const watcher = connected(bus, 'n2', 'watcher');
  subscribed(bus, watcher, 'will');
  bus.held = true;
  const will = { topic: 'will', payload: 'gone', qos: 1, retain: false } as const;
  const client = bus.open('n1');
  client.send(connectPacket('a', { will: { ...will, payload: Buffer.from('gone') } }));
  bus.run(50);
  client.reset();
  bus.run(50);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.is(watcher.find('publish'), null);
  assert.not(bus.node('n3').broker.machine.state.sessions.has('a'), 'its session is not ended');
  bus.assertForgotten();
});

test('the will: on a lost connection, on DISCONNECT 0x04, not on DISCONNECT', () => {
  const bus = new LogBus();
  const watcher = connected(bus, 'n2', 'watcher');
  subscribed(bus, watcher, 'will');
  const willOf = (payload: string): Parameters<typeof connected>[3] => ({
    will: { topic: 'will', payload: Buffer.from(payload), qos: 1, retain: false },
  });
  connected(bus, 'n1', 'lost', willOf('lost')).close();
  connected(bus, 'n1', 'told', willOf('told')).send({ cmd: 'disconnect', reasonCode: 4 });
  connected(bus, 'n1', 'fine', willOf('fine')).send({ cmd: 'disconnect', reasonCode: 0 });
  bus.run(SETTLE_MS);
  assert.equal(
    watcher.takeAll('publish').map(({ payload }) => payload.toString()),
    ['lost', 'told'],
  );
  bus.assertForgotten();
});

test('a will that no PUBLISH would be allowed to is refused', () => {
  const bus = new LogBus();
  const system = dial(bus, 'n1', 'a', { will: { topic: '$SYS/x', payload: Buffer.from(''), qos: 0, retain: false } });
  const deep = dial(bus, 'n1', 'b', {
    will: { topic: '/'.repeat(16), payload: Buffer.from(''), qos: 0, retain: false },
  });
  bus.run(SETTLE_MS);
  assert.is(codeOf(system.next('connack')), 0x90);
  assert.is(codeOf(deep.next('connack')), 0x90);
  bus.assertForgotten();
});

test('DISCONNECT may change the expiry, but not give one to a session without', () => {
  const bus = new LogBus();
  const kept = persistent(bus, 'n1', 'kept');
  kept.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
  const none = connected(bus, 'n1', 'none');
  none.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 60 } });
  bus.run(SETTLE_MS);
  assert.is(goodbye(none), 0x82);
  const { sessions } = bus.node('n2').broker.machine.state;
  assert.not(sessions.has('kept'));
  assert.not(sessions.has('none'));
  bus.assertForgotten();
});

test('keep alive: one and a half times, then the connection is closed', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a', { keepalive: 10 });
  bus.run(14_000);
  client.send({ cmd: 'pingreq' });
  bus.run(14_500);
  client.next('pingresp');
  assert.not(client.isClosed);
  bus.run(1500);
  assert.is(goodbye(client), 0x8d);
  bus.assertForgotten();
});

test('a 5.0 client is told the longest keep alive; an older one keeps its own', () => {
  const bus = new LogBus({ limits: { maxKeepAliveSec: 20 } });
  const none = dial(bus, 'n1', 'none');
  const long = dial(bus, 'n1', 'long', { keepalive: 100 });
  const old = dial(bus, 'n1', 'old', { keepalive: 100, version: 4 });
  bus.run(SETTLE_MS);
  assert.is(none.next('connack').properties?.serverKeepAlive, 20);
  assert.is(long.next('connack').properties?.serverKeepAlive, 20);
  bus.run(32_000);
  assert.ok(none.isClosed && long.isClosed);
  assert.not(old.isClosed);
  bus.run(120_000);
  assert.ok(old.isClosed);
  bus.assertForgotten();
});

test('CONNECT has to come in time', () => {
  const bus = new LogBus();
  const client = bus.open('n1');
  client.sendBytes(Buffer.from([0x10, 50]));
  bus.run(bus.limits.connectTimeoutMs + 1000);
  assert.ok(client.isClosed);
  assert.is(bus.node('n1').broker.counters.connectsRefused.get('connect_timeout'), 1);
  assert.is(client.received.length, 0);
  bus.assertForgotten();
});

test('beyond the limit of connections CONNECT is refused', () => {
  const bus = new LogBus({ limits: { maxConnections: 2 } });
  const first = connected(bus, 'n1', 'a');
  connected(bus, 'n1', 'b');
  const third = dial(bus, 'n1', 'c');
  bus.run(SETTLE_MS);
  assert.is(codeOf(third.next('connack')), 0x89);
  first.close();
  bus.run(SETTLE_MS);
  connected(bus, 'n1', 'c');
  bus.assertForgotten();
});

test('connections that stay silent are bounded too', () => {
  const bus = new LogBus({ limits: { maxConnections: 2, maxPendingConnections: 1000 } });
  const clients = Array.from({ length: 1100 }, () => bus.open('n1'));
  bus.run(10);
  assert.is(clients.filter(({ isClosed }) => isClosed).length, 100);
  bus.assertForgotten();
});

test('extended authentication is not offered', () => {
  const bus = new LogBus();
  const client = dial(bus, 'n1', 'a', { properties: { authenticationMethod: 'SCRAM' } });
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0x8c);
  bus.assertForgotten();
});

test.run();
