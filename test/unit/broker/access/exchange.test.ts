import type { LogBus } from '../../../support/log-bus.ts';
import type { FakeClient, PacketOf } from '../../../support/log-bus-client.ts';
import { assert, suite } from '../../../support/suite.ts';
import { codeOf, connected, goodbye, payloads, publish, SETTLE_MS, subscribed } from '../support.ts';
import { AGAIN, auth, CONTINUE, guarded, METHOD, present, RIGHT } from './support.ts';

const test = suite('broker: enhanced authentication');

function dataOf(packet: PacketOf<'auth'> | PacketOf<'connack'>): string {
  return String(packet.properties?.authenticationData);
}

/** A client that has come in by the method. */
function welcome(bus: LogBus, nodeId: string, clientId: string, user = 'alice', expirySec = 0): FakeClient {
  const client = present(bus, nodeId, clientId, { user, expirySec, clean: false });
  bus.run(50);
  client.next('auth');
  auth(client, CONTINUE, RIGHT);
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0);
  return client;
}

test('the exchange ends in CONNACK with method and data; nothing is in the log before', () => {
  const { bus, access } = guarded();
  const entries = bus.entries.length;
  const client = present(bus, 'n1', 'a');
  bus.run(50);
  const challenge = client.next('auth');
  assert.is(challenge.reasonCode, CONTINUE);
  assert.is(challenge.properties?.authenticationMethod, METHOD);
  assert.is(dataOf(challenge), 'who is alice?');
  assert.is(bus.entries.length, entries);
  auth(client, CONTINUE, RIGHT);
  bus.run(SETTLE_MS);
  const connack = client.next('connack');
  assert.is(codeOf(connack), 0);
  assert.is(connack.properties?.authenticationMethod, METHOD);
  assert.is(dataOf(connack), 'welcome');
  assert.equal(access.expected, [null]);
  bus.assertForgotten();
});

test('an answer that is late is waited for, also when AUTH comes in the same bytes as CONNECT', () => {
  const { bus, access } = guarded();
  access.held = true;
  const client = present(bus, 'n1', 'a');
  auth(client, CONTINUE, RIGHT);
  bus.run(300);
  assert.equal(client.received, []);
  access.release();
  bus.run(SETTLE_MS);
  client.next('auth');
  assert.is(codeOf(client.next('connack')), 0);
  bus.assertForgotten();
});

test('a wrong answer is refused, and so is a method that is not known', () => {
  const { bus } = guarded();
  const client = present(bus, 'n1', 'a');
  auth(client, CONTINUE, 'wrong');
  bus.run(SETTLE_MS);
  client.next('auth');
  const refusal = client.next('connack');
  assert.is(codeOf(refusal), 0x87);
  assert.ok(client.isClosed);
  const { bus: other, access } = guarded();
  access.methods.clear();
  const stranger = present(other, 'n1', 'a');
  other.run(SETTLE_MS);
  assert.is(codeOf(stranger.next('connack')), 0x8c);
  bus.assertForgotten();
  other.assertForgotten();
});

test('before CONNACK nothing but AUTH 0x18 with the same method, or DISCONNECT', () => {
  const { bus } = guarded();
  const entries = bus.entries.length;
  const wrong: [string, (client: FakeClient) => void][] = [
    ['another method', (client) => auth(client, CONTINUE, RIGHT, 'OTHER')],
    ['re-authentication', (client) => auth(client, AGAIN, RIGHT)],
    ['PINGREQ', (client) => client.send({ cmd: 'pingreq' })],
    ['PUBLISH', (client) => publish(client, 't', 'x')],
    ['CONNECT', (client) => client.sendBytes(Buffer.from([0x10, 0]))],
  ];
  for (const [what, send] of wrong) {
    const client = present(bus, 'n1', 'a');
    bus.run(10);
    client.next('auth');
    send(client);
    bus.run(10);
    assert.is(codeOf(client.next('connack')), 0x82, what);
    assert.ok(client.isClosed, what);
  }
  const polite = present(bus, 'n1', 'a');
  bus.run(10);
  polite.next('auth');
  polite.send({ cmd: 'disconnect' });
  bus.run(10);
  assert.ok(polite.isClosed);
  assert.equal(polite.received, []);
  assert.is(bus.entries.length, entries);
  bus.assertForgotten();
});

test('malformed AUTH before CONNACK is answered by CONNACK', () => {
  const { bus } = guarded();
  const client = present(bus, 'n1', 'a');
  bus.run(10);
  client.next('auth');
  client.sendBytes(Buffer.from([0xf0, 3, 0x18, 1, 0xff]));
  bus.run(10);
  assert.is(codeOf(client.next('connack')), 0x81);
  assert.ok(client.isClosed);
  bus.assertForgotten();
});

test('a client that does not go on is let go after the connect timeout', () => {
  const { bus } = guarded({ limits: { connectTimeoutMs: 2000 } });
  const client = present(bus, 'n1', 'a');
  bus.run(3000);
  client.next('auth');
  assert.is(codeOf(client.next('connack')), 0x87);
  assert.is(bus.node('n1').broker.counters.connectsRefused.get('authentication_timeout'), 1);
  bus.assertForgotten();
});

test('an AUTH or CONNACK that is larger than the client takes is not sent', () => {
  const { bus } = guarded();
  for (const [size, expected] of [
    [25, 'none'],
    [70, 'auth'],
  ] as const) {
    const client = present(bus, 'n1', 'a', { user: 'a-long-name', maximumPacketSize: size });
    auth(client, CONTINUE, RIGHT);
    bus.run(SETTLE_MS);
    const found = client.find('auth') === null ? 'none' : 'auth';
    assert.is(found, expected);
    assert.is(codeOf(client.next('connack')), expected === 'none' ? 0x95 : 0);
  }
  bus.assertForgotten();
});

test('re-authentication: traffic goes on under the old grant, the new one counts from AUTH 0x00', () => {
  const { bus, access } = guarded();
  const client = present(bus, 'n1', 'a', { password: 'kept by nobody' });
  auth(client, CONTINUE, RIGHT);
  bus.run(SETTLE_MS);
  client.next('auth');
  assert.is(codeOf(client.next('connack')), 0);
  subscribed(bus, client, 't');
  access.user('alice').expiresAtMs = bus.scheduler.nowMs + 60_000;
  const { connections } = bus.node('n1').broker;
  const [connection] = connections.values();
  const before = connection?.grant;
  access.held = true;
  auth(client, AGAIN, 'alice');
  publish(client, 't', 'during', 1, { messageId: 7 });
  bus.run(SETTLE_MS);
  client.take('puback');
  assert.equal(payloads(client.takeAll('publish')), ['during']);
  assert.is(client.find('auth'), null);
  access.release();
  bus.run(50);
  const challenge = client.next('auth');
  assert.is(challenge.reasonCode, CONTINUE);
  assert.is(connection?.grant, before);
  auth(client, CONTINUE, RIGHT);
  bus.run(50);
  const end = client.next('auth');
  assert.is(end.reasonCode, 0);
  assert.is(end.properties?.authenticationMethod, METHOD);
  assert.is(dataOf(end), 'welcome');
  assert.not(connection?.grant === before);
  assert.is(connection?.grant?.expiresAtMs, access.user('alice').expiresAtMs);
  assert.equal(access.expected, [null, 'alice']);
  assert.equal(
    access.shown.map(({ password }) => password?.length ?? null),
    ['kept by nobody'.length, null],
  );
  // And once more.
  auth(client, AGAIN, 'alice');
  auth(client, CONTINUE, RIGHT);
  bus.run(50);
  client.next('auth');
  assert.is(client.next('auth').reasonCode, 0);
  bus.assertForgotten();
});

test('a failed re-authentication closes the connection, also one as somebody else', () => {
  const { bus, lines } = guarded();
  for (const [user, answer] of [
    ['alice', 'wrong'],
    ['mallory', RIGHT],
  ] as const) {
    const client = welcome(bus, 'n1', 'a');
    auth(client, AGAIN, user);
    auth(client, CONTINUE, answer);
    bus.run(50);
    client.next('auth');
    assert.is(goodbye(client), 0x87);
    assert.is(client.find('auth'), null);
  }
  assert.ok(lines.some(({ message }) => message.includes('mallory')));
  bus.assertForgotten();
});

test('AUTH that is out of place closes the connection with a protocol error', () => {
  const { bus, access } = guarded();
  const wrong: [string, (client: FakeClient) => void][] = [
    ['another method', (client) => auth(client, AGAIN, 'alice', 'OTHER')],
    ['nothing to continue', (client) => auth(client, CONTINUE, RIGHT)],
    [
      'a second one during the first',
      (client) => {
        auth(client, AGAIN, 'alice');
        auth(client, AGAIN, 'alice');
      },
    ],
  ];
  for (const [what, send] of wrong) {
    const client = welcome(bus, 'n1', 'a');
    send(client);
    bus.run(50);
    assert.is(goodbye(client), 0x82, what);
  }
  const hasty = welcome(bus, 'n1', 'a');
  access.held = true;
  auth(hasty, AGAIN, 'alice');
  auth(hasty, CONTINUE, RIGHT);
  bus.run(50);
  assert.is(goodbye(hasty), 0x82, 'an answer before the question');
  access.release();
  bus.assertForgotten();
});

test('AUTH without a method in CONNECT is a protocol error', () => {
  const { bus, access } = guarded();
  access.authenticate = (_credentials, done) => done(access.granted(null, null));
  const client = connected(bus, 'n1', 'a');
  auth(client, AGAIN, 'alice');
  bus.run(50);
  assert.is(goodbye(client), 0x82);
  bus.assertForgotten();
});

test('a method that is gone at re-authentication, and an AUTH that is too large, close the connection', () => {
  const { bus, access } = guarded();
  const client = welcome(bus, 'n1', 'a');
  access.methods.clear();
  auth(client, AGAIN, 'alice');
  bus.run(50);
  assert.is(goodbye(client), 0x87, 'DISCONNECT has no code of its own for it');
  access.methods.add(METHOD);
  const small = present(bus, 'n1', 'b', { user: 'al', maximumPacketSize: 60 });
  auth(small, CONTINUE, RIGHT);
  bus.run(SETTLE_MS);
  small.next('auth');
  assert.is(codeOf(small.next('connack')), 0);
  auth(small, AGAIN, 'a-name-that-is-much-too-long-for-the-client');
  bus.run(50);
  assert.is(goodbye(small), 0x95);
  bus.assertForgotten();
});

test('taken over during its re-authentication: the late answer finds nobody', () => {
  const { bus, access } = guarded();
  const client = welcome(bus, 'n1', 'a');
  auth(client, AGAIN, 'alice');
  bus.run(50);
  client.next('auth');
  access.held = true;
  auth(client, CONTINUE, RIGHT);
  bus.run(50);
  access.held = false;
  const newer = welcome(bus, 'n2', 'a');
  assert.is(goodbye(client), 0x8e);
  access.release();
  bus.run(50);
  assert.equal(client.received, []);
  assert.not(newer.isClosed);
  assert.is(bus.node('n1').broker.verifications, 0);
  bus.assertForgotten();
});

test('a client that leaves during its re-authentication is not answered', () => {
  const { bus, access } = guarded();
  const client = welcome(bus, 'n1', 'a', 'alice', 100);
  access.held = true;
  auth(client, AGAIN, 'alice');
  bus.run(50);
  bus.held = true;
  client.send({ cmd: 'disconnect' });
  bus.run(50);
  access.release();
  bus.run(50);
  assert.equal(client.received, []);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.ok(client.isClosed);
  bus.assertForgotten();
});

test('the answer to a re-authentication waits for the lease as everything else does', () => {
  const { bus, access } = guarded();
  const client = welcome(bus, 'n1', 'a');
  access.held = true;
  auth(client, AGAIN, 'alice');
  bus.run(50);
  bus.node('n1').disconnect();
  bus.run(1300);
  access.release();
  bus.run(100);
  assert.is(client.find('auth'), null);
  bus.assertForgotten();
});

test.run();
