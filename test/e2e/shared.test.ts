import mqtt, { type MqttClient } from 'mqtt';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { collect, connect, disconnect, publish, type Received, subscribe } from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { assert, note, suite } from '../support/suite.ts';

/* A shared subscription with members on three nodes, one of which is killed. */

const test = suite('e2e: shared subscriptions');

const MESSAGES = 600;
const PARALLEL = 20;

let cluster: TestCluster;

test.before(async () => {
  cluster = await startCluster();
});
test.after(() => cluster.stopAll());

interface Member {
  readonly client: MqttClient;
  readonly messages: Received[];
}

/** Begins at one node and goes to the next one when that is gone; a kept session, and what it holds of QoS 2, goes along. */
async function member(clientId: string, first: number, filter: string, kept: boolean): Promise<Member> {
  const { nodes } = cluster;
  const servers = nodes.map((_node, at) => {
    const { mqttPort } = nodes[(first + at) % nodes.length] as NodeProcess;
    return { host: '127.0.0.1', port: mqttPort };
  });
  const client = mqtt.connect({
    servers,
    clientId,
    protocolVersion: 5,
    clean: !kept,
    reconnectPeriod: 50,
    connectTimeout: 5000,
    ...(kept && { properties: { sessionExpiryInterval: 3600 } }),
  });
  client.on('error', () => {});
  const messages = collect(client);
  await new Promise((done) => client.once('connect', done));
  await subscribe(client, filter, 2);
  return { client, messages };
}

function deliveries(members: readonly Member[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { messages } of members) {
    for (const { payload } of messages) counts.set(payload.toString(), (counts.get(payload.toString()) ?? 0) + 1);
  }
  return counts;
}

function qosOf(at: number): 1 | 2 {
  return at % 2 === 0 ? 2 : 1;
}

test('a node is killed: QoS 1 arrives, QoS 2 once, and nothing is stranded', async () => {
  const filters = { kept: '$share/kept/work/#', clean: '$share/clean/work/#' };
  const kept = await Promise.all([0, 1, 2].map((at) => member(`kept-${String(at)}`, at, filters.kept, true)));
  const clean = await Promise.all([0, 1, 2].map((at) => member(`clean-${String(at)}`, at, filters.clean, false)));
  const [n1, n2, n3] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
  const publishers = [await connect(n1.mqttPort), await connect(n2.mqttPort)];
  for (let at = 0; at < MESSAGES; at += PARALLEL) {
    if (at === MESSAGES / 3) await n3.kill();
    const some = Array.from({ length: PARALLEL }, (_none, offset) => at + offset);
    await Promise.all(
      some.map((each) =>
        publish(publishers[each % 2] as MqttClient, `work/${String(each % 7)}`, String(each), { qos: qosOf(each) }),
      ),
    );
  }
  const all = Array.from({ length: MESSAGES }, (_none, at) => String(at));
  const ofQoS1 = all.filter((payload) => qosOf(Number(payload)) === 1);
  await waitFor(() => deliveries(kept).size === MESSAGES, {
    timeoutMs: 30_000,
    what: 'every message at a member with a kept session',
  });
  await waitFor(() => ofQoS1.every((payload) => deliveries(clean).has(payload)), {
    timeoutMs: 30_000,
    what: 'every QoS 1 message at a member whose session ends with its connection',
  });
  const [keptCounts, cleanCounts] = [deliveries(kept), deliveries(clean)];
  for (const payload of all) {
    if (qosOf(Number(payload)) === 1) continue;
    assert.is(keptCounts.get(payload), 1, `deliveries of ${payload}`);
    assert.ok((cleanCounts.get(payload) ?? 0) <= 1, `deliveries of ${payload} among clean sessions`);
  }
  const again = [...keptCounts.values()].filter((count) => count > 1).length;
  const cut = all.length - all.filter((payload) => cleanCounts.has(payload)).length;
  note(`${String(again)} QoS 1 messages came again; ${String(cut)} QoS 2 deliveries ended with a clean session`);
  const shares = kept.map(({ messages }) => messages.length);
  for (const share of shares) assert.ok(share > MESSAGES / 10, `shares of the members: ${shares.join(', ')}`);
  for (const { client } of [...kept, ...clean]) await disconnect(client);
  for (const client of publishers) await disconnect(client);
  await n3.start();
  await cluster.waitReady();
});

test('the strategy is set over one node, holds on all, and outlives a restart', async () => {
  const [n1, n2, n3] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
  const response = await fetch(`http://127.0.0.1:${String(n2.httpPort)}/api/v1/settings`, {
    method: 'PUT',
    body: JSON.stringify({ sharedSubscriptionStrategy: 'hash_topic' }),
    headers: { 'content-type': 'application/json' },
  });
  const body = (await response.json()) as Record<string, unknown>;
  assert.equal([response.status, body['sharedSubscriptionStrategy']], [200, 'hash_topic']);
  await n3.kill();
  await n3.start();
  await cluster.waitReady();
  for (const node of [n1, n2, n3]) {
    const known = async (): Promise<boolean> => (await node.get('/api/v1/settings')).body.includes('hash_topic');
    await waitFor(known, { what: `${node.id} to know the strategy` });
  }
  const members = [await member('h0', 0, '$share/h/t/#', false), await member('h1', 1, '$share/h/t/#', false)];
  const publisher = await connect(n3.mqttPort);
  for (let at = 0; at < 60; at++) await publish(publisher, `t/${String(at % 6)}`, String(at), { qos: 1 });
  await waitFor(() => deliveries(members).size === 60, { what: 'all messages' });
  const topics = members.map(({ messages }) => new Set(messages.map(({ topic }) => topic)));
  assert.is((topics[0]?.size ?? 0) + (topics[1]?.size ?? 0), 6, 'each topic at one member');
  for (const { messages } of members) {
    for (const each of new Set(messages.map(({ topic }) => topic))) {
      const order = messages.filter(({ topic }) => topic === each).map(({ payload }) => Number(payload.toString()));
      assert.equal(
        order,
        [...order].sort((a, b) => a - b),
      );
    }
  }
  for (const { client } of members) await disconnect(client);
  await disconnect(publisher);
});

test.run();
