import { once } from 'node:events';
import { appendFile, readFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import type { IDisconnectPacket } from 'mqtt';
import { collect, connect, disconnect, publish, type Received, sessionPresent, subscribe } from '../../support/mqtt.ts';
import { assert, onFailure, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';
import { Nodes } from './nodes.ts';

const test = suite('nodes in one process');

let nodes: Nodes;

onFailure(() => nodes?.log.split('\n').slice(-40).join('\n'));

test.before.each(async () => {
  nodes = await Nodes.create(3);
});

test.after.each(async () => {
  await nodes.close();
});

const others = (id: string): string[] => nodes.ids.filter((each) => each !== id);

async function waitForMessages(messages: readonly Received[], count: number): Promise<string[]> {
  await waitFor(() => messages.length >= count, { what: `${String(count)} messages` });
  return messages.map((message) => message.payload.toString());
}

test('what is published on one node arrives on the others, in one order', async () => {
  await nodes.startAll();
  const received = await Promise.all(
    nodes.ids.map(async (id) => {
      const client = await connect(nodes.port(id, 'mqtt'), { clientId: `s-${id}` });
      const messages = collect(client);
      await subscribe(client, 'a/#', 1);
      return { client, messages };
    }),
  );
  const publishers = await Promise.all(nodes.ids.map((id) => connect(nodes.port(id, 'mqtt'), { clientId: `p-${id}` })));
  await Promise.all(
    publishers.flatMap((client, from) =>
      Array.from({ length: 50 }, (_, at) =>
        publish(client, `a/${String(from)}`, `${String(from)}:${String(at)}`, { qos: 1 }),
      ),
    ),
  );
  const orders = await Promise.all(received.map(({ messages }) => waitForMessages(messages, 150)));
  assert.is(new Set(orders[0]).size, 150);
  for (const order of orders) assert.equal(order, orders[0]);
  await Promise.all([...publishers, ...received.map(({ client }) => client)].map((client) => disconnect(client)));
});

test('a stop hands leadership and sessions over; a start brings the node up to date', async () => {
  const leaseMs = 10_000;
  await nodes.startAll({ serving: { leaseMs } });
  const { leader } = nodes;
  const [a, b] = others(leader) as [string, string];
  const options = { clientId: 'c', clean: false, properties: { sessionExpiryInterval: 600 } } as const;
  const client = await connect(nodes.port(leader, 'mqtt'), options);
  await subscribe(client, 'topic', 1);
  const goodbye = new Promise<IDisconnectPacket>((resolve) => {
    client.once('disconnect', resolve);
  });
  const tookMs = await nodes.stop(leader);
  const { reasonCode, properties } = await goodbye;
  assert.is(reasonCode, 0x9c, 'the client was told to use another server');
  const elsewhere = [a, b].map((id) => `127.0.0.1:${String(nodes.port(id, 'mqtt'))}`).sort();
  assert.equal(properties?.serverReference?.split(' ').sort(), elsewhere);
  assert.ok(tookMs < 2_900, `the stop took ${String(tookMs)} ms`);
  await nodes.ready(a, b);
  // At once: a session that was not given back would have to wait for the lease of the stopped node.
  const startedMs = performance.now();
  const publisher = await connect(nodes.port(a, 'mqtt'), { clientId: 'p' });
  await publish(publisher, 'topic', 'while it was away', { qos: 1 });
  const messages: Received[] = [];
  const again = await connect(nodes.port(b, 'mqtt'), { ...options, messages });
  assert.ok(performance.now() - startedMs < leaseMs / 2);
  assert.ok(sessionPresent(again));
  assert.equal(await waitForMessages(messages, 1), ['while it was away']);

  await nodes.start(leader);
  await nodes.ready(leader);
  const view = nodes.node(leader).view.cluster();
  assert.ok(view.appliedIndex >= nodes.node(a).view.cluster().appliedIndex - 5);
  await disconnect(again);
  await disconnect(publisher);
});

test('everything is there after all nodes were stopped and started', async () => {
  await nodes.startAll();
  const client = await connect(nodes.port('n1', 'mqtt'), { clientId: 'p' });
  for (let at = 0; at < 20; at++) await publish(client, `kept/${String(at)}`, String(at), { qos: 1, retain: true });
  const clusterId = nodes.node('n1').view.cluster().clusterId;
  await disconnect(client);
  await Promise.all(nodes.ids.map((id) => nodes.stop(id)));
  await nodes.startAll();
  assert.is(nodes.node('n2').view.cluster().clusterId, clusterId);
  const again = await connect(nodes.port('n3', 'mqtt'), { clientId: 's' });
  const messages = collect(again);
  await subscribe(again, 'kept/+', 1);
  const found = await waitForMessages(messages, 20);
  assert.equal(
    found.map(Number).sort((x, y) => x - y),
    Array.from({ length: 20 }, (_, at) => at),
  );
  await disconnect(again);
});

test('without a majority nothing is acknowledged, and a stop is not held up', async () => {
  await nodes.startAll();
  const client = await connect(nodes.port('n1', 'mqtt'), { clientId: 'c' });
  await nodes.stop('n2');
  await nodes.stop('n3');
  let acknowledged = false;
  publish(client, 'a', 'b', { qos: 1 }).then(
    () => {
      acknowledged = true;
    },
    () => {},
  );
  await waitFor(() => !nodes.node('n1').view.readiness().ready, { what: 'n1 to see that it is alone' });
  const tookMs = await nodes.stop('n1');
  assert.not.ok(acknowledged);
  assert.ok(tookMs < 2_900, `the stop took ${String(tookMs)} ms`);
  client.end(true);
});

test('a start that finds a port taken leaves nothing behind', async () => {
  for (const kind of ['mqtt', 'http', 'peer'] as const) {
    const blocker = net.createServer().listen(nodes.port('n1', kind), '127.0.0.1');
    await once(blocker, 'listening');
    await assert.rejects(nodes.start('n1'), 'EADDRINUSE');
    for (const other of ['mqtt', 'http', 'peer'] as const) {
      if (other === kind) continue;
      const socket = net.connect(nodes.port('n1', other), '127.0.0.1');
      const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
      assert.is(error.code, 'ECONNREFUSED', `${other} while ${kind} is taken`);
    }
    blocker.close();
    await once(blocker, 'close');
  }
  // The data directory is free again as well.
  await nodes.start('n1');
});

test('a data directory in use is refused, and its node goes on', async () => {
  await nodes.startAll();
  await assert.rejects(nodes.start('n1'), 'DIRECTORY_LOCKED');
  const client = await connect(nodes.port('n1', 'mqtt'), { clientId: 'c' });
  await publish(client, 'a', 'b', { qos: 1 });
  await disconnect(client);
});

test('with data in doubt a node has no part in anything, until the others take it in anew', async () => {
  await nodes.startAll();
  await nodes.stop('n1');
  // LevelDB's own words of the run before.
  const log = join(nodes.dataDir('n1'), 'log', 'LOG');
  await appendFile(
    log,
    '2026/01/02-03:04:05.678901 7f0000000000 000003.log: dropping 1024 bytes; Corruption: bad record\n',
  );
  const readiness = (await nodes.start('n1')).view.readiness();
  assert.is(readiness.code, 'DATA_DOUBTFUL');
  assert.match(readiness.reason, /dropping 1024 bytes/);
  await nodes.stop('n1');
  // Found once, it stays, whatever LevelDB has made of its files since.
  const running = await nodes.start('n1');
  assert.is(running.view.readiness().code, 'DATA_DOUBTFUL');
  const end = await running.failed;
  assert.is((end as Error & { readonly code?: string }).code, 'READMITTED');
  assert.match(await readFile(log, 'utf8'), /./, 'its data is untouched');
  await nodes.ready('n2', 'n3');
});

test.run();
