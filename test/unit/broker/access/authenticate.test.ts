import { LogBus } from '../../../support/log-bus.ts';
import { assert, suite } from '../../../support/suite.ts';
import { codeOf, goodbye, SETTLE_MS } from '../support.ts';
import { guarded, login, present, refused } from './support.ts';

const test = suite('broker: authentication');

test('a client with the right password comes in; access control sees what it showed', () => {
  const { bus, access } = guarded();
  const client = bus.open('n1');
  client.socket.peerCertificate = { commonName: 'pump', subjectAltNames: ['DNS:pump.example'] };
  client.send({
    cmd: 'connect',
    clientId: 'a',
    clean: true,
    keepalive: 0,
    protocolId: 'MQTT',
    protocolVersion: 5,
    username: 'alice',
    password: Buffer.from('right'),
  });
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0);
  const [shown] = access.shown;
  assert.equal(
    { ...shown, password: Buffer.from(shown?.password ?? []).toString() },
    {
      clientId: 'a',
      userName: 'alice',
      password: 'right',
      certificate: { commonName: 'pump', subjectAltNames: ['DNS:pump.example'] },
      remoteAddress: 'client-1',
      protocolVersion: 5,
    },
  );
  const [connection] = bus.node('n1').broker.connections.values();
  assert.is(connection?.userName, 'alice');
  bus.assertForgotten();
});

test('a refusal reaches the client as its version can say it, is counted and logged, and nothing is in the log', () => {
  const { bus, access, lines } = guarded();
  const codes = [
    [0x86, 4, 'bad_credentials'],
    [0x87, 5, 'not_authorized'],
    [0x88, 3, 'authentication_unavailable'],
    [0x8a, 5, 'banned'],
    [0x97, 3, 'quota_exceeded'],
    [0x9f, 3, 'too_many_attempts'],
  ] as const;
  for (const [reasonCode, returnCode, label] of codes) {
    access.authenticate = (_credentials, done) => done(refused(reasonCode, 'the secret reason'));
    const entries = bus.entries.length;
    const before = bus.node('n1').broker.counters.connectsRefused.get(label) ?? 0;
    const [newer, older, oldest] = ([5, 4, 3] as const).map((version) => login(bus, 'n1', 'a', { version }));
    bus.run(50);
    const connack = newer?.next('connack');
    assert.is(codeOf(connack ?? {}), reasonCode);
    assert.not.match(String(connack?.properties?.reasonString), /secret/);
    assert.is(codeOf(older?.next('connack') ?? {}), returnCode);
    assert.is(codeOf(oldest?.next('connack') ?? {}), returnCode);
    for (const client of [newer, older, oldest]) assert.ok(client?.isClosed);
    assert.is(bus.node('n1').broker.counters.connectsRefused.get(label), before + 3);
    const line = lines.find(({ message }) => message.includes('the secret reason'));
    assert.match(line?.message ?? '', /client 'a' of user 'alice'/);
    lines.length = 0;
    assert.is(bus.entries.length, entries, `${label}: something was proposed`);
  }
  assert.is(bus.node('n1').broker.verifications, 0);
  bus.assertForgotten();
});

test('while the answer is due, the client is not read and nothing is in the log', () => {
  const { bus, access } = guarded();
  access.held = true;
  const entries = bus.entries.length;
  const client = login(bus, 'n1', 'a', { expirySec: 100 });
  client.send({ cmd: 'pingreq' });
  bus.run(300);
  assert.ok(client.socket.paused);
  assert.equal(client.received, []);
  assert.is(bus.entries.length, entries);
  access.release();
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0);
  client.next('pingresp');
  bus.assertForgotten();
});

test('a client that went meanwhile is forgotten, and a late answer changes nothing', () => {
  const { bus, access } = guarded();
  access.held = true;
  const client = login(bus, 'n1', 'a', { expirySec: 100 });
  const granted = login(bus, 'n1', 'b', { password: 'wrong' });
  bus.run(50);
  const { broker } = bus.node('n1');
  assert.is(broker.verifications, 2);
  const { verification } = client.socket.connection ?? {};
  assert.ok(verification?.client);
  client.reset();
  granted.reset();
  bus.run(50);
  assert.is(broker.connectionCount, 0);
  assert.is(broker.verifications, 2, 'the work is still under way');
  assert.is(verification.client, null, 'and keeps nobody in memory');
  const entries = bus.entries.length;
  access.release();
  bus.run(50);
  assert.is(broker.verifications, 0);
  assert.is(bus.entries.length, entries);
  assert.not(broker.machine.state.sessions.has('a'));
  bus.assertForgotten();
});

test('of two answers the first counts', () => {
  const { bus, access } = guarded();
  access.authenticate = (_credentials, done) => {
    done(refused(0x87, 'no'));
    done(access.granted('alice', null));
  };
  const client = login(bus, 'n1', 'a');
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0x87);
  assert.is(bus.node('n1').broker.verifications, 0);
  assert.not(bus.node('n1').broker.machine.state.sessions.has('a'));
  bus.assertForgotten();
});

test('an answer that does not come ends with the connect timeout', () => {
  const { bus, access } = guarded({ limits: { connectTimeoutMs: 2000 } });
  access.held = true;
  const client = login(bus, 'n1', 'a');
  bus.run(1500);
  assert.not(client.isClosed);
  bus.run(1500);
  assert.is(codeOf(client.next('connack')), 0x88);
  access.release();
  bus.run(50);
  assert.equal(client.received, []);
  bus.assertForgotten();
});

test('no more clients are looked at than the limit says, however many come and go', () => {
  const { bus, access } = guarded({ limits: { maxVerifications: 3 } });
  access.held = true;
  const gone = [login(bus, 'n1', 'a'), login(bus, 'n1', 'b')];
  bus.run(50);
  for (const client of gone) client.reset();
  bus.run(50);
  const third = login(bus, 'n1', 'c');
  const fourth = login(bus, 'n1', 'd');
  bus.run(50);
  assert.is(access.waiting, 3);
  assert.is(codeOf(fourth.next('connack')), 0x89);
  assert.is(bus.node('n1').broker.counters.connectsRefused.get('authentication_busy'), 1);
  access.release();
  const fifth = login(bus, 'n1', 'e');
  bus.run(SETTLE_MS);
  assert.is(codeOf(third.next('connack')), 0);
  assert.is(codeOf(fifth.next('connack')), 0);
  bus.assertForgotten();
});

test('a node that lost the majority while the answer was due does not claim the session', () => {
  const { bus, access } = guarded();
  access.held = true;
  const client = login(bus, 'n1', 'a');
  bus.run(50);
  bus.node('n1').disconnect();
  bus.run(1500);
  access.release();
  bus.run(50);
  assert.is(codeOf(client.next('connack')), 0x88);
  bus.assertForgotten();
});

test('clients whose answer is due are let go with the others after the grace period', () => {
  const { bus, access } = guarded({ gracePeriodMs: 1000 });
  access.held = true;
  const client = login(bus, 'n1', 'a');
  bus.run(50);
  bus.node('n1').disconnect();
  bus.run(4000);
  assert.is(codeOf(client.next('connack')), 0x9c);
  access.release();
  bus.run(50);
  bus.assertForgotten();
});

test('a client whom something has come to stand against while its password was looked at is refused', () => {
  const { bus, access } = guarded();
  access.user('alice').refusal = { reasonCode: 0x8a, detail: 'banned' };
  const client = login(bus, 'n1', 'a');
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0x8a);
  assert.not(bus.node('n1').broker.machine.state.sessions.has('a'));
  bus.assertForgotten();
});

test('credentials that end close the connection, and so they do while its session is claimed', () => {
  const { bus, access } = guarded();
  access.user('alice').expiresAtMs = bus.scheduler.nowMs + 5000;
  const client = login(bus, 'n1', 'a');
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0);
  bus.run(4000);
  assert.not(client.isClosed);
  bus.held = true;
  const claiming = login(bus, 'n1', 'b');
  bus.run(2000);
  assert.is(goodbye(client), 0xa0);
  assert.is(codeOf(claiming.next('connack')), 0x87, 'CONNACK has no code for it');
  bus.assertForgotten();
});

test('without access control any password does, and no method', () => {
  const free = new LogBus();
  const client = login(free, 'n1', 'a', { password: 'anything' });
  const method = present(free, 'n1', 'b');
  free.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0);
  assert.is(codeOf(method.next('connack')), 0x8c);
  free.assertForgotten();
});

test.run();
