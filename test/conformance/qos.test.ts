import { assert, suite } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';
import { ackOf, Property } from './support/answers.ts';
import type { RawClient } from './support/client.ts';
import { Ack, ack, bytes, type Part, publish, subscribe, Type, uint16, uint32, type Version } from './support/wire.ts';
import { LIMITS, shows, World } from './support/world.ts';

/* Delivery of QoS 0, 1 and 2, flow control, order and sizes: sections 2.2.1, 3.3.4, 3.4 to 3.7, 4.3, 4.4, 4.6 and 4.9. */

const test = suite('conformance: quality of service');
const world = new World(test);

/** Makes a session outlive its connection. */
const KEPT: Readonly<Record<Version, readonly Part[]>> = { 4: [], 5: [Property.sessionExpiryInterval, uint32(300)] };

/** A session that outlives its connections, on whichever node is next. */
async function kept(version: Version, clientId: string, properties: readonly Part[] = []): Promise<RawClient> {
  return world.connected(version, { clientId, clean: false, properties: [KEPT[version], properties] });
}

/** The same, subscribed. */
async function keptSubscriber(version: Version, filter: string, options: number): Promise<RawClient> {
  const client = await kept(version, world.unique('kept'));
  await client.subscribe(filter, options);
  return client;
}

shows(
  test,
  { 'v3.1.1': '4.3.2-2, 2.3.1-6', 'v5.0': '4.3.2-4, 4.3.2-5, 2.2.1-5' },
  'QoS 1 from a client: each PUBLISH is acknowledged and is a new message, DUP or not',
  async (version) => {
    const topic = world.unique('in1/');
    const watcher = await world.subscriber(version, topic, 0);
    const client = await world.connected(version);
    for (const dup of [false, true, true]) {
      client.send(publish(version, { topic, payload: String(dup), qos: 1, packetId: 4_242, dup }));
      assert.is((await client.ack(Type.puback)).packetId, 4_242);
      assert.is((await watcher.message()).payload, String(dup));
    }
    await watcher.nothing();
  },
);

shows(
  test,
  {
    'v3.1.1': '4.3.3-2, 2.3.1-6',
    'v5.0': '4.3.3-8, 4.3.3-10, 4.3.3-11, 4.3.3-12, 2.2.1-5, 3.7.2-1',
  },
  'QoS 2 from a client: until PUBREL it is the same message, behind PUBCOMP a new one',
  async (version) => {
    const topic = world.unique('in2/');
    const watcher = await world.subscriber(version, topic, 0);
    const client = await world.connected(version);
    for (const payload of ['one', 'two']) {
      const fields = { topic, payload, qos: 2, packetId: 515 };
      client.send(publish(version, fields));
      assert.is((await client.ack(Type.pubrec)).packetId, 515);
      client.send(publish(version, { ...fields, dup: true }), publish(version, { ...fields, payload: 'never' }));
      for (const repeated of [await client.ack(Type.pubrec), await client.ack(Type.pubrec)]) {
        assert.equal([repeated.packetId, repeated.codes], [515, [0]]);
      }
      client.send(ack(Ack.pubrel, 515));
      const completed = await client.ack(Type.pubcomp);
      assert.equal([completed.packetId, completed.codes], [515, [0]]);
      assert.is((await watcher.message()).payload, payload);
      await watcher.nothing();
    }
    client.send(ack(Ack.pubrel, 515));
    const unknown = await client.ack(Type.pubcomp);
    assert.equal([unknown.packetId, unknown.codes], [515, [version === 5 ? 0x92 : 0]]);
  },
);

shows(
  test,
  { 'v3.1.1': '4.3.3-2, 4.1.0-1', 'v5.0': '4.3.3-10, 4.1.0-1' },
  'QoS 2 from a client, sent again over another node: still the same message',
  async (version) => {
    const topic = world.unique('in2-again/');
    const watcher = await world.subscriber(version, topic, 0);
    const clientId = world.unique();
    const fields = { topic, payload: 'once', qos: 2, packetId: 77 };
    let client = await kept(version, clientId);
    client.send(publish(version, fields));
    await client.ack(Type.pubrec);
    for (let count = 0; count < 2; count++) {
      client.destroy();
      client = await kept(version, clientId);
      client.send(publish(version, { ...fields, dup: true }));
      assert.equal((await client.ack(Type.pubrec)).codes, [0]);
    }
    client.destroy();
    client = await kept(version, clientId);
    client.send(ack(Ack.pubrel, 77));
    assert.equal((await client.ack(Type.pubcomp)).codes, [0]);
    assert.is((await watcher.message()).payload, 'once');
    client.send(publish(version, { ...fields, payload: 'new' }));
    assert.is((await watcher.message()).payload, 'new');
  },
);

shows(
  test,
  { 'v3.1.1': '4.3.1-1', 'v5.0': '4.3.1-1' },
  'QoS 0 to a client: once, with QoS 0 and DUP 0',
  async (version) => {
    const topic = world.unique('out0/');
    const watcher = await world.subscriber(version, topic, 0);
    await world.publish({ topic, payload: 'x', qos: 2 }, version);
    const { qos, dup } = await watcher.message();
    assert.equal([qos, dup], [0, false]);
    await watcher.nothing();
  },
);

shows(
  test,
  {
    'v3.1.1': '4.3.2-1, 4.4.0-1, 3.3.1-1, 2.3.1-3, 2.3.1-4',
    'v5.0': '4.3.2-1, 4.3.2-2, 4.3.2-3, 4.4.0-1, 3.3.1-1, 2.2.1-4',
  },
  'QoS 1 to a client: DUP 0 and an unused identifier first; until PUBACK it comes again with DUP on the next connection',
  async (version) => {
    const topic = world.unique('out1/');
    let client = await keptSubscriber(version, topic, 1);
    const sent: number[] = [];
    for (const payload of ['a', 'b', 'c']) {
      await world.publish({ topic, payload, qos: 1 }, version);
      const message = await client.message();
      assert.equal([message.payload, message.qos, message.dup], [payload, 1, false]);
      assert.ok(message.packetId > 0);
      sent.push(message.packetId);
    }
    assert.is(new Set(sent).size, 3, 'no identifier is used twice');
    // Nothing is sent again while the connection lasts.
    await client.nothing();
    client.destroy();
    const again = async (...expected: readonly (readonly [payload: string, packetId: number])[]): Promise<void> => {
      client = await kept(version, client.clientId);
      for (const [payload, packetId] of expected) {
        const message = await client.message();
        assert.equal([message.payload, message.dup, message.packetId], [payload, true, packetId]);
      }
      await client.nothing();
    };
    const [a, b, c] = sent as [number, number, number];
    await again(['a', a], ['b', b], ['c', c]);
    client.send(ack(Ack.puback, b));
    // A PUBACK is received when it is in the log: with DISCONNECT it is.
    await client.leave();
    await again(['a', a], ['c', c]);
    client.send(ack(Ack.puback, sent[0] as number), ack(Ack.puback, sent[2] as number));
    await world.publish({ topic, payload: 'd', qos: 1 }, version);
    const { payload, dup } = await client.message();
    assert.equal([payload, dup], ['d', false]);
  },
);

shows(
  test,
  {
    'v3.1.1': '4.3.3-1, 4.4.0-1, 2.3.1-4',
    'v5.0': '4.3.3-1, 4.3.3-2, 4.3.3-3, 4.3.3-4, 4.3.3-5, 4.3.3-6, 4.4.0-1, 3.6.2-1',
  },
  'QoS 2 to a client: PUBLISH again until PUBREC, then PUBREL again until PUBCOMP, over any node',
  async (version) => {
    const topic = world.unique('out2/');
    let client = await keptSubscriber(version, topic, 2);
    await world.publish({ topic, payload: 'x', qos: 2 }, version);
    const first = await client.message();
    assert.equal([first.qos, first.dup], [2, false]);
    client.destroy();
    client = await kept(version, client.clientId);
    const again = await client.message();
    assert.equal([again.packetId, again.dup, again.payload], [first.packetId, true, 'x']);
    client.send(ack(Ack.pubrec, first.packetId));
    assert.equal(await client.ack(Type.pubrel), { packetId: first.packetId, codes: [0], properties: new Map() });
    client.destroy();
    client = await kept(version, client.clientId);
    const release = await client.expect(Type.pubrel);
    assert.equal([release.flags, ackOf(release, version).packetId], [2, first.packetId]);
    client.send(ack(Ack.pubrec, first.packetId));
    assert.is((await client.ack(Type.pubrel)).packetId, first.packetId);
    client.send(ack(Ack.pubcomp, first.packetId));
    await client.nothing();
    await client.leave();
    client = await kept(version, client.clientId);
    await client.nothing();
  },
);

shows(test, { 'v5.0': '4.4.0-2, 4.3.3-4' }, 'PUBACK and PUBREC with an error end the exchange', async (version) => {
  const topic = world.unique('refused/');
  let client = await keptSubscriber(version, topic, 2);
  await world.publish({ topic, payload: 'one', qos: 1 });
  client.send(ack(Ack.puback, (await client.message()).packetId, 0x80));
  await world.publish({ topic, payload: 'two', qos: 2 });
  client.send(ack(Ack.pubrec, (await client.message()).packetId, 0x97));
  await client.nothing();
  client.destroy();
  client = await kept(version, client.clientId);
  await client.nothing();
});

shows(
  test,
  { 'v5.0': '4.3.3-7' },
  'what was sent with QoS 2 is finished, also when it has expired meanwhile',
  async (version) => {
    const topic = world.unique('expired/');
    let client = await keptSubscriber(version, topic, 2);
    const properties = [Property.messageExpiryInterval, uint32(1)];
    await world.publish({ topic, payload: 'started', qos: 2, properties });
    const { packetId } = await client.message();
    client.destroy();
    // A retained message with the same interval tells when it is over.
    const beacon = world.unique('beacon/');
    await world.publish({ topic: beacon, payload: 'x', qos: 1, retain: true, properties });
    const expired = async (): Promise<boolean> => {
      const watcher = await world.subscriber(version, beacon);
      await world.publish({ topic: beacon, payload: 'marker', qos: 1 });
      return !(await watcher.message()).retain;
    };
    await waitFor(expired, { what: 'the interval to be over' });
    client = await kept(version, client.clientId);
    const again = await client.message();
    assert.equal([again.packetId, again.dup, again.payload], [packetId, true, 'started']);
    client.send(ack(Ack.pubrec, packetId));
    await client.ack(Type.pubrel);
  },
);

shows(
  test,
  { 'v5.0': '4.3.3-13' },
  'QoS 2 from a client is acknowledged to the end, also when the message has expired',
  async (version) => {
    const client = await world.connected(version);
    const properties = [Property.messageExpiryInterval, uint32(0)];
    client.send(publish(version, { topic: world.unique('gone/'), qos: 2, packetId: 12, properties }));
    assert.is((await client.ack(Type.pubrec)).packetId, 12);
    client.send(ack(Ack.pubrel, 12));
    assert.equal((await client.ack(Type.pubcomp)).codes, [0]);
  },
);

shows(
  test,
  { 'v3.1.1': '4.6.0-1, 4.6.0-5, 4.6.0-6', 'v5.0': '4.6.0-5, 4.6.0-6' },
  'messages of one topic arrive in the order of their publication, live, from the queue and again',
  async (version) => {
    const topic = world.unique('order/');
    let client = await keptSubscriber(version, topic, 2);
    const publisher = await world.connected(version);
    let number = 0;
    const send = async (count: number): Promise<void> => {
      for (const last = number + count; number < last; number++) {
        const qos = 1 + (number % 2);
        publisher.send(publish(version, { topic, payload: String(number), qos, packetId: 1 + number }));
        await publisher.ack(qos === 1 ? Type.puback : Type.pubrec);
        if (qos === 2) {
          publisher.send(ack(Ack.pubrel, 1 + number));
          await publisher.ack(Type.pubcomp);
        }
      }
    };
    const arrive = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at++) assert.is((await client.message()).payload, String(at));
    };
    await send(10);
    await arrive(0, 10);
    client.destroy();
    await send(10);
    client = await kept(version, client.clientId);
    await arrive(0, 20);
    await send(5);
    await arrive(20, 25);
  },
);

shows(
  test,
  { 'v5.0': '3.3.4-9, 3.3.4-10, 4.9.0-1, 4.9.0-2, 4.9.0-3' },
  'Receive Maximum of a client: no more than that are sent and not acknowledged, and all else goes on',
  async (version) => {
    const topic = world.unique('window/');
    const client = await world.connected(version, { properties: [Property.receiveMaximum, uint16(2)] });
    await client.subscribe(topic, 2);
    for (let count = 0; count < 4; count++)
      await world.publish({ topic, payload: String(count), qos: 1 + (count % 2) });
    const first = await client.message();
    const second = await client.message();
    assert.equal([first.payload, second.payload], ['0', '1']);
    await client.nothing();
    client.send(publish(version, { topic: `${topic}/else`, qos: 1, packetId: 5 }));
    assert.equal((await client.ack(Type.puback)).codes, [0x10]);
    client.send(subscribe(version, 9, [[`${topic}/zero`, 0]]));
    await client.expect(Type.suback);
    await world.publish({ topic: `${topic}/zero`, payload: 'QoS 0' });
    assert.is((await client.message()).payload, 'QoS 0');
    // PUBREC alone does not make room, PUBCOMP and PUBACK do.
    client.send(ack(Ack.pubrec, second.packetId));
    await client.ack(Type.pubrel);
    await client.nothing();
    client.send(ack(Ack.pubcomp, second.packetId));
    const third = await client.message();
    assert.is(third.payload, '2');
    await client.nothing();
    client.send(ack(Ack.puback, first.packetId));
    assert.is((await client.message()).payload, '3');
  },
);

shows(
  test,
  { 'v5.0': '3.3.4-7' },
  'a client that exceeds the Receive Maximum of the server is closed',
  async (version) => {
    const topic = world.unique('exceeded/');
    const client = await world.connected(version);
    // QoS 2 that is not released counts until then.
    for (let packetId = 1; packetId <= LIMITS.receiveMaximum; packetId++) {
      client.send(publish(version, { topic, qos: 2, packetId }));
      await client.ack(Type.pubrec);
    }
    client.send(ack(Ack.pubrel, 1));
    await client.ack(Type.pubcomp);
    client.send(publish(version, { topic, qos: 2, packetId: 50 }));
    await client.ack(Type.pubrec);
    client.send(publish(version, { topic, qos: 1, packetId: 51 }));
    await client.closes(0x93);
  },
);

shows(
  test,
  {
    'v5.0':
      '3.4.2-1, 3.5.2-1, 3.6.2-1, 3.1.2-29, 3.4.2-2, 3.4.2-3, 3.5.2-2, 3.5.2-3, 3.6.2-2, 3.6.2-3, 3.7.2-2, 3.7.2-3, 3.9.2-1, 3.9.2-2, 3.11.2-1, 3.11.2-2, 2.2.2-1',
  },
  'acknowledgements: their reason codes, and never a reason string or user property',
  async (version) => {
    for (const information of [0, 1]) {
      const topic = world.unique('codes/');
      const client = await world.connected(version, { properties: [Property.requestProblemInformation, information] });
      const none = (properties: ReadonlyMap<number, unknown>): void => assert.is(properties.size, 0);
      const next = async (type: number, code: number): Promise<void> => {
        const { codes, properties } = await client.ack(type);
        assert.equal(codes, [code]);
        none(properties);
      };
      client.send(publish(version, { topic, qos: 1, packetId: 1 }));
      await next(Type.puback, 0x10);
      client.send(publish(version, { topic, qos: 2, packetId: 2 }));
      await next(Type.pubrec, 0x10);
      client.send(ack(Ack.pubrel, 2));
      await next(Type.pubcomp, 0);
      client.send(ack(Ack.pubrel, 3));
      await next(Type.pubcomp, 0x92);
      client.send(ack(Ack.pubrec, 4));
      await next(Type.pubrel, 0x92);
      // The length of no properties is there all the same.
      client.send(subscribe(version, 5, [[topic, 1]]));
      assert.equal((await client.expect(Type.suback)).body, bytes(uint16(5), 0, 1));
      none((await client.unsubscribe(topic, topic)).properties);
    }
  },
);

shows(
  test,
  { 'v5.0': '3.1.2-24, 3.1.2-25' },
  'Maximum Packet Size of a client: what is larger is not sent, and counts as sent',
  async (version) => {
    const topic = world.unique('small/');
    const maximum = 60;
    const properties = [Property.maximumPacketSize, uint32(maximum), Property.receiveMaximum, uint16(1)];
    const [client, { code }] = await world.dial(version, {
      clientId: world.unique('kept'),
      properties: [KEPT[5], properties],
    });
    assert.is(code, 0);
    await client.subscribe(topic, 1);
    for (const qos of [1, 0]) {
      const head = publish(version, { topic, qos }).length;
      await world.publish({ topic, payload: 'x'.repeat(maximum - head + 1), qos });
      await world.publish({ topic, payload: 'y'.repeat(maximum - head), qos });
      const packet = await client.expect(Type.publish);
      assert.is(packet.sizeBytes, maximum);
      assert.match(packet.body.toString(), /y$/);
      if (qos === 1) client.send(ack(Ack.puback, packet.body.readUInt16BE(2 + topic.length)));
    }
    await client.nothing();
    await client.leave();
    const again = await kept(version, client.clientId);
    await again.nothing();
  },
);

shows(
  test,
  { 'v5.0': '3.1.2-24' },
  'answers that are larger than the client takes: the connection is not begun, or ended',
  async (version) => {
    const size = (bytesTaken: number): readonly Part[] => [Property.maximumPacketSize, uint32(bytesTaken)];
    const [tiny, { code }] = await world.dial(version, { properties: size(6) });
    assert.is(code, 0x95);
    await tiny.closes();
    const filters = Array.from({ length: 40 }, () => [world.unique('f'), 0] as const);
    const client = await world.connected(version, { properties: size(40) });
    client.send(subscribe(version, 1, filters.slice(0, 10)));
    assert.is((await client.expect(Type.suback)).sizeBytes, 15);
    client.send(subscribe(version, 2, filters));
    const last = await client.expect(Type.disconnect);
    assert.equal([last.body[0], last.sizeBytes <= 40], [0x95, true]);
    await client.closes();
  },
);

test.run();
