import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MqttClient } from 'mqtt';
import { collect, connect, disconnect, publish, type Received, subscribe } from '../support/mqtt.ts';
import { assert, suite } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';
import { Program } from './support/program.ts';
import { InteropWorld } from './support/world.ts';

/* Node-RED's MQTT nodes: a flow takes messages from one node of the cluster and publishes them to another. */

const test = suite('interop: Node-RED');

const FOLDER = fileURLToPath(new URL('./node-red/', import.meta.url));
const START_MS = 120_000;
const VERSIONS = ['4', '5'] as const;

let world: InteropWorld;
let clients: MqttClient[] = [];
let serial = 0;

test.before(
  async () => {
    if (!existsSync(join(FOLDER, 'node_modules'))) throw new Error('scripts/node-red.sh was not run');
    world = await InteropWorld.start();
    const file = join(world.folder, 'flow.json');
    writeFileSync(file, JSON.stringify(VERSIONS.flatMap(flowOf)));
    const nodeRed = new Program(process.execPath, [join(FOLDER, 'run.mjs'), world.folder, file]);
    await waitFor(() => nodeRed.lines.filter((line) => line.includes('Connected to broker')).length >= 4, {
      what: 'Node-RED to be connected',
      timeoutMs: START_MS,
    });
    // Its subscriptions follow the connection.
    for (const version of VERSIONS) await passes(version);
  },
  { timeoutMs: 2 * START_MS },
);
test.after.each(async () => {
  await Promise.all(clients.map((client) => disconnect(client, true)));
  clients = [];
});
test.after(() => world.stop());

async function at(node: number): Promise<MqttClient> {
  const client = await connect(world.port(node), { clientId: `beside-node-red-${String(++serial)}` });
  clients.push(client);
  return client;
}

/** In at the first node, out at the second: `in/VERSION/#` becomes `out/VERSION/#`, in QoS 2. */
function flowOf(version: string): object[] {
  const broker = (name: string, node: number): object => ({
    ...{ id: `${name}${version}`, type: 'mqtt-broker', name, broker: '127.0.0.1', port: String(world.port(node)) },
    ...{ clientid: `node-red-${name}-${version}`, protocolVersion: version, keepalive: '30', usetls: false },
    // Its session outlives the connection.
    ...{ autoConnect: true, cleansession: false, sessionExpiry: '600', autoUnsubscribe: false, userProps: '' },
  });
  const tab = `tab${version}`;
  return [
    { id: tab, type: 'tab', label: version },
    broker('from', 0),
    broker('to', 1),
    {
      ...{ id: `in${version}`, type: 'mqtt in', z: tab, topic: `in/${version}/#`, qos: '2', datatype: 'buffer' },
      ...{ broker: `from${version}`, nl: false, rap: true, rh: 0, inputs: 0, wires: [[`change${version}`]] },
    },
    {
      ...{ id: `change${version}`, type: 'change', z: tab, wires: [[`out${version}`]] },
      rules: [{ t: 'change', p: 'topic', pt: 'msg', from: 'in/', fromt: 'str', to: 'out/', tot: 'str' }],
    },
    // QoS and RETAIN are those of the message that came in.
    {
      id: `out${version}`,
      type: 'mqtt out',
      z: tab,
      topic: '',
      qos: '',
      retain: '',
      broker: `to${version}`,
      wires: [],
    },
  ];
}

/** Until something gets through. */
async function passes(version: string): Promise<void> {
  const client = await connect(world.port(2));
  const box = collect(client);
  await subscribe(client, `out/${version}/probe`, 1);
  await waitFor(
    async () => {
      await publish(client, `in/${version}/probe`, 'probe', { qos: 1 });
      return box.length > 0;
    },
    { what: `a message through the flow of level ${version}`, timeoutMs: 30_000, intervalMs: 200 },
  );
  await disconnect(client);
}

const texts = (messages: readonly Received[]): string[] => messages.map(({ payload }) => payload.toString());

for (const version of VERSIONS) {
  test(
    `level ${version}: messages pass in every QoS, retained ones stay retained`,
    async () => {
      const client = await at(2);
      const box = collect(client);
      await subscribe(client, `out/${version}/a/#`, 2);
      for (const qos of [1, 2, 0] as const) await publish(client, `in/${version}/a/b`, `qos ${String(qos)}`, { qos });
      await waitFor(() => box.length >= 3, { what: 'three messages', timeoutMs: 30_000 });
      assert.equal(box.map(({ payload, qos }) => `${payload.toString()} ${String(qos)}`).sort(), [
        ...['qos 0 0', 'qos 1 1', 'qos 2 2'],
      ]);
      // In 3.1.1 a message that comes to a subscription that is there already never says that it was retained.
      if (version === '4') return;
      await publish(client, `in/${version}/kept`, 'kept', { qos: 2, retain: true });
      const late = await at(0);
      const lateBox = collect(late);
      await subscribe(late, `out/${version}/kept`, 1);
      await waitFor(() => texts(lateBox).includes('kept'), { what: 'the retained message', timeoutMs: 30_000 });
    },
    { timeoutMs: 90_000 },
  );
}

test(
  'the node that messages come from is killed: its session brings what was published meanwhile',
  async () => {
    const client = await at(2);
    const box = collect(client);
    await subscribe(client, ['out/4/outage', 'out/5/outage'], 2);
    await world.node(0).kill('SIGKILL');
    const wanted = Array.from({ length: 10 }, (_none, message) => `message ${String(message)}`);
    for (const text of wanted) {
      for (const version of VERSIONS) await publish(client, `in/${version}/outage`, text, { qos: 2 });
    }
    await world.node(0).start();
    await world.cluster.waitReady(undefined, 60_000);
    await waitFor(() => box.length >= 2 * wanted.length, { what: 'what was published meanwhile', timeoutMs: 60_000 });
    for (const version of VERSIONS) {
      const got = box.filter(({ topic }) => topic === `out/${version}/outage`);
      assert.equal(texts(got), wanted, `level ${version}`);
    }
  },
  { timeoutMs: 180_000 },
);

// Node-RED itself drops what a flow sends while there is no connection.
test(
  'the node that messages go to is killed: Node-RED connects again and goes on',
  async () => {
    await world.node(1).kill('SIGKILL');
    await world.node(1).start();
    await world.cluster.waitReady(undefined, 60_000);
    for (const version of VERSIONS) await passes(version);
  },
  { timeoutMs: 180_000 },
);

test.run();
