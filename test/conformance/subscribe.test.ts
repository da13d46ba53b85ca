import { assert, suite } from '../support/suite.ts';
import { Property, subackOf } from './support/answers.ts';
import {
  Ack,
  ack,
  bytes,
  PINGREQ,
  publish,
  subscribe,
  Type,
  uint32,
  unsubscribe,
  variableInteger,
} from './support/wire.ts';
import { LIMITS, shows, World } from './support/world.ts';

/* SUBSCRIBE, UNSUBSCRIBE, their answers, and PINGREQ: sections 3.8 to 3.13. */

const test = suite('conformance: subscribe');
const world = new World(test);

/** More levels than a filter may have. */
const DEEP = 'a/'.repeat(LIMITS.maxTopicLevels);

shows(
  test,
  {
    'v3.1.1': '3.8.4-1, 3.8.4-2, 3.8.4-4, 3.8.4-5, 3.9.3-1, 3.9.3-2, 2.3.1-7, 3.8.3-2',
    'v5.0': '3.8.4-1, 3.8.4-2, 3.8.4-5, 3.8.4-6, 3.8.4-7, 3.9.3-1, 3.9.3-2, 2.2.1-6',
  },
  'one SUBACK with the identifier of the SUBSCRIBE and a code for each filter in their order',
  async (version) => {
    const root = world.unique('suback');
    const client = await world.connected(version);
    client.send(
      subscribe(version, 0xfffe, [
        [`${root}/2`, 2],
        [DEEP, 1],
        [`${root}/0`, 0],
        [`${root}/+/#`, 1],
        ['$share/group/filter', 2],
        [`${root}/2`, 1],
      ]),
    );
    const { packetId, codes } = subackOf(await client.expect(Type.suback), version);
    assert.is(packetId, 0xfffe);
    assert.equal(codes, [2, version === 5 ? 0x8f : 0x80, 0, 1, 2, 1]);
    await client.nothing();
    // As if they had come one after the other: the last word on a filter holds.
    await world.publish({ topic: `${root}/2`, payload: 'x', qos: 2 }, version);
    assert.is((await client.message()).qos, 1);
  },
);

shows(
  test,
  { 'v3.1.1': '3.8.4-5, 3.9.3-2', 'v5.0': '3.8.4-7, 3.9.3-2' },
  'more subscriptions than a client may have are refused one by one',
  async (version) => {
    const root = world.unique('many');
    const client = await world.connected(version);
    const count = LIMITS.maxSubscriptionsPerClient;
    const filters = Array.from({ length: count + 2 }, (_none, at) => [`${root}/${String(at)}`, 1] as const);
    client.send(subscribe(version, 1, filters));
    const { codes } = subackOf(await client.expect(Type.suback), version);
    const refused = version === 5 ? 0x97 : 0x80;
    assert.equal(codes, [...Array.from({ length: count }, () => 1), refused, refused]);
    assert.equal(await client.subscribe(`${root}/0`, 2), [2], 'one that it has may change');
  },
);

shows(
  test,
  { 'v3.1.1': '3.8.4-3', 'v5.0': '3.8.4-3, 3.8.4-4' },
  'the same filter again replaces the subscription: retained messages come again, none is lost or doubled',
  async (version) => {
    const topic = world.unique('again/');
    await world.publish({ topic, payload: 'retained', qos: 1, retain: true }, version);
    const client = await world.subscriber(version, `${topic}/#`, 2);
    assert.is((await client.message()).payload, 'retained');
    const publisher = await world.connected(version);
    const rounds = 10;
    for (let count = 0; count < rounds; count++) {
      publisher.send(publish(version, { topic: `${topic}/live`, payload: String(count), qos: 1 }));
      client.send(subscribe(version, 3, [[`${topic}/#`, 1]]));
      await publisher.ack(Type.puback);
    }
    const live: string[] = [];
    let retained = 0;
    let answers = 0;
    while (live.length < rounds || answers < rounds || retained < rounds) {
      const packet = await client.next();
      if (packet.type === Type.suback) {
        answers++;
        continue;
      }
      assert.is(packet.type, Type.publish);
      const qos = (packet.flags >> 1) & 3;
      const topicBytes = packet.body.readUInt16BE(0);
      if (qos > 0) client.send(ack(Ack.puback, packet.body.readUInt16BE(2 + topicBytes)));
      const text = packet.body.toString();
      if (text.endsWith('retained')) retained++;
      else live.push(text.at(-1) as string);
    }
    assert.equal(
      live,
      Array.from({ length: rounds }, (_none, at) => String(at)),
    );
    assert.is(retained, rounds);
    await client.nothing();
  },
);

shows(
  test,
  { 'v3.1.1': '3.8.4-6', 'v5.0': '3.8.4-8' },
  'a message has the lower of the QoS that it was published with and the one granted',
  async (version) => {
    for (const granted of [0, 1, 2]) {
      const topic = world.unique('lower/');
      const client = await world.subscriber(version, topic, granted);
      for (const qos of [0, 1, 2]) {
        await world.publish({ topic, payload: 'x', qos }, version);
        assert.is((await client.message()).qos, Math.min(qos, granted));
      }
    }
  },
);

shows(
  test,
  { 'v5.0': '3.3.4-3' },
  'a Subscription Identifier may have any value, and a replacement without one takes it away',
  async (version) => {
    const topic = world.unique('identifier/');
    const client = await world.connected(version);
    for (const value of [1, 127, 128, 16_384, 268_435_455, null]) {
      const properties = value === null ? [] : [bytes(Property.subscriptionIdentifier, variableInteger(value))];
      await client.subscribe(topic, 0, ...properties);
      await world.publish({ topic, payload: 'x' });
      const { properties: received } = await client.message();
      assert.equal(received.get(Property.subscriptionIdentifier), value === null ? undefined : [value]);
    }
  },
);

shows(
  test,
  {
    'v3.1.1': '3.10.4-1, 3.10.4-2, 3.10.4-4, 3.10.4-5, 3.10.4-6, 2.3.1-7',
    'v5.0': '3.10.4-1, 3.10.4-2, 3.10.4-4, 3.10.4-5, 3.10.4-6, 3.11.3-1, 3.11.3-2, 2.2.1-6',
  },
  'UNSUBSCRIBE takes away what is the same character by character, and is answered in any case',
  async (version) => {
    const root = world.unique('unsubscribe');
    const client = await world.connected(version);
    for (const filter of [`${root}/a`, `${root}/+`, `${root}/b`]) await client.subscribe(filter, 1);
    const filters = [`${root}/+`, `${root}/#`, `${root}/A`, `${root}/a`, `${root}/a`];
    client.send(unsubscribe(version, 0xabcd, filters));
    const { packetId, codes } = subackOf(await client.expect(Type.unsuback), version);
    assert.equal([packetId, codes], [0xabcd, version === 5 ? [0, 0x11, 0x11, 0, 0x11] : []]);
    for (const end of ['a', 'c', 'b']) await world.publish({ topic: `${root}/${end}`, payload: end, qos: 1 }, version);
    assert.is((await client.message()).payload, 'b');
    client.send(unsubscribe(version, 7, ['never/subscribed']));
    assert.is(subackOf(await client.expect(Type.unsuback), version).packetId, 7);
  },
);

shows(
  test,
  { 'v3.1.1': '3.10.4-3', 'v5.0': '3.10.4-3' },
  'UNSUBSCRIBE does not end the delivery of what is on its way',
  async (version) => {
    const topic = world.unique('finish/');
    const clientId = world.unique();
    const fields = { clientId, clean: false, properties: [Property.sessionExpiryInterval, uint32(60)] };
    let client = await world.connected(version, fields);
    await client.subscribe(topic, 2);
    await world.publish({ topic, payload: 'one', qos: 1 }, version);
    await world.publish({ topic, payload: 'two', qos: 2 }, version);
    const one = await client.message();
    const two = await client.message();
    await client.unsubscribe(topic);
    client.destroy();
    client = await world.connected(version, fields);
    const again = [await client.message(), await client.message()];
    assert.equal(
      again.map(({ packetId, payload, dup }) => [packetId, payload, dup]),
      [
        [one.packetId, 'one', true],
        [two.packetId, 'two', true],
      ],
    );
    client.send(ack(Ack.puback, one.packetId), ack(Ack.pubrec, two.packetId));
    assert.is((await client.ack(Type.pubrel)).packetId, two.packetId);
    client.send(ack(Ack.pubcomp, two.packetId));
    await client.nothing();
  },
);

shows(test, { 'v3.1.1': '3.12.4-1', 'v5.0': '3.12.4-1' }, 'every PINGREQ is answered', async (version) => {
  const client = await world.connected(version);
  client.send(PINGREQ, PINGREQ, PINGREQ);
  for (let count = 0; count < 3; count++) {
    const { flags, sizeBytes } = await client.expect(Type.pingresp);
    assert.equal([flags, sizeBytes], [0, 2]);
  }
  await client.nothing();
});

shows(
  test,
  { 'v3.1.1': '3.3.5-2' },
  'a PUBLISH that is not allowed closes the connection, since no acknowledgement could say so',
  async (version) => {
    for (const qos of [0, 1, 2]) {
      const client = await world.connected(version);
      client.send(publish(version, { topic: '$SYS/broker/version', payload: 'mine', qos }));
      await client.closes();
    }
  },
);

shows(test, { 'v3.1.1': '4.8.0-2' }, 'a packet for which there is no room closes the connection', async (version) => {
  const client = await world.connected(version);
  // More than may wait for their place in the log.
  client.send(...Array.from({ length: 4_000 }, () => subscribe(version, 1, [['a', 0]])));
  const answers = async (): Promise<void> => {
    for (;;) await client.expect(Type.suback);
  };
  await assert.rejects(answers, /the connection is closed/);
});

test.run();
