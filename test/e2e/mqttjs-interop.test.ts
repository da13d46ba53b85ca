import { createHash, randomBytes } from 'node:crypto';
import type { MqttClient } from 'mqtt';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import {
  type ConnectOptions,
  collect,
  connect,
  disconnect,
  publish,
  type Received,
  subscribe,
} from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { assert, suite } from '../support/suite.ts';

/* MQTT.js against all nodes: what applications use of MQTT 3.1, 3.1.1 and 5, always across two nodes. */

const test = suite('e2e: MQTT.js');

const KIB = 1024;

interface Version {
  readonly name: string;
  readonly options: ConnectOptions;
}

const VERSIONS: readonly Version[] = [
  { name: 'MQTT 3.1', options: { protocolVersion: 3, protocolId: 'MQIsdp' } },
  { name: 'MQTT 3.1.1', options: { protocolVersion: 4 } },
  { name: 'MQTT 5', options: { protocolVersion: 5 } },
];

/** The nodes of other tests may start at the same time. */
const READY_MS = 60_000;

let cluster: TestCluster;
let clients: MqttClient[] = [];
let serial = 0;

test.before(
  async () => {
    cluster = await startCluster({ readyTimeoutMs: READY_MS });
  },
  { timeoutMs: 2 * READY_MS },
);
test.after.each(async () => {
  await Promise.all(clients.map((client) => disconnect(client, true)));
  clients = [];
});
test.after(() => cluster.stopAll());

/** Connects to the nth node and closes the connection after the test. */
async function at(node: number, options: ConnectOptions = {}): Promise<MqttClient> {
  const client = await connect((cluster.nodes[node % 3] as NodeProcess).mqttPort, {
    clientId: `c${String(++serial)}`,
    ...options,
  });
  clients.push(client);
  return client;
}

const texts = (messages: readonly Received[]): string[] => messages.map((each) => each.payload.toString());

async function count(messages: readonly Received[], wanted: number): Promise<void> {
  await waitFor(() => messages.length >= wanted, {
    what: `${String(wanted)} messages, got ${texts(messages).join(', ')}`,
  });
}

/** Proves that nothing else came: a last message goes the same way and arrives directly after what was there. */
async function nothingElse(
  publisher: MqttClient,
  topic: string,
  messages: readonly Received[],
  wanted: string[],
): Promise<void> {
  await publish(publisher, topic, 'the end', { qos: 1 });
  // Not the text: it may have been used before.
  await waitFor(() => messages.length > wanted.length, { what: 'the last message' });
  assert.equal(texts(messages), [...wanted, 'the end']);
}

for (const { name, options } of VERSIONS) {
  test(`${name}: QoS 0, 1 and 2 from every node to every node`, async () => {
    for (const [from] of cluster.nodes.entries()) {
      const topic = `qos/${String(options.protocolVersion)}/${String(from)}`;
      const readers = await Promise.all(cluster.nodes.map((_none, to) => at(to, options)));
      const boxes = readers.map((reader) => collect(reader));
      await Promise.all(readers.map((reader) => subscribe(reader, topic, 2)));
      const writer = await at(from, options);
      for (const qos of [0, 1, 2] as const) await publish(writer, topic, `qos ${String(qos)}`, { qos });
      for (const box of boxes) {
        await count(box, 3);
        const got = box.map((each) => `${each.payload.toString()} ${String(each.qos)} ${String(each.retain)}`).sort();
        assert.equal(got, ['qos 0 0 false', 'qos 1 1 false', 'qos 2 2 false']);
      }
    }
  });

  test(`${name}: a message is delivered at most at the granted QoS`, async () => {
    const topic = `granted/${String(options.protocolVersion)}`;
    const reader = await at(0, options);
    const box = collect(reader);
    assert.equal(await subscribe(reader, topic, 0), [0]);
    await publish(await at(1, options), topic, 'sent with 2', { qos: 2 });
    await count(box, 1);
    assert.is(box[0]?.qos, 0);
  });

  test(`${name}: retained messages are set, read and removed on different nodes`, async () => {
    const topic = `kept/${String(options.protocolVersion)}`;
    const writer = await at(0, options);
    await publish(writer, `${topic}/a`, 'old', { qos: 1, retain: true });
    await publish(writer, `${topic}/a`, 'new', { qos: 2, retain: true });
    await publish(writer, `${topic}/b`, 'other', { qos: 0, retain: true });
    // QoS 0 has no acknowledgement; one that comes later on the same connection says that it went through.
    await publish(writer, `${topic}/a`, 'newest', { qos: 1, retain: true });
    const reader = await at(1, options);
    const box = collect(reader);
    await subscribe(reader, `${topic}/+`, 1);
    await count(box, 2);
    assert.equal(texts(box).sort(), ['newest', 'other']);
    assert.ok(box.every((each) => each.retain));
    await publish(await at(2, options), `${topic}/a`, '', { qos: 1, retain: true });
    const later = await at(2, options);
    const laterBox = collect(later);
    await subscribe(later, `${topic}/#`, 1);
    await count(laterBox, 1);
    await nothingElse(writer, `${topic}/end`, laterBox, ['other']);
  });

  test(`${name}: wildcards, overlapping filters and unsubscribe`, async () => {
    const root = `wild/${String(options.protocolVersion)}`;
    const reader = await at(0, options);
    const box = collect(reader);
    const grants = await subscribe(reader, [`${root}/+/temperature`, `${root}/kitchen/#`, `${root}/kitchen`], 1);
    assert.equal(grants, [1, 1, 1]);
    const writer = await at(1, options);
    for (const topic of [
      'kitchen/temperature',
      'kitchen',
      'kitchen/a/b',
      'hall/temperature',
      'hall',
      'hall/a/temperature',
    ]) {
      await publish(writer, `${root}/${topic}`, topic, { qos: 1 });
    }
    const expected = ['kitchen/temperature', 'kitchen', 'kitchen/a/b', 'hall/temperature'];
    const distinct = (): string[] => [...new Set(texts(box))];
    await waitFor(() => distinct().length === expected.length, { what: 'all matches' });
    assert.equal(distinct(), expected);
    await reader.unsubscribeAsync([`${root}/+/temperature`, `${root}/kitchen`]);
    box.length = 0;
    await publish(writer, `${root}/hall/temperature`, 'no more', { qos: 1 });
    await nothingElse(writer, `${root}/kitchen/end`, box, []);
  });

  test(`${name}: a will is sent when the connection breaks, not after DISCONNECT`, async () => {
    const topic = `will/${String(options.protocolVersion)}`;
    const reader = await at(0, options);
    const box = collect(reader);
    await subscribe(reader, `${topic}/#`, 1);
    const will = (payload: string): ConnectOptions['will'] => ({
      topic: `${topic}/${payload}`,
      payload: Buffer.from(payload),
      qos: 1,
      retain: false,
    });
    const polite = await at(1, { ...options, will: will('polite') as NonNullable<ConnectOptions['will']> });
    const broken = await at(2, { ...options, will: will('broken') as NonNullable<ConnectOptions['will']> });
    await disconnect(polite);
    broken.stream.destroy();
    await count(box, 1);
    await nothingElse(reader, `${topic}/end`, box, ['broken']);
  });

  test(`${name}: a session is resumed on another node`, async () => {
    const topic = `resumed/${String(options.protocolVersion)}`;
    const clientId = `resumed-${String(options.protocolVersion)}`;
    const session: ConnectOptions = {
      ...options,
      clientId,
      clean: false,
      resubscribe: false,
      ...(options.protocolVersion === 5 && { properties: { sessionExpiryInterval: 60 } }),
    };
    const first = await at(0, session);
    await subscribe(first, topic, 2);
    await disconnect(first);
    const writer = await at(2, options);
    for (const qos of [1, 2, 1] as const) await publish(writer, topic, `for later ${String(qos)}`, { qos });
    const box: Received[] = [];
    await at(1, { ...session, messages: box });
    await count(box, 3);
    // MQTT.js shows a QoS 2 message at its PUBREL.
    assert.equal(texts(box).sort(), ['for later 1', 'for later 1', 'for later 2']);
  });

  test(`${name}: 900 KiB of payload`, async () => {
    const topic = `big/${String(options.protocolVersion)}`;
    const reader = await at(0, options);
    const box = collect(reader);
    await subscribe(reader, topic, 2);
    const payload = randomBytes(900 * KIB);
    for (const qos of [0, 1, 2] as const) await publish(await at(1, options), topic, payload, { qos });
    await count(box, 3);
    const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    for (const each of box) assert.is(digest(each.payload), digest(payload));
  });

  test(`${name}: keep alive holds a silent connection`, async () => {
    const client = await at(1, { ...options, keepalive: 1 });
    let pings = 0;
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'pingresp') pings++;
    });
    await waitFor(() => pings >= 3, { what: 'three answers to PINGREQ' });
    assert.ok(client.connected);
  });
}

test('MQTT 5: message properties travel unchanged', async () => {
  const reader = await at(0);
  const box = collect(reader);
  await subscribe(reader, 'properties', 1);
  const properties = {
    payloadFormatIndicator: true,
    contentType: 'text/plain',
    responseTopic: 'answers/here',
    correlationData: Buffer.from([0, 1, 2, 255]),
    userProperties: { colour: 'blue', number: ['one', 'two'] },
  };
  for (const qos of [0, 1, 2] as const) await publish(await at(1), 'properties', 'x', { qos, properties });
  await count(box, 3);
  for (const { packet } of box) {
    const got = packet.properties;
    assert.is(got?.payloadFormatIndicator, true);
    assert.is(got?.contentType, 'text/plain');
    assert.is(got?.responseTopic, 'answers/here');
    assert.equal(got?.correlationData, properties.correlationData);
    assert.equal({ ...got?.userProperties }, properties.userProperties);
  }
});

test('MQTT 5: request and response between nodes', async () => {
  const server = await at(0);
  server.on('message', (_topic, payload, { properties }) => {
    const { responseTopic, correlationData } = properties ?? {};
    if (responseTopic === undefined || correlationData === undefined) return;
    server.publish(responseTopic, `re: ${payload.toString()}`, { qos: 1, properties: { correlationData } });
  });
  await subscribe(server, 'requests', 1);
  const asker = await at(2);
  const box = collect(asker);
  await subscribe(asker, 'responses/asker', 1);
  const correlationData = Buffer.from('42');
  await publish(asker, 'requests', 'question', {
    qos: 1,
    properties: { responseTopic: 'responses/asker', correlationData },
  });
  await count(box, 1);
  assert.equal(texts(box), ['re: question']);
  assert.equal(box[0]?.packet.properties?.correlationData, correlationData);
});

test('MQTT 5: a message expires in the queue, and what is left of its time is told', async () => {
  const session: ConnectOptions = {
    clientId: 'expiry',
    clean: false,
    resubscribe: false,
    properties: { sessionExpiryInterval: 60 },
  };
  const first = await at(0, session);
  await subscribe(first, 'expiring', 1);
  await disconnect(first);
  const writer = await at(1);
  const witness = await at(2, { clientId: 'witness', clean: false, properties: { sessionExpiryInterval: 60 } });
  await publish(writer, 'expiring', 'short', { qos: 1, properties: { messageExpiryInterval: 1 } });
  await publish(writer, 'expiring', 'long', { qos: 1, properties: { messageExpiryInterval: 100 } });
  await publish(writer, 'expiring/kept', 'short', { qos: 1, retain: true, properties: { messageExpiryInterval: 1 } });
  // The cluster's own clock says when a second is over: retained messages are subject to it as well.
  const gone = async (): Promise<boolean> => {
    const box: Received[] = [];
    witness.removeAllListeners('message');
    collect(witness, box);
    await subscribe(witness, 'expiring/kept', 1);
    await publish(writer, 'expiring/kept/probe', 'probe', { qos: 1 });
    await subscribe(witness, 'expiring/kept/probe', 1);
    await publish(writer, 'expiring/kept/probe', 'probe', { qos: 1 });
    await waitFor(() => texts(box).includes('probe'), { what: 'the probe' });
    return !texts(box).includes('short');
  };
  await waitFor(gone, { what: 'the retained message to expire', intervalMs: 200 });
  const box: Received[] = [];
  await at(2, { ...session, messages: box });
  await count(box, 1);
  await nothingElse(writer, 'expiring', box, ['long']);
  const left = box[0]?.packet.properties?.messageExpiryInterval ?? 0;
  assert.ok(left >= 90 && left <= 99, `${String(left)} s are left of 100`);
});

test('MQTT 5: subscription identifiers, one for each matching subscription', async () => {
  const reader = await at(0);
  const box = collect(reader);
  await reader.subscribeAsync('ids/+', { qos: 1, properties: { subscriptionIdentifier: 7 } });
  await reader.subscribeAsync('ids/one', { qos: 1, properties: { subscriptionIdentifier: 268_435_455 } });
  const writer = await at(1);
  await publish(writer, 'ids/one', 'one', { qos: 1 });
  await publish(writer, 'ids/two', 'two', { qos: 0 });
  const identifiers = (payload: string): number[] =>
    box
      .filter((each) => each.payload.toString() === payload)
      .flatMap((each) => each.packet.properties?.subscriptionIdentifier ?? [])
      .sort((x, y) => x - y);
  await waitFor(() => identifiers('one').length === 2 && identifiers('two').length === 1, { what: 'identifiers' });
  assert.equal(identifiers('one'), [7, 268_435_455]);
  assert.equal(identifiers('two'), [7]);
});

test('MQTT 5: topic aliases of the client', async () => {
  const reader = await at(0);
  const box = collect(reader);
  await subscribe(reader, 'aliased/#', 1);
  const writer = await at(1, { autoAssignTopicAlias: true });
  for (let round = 0; round < 3; round++) {
    for (const topic of ['aliased/a', 'aliased/b'])
      await publish(writer, topic, `${topic} ${String(round)}`, { qos: 1 });
  }
  await count(box, 6);
  assert.equal(
    box.map((each) => `${each.topic} ${each.payload.toString().split(' ')[1] ?? ''}`),
    texts(box),
  );
});

test('MQTT 5: retain handling and retain as published', async () => {
  const writer = await at(0);
  await publish(writer, 'handling', 'kept', { qos: 1, retain: true });
  const reader = await at(1);
  const box = collect(reader);
  await reader.subscribeAsync('handling', { qos: 1, rh: 2 });
  await nothingElse(writer, 'handling', box, []);
  await reader.subscribeAsync('handling', { qos: 1, rh: 1 });
  await nothingElse(writer, 'handling', box, ['the end']);
  await reader.subscribeAsync('handling', { qos: 1, rh: 0, rap: true });
  await waitFor(() => texts(box).includes('kept'), { what: 'the retained message' });
  await publish(writer, 'handling', 'as published', { qos: 1, retain: true });
  await waitFor(() => texts(box).includes('as published'), { what: 'the next message' });
  assert.is(box.at(-1)?.retain, true);
});

test('MQTT 5: no local', async () => {
  const client = await at(0);
  const box = collect(client);
  await client.subscribeAsync('local/none', { qos: 1, nl: true });
  for (const qos of [0, 1, 2] as const) await publish(client, 'local/none', 'mine', { qos });
  await nothingElse(await at(1), 'local/none', box, []);
});

test('MQTT 5: a will after its delay, with its properties', async () => {
  const reader = await at(0);
  const box = collect(reader);
  await subscribe(reader, 'delayed', 1);
  const will = {
    topic: 'delayed',
    payload: Buffer.from('late'),
    qos: 1,
    retain: false,
    properties: { willDelayInterval: 1, contentType: 'text/plain', userProperties: { from: 'beyond' } },
  } as const;
  const client = await at(1, { will, clean: false, properties: { sessionExpiryInterval: 60 } });
  const brokeAtMs = performance.now();
  client.stream.destroy();
  await count(box, 1);
  const afterMs = performance.now() - brokeAtMs;
  assert.ok(afterMs >= 1_000, `after ${String(afterMs)} ms`);
  const properties = box[0]?.packet.properties;
  assert.is(properties?.contentType, 'text/plain');
  assert.equal({ ...properties?.userProperties }, { from: 'beyond' });
});

test('a client without a name gets one, each its own', async () => {
  const names = new Set<string>();
  for (let node = 0; node < 3; node++) {
    const client = await at(node, { clientId: '', clean: true });
    const { properties } = (
      client as unknown as { connackPacket: { properties?: { assignedClientIdentifier?: string } } }
    ).connackPacket;
    names.add(properties?.assignedClientIdentifier ?? '');
  }
  assert.is(names.size, 3);
  assert.not(names.has(''));
});

test.run();
