import { assert, suite } from '../support/suite.ts';
import { connackOf, Property } from './support/answers.ts';
import { binary, bytes, connect, disconnect, PINGREQ, packet, publish, Type, uint16, uint32 } from './support/wire.ts';
import { LIMITS, shows, World } from './support/world.ts';

/* CONNECT and CONNACK: sections 3.1 and 3.2. */

const test = suite('conformance: connect');
const world = new World(test);

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;

shows(
  test,
  { 'v3.1.1': '3.1.0-1, 3.2.0-1', 'v5.0': '3.1.0-1, 3.2.0-1' },
  'what comes before CONNECT is answered with nothing but the end of the connection',
  async (version) => {
    for (const first of [PINGREQ, publish(version, { topic: 'a' }), packet(0x20, 0, 0), packet(0xf0, 0x18, 0)]) {
      const client = await world.open(version);
      // A server that only passed it over would answer this, and close other connections when they take too long.
      client.send(first, connect({ version, clientId: world.unique() }));
      await client.closes();
    }
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.0-2, 4.8.0-1', 'v5.0': '3.1.0-2, 4.13.1-1, 4.13.2-1' },
  'a second CONNECT closes the connection',
  async (version) => {
    const client = await world.connected(version, { clientId: world.unique() });
    client.send(connect({ version, clientId: client.clientId }));
    await client.closes(PROTOCOL_ERROR);
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.2-1', 'v5.0': '3.1.2-1' },
  'another protocol name closes the connection',
  async (version) => {
    for (const name of ['MQTQ', 'mqtt', 'MQTT ', '']) {
      const client = await world.open(version);
      client.send(connect({ version, clientId: 'name', name }));
      await client.closes();
    }
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.2-2, 3.2.2-4, 3.2.2-5' },
  'an older protocol level is refused with return code 1',
  async (version) => {
    for (const level of [0, 1, 2, 3]) {
      const [client, { code, flags }] = await world.dial(version, { level });
      assert.equal([code, flags], [1, 0], `level ${String(level)}`);
      await client.closes();
    }
  },
);

shows(
  test,
  { 'v5.0': '3.1.2-2, 3.2.2-6, 3.2.2-7, 3.2.2-8' },
  'a newer protocol version is refused with Unsupported Protocol Version',
  async (version) => {
    const [client, { code, flags }] = await world.dial(version, { level: 6 });
    assert.equal([code, flags], [0x84, 0]);
    await client.closes();
  },
);

/** What makes a CONNECT malformed, by the flags and the payload behind the client identifier. */
const MALFORMED_FLAGS: readonly (readonly [what: string, flags: number, payload: readonly (string | number)[]])[] = [
  ['reserved flag', 0x03, []],
  ['will QoS without will', 0x0a, []],
  ['will retain without will', 0x22, []],
  ['will QoS 3', 0x1e, ['w', 'p']],
  ['will announced and missing', 0x06, []],
  ['will topic without payload', 0x06, ['w']],
  ['will there and not announced', 0x02, ['w', 'p']],
  ['user name announced and missing', 0x82, []],
  ['user name there and not announced', 0x02, ['u']],
  ['password announced and missing', 0xc2, ['u']],
  ['password there and not announced', 0x82, ['u', 'p']],
];

shows(
  test,
  {
    'v3.1.1':
      '3.1.2-3, 3.1.2-9, 3.1.2-11, 3.1.2-13, 3.1.2-14, 3.1.2-15, 3.1.2-18, 3.1.2-19, 3.1.2-20, 3.1.2-21, 3.1.4-1, 3.2.2-6',
    'v5.0': '3.1.2-3, 3.1.2-9, 3.1.2-11, 3.1.2-12, 3.1.2-13, 3.1.2-16, 3.1.2-17, 3.1.2-18, 3.1.2-19, 3.1.4-1, 3.14.0-1',
  },
  'flags and payload of CONNECT that contradict each other',
  async (version) => {
    for (const [what, flags, payload] of MALFORMED_FLAGS) {
      const client = await world.open(version, what);
      const v5 = version === 5;
      const fields = v5 && payload[0] === 'w' ? [0, ...payload] : payload;
      client.send(packet(0x10, 'MQTT', version, flags, uint16(0), v5 ? 0 : [], 'flags', fields));
      if (v5) assert.is(connackOf(await client.expect(Type.connack), 5).code, MALFORMED, what);
      // 3.1.1 is told nothing: it has no return code for this.
      await client.closes();
    }
  },
);

shows(test, { 'v3.1.1': '3.1.2-22' }, 'a password needs a user name', async (version) => {
  const client = await world.open(version);
  client.send(connect({ version, clientId: 'password', password: 'p' }));
  await client.closes();
});

shows(
  test,
  { 'v3.1.1': '3.1.3-1, 3.1.3-3', 'v5.0': '3.1.3-1, 3.1.3-3' },
  'every optional field of the payload, in its order, is taken',
  async (version) => {
    const topic = world.unique('will/');
    const watcher = await world.subscriber(version, topic);
    const clientId = world.unique();
    const client = await world.connected(version, {
      clientId,
      will: { topic, payload: 'the will', properties: [Property.contentType, 'text'] },
      username: 'user',
      password: 'word',
    });
    client.destroy();
    assert.is((await watcher.message()).payload, 'the will');
    const other = await world.open(version);
    other.send(packet(0x10, 'MQTT', version, 0x02, uint16(0), version === 5 ? 0 : []));
    if (version === 5) assert.is(connackOf(await other.expect(Type.connack), 5).code, MALFORMED);
    await other.closes();
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.3-4, 3.1.3-10, 3.1.3-11', 'v5.0': '3.1.3-4, 3.1.3-11, 3.1.3-12' },
  'client identifier, will topic and user name have to be UTF-8',
  async (version) => {
    const bad = binary(Buffer.from([0x61, 0xff]));
    const v5 = version === 5;
    const rows: readonly (readonly [number, Buffer])[] = [
      [0x02, bad],
      [0x06, bytes('id', v5 ? 0 : [], bad, 'p')],
      [0x82, bytes('id', bad)],
    ];
    for (const [flags, payload] of rows) {
      const client = await world.open(version);
      client.send(packet(0x10, 'MQTT', version, flags, uint16(0), v5 ? 0 : [], payload));
      if (v5) assert.is(connackOf(await client.expect(Type.connack), 5).code, MALFORMED);
      await client.closes();
    }
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.3-5', 'v5.0': '3.1.3-5' },
  'client identifiers of 1 to 23 letters and digits, and others, are taken',
  async (version) => {
    const longest = '0123456789ABCDEFGHIJabc';
    for (const clientId of ['z', longest, 'defghijklmnopqrstuvwxyz', 'KLMNOPQRSTUVWXYZ', `€ ${'long'.repeat(100)}`]) {
      const [, { code, properties }] = await world.dial(version, { clientId });
      assert.is(code, 0, clientId);
      assert.not.ok(properties.has(Property.assignedClientIdentifier));
    }
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.3-6', 'v5.0': '3.1.3-6' },
  'clients without a client identifier do not disturb each other',
  async (version) => {
    const clients = [];
    for (let count = 0; count < 4; count++) clients.push(await world.connected(version, { clientId: '' }));
    for (const client of clients) await client.nothing();
  },
);

shows(
  test,
  { 'v5.0': '3.1.3-7, 3.2.2-16' },
  'an empty client identifier is replaced by a new one, which works as if it had been sent',
  async (version) => {
    const expiry = [Property.sessionExpiryInterval, uint32(60)];
    const assigned = new Set<string>();
    for (let count = 0; count < 3; count++) {
      const [client, { flags, properties }] = await world.dial(version, {
        clientId: '',
        clean: false,
        properties: expiry,
      });
      assert.is(flags, 0, 'a session that nobody had');
      const clientId = properties.get(Property.assignedClientIdentifier)?.[0] as string;
      assigned.add(clientId);
      client.send(disconnect());
      await client.closes();
      const [, again] = await world.dial(version, { clientId, clean: false, properties: expiry });
      assert.is(again.flags, 1, 'the session of that identifier');
    }
    assert.is(assigned.size, 3);
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.3-7, 3.1.3-8, 3.1.3-9' },
  'an empty client identifier without a clean session is refused with return code 2',
  async (version) => {
    const [client, { code, flags }] = await world.dial(version, { clientId: '', clean: false });
    assert.equal([code, flags], [2, 0]);
    await client.closes();
  },
);

shows(test, { 'v5.0': '3.1.3-8' }, 'a client identifier that is too long is refused with 0x85', async (version) => {
  const clientId = 'x'.repeat(LIMITS.maxClientIdBytes);
  const [, { code }] = await world.dial(version, { clientId });
  assert.is(code, 0);
  const [client, refusal] = await world.dial(version, { clientId: `${clientId}x` });
  assert.is(refusal.code, 0x85);
  await client.closes();
});

shows(
  test,
  { 'v3.1.1': '3.1.4-2, 3.1.3-2', 'v5.0': '3.1.4-3, 3.1.3-2' },
  'a second connection with the client identifier ends the first, whichever node has it',
  async (version) => {
    const clientId = world.unique();
    let client = await world.connected(version, { clientId });
    for (let count = 0; count < 3; count++) {
      const next = await world.connected(version, { clientId });
      await client.closes(0x8e);
      client = next;
    }
    await client.nothing();
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.4-4, 3.2.0-1', 'v5.0': '3.1.4-5, 3.2.0-1, 3.2.0-2, 3.2.2-1' },
  'CONNACK comes first and once, whatever follows the CONNECT in the same segment',
  async (version) => {
    const clientId = world.unique();
    const topic = world.unique('early/');
    const [client, { code, flags }] = await world.served(version, async () => {
      const attempt = await world.open(version, clientId);
      attempt.send(connect({ version, clientId }), publish(version, { topic, qos: 1, packetId: 7 }), PINGREQ);
      return [attempt, connackOf(await attempt.expect(Type.connack), version)];
    });
    assert.equal([code, flags], [0, 0]);
    const types = [(await client.next()).type, (await client.next()).type].sort((a, b) => a - b);
    assert.equal(types, [Type.puback, Type.pingresp]);
    await client.nothing();
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.4-5', 'v5.0': '3.1.4-6, 3.1.4-2' },
  'what follows a refused CONNECT is not processed',
  async (version) => {
    const topic = world.unique('refused/');
    const watcher = await world.subscriber(version, topic);
    const client = await world.open(version);
    const refused =
      version === 4
        ? connect({ version, clientId: '', clean: false })
        : connect({ clientId: 'refused', properties: [Property.authenticationMethod, 'unknown'] });
    client.send(refused, publish(version, { topic, payload: 'refused', qos: 1 }), PINGREQ);
    assert.is(connackOf(await client.expect(Type.connack), version).code, version === 4 ? 2 : 0x8c);
    await client.closes();
    await world.publish({ topic, payload: 'accepted', qos: 1 });
    assert.is((await watcher.message()).payload, 'accepted');
  },
);

shows(
  test,
  { 'v5.0': '4.12.0-1, 4.12.0-6' },
  'an authentication method that nobody knows is refused; without one there is none in CONNACK',
  async (version) => {
    const [client, { code, properties }] = await world.dial(version, {
      properties: [Property.authenticationMethod, 'SCRAM-SHA-1', Property.authenticationData, 'data'],
    });
    assert.is(code, 0x8c);
    assert.not.ok(properties.has(Property.authenticationMethod));
    await client.closes();
    const [, accepted] = await world.dial(version);
    assert.not.ok(accepted.properties.has(Property.authenticationMethod));
  },
);

shows(
  test,
  { 'v5.0': '3.2.2-9, 3.2.2-22, 3.1.2-28' },
  'CONNACK says what the server can and can not, and nothing that was not asked for',
  async (version) => {
    const value = (properties: ReadonlyMap<number, readonly unknown[]>, id: number): unknown => properties.get(id)?.[0];
    const [, { properties }] = await world.dial(version, { keepAliveSec: 100 });
    assert.is(value(properties, Property.receiveMaximum), LIMITS.receiveMaximum);
    assert.is(value(properties, Property.maximumPacketSize), LIMITS.maxPacketSizeBytes);
    assert.is(value(properties, Property.topicAliasMaximum), 32);
    // Absent: QoS 2, retained messages, wildcards and Subscription Identifiers are there; the interval is the client's.
    for (const id of [
      Property.maximumQoS,
      Property.retainAvailable,
      Property.wildcardSubscriptionAvailable,
      Property.subscriptionIdentifiersAvailable,
      Property.sessionExpiryInterval,
      Property.serverKeepAlive,
      Property.responseInformation,
      Property.assignedClientIdentifier,
      Property.reasonString,
      Property.userProperty,
    ]) {
      assert.not.ok(properties.has(id), `property ${String(id)}`);
    }
    const [, longer] = await world.dial(version, { keepAliveSec: LIMITS.maxKeepAliveSec + 1 });
    assert.is(value(longer.properties, Property.serverKeepAlive), LIMITS.maxKeepAliveSec);
    const [, none] = await world.dial(version, { properties: [Property.requestResponseInformation, 0] });
    assert.not.ok(none.properties.has(Property.responseInformation));
    const asks = { clientId: world.unique(), properties: [Property.requestResponseInformation, 1] };
    const [, asked] = await world.dial(version, asks);
    assert.is(value(asked.properties, Property.responseInformation), `answers/${asks.clientId}/`);
  },
);

shows(
  test,
  { 'v5.0': '3.2.2-19, 3.1.2-24' },
  'a refusal says why, unless that makes it larger than the client takes',
  async (version) => {
    const refused = [Property.authenticationMethod, 'unknown'];
    const [, told] = await world.dial(version, { properties: refused });
    assert.match(told.properties.get(Property.reasonString)?.[0] as string, /authentication/);
    const [, short] = await world.dial(version, { properties: [refused, Property.maximumPacketSize, uint32(10)] });
    assert.is(short.code, 0x8c);
    assert.is(short.properties.size, 0);
    const silent = await world.open(version);
    silent.send(connect({ clientId: 'silent', properties: [refused, Property.maximumPacketSize, uint32(4)] }));
    await silent.closes();
  },
);

test.run();
