import { assert, suite } from '../support/suite.ts';
import { disconnectOf, Property } from './support/answers.ts';
import type { RawClient } from './support/client.ts';
import {
  Ack,
  ack,
  type ConnectFields,
  connect,
  disconnect,
  type Part,
  PINGREQ,
  publish,
  Type,
  uint32,
  type Version,
} from './support/wire.ts';
import { shows, World } from './support/world.ts';

/* Sessions, wills, keep alive and the end of a connection: sections 3.1.2, 3.14 and 4.1. */

const test = suite('conformance: sessions');
const world = new World(test);

const KEEP_ALIVE_TIMEOUT = 0x8d;

/** A session that outlives its connection; the interval exists in 5.0 only. */
function keeps(version: Version, clientId: string, expirySec = 300): Omit<ConnectFields, 'version'> {
  const properties: readonly Part[] = version === 5 ? [Property.sessionExpiryInterval, uint32(expirySec)] : [];
  return { clientId, clean: false, properties };
}

/** Publishes a message and sees that it is the next one that the watcher gets. */
async function nothingBefore(watcher: RawClient, topic: string): Promise<void> {
  const payload = world.unique('marker');
  await world.publish({ topic, payload, qos: 1 });
  assert.is((await watcher.message()).payload, payload);
}

shows(
  test,
  {
    'v3.1.1': '3.1.2-4, 3.1.2-5, 3.2.2-2, 3.2.2-3, 3.1.4-3, 4.1.0-1, 4.5.0-1',
    'v5.0': '3.1.2-5, 3.1.2-6, 3.1.2-23, 3.2.2-3, 3.1.4-4, 4.5.0-1',
  },
  'a session that is kept: its subscriptions and messages are there on the next connection, over any node',
  async (version) => {
    const topic = world.unique('kept/');
    const clientId = world.unique();
    const [first, { flags }] = await world.dial(version, keeps(version, clientId));
    assert.is(flags, 0, 'a new session');
    await first.subscribe(topic, 2);
    let client = first;
    for (const round of ['one', 'two', 'three']) {
      // DISCONNECT brings all acknowledgements before it into the log; a broken connection may be seen later than the next one.
      if (round === 'one') client.destroy();
      else await client.leave();
      await world.publish({ topic, payload: `${round} QoS 1`, qos: 1 }, version);
      await world.publish({ topic, payload: `${round} QoS 2`, qos: 2 }, version);
      const [next, answer] = await world.dial(version, keeps(version, clientId));
      assert.is(answer.flags, 1, 'session present');
      for (const qos of [1, 2]) {
        const message = await next.message();
        assert.equal([message.payload, message.qos], [`${round} QoS ${String(qos)}`, qos]);
        next.send(ack(qos === 1 ? Ack.puback : Ack.pubrec, message.packetId));
        if (qos === 2) {
          await next.ack(Type.pubrel);
          next.send(ack(Ack.pubcomp, message.packetId));
        }
      }
      await next.nothing();
      client = next;
    }
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.2-6, 3.2.2-1, 3.1.4-3', 'v5.0': '3.1.2-4, 3.2.2-2, 3.1.4-4' },
  'a clean start discards what was there',
  async (version) => {
    const topic = world.unique('clean/');
    const clientId = world.unique();
    const client = await world.connected(version, keeps(version, clientId));
    await client.subscribe(topic, 1);
    await client.leave();
    await world.publish({ topic, payload: 'lost', qos: 1 }, version);
    const [clean, { flags }] = await world.dial(version, { clientId });
    assert.is(flags, 0);
    await world.publish({ topic, payload: 'not subscribed', qos: 1 }, version);
    await clean.nothing();
    await clean.leave();
    const [again, answer] = await world.dial(version, keeps(version, clientId));
    assert.is(answer.flags, 0, 'a clean session leaves nothing');
    await again.nothing();
  },
);

shows(
  test,
  { 'v3.1.1': '4.1.0-2', 'v5.0': '4.1.0-1, 4.1.0-2, 3.1.2-8' },
  'a session is there while its connection is, and in 5.0 until its expiry interval is over',
  async (version) => {
    const topic = world.unique('expires/');
    const willTopic = world.unique('expired/');
    const watcher = await world.subscriber(version, willTopic);
    const stays = await world.connected(version, keeps(version, world.unique(), 1));
    await stays.subscribe(topic, 1);
    if (version === 5) {
      const clientId = world.unique();
      // Its delay is longer than the session lives: it comes at the session's end.
      const will = { topic: willTopic, payload: 'over', properties: [Property.willDelayInterval, uint32(300)] };
      const client = await world.connected(version, { ...keeps(version, clientId, 1), will });
      await client.subscribe(topic, 1);
      client.destroy();
      assert.is((await watcher.message()).payload, 'over');
      const [, { flags }] = await world.dial(version, keeps(version, clientId));
      assert.is(flags, 0, 'the session has ended');
    }
    await nothingBefore(stays, topic);
  },
);

shows(
  test,
  { 'v5.0': '3.1.2-23' },
  'DISCONNECT may set another session expiry interval, but give none to a session without',
  async (version) => {
    const clientId = world.unique();
    const client = await world.connected(version, keeps(version, clientId));
    client.send(disconnect(0, Property.sessionExpiryInterval, uint32(0)));
    await client.closes();
    const [next, { flags }] = await world.dial(version, { clientId, clean: false });
    assert.is(flags, 0, 'the session ended with the connection');
    next.send(disconnect(0, Property.sessionExpiryInterval, uint32(10)));
    await next.closes(0x82);
  },
);

shows(
  test,
  {
    'v3.1.1': '3.1.2-8, 3.1.2-10, 3.1.2-12, 3.1.2-16, 3.1.2-17',
    'v5.0': '3.1.2-7, 3.1.2-8, 3.1.2-10, 3.1.2-14, 3.1.2-15',
  },
  'a will is published when the connection is lost, once, with its QoS, and retained if it says so',
  async (version) => {
    for (const retain of [false, true]) {
      const topic = world.unique('will/');
      const watcher = await world.subscriber(version, topic, 2);
      const clientId = world.unique();
      const will = { topic, payload: 'lost', qos: 2, retain };
      const client = await world.connected(version, { ...keeps(version, clientId), will });
      client.destroy();
      const message = await watcher.message();
      assert.equal([message.payload, message.qos, message.retain], ['lost', 2, false]);
      const late = await world.subscriber(version, topic);
      if (retain) assert.equal([(await late.message()).payload], ['lost']);
      await nothingBefore(late, topic);
      assert.match((await watcher.message()).payload, /marker/);
      // Without a will of its own the next connection has none.
      (await world.connected(version, keeps(version, clientId))).destroy();
      await (await world.connected(version, keeps(version, clientId))).leave();
      await nothingBefore(watcher, topic);
    }
  },
);

shows(
  test,
  { 'v3.1.1': '3.14.4-3, 3.1.2-10', 'v5.0': '3.14.4-3, 3.1.2-10, 3.1.2-8' },
  'DISCONNECT takes the will away; a protocol error and a takeover do not',
  async (version) => {
    const topic = world.unique('goodbye/');
    const watcher = await world.subscriber(version, topic);
    const clientId = world.unique();
    const fields = { ...keeps(version, clientId), will: { topic, payload: 'will' } };
    await (await world.connected(version, fields)).leave();
    await (await world.connected(version, keeps(version, clientId))).leave();
    await nothingBefore(watcher, topic);
    if (version === 5) {
      await (await world.connected(version, fields)).leave(0x04);
      assert.is((await watcher.message()).payload, 'will');
    }
    const wrong = await world.connected(version, fields);
    wrong.send(connect({ version, clientId }));
    await wrong.closes(0x82);
    assert.is((await watcher.message()).payload, 'will');
    const taken = await world.connected(version, fields);
    const next = await world.connected(version, keeps(version, clientId));
    await taken.closes(0x8e);
    assert.is((await watcher.message()).payload, 'will');
    await next.leave();
    await nothingBefore(watcher, topic);
  },
);

shows(
  test,
  { 'v5.0': '3.1.3-9, 3.1.2-8' },
  'a delayed will: not if the client comes back in time, at once if its session ends, else after the delay',
  async (version) => {
    const topic = world.unique('delayed/');
    const watcher = await world.subscriber(version, topic);
    const will = (payload: string, delaySec: number): Pick<ConnectFields, 'will'> => ({
      will: { topic, payload, properties: [Property.willDelayInterval, uint32(delaySec)] },
    });
    const lost = async (payload: string, delaySec: number): Promise<string> => {
      const clientId = world.unique();
      (await world.connected(version, { ...keeps(version, clientId), ...will(payload, delaySec) })).destroy();
      return clientId;
    };
    const saved = await lost('saved', 1);
    await world.connected(version, keeps(version, saved));
    const ended = await lost('session ended', 300);
    await world.connected(version, { clientId: ended });
    assert.is((await watcher.message()).payload, 'session ended');
    // Its delay began later than that of the first, so nothing comes of that any more.
    await lost('delay is over', 1);
    assert.is((await watcher.message()).payload, 'delay is over');
    await nothingBefore(watcher, topic);
  },
);

shows(
  test,
  { 'v3.1.1': '3.1.2-24', 'v5.0': '3.1.2-22, 3.2.2-22' },
  'keep alive: silence for one and a half times of it ends the connection as if the network had failed',
  async (version) => {
    const topic = world.unique('silent/');
    const watcher = await world.subscriber(version, topic);
    const client = await world.connected(version, { keepAliveSec: 1, will: { topic, payload: 'silent' } });
    // Anything that the client sends counts: here a PUBLISH.
    const heardMs = performance.now();
    client.send(publish(version, { topic, payload: 'alive', qos: 1 }));
    await client.ack(Type.puback);
    assert.is((await watcher.message()).payload, 'alive');
    await client.closes(KEEP_ALIVE_TIMEOUT);
    const silentMs = performance.now() - heardMs;
    assert.ok(silentMs > 1_499 && silentMs < 5_000, `closed after ${String(silentMs)} ms`);
    assert.is((await watcher.message()).payload, 'silent');
  },
);

shows(
  test,
  { 'v5.0': '3.14.2-1, 3.14.2-2, 3.14.2-3, 3.14.2-4, 3.14.4-1, 3.14.4-2, 4.13.2-1' },
  'the DISCONNECT of the server is its last packet, and no larger than the client takes',
  async (version) => {
    for (const [maximum, told] of [
      [200, true],
      [30, false],
    ] as const) {
      const client = await world.connected(version, { properties: [Property.maximumPacketSize, uint32(maximum)] });
      client.send(connect({ clientId: client.clientId }), PINGREQ, publish(version, { topic: 'a', qos: 1 }));
      const packet = await client.expect(Type.disconnect);
      const { code, properties } = disconnectOf(packet);
      assert.is(code, 0x82);
      assert.ok(packet.sizeBytes <= maximum);
      assert.equal([...properties.keys()], told ? [Property.reasonString] : []);
      await client.closes();
    }
  },
);

shows(
  test,
  { 'v3.1.1': '7.1.1-1', 'v5.0': '4.2.0-1' },
  'TCP is a stream of bytes: packets come in pieces and together',
  async (version) => {
    const client = await world.connected(version);
    const topic = world.unique('pieces/');
    // One at each node: when all are answered, what was sent before has been read.
    const others = [await world.connected(version), await world.connected(version), await world.connected(version)];
    for (const byte of publish(version, { topic, payload: 'slow', qos: 1, packetId: 8 })) {
      client.send(Buffer.from([byte]));
      await Promise.all(others.map((other) => other.nothing()));
    }
    assert.is((await client.ack(Type.puback)).packetId, 8);
    const packets = [9, 10, 11].map((packetId) => publish(version, { topic, qos: 1, packetId }));
    client.send(...packets);
    for (const packetId of [9, 10, 11]) assert.is((await client.ack(Type.puback)).packetId, packetId);
  },
);

test.run();
