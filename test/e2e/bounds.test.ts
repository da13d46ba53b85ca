import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { collect, connect, disconnect, publish, type Received, subscribe } from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Bounds that only real sockets and a real process can show; test/unit/broker shows the others. */

const test = suite('e2e: bounds');

const KIB = 1024;
const PUBLISHES_PER_SEC = 50;
const SLOW_MS = 2_000;
const SERVER_BUSY = 0x89;
const QUOTA_EXCEEDED = 0x97;

let cluster: TestCluster | null = null;

async function start(nodes: number, limits: Readonly<Record<string, unknown>>): Promise<NodeProcess> {
  cluster = await startCluster({ nodes, config: { limits } });
  return cluster.nodes[0] as NodeProcess;
}

test.after.each(async () => {
  await cluster?.stopAll();
  cluster = null;
});

async function metric(node: NodeProcess, name: string): Promise<number> {
  const { body } = await node.get('/metrics');
  const line = body.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

test('a client that publishes too fast is slowed down by its own socket, and loses nothing', async () => {
  const node = await start(1, { maxPublishesPerSec: PUBLISHES_PER_SEC });
  const subscriber = await connect(node.mqttPort);
  const box = collect(subscriber);
  await subscribe(subscriber, 'fast', 1);
  const publisher = await connect(node.mqttPort, { keepalive: 2 });
  const count = 4 * PUBLISHES_PER_SEC;
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: count }, (_, at) => publish(publisher, 'fast', String(at), { qos: 1 })));
  const tookMs = performance.now() - startedMs;
  note(`${String(count)} messages in ${String(Math.round(tookMs))} ms`);
  // The first second's worth comes at once.
  assert.ok(tookMs > 2_500, `${String(tookMs)} ms`);
  await waitFor(() => box.length === count, { what: 'all messages' });
  assert.ok((await metric(node, 'quorate_publishers_held_total{limit="messages"}')) > 0);
  assert.ok((await metric(node, 'quorate_publishers_held_seconds_total')) > 2);
  await disconnect(publisher);
  await disconnect(subscriber);
});

test('a client that reads nothing is let go', async () => {
  const node = await start(1, { slowConsumerTimeoutMs: SLOW_MS, maxOutgoingBufferBytes: 64 * KIB });
  const deaf = await connect(node.mqttPort, { clientId: 'deaf', keepalive: 0 });
  await subscribe(deaf, 'flood', 0);
  deaf.stream.pause();
  // MQTT.js resumes it when it has dealt with what it has.
  deaf.stream.removeAllListeners('readable');
  deaf.stream.unpipe();
  const publisher = await connect(node.mqttPort);
  const payload = Buffer.alloc(32 * KIB);
  const gone = async (): Promise<boolean> => {
    for (let at = 0; at < 20; at++) await publish(publisher, 'flood', payload);
    return (await metric(node, 'quorate_disconnects_total{reason="slow_consumer"}')) === 1;
  };
  await waitFor(gone, { what: 'the client to be let go', timeoutMs: 30_000 });
  assert.ok(
    (await metric(node, 'quorate_messages_dropped_total{reason="slow_consumer_qos0"}')) > 0,
    'QoS 0 goes first',
  );
  assert.match(
    node.logs(),
    /closing client 'deaf': the client takes its messages too slowly: it took none of \d+ bytes/,
  );
  await disconnect(publisher);
  deaf.end(true);
});

test('at its high-water mark of memory a node accepts nobody, and says so everywhere', async () => {
  const node = await start(1, { memoryHighWaterMarkBytes: 1 });
  await waitFor(async () => (await metric(node, 'quorate_memory_high')) === 1, { what: 'memory_high' });
  const refused = await connect(node.mqttPort).catch((error: { readonly code?: unknown }) => error.code);
  assert.is(refused, SERVER_BUSY);
  assert.is((await node.get('/readyz')).status, 200);
  const { body } = await node.get('/api/v1/cluster');
  const { warnings } = JSON.parse(body) as { readonly warnings?: readonly { readonly code: string }[] };
  assert.equal(
    warnings?.map(({ code }) => code),
    ['MEMORY_HIGH'],
  );
  assert.match(node.logs(), /"code":"MEMORY_HIGH"/);
  assert.ok((await metric(node, 'quorate_connects_refused_total{reason="memory_high"}')) > 0);
});

async function change(node: NodeProcess, settings: Readonly<Record<string, unknown>>): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${String(node.httpPort)}/api/v1/settings`, {
    method: 'PUT',
    body: JSON.stringify(settings),
    headers: { 'content-type': 'application/json' },
  });
  const body = (await response.json()) as Record<string, unknown>;
  for (const [key, value] of Object.entries(settings)) assert.is(body[key], value, JSON.stringify(body));
}

test('limits of the cluster are set over one node, hold on all, drop nothing that is there, and outlive a restart', async () => {
  await start(3, {});
  const [n1, n2, n3] = cluster?.nodes as [NodeProcess, NodeProcess, NodeProcess];
  const properties = { sessionExpiryInterval: 3_600 };
  const kept = { clientId: 'kept', clean: false, properties };
  const first = await connect(n1.mqttPort, kept);
  await subscribe(first, 'full', 1);
  await disconnect(first);
  const publisher = await connect(n3.mqttPort, { clientId: 'publisher' });
  for (const payload of '123456') await publish(publisher, 'full', payload, { qos: 1 });
  await change(n2, { queuedMessagesPerSession: 4 });
  await publish(publisher, 'full', '7', { qos: 1 });
  const dropped = 'quorate_messages_dropped_total{reason="queue_full"}';
  assert.is(await metric(n3, dropped), 1, 'counted where it came from');
  await n1.kill();
  await n1.start();
  await cluster?.waitReady();
  await change(n2, { queuedMessagesPerSession: 7, fullQueuePolicy: 'drop_oldest' });
  for (const payload of '89') await publish(publisher, 'full', payload, { qos: 1 });
  assert.is(await metric(n3, dropped), 2);
  for (const node of [n1, n2, n3]) {
    const known = async (): Promise<boolean> =>
      (await node.get('/api/v1/settings')).body.includes('"fullQueuePolicy":"drop_oldest"');
    await waitFor(known, { what: `${node.id} to know the settings` });
  }
  const messages: Received[] = [];
  const back = await connect(n1.mqttPort, { ...kept, messages });
  await waitFor(() => messages.length === 7, { what: 'what the queue holds' });
  assert.is(messages.map(({ payload }) => payload.toString()).join(''), '2345689', 'the oldest went for the last one');
  await change(n3, { sessions: 2 });
  const refused = await connect(n1.mqttPort, { clientId: 'new' }).catch(
    (error: { readonly code?: unknown }) => error.code,
  );
  assert.is(refused, QUOTA_EXCEEDED);
  for (const client of [back, publisher]) await disconnect(client);
});

test.run();
