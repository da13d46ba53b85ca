import { assert, suite } from '../support/suite.ts';
import { Property } from './support/answers.ts';
import type { RawClient } from './support/client.ts';
import { Ack, ack, publish, Type, uint32 } from './support/wire.ts';
import { shows, World } from './support/world.ts';

/* Shared subscriptions: section 4.8.2. A QoS 2 message that must go to nobody else is followed by one that goes there. */

const test = suite('conformance: shared subscriptions');
const world = new World(test);

interface Scene {
  readonly filter: string;
  readonly topic: string;
  readonly publisher: RawClient;
}

async function scene(): Promise<Scene> {
  const topic = world.unique('shared/');
  return { topic, filter: `$share/${world.unique('group')}/${topic}`, publisher: await world.connected(5) };
}

/** Publishes and waits until the message is in the log. */
async function publishTo({ publisher, topic }: Scene, payload: string, qos: 1 | 2): Promise<void> {
  publisher.send(publish(5, { topic, payload, qos, packetId: 1 }));
  await publisher.ack(qos === 1 ? Type.puback : Type.pubrec);
  if (qos === 1) return;
  publisher.send(ack(Ack.pubrel, 1));
  await publisher.ack(Type.pubcomp);
}

shows(test, { 'v5.0': '4.8.2-3' }, 'each shared subscriber gets its own granted QoS', async () => {
  const at = await scene();
  const members = [await world.subscriber(5, at.filter, 0), await world.subscriber(5, at.filter, 1)];
  members.push(await world.subscriber(5, at.filter, 2));
  for (const payload of ['a', 'b', 'c']) await publishTo(at, payload, 2);
  const got = await Promise.all(members.map((member) => member.message()));
  assert.equal(
    got.map(({ qos }) => qos),
    [0, 1, 2],
  );
  assert.equal(got.map(({ payload }) => payload).sort(), ['a', 'b', 'c'], 'each message went once');
  for (const payload of ['d', 'e', 'f']) await publishTo(at, payload, 1);
  const [first, , third] = members as [RawClient, RawClient, RawClient];
  const less = [await first.message(), await third.message()];
  assert.equal(
    less.map(({ qos }) => qos),
    [0, 1],
    'and no more than was published',
  );
});

shows(
  test,
  { 'v5.0': '4.8.2-4, 4.8.2-5' },
  'a QoS 2 delivery that was begun is finished with the same client, and with nobody else if its session ends',
  async () => {
    for (const ends of [false, true]) {
      const at = await scene();
      const clientId = world.unique('begun');
      const kept = { clientId, clean: false, properties: [Property.sessionExpiryInterval, uint32(300)] };
      const first = await world.connected(5, kept);
      await first.subscribe(at.filter, 2);
      await publishTo(at, 'begun', 2);
      const begun = await first.message();
      const other = await world.subscriber(5, at.filter, 2);
      first.destroy();
      const again = await world.connected(5, ends ? { ...kept, clean: true } : kept);
      if (ends) await again.nothing();
      else {
        const repeated = await again.message();
        assert.equal([repeated.payload, repeated.dup, repeated.packetId], ['begun', true, begun.packetId]);
        again.send(ack(Ack.pubrec, repeated.packetId));
        await again.ack(Type.pubrel);
        again.send(ack(Ack.pubcomp, repeated.packetId));
      }
      await again.leave();
      await publishTo(at, 'next', 2);
      assert.is((await other.message()).payload, 'next');
    }
  },
);

shows(test, { 'v5.0': '4.8.2-6' }, 'a message that a shared subscriber refuses goes to nobody else', async () => {
  const at = await scene();
  const refusing = await world.subscriber(5, at.filter, 2);
  await publishTo(at, 'one', 1);
  refusing.send(ack(Ack.puback, (await refusing.message()).packetId, 0x83));
  await publishTo(at, 'two', 2);
  refusing.send(ack(Ack.pubrec, (await refusing.message()).packetId, 0x83));
  const other = await world.subscriber(5, at.filter, 2);
  await refusing.leave();
  await publishTo(at, 'three', 1);
  assert.is((await other.message()).payload, 'three');
});

test('QoS 1: what a client had not acknowledged when it went goes to another', async () => {
  const at = await scene();
  const silent = await world.subscriber(5, at.filter, 1);
  await publishTo(at, 'one', 1);
  assert.is((await silent.message()).payload, 'one');
  const other = await world.subscriber(5, at.filter, 1);
  silent.destroy();
  const { payload, dup } = await other.message();
  assert.equal([payload, dup], ['one', false]);
});

shows(
  test,
  { 'v5.0': '3.10.4-2, 3.10.4-3' },
  'who unsubscribes gets no new messages, keeps what it has begun, and what it leaves goes to others',
  async () => {
    const at = await scene();
    const leaver = await world.subscriber(5, at.filter, 1);
    for (const payload of ['one', 'two']) await publishTo(at, payload, 1);
    const [one, two] = [await leaver.message(), await leaver.message()];
    assert.equal([one.payload, two.payload], ['one', 'two']);
    const other = await world.subscriber(5, at.filter, 1);
    await leaver.unsubscribe(at.filter);
    for (const payload of ['three', 'four']) {
      await publishTo(at, payload, 1);
      assert.is((await other.message()).payload, payload);
    }
    leaver.send(ack(Ack.puback, one.packetId));
    await leaver.nothing();
    await other.nothing();
    // With DISCONNECT its PUBACK is in the log.
    await leaver.leave();
    const { payload, dup } = await other.message();
    assert.equal([payload, dup], ['two', false]);
    await other.nothing();
  },
);

test('no retained message comes with a shared subscription', async () => {
  const at = await scene();
  await world.publish({ topic: at.topic, payload: 'kept', qos: 1, packetId: 1, retain: true });
  const member = await world.subscriber(5, at.filter, 1);
  await publishTo(at, 'live', 1);
  assert.is((await member.message()).payload, 'live');
});

test.run();
