import mqtt, { type MqttClient } from 'mqtt';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { collect, connect, disconnect, publish, type Received } from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Promise P2: one client id, one connection, wherever in the cluster it connects. */

const test = suite('e2e: takeover');

const ROUNDS = 50;
const SESSION_TAKEN_OVER = 0x8e;
/** What CONNACK says to a connection that lost its session before it was accepted. */
const SERVER_UNAVAILABLE = 0x88;

let cluster: TestCluster;

test.before(async () => {
  cluster = await startCluster();
});
test.after(() => cluster.stopAll());

interface Contender {
  readonly nodeId: string;
  readonly client: MqttClient;
  readonly messages: Received[];
  connacks: number;
  /** Reason code of DISCONNECT, or of the CONNACK that refused. */
  reasonCode: number | undefined;
  closed: boolean;
}

/** Starts a connection and waits for nothing. */
function contend(node: NodeProcess, clientId: string, protocolVersion: 4 | 5, clean: boolean): Contender {
  const client = mqtt.connect({
    host: '127.0.0.1',
    port: node.mqttPort,
    clientId,
    protocolVersion,
    clean,
    resubscribe: false,
    reconnectPeriod: 0,
    ...(protocolVersion === 5 && !clean && { properties: { sessionExpiryInterval: 3600 } }),
  });
  const contender: Contender = {
    nodeId: node.id,
    client,
    messages: collect(client),
    connacks: 0,
    reasonCode: undefined,
    closed: false,
  };
  client.on('connect', () => contender.connacks++);
  client.on('disconnect', (packet) => {
    contender.reasonCode = packet.reasonCode;
  });
  client.on('error', (error) => {
    const { code } = error as { readonly code?: unknown };
    if (typeof code === 'number') contender.reasonCode = code;
  });
  client.on('close', () => {
    contender.closed = true;
  });
  return contender;
}

/** Three connections at once, beside the one that is there already; returns the only one that is left. */
async function contest(
  clientId: string,
  protocolVersion: 4 | 5,
  clean: boolean,
  before: Contender | null,
): Promise<Contender> {
  const start = (): Contender[] => cluster.nodes.map((node) => contend(node, clientId, protocolVersion, clean));
  let contenders = start();
  const decided = (): boolean =>
    before?.closed !== false &&
    contenders.filter((each) => each.closed).length === contenders.length - 1 &&
    contenders.filter((each) => !each.closed && each.connacks === 1).length === 1;
  // Nobody is left when the nodes were out of contact for a moment, as on a busy machine.
  const look = (): boolean => {
    if (contenders.every((each) => each.closed && each.connacks === 0)) contenders = start();
    return decided();
  };
  await waitFor(look, { what: `one connection of ${clientId}`, intervalMs: 5 }).catch((error: Error) => {
    const state = contenders.map(
      (each) => `${each.nodeId}: connacks ${String(each.connacks)}, closed ${String(each.closed)}`,
    );
    throw new Error(`${error.message}; ${state.join('; ')}`, { cause: error });
  });
  const survivor = contenders.find((each) => !each.closed) as Contender;
  for (const each of contenders) {
    if (each === survivor || protocolVersion === 4) continue;
    const expected = each.connacks === 1 ? SESSION_TAKEN_OVER : SERVER_UNAVAILABLE;
    assert.is(
      each.reasonCode,
      expected,
      `why the connection to ${each.nodeId} was closed, CONNACKs: ${String(each.connacks)}`,
    );
  }
  if (before !== null && protocolVersion === 5) assert.is(before.reasonCode, SESSION_TAKEN_OVER);
  return survivor;
}

/** Rounds in which the survivor of one meets the three of the next. */
async function rounds(count: number, clientId: string, protocolVersion: 4 | 5): Promise<void> {
  const publisher = await connect((cluster.nodes[0] as NodeProcess).mqttPort);
  const topic = `for/${clientId}`;
  let survivor: Contender | null = null;
  const all: Contender[] = [];
  const wins = new Map<string, number>();
  for (let round = 0; round < count; round++) {
    const before: Contender | null = survivor;
    survivor = await contest(clientId, protocolVersion, false, before);
    all.push(survivor);
    wins.set(survivor.nodeId, (wins.get(survivor.nodeId) ?? 0) + 1);
    if (round === 0) await survivor.client.subscribeAsync(topic, { qos: 1 });
    const payload = String(round);
    await publish(publisher, topic, payload, { qos: 1 });
    const { messages } = survivor;
    const arrived = (): boolean => messages.some((each) => each.payload.toString() === payload);
    await waitFor(arrived, { what: `message ${payload}`, intervalMs: 5 });
    assert.is(survivor.closed, false);
  }
  // A message may come again to a later connection, marked as a duplicate: its acknowledgement was lost on the way.
  const firsts = all.flatMap((each) => each.messages.filter((message) => !message.dup));
  const payloads = firsts.map((message) => Number(message.payload.toString()));
  assert.equal(payloads, [...Array(count).keys()], 'each message once, to the survivor of its round');
  note(`survivors: ${[...wins].map(([node, won]) => `${node} ${String(won)}`).join(', ')}`);
  await disconnect((survivor as Contender).client);
  await disconnect(publisher);
}

test('one client id on three nodes at once, MQTT 5, fifty rounds', () => rounds(ROUNDS, 'contested', 5), {
  timeoutMs: 50_000,
});

test('one client id on three nodes at once, MQTT 3.1.1', () => rounds(10, 'contested-v3', 4));

test('a session that ends with its connection has one connection too', async () => {
  let survivor: Contender | null = null;
  for (let round = 0; round < 10; round++) survivor = await contest('contested-clean', 5, true, survivor);
  await disconnect((survivor as Contender).client);
});

test('a queue that was full of unacknowledged messages moves with the session, QoS 2 once', async () => {
  const [first, second] = cluster.nodes as [NodeProcess, NodeProcess];
  const options = { clientId: 'mover', clean: false, resubscribe: false, properties: { sessionExpiryInterval: 3600 } };
  const publisher = await connect(second.mqttPort);
  const count = 200;
  const messages: Received[] = [];
  let client = await connect(first.mqttPort, options);
  await client.subscribeAsync('moving', { qos: 2 });
  const { incomingStore, outgoingStore } = client;
  const sent = Array.from({ length: count }, (_none, at) => publish(publisher, 'moving', String(at), { qos: 2 }));
  // The same client with its state of exchanges, from node to node while they are under way.
  for (let move = 0; messages.length < count; move++) {
    const node = cluster.nodes[move % 3] as NodeProcess;
    client = await connect(node.mqttPort, { ...options, incomingStore, outgoingStore, messages });
    const target = Math.min(count, messages.length + 8);
    await waitFor(() => messages.length >= target, {
      what: `message ${String(target)} after move ${String(move)}`,
      intervalMs: 1,
    });
  }
  await Promise.all(sent);
  const numbers = messages.map((each) => Number(each.payload.toString()));
  assert.equal(numbers, [...Array(count).keys()], 'each message once, in order');
  await disconnect(client);
  await disconnect(publisher);
});

test.run();
