import { assert, suite } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';
import { Property } from './support/answers.ts';
import type { RawClient } from './support/client.ts';
import {
  Ack,
  ack,
  binary,
  bytes,
  type Part,
  PINGREQ,
  type PublishFields,
  publish,
  Type,
  uint16,
  uint32,
  type Version,
} from './support/wire.ts';
import { shows, World } from './support/world.ts';

/* PUBLISH, retained messages and what is forwarded: sections 3.3 and 4.7. */

const test = suite('conformance: publish');
const world = new World(test);

/** Bits of the Subscription Options of 5.0. */
const NO_LOCAL = 0x04;
const RETAIN_AS_PUBLISHED = 0x08;
const RETAIN_ON_NEW = 0x10;
const RETAIN_NEVER = 0x20;

/** Publishes a message that nothing was in front of, so that whatever came before it is a mistake. */
async function arrivesNext(watcher: RawClient, topic: string): Promise<void> {
  const payload = world.unique('marker');
  await world.publish({ topic, payload, qos: 1 });
  const message = await watcher.message();
  assert.is(message.payload, payload, `nothing before the marker: '${message.payload}'`);
  if (message.qos > 0) watcher.send(ack(Ack.puback, message.packetId));
}

shows(test, { 'v3.1.1': '3.3.4-1', 'v5.0': '3.3.4-1' }, 'PUBLISH is answered as its QoS says', async (version) => {
  const client = await world.connected(version);
  const topic = world.unique('answer/');
  client.send(publish(version, { topic, qos: 0 }));
  await client.nothing();
  client.send(publish(version, { topic, qos: 1, packetId: 65_535 }));
  assert.is((await client.ack(Type.puback)).packetId, 65_535);
  client.send(publish(version, { topic, qos: 2, packetId: 256 }));
  assert.is((await client.ack(Type.pubrec)).packetId, 256);
  await client.nothing();
});

shows(
  test,
  { 'v3.1.1': '3.3.1-3, 3.3.1-2, 2.3.1-5', 'v5.0': '3.3.1-3, 3.3.1-2, 2.2.1-2' },
  'DUP of the publisher is not passed on; QoS 0 has neither DUP nor packet identifier',
  async (version) => {
    const topic = world.unique('dup/');
    const watcher = await world.subscriber(version, topic, 2);
    const publisher = await world.connected(version);
    for (const qos of [0, 1, 2]) {
      publisher.send(publish(version, { topic, qos, payload: `at ${String(qos)}`, dup: qos > 0, packetId: 9 }));
      const message = await watcher.message();
      assert.equal([message.payload, message.qos, message.dup], [`at ${String(qos)}`, qos, false]);
    }
  },
);

shows(
  test,
  { 'v3.1.1': '3.3.1-5, 3.3.1-6, 3.3.1-7, 3.3.1-8, 3.3.1-9', 'v5.0': '3.3.1-5, 3.3.1-9, 3.3.1-12' },
  'the newest retained message of a topic comes with a new subscription, RETAIN set, and only then',
  async (version) => {
    const topic = world.unique('retained/');
    const early = await world.subscriber(version, topic, 2);
    for (const [payload, qos] of [
      ['first', 1],
      ['second', 0],
      ['third', 2],
    ] as const) {
      await world.publish({ topic, payload, qos, retain: true }, version);
      const live = await early.message();
      assert.equal([live.payload, live.qos, live.retain], [payload, qos, false]);
      const late = await world.subscriber(version, topic, 2);
      const kept = await late.message();
      assert.equal([kept.payload, kept.qos, kept.retain, kept.dup], [payload, qos, true, false]);
      await late.nothing();
    }
  },
);

shows(
  test,
  { 'v3.1.1': '3.3.1-10, 3.3.1-11', 'v5.0': '3.3.1-6, 3.3.1-7' },
  'an empty retained message is delivered, removes what was retained and is not retained',
  async (version) => {
    const topic = world.unique('emptied/');
    const early = await world.subscriber(version, topic, 0);
    for (const qos of [0, 1, 2]) {
      await world.publish({ topic, payload: 'kept', qos: 1, retain: true }, version);
      assert.is((await early.message()).payload, 'kept');
      await world.publish({ topic, qos, retain: true }, version);
      assert.is((await early.message()).payload, '');
      const late = await world.subscriber(version, topic);
      await arrivesNext(late, topic);
      assert.match((await early.message()).payload, /marker/);
    }
  },
);

shows(
  test,
  { 'v3.1.1': '3.3.1-12', 'v5.0': '3.3.1-8' },
  'a message without RETAIN neither is retained nor changes what is',
  async (version) => {
    const topic = world.unique('unretained/');
    await world.publish({ topic, payload: 'never', qos: 1 }, version);
    const before = await world.subscriber(version, topic);
    await arrivesNext(before, topic);
    await world.publish({ topic, payload: 'kept', qos: 1, retain: true }, version);
    for (const payload of ['other', '']) await world.publish({ topic, payload, qos: 1 }, version);
    const after = await world.subscriber(version, topic);
    assert.is((await after.message()).payload, 'kept');
  },
);

shows(test, { 'v3.1.1': '3.1.2-7' }, 'retained messages outlive the session that published them', async (version) => {
  const topic = world.unique('outlives/');
  // A client of its own, with a clean session, which has ended when this returns.
  await world.publish({ topic, payload: 'stays', qos: 1, retain: true }, version);
  const [client] = await world.dial(version);
  assert.equal(await client.subscribe(topic, 0), [0]);
  assert.is((await client.message()).payload, 'stays');
});

shows(
  test,
  { 'v5.0': '3.3.1-9, 3.3.1-10, 3.3.1-11' },
  'Retain Handling: always, for a new subscription, never',
  async (version) => {
    const topic = world.unique('handling/');
    await world.publish({ topic, payload: 'kept', qos: 1, retain: true });
    const client = await world.connected(version);
    const gets = async (options: number, expected: boolean): Promise<void> => {
      await client.subscribe(topic, options);
      if (expected) assert.is((await client.message()).payload, 'kept', String(options));
      await client.nothing();
    };
    await gets(RETAIN_NEVER, false);
    await client.unsubscribe(topic);
    await gets(RETAIN_ON_NEW, true);
    await gets(RETAIN_ON_NEW, false);
    await gets(0, true);
    await gets(0, true);
    await client.unsubscribe(topic);
    await gets(RETAIN_ON_NEW, true);
  },
);

shows(test, { 'v5.0': '3.3.1-12, 3.3.1-13' }, 'Retain As Published', async (version) => {
  const topic = world.unique('as-published/');
  const plain = await world.subscriber(version, topic, 1);
  const keeps = await world.subscriber(version, topic, 1 | RETAIN_AS_PUBLISHED);
  for (const retain of [true, false]) {
    await world.publish({ topic, payload: 'x', qos: 1, retain });
    assert.is((await plain.message()).retain, false);
    assert.is((await keeps.message()).retain, retain);
  }
});

/** Filter, topics that it matches, topics that it does not match; all below a level of their own. */
const MATCHES: readonly (readonly [filter: string, yes: readonly string[], no: readonly string[]])[] = [
  ['a/b', ['a/b'], ['a', 'a/b/', 'a/b/c', 'A/b']],
  ['a/+', ['a/b', 'a/'], ['a', 'a/b/c']],
  ['+/b', ['a/b', '/b'], ['a/b/c', 'b']],
  ['a/#', ['a', 'a/', 'a/b', 'a/b/c'], ['ab', 'b/a']],
  ['+/+', ['a/b', '/'], ['a', 'a/b/c']],
  ['a/+/c', ['a/b/c', 'a//c'], ['a/c', 'a/b/b/c']],
  ['#', ['a', 'a/b', '/'], []],
];

shows(
  test,
  { 'v3.1.1': '3.3.2-3, 4.5.0-1', 'v5.0': '3.3.2-3, 4.5.0-1' },
  'what a filter matches is delivered, and nothing else is',
  async (version) => {
    const publisher = await world.connected(version);
    for (const [filter, yes, no] of MATCHES) {
      const root = world.unique('match');
      const watcher = await world.subscriber(version, `${root}/${filter}`, 1);
      const marker = yes[0] as string;
      for (const topic of [...no, ...yes, marker]) {
        publisher.send(publish(version, { topic: `${root}/${topic}`, qos: 1, packetId: 1 }));
        await publisher.ack(Type.puback);
      }
      for (const topic of [...yes, marker]) {
        const message = await watcher.message();
        assert.is(message.topic, `${root}/${topic}`, filter);
        watcher.send(ack(Ack.puback, message.packetId));
      }
      await watcher.nothing();
    }
  },
);

shows(
  test,
  { 'v3.1.1': '4.7.2-1', 'v5.0': '4.7.2-1' },
  'a filter that begins with a wildcard matches no topic that begins with $',
  async (version) => {
    const name = world.unique('dollar');
    const wild = await world.connected(version);
    for (const filter of [`+/${name}`, '#', '+/+']) {
      assert.equal(await wild.subscribe(filter, RETAIN_HANDLING[version]), [0]);
      await drain(wild);
    }
    const exact = await world.subscriber(version, `$name/${name}`, 1);
    const other = await world.subscriber(version, `$name/+`, 1);
    await world.publish({ topic: `$name/${name}`, payload: 'hidden', qos: 1 }, version);
    assert.is((await exact.message()).payload, 'hidden');
    assert.is((await other.message()).payload, 'hidden');
    await world.publish({ topic: `name/${name}`, payload: 'seen', qos: 1 }, version);
    assert.is((await wild.message()).payload, 'seen');
  },
);

/** Options with which 5.0 can do without the retained messages of the other tests. */
const RETAIN_HANDLING: Readonly<Record<Version, number>> = { 4: 0, 5: RETAIN_NEVER };

/** Takes the retained messages that a subscription to everything brought. */
async function drain(client: RawClient): Promise<void> {
  client.send(PINGREQ);
  while ((await client.next()).type !== Type.pingresp);
}

const PROPERTIES = bytes(
  [Property.payloadFormatIndicator, 1],
  [Property.contentType, 'text/plain; é'],
  [Property.responseTopic, 'reply/to'],
  [Property.correlationData, binary(Buffer.from([0, 255, 1]))],
  [Property.userProperty, 'b', '1'],
  [Property.userProperty, 'a', '2'],
  [Property.userProperty, 'b', ''],
  [Property.userProperty, '', '3'],
);
const FORWARDED = [
  [Property.payloadFormatIndicator, [1]],
  [Property.contentType, ['text/plain; é']],
  [Property.responseTopic, ['reply/to']],
  [Property.correlationData, ['\u0000\u00ff\u0001']],
  [
    Property.userProperty,
    [
      ['b', '1'],
      ['a', '2'],
      ['b', ''],
      ['', '3'],
    ],
  ],
];

shows(
  test,
  { 'v5.0': '3.3.2-4, 3.3.2-15, 3.3.2-16, 3.3.2-17, 3.3.2-18, 3.3.2-20, 3.1.3-10' },
  'properties of a message reach every subscriber unaltered and in order: live, retained, and of a will',
  async (version) => {
    const topic = world.unique('properties/');
    const willTopic = world.unique('properties/');
    const watcher = await world.connected(version);
    for (const filter of [topic, willTopic]) await watcher.subscribe(filter, 2);
    for (const qos of [0, 1, 2]) {
      await world.publish({ topic, payload: 'x', qos, properties: [PROPERTIES], retain: qos === 1 });
      assert.equal([...(await watcher.message()).properties], FORWARDED, `QoS ${String(qos)}`);
    }
    const late = await world.subscriber(version, topic, 2);
    assert.equal([...(await late.message()).properties], FORWARDED, 'retained');
    const will = { topic: willTopic, payload: 'gone', properties: [PROPERTIES] };
    (await world.connected(version, { will })).destroy();
    assert.equal([...(await watcher.message()).properties], FORWARDED, 'will');
    // A client of 3.1.1 gets the message without them.
    const old = await world.subscriber(4, topic, 0);
    assert.is((await old.message()).payload, 'x');
  },
);

shows(
  test,
  { 'v5.0': '4.3.3-9, 3.5.2-1, 3.4.2-1' },
  'a payload that is not the UTF-8 that it says it is gets refused, and its packet identifier is free',
  async (version) => {
    const topic = world.unique('format/');
    const watcher = await world.subscriber(version, topic, 2);
    const client = await world.connected(version);
    const wrong: PublishFields = {
      topic,
      payload: Buffer.from([0xff]),
      properties: [Property.payloadFormatIndicator, 1],
    };
    client.send(publish(version, { ...wrong, qos: 1, packetId: 3 }));
    assert.equal((await client.ack(Type.puback)).codes, [0x99]);
    client.send(publish(version, { ...wrong, qos: 2, packetId: 3 }));
    assert.equal((await client.ack(Type.pubrec)).codes, [0x99]);
    client.send(publish(version, { ...wrong, qos: 2, packetId: 3, payload: 'right' }));
    assert.equal((await client.ack(Type.pubrec)).codes, [0]);
    const { payload } = await watcher.message();
    assert.is(payload, 'right');
    client.send(publish(version, { ...wrong, qos: 0, payload: 'a\u0000b' }));
    await client.nothing();
    client.send(publish(version, wrong));
    await client.closes(0x99);
    const will = { topic, properties: [Property.payloadFormatIndicator, 1] };
    const [good, { code }] = await world.dial(version, { will: { ...will, payload: 'é' } });
    assert.is(code, 0);
    good.destroy();
  },
);

shows(
  test,
  { 'v5.0': '3.3.2-5, 3.3.2-6' },
  'Message Expiry Interval: what is left of it is sent, and what expired is not',
  async (version) => {
    const topic = world.unique('expiry/');
    const expiry = (seconds: number): readonly Part[] => [Property.messageExpiryInterval, uint32(seconds)];
    const properties = [Property.sessionExpiryInterval, uint32(300)];
    const clientId = world.unique();
    const away = await world.connected(version, { clientId, properties });
    await away.subscribe(`${topic}/queued`, 1);
    away.destroy();
    await world.publish({ topic: `${topic}/queued`, payload: 'expires', qos: 1, properties: expiry(2) });
    await world.publish({ topic: `${topic}/queued`, payload: 'stays', qos: 1, properties: expiry(100) });
    await world.publish({ topic, payload: 'retained', qos: 1, retain: true, properties: expiry(3) });
    const left = async (): Promise<number> => {
      const client = await world.subscriber(version, topic);
      await world.publish({ topic, payload: 'marker', qos: 1 });
      const { retain, properties: received } = await client.message();
      return retain ? (received.get(Property.messageExpiryInterval)?.[0] as number) : 0;
    };
    const first = await left();
    assert.ok(first > 0 && first <= 3, `${String(first)} s left`);
    const counted = await waitFor(async () => (await left()) < first, { what: 'the interval to count down' });
    assert.ok(counted);
    await waitFor(async () => (await left()) === 0, { what: 'the retained message to expire' });
    const [back, { flags }] = await world.dial(version, { clientId, clean: false, properties });
    assert.is(flags, 1);
    const message = await back.message();
    assert.is(message.payload, 'stays');
    const seconds = message.properties.get(Property.messageExpiryInterval)?.[0] as number;
    assert.ok(seconds < 100 && seconds > 50, `${String(seconds)} s left`);
  },
);

shows(
  test,
  { 'v5.0': '3.3.2-7, 3.3.2-9, 3.3.2-12, 3.2.2-17' },
  'Topic Aliases of a client: up to the maximum, for one connection',
  async (version) => {
    const topic = world.unique('alias/');
    const watcher = await world.subscriber(version, `${topic}/+`, 1);
    const client = await world.connected(version);
    const alias = (value: number): readonly Part[] => [Property.topicAlias, uint16(value)];
    const expectTopic = async (end: string): Promise<void> => {
      const message = await watcher.message();
      assert.is(message.topic, `${topic}/${end}`);
      assert.not.ok(message.properties.has(Property.topicAlias));
      if (message.qos === 1) watcher.send(ack(Ack.puback, message.packetId));
    };
    for (let value = 1; value <= 32; value++) {
      client.send(publish(version, { topic: `${topic}/${String(value)}`, qos: value % 2, properties: alias(value) }));
      if (value % 2 === 1) await client.ack(Type.puback);
      await expectTopic(String(value));
    }
    client.send(publish(version, { topic: '', properties: alias(32) }));
    await expectTopic('32');
    client.send(publish(version, { topic: `${topic}/new`, properties: alias(32) }));
    await expectTopic('new');
    client.send(publish(version, { topic: '', properties: alias(32) }));
    await expectTopic('new');
    client.send(publish(version, { topic: `${topic}/33`, properties: alias(33) }));
    await client.closes(0x94);
    const next = await world.connected(version, { clientId: client.clientId });
    next.send(publish(version, { topic: '', properties: alias(1) }));
    await next.closes(0x94);
  },
);

shows(
  test,
  { 'v5.0': '3.1.2-26, 3.1.2-27, 3.3.2-11' },
  'Topic Aliases to a client: none unless it takes them, and never more',
  async (version) => {
    const topic = world.unique('server-alias/');
    const plain = await world.subscriber(version, `${topic}/+`);
    const clientId = world.unique();
    const connect = async (): Promise<RawClient> => {
      const properties = [Property.topicAliasMaximum, uint16(2)];
      const client = await world.connected(version, { clientId, properties });
      await client.subscribe(`${topic}/+`, 1);
      return client;
    };
    let client = await connect();
    const sends = async (end: string, qos: number, named: string, alias: number | undefined): Promise<void> => {
      await world.publish({ topic: `${topic}/${end}`, qos, payload: end });
      const { properties } = await plain.message();
      assert.not.ok(properties.has(Property.topicAlias));
      const message = await client.message();
      assert.equal([message.payload, message.topic], [end, named]);
      assert.is(message.properties.get(Property.topicAlias)?.[0], alias);
    };
    await sends('a', 0, `${topic}/a`, 1);
    await sends('a', 0, '', 1);
    await sends('b', 1, `${topic}/b`, 2);
    await sends('b', 0, '', 2);
    await sends('a', 1, '', 1);
    await sends('c', 1, `${topic}/c`, undefined);
    await sends('c', 0, `${topic}/c`, undefined);
    client.destroy();
    client = await connect();
    await sends('b', 0, `${topic}/b`, 1);
    await sends('b', 1, '', 1);
  },
);

shows(
  test,
  { 'v3.1.1': '3.3.5-1', 'v5.0': '3.3.4-2, 3.3.4-3, 3.3.4-4' },
  'subscriptions that overlap: one copy, with the highest QoS of them and all their identifiers',
  async (version) => {
    const topic = world.unique('overlap/');
    const client = await world.connected(version);
    const id = (value: number): Buffer[] => (version === 5 ? [bytes(Property.subscriptionIdentifier, value)] : []);
    await client.subscribe(topic, 0, ...id(1));
    await client.subscribe(`${topic}/#`, 1, ...id(5));
    const [root] = topic.split('/') as [string];
    await client.subscribe(`${root}/+`, 2);
    await client.subscribe(`${root}/other`, 2, ...id(7));
    for (const [qos, got] of [
      [2, 2],
      [1, 1],
      [0, 0],
    ] as const) {
      await world.publish({ topic, payload: 'x', qos }, version);
      const message = await client.message();
      assert.is(message.qos, got);
      const ids = [...(message.properties.get(Property.subscriptionIdentifier) ?? [])].map(Number);
      assert.equal(
        ids.sort((a, b) => a - b),
        version === 5 ? [1, 5] : [],
      );
      await client.nothing();
    }
  },
);

shows(
  test,
  { 'v5.0': '3.8.3-3' },
  'No Local: nothing of what the client itself published, on whichever connection',
  async (version) => {
    const topic = world.unique('local/');
    const properties = [Property.sessionExpiryInterval, uint32(60)];
    const clientId = world.unique();
    const client = await world.connected(version, { clientId, properties });
    await client.subscribe(topic, 1 | NO_LOCAL);
    for (const qos of [0, 1, 2]) {
      client.send(publish(version, { topic, payload: 'own', qos, packetId: 20 + qos }));
      if (qos > 0) await client.ack(qos === 1 ? Type.puback : Type.pubrec);
    }
    await arrivesNext(client, topic);
    // Not just closed: an acknowledgement that is not in the log yet is lost, and its message would come again.
    await client.leave();
    const again = await world.connected(version, { clientId, clean: false, properties });
    again.send(publish(version, { topic, payload: 'own', qos: 1, packetId: 30 }));
    await again.ack(Type.puback);
    await arrivesNext(again, topic);
  },
);

test.run();
