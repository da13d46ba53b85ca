import { assert, suite } from '../support/suite.ts';
import { connackOf } from './support/answers.ts';
import type { RawClient } from './support/client.ts';
import { Ack, ack, connect, packet, publish, Type, uint16 } from './support/wire.ts';
import { LIMITS, World } from './support/world.ts';

/* What is spoken besides the two standards: MQTT 3.1, and the bridges of mosquitto, which announce themselves in the level. */

const test = suite('conformance: dialects');
const world = new World(test);

/** From here on 3.1 has the packets of 3.1.1. */
async function connected31(clientId: string, level = 3, flags = 0x02): Promise<RawClient> {
  const [client, { code }] = await world.dial(4, { clientId, name: 'MQIsdp', level, flags });
  assert.is(code, 0);
  return client;
}

test('3.1: CONNACK without session present, and QoS 0, 1 and 2 both ways', async () => {
  const clientId = world.unique('old');
  const kept = await connected31(clientId, 3, 0);
  await kept.leave();
  const [client, { flags }] = await world.dial(4, { clientId, name: 'MQIsdp', level: 3, flags: 0 });
  assert.is(flags, 0, '3.1 has no such flag');
  const topic = world.unique('old/');
  await client.subscribe(topic, 2);
  for (const qos of [0, 1, 2]) {
    await world.publish({ topic, payload: `at ${String(qos)}`, qos });
    const message = await client.message();
    assert.equal([message.payload, message.qos], [`at ${String(qos)}`, qos]);
    if (qos === 1) client.send(ack(Ack.puback, message.packetId));
    if (qos < 2) continue;
    client.send(ack(Ack.pubrec, message.packetId));
    await client.ack(Type.pubrel);
    client.send(ack(Ack.pubcomp, message.packetId));
  }
  client.send(publish(4, { topic: `${topic}/else`, qos: 2, packetId: 6 }));
  await client.ack(Type.pubrec);
  // A repeated PUBREL of 3.1 has DUP.
  client.send(packet(0x6a, uint16(6)));
  assert.is((await client.ack(Type.pubcomp)).packetId, 6);
});

test('3.1: a user name that is announced and missing is valid, an empty client identifier is not', async () => {
  const client = await connected31(world.unique('named'), 3, 0x82);
  await client.nothing();
  const [refused, { code }] = await world.dial(4, { clientId: '', name: 'MQIsdp', level: 3 });
  assert.is(code, 2);
  await refused.closes();
  const [other, answer] = await world.dial(4, { name: 'MQIsdp', level: 4 });
  assert.is(answer.code, 1, 'this name has no level 4');
  await other.closes();
});

test('3.1: SUBACK has no failure, a refused filter is granted QoS 0 and never served', async () => {
  const client = await connected31(world.unique('refused'));
  const deep = 'a/'.repeat(LIMITS.maxTopicLevels);
  assert.equal(await client.subscribe(deep, 1), [0]);
});

for (const [name, level] of [
  ['MQTT', 0x84],
  ['MQIsdp', 0x83],
] as const) {
  test(`a bridge (${name}) gets RETAIN as it was published, and nothing of its own`, async () => {
    const topic = world.unique('bridge/');
    const bridge = await world.open(4, world.unique('bridge'));
    bridge.send(connect({ version: 4, clientId: bridge.clientId, name, level }));
    assert.is(connackOf(await bridge.expect(Type.connack), 4).code, 0);
    await bridge.subscribe(topic, 1);
    const client = await world.subscriber(4, topic, 1);
    bridge.send(publish(4, { topic, payload: 'own', qos: 1, packetId: 3 }));
    await bridge.ack(Type.puback);
    for (const retain of [true, false]) {
      const payload = `retain ${String(retain)}`;
      await world.publish({ topic, payload, qos: 1, retain });
      const message = await bridge.message();
      assert.equal([message.payload, message.retain], [payload, retain]);
    }
    const got = [await client.message(), await client.message(), await client.message()];
    assert.equal(
      got.map(({ payload, retain }) => [payload, retain]),
      [
        ['own', false],
        ['retain true', false],
        ['retain false', false],
      ],
    );
  });
}

test.run();
