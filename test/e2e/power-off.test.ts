import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { checkDelivery, Publisher, Subscriber } from '../support/load.ts';
import { collect, connect, disconnect, publish, type Received, sessionPresent } from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { endRoamers } from '../support/roamer.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Promise P1: the power of all nodes goes at once, under load; nothing that was acknowledged is lost. */

const test = suite('e2e: power off');

const ROUNDS = 2;
/** Acknowledgements of each publisher before the power goes. */
const ACKS_BEFORE = 150;
const RETAINED_TOPICS = 5;
const STILL_TOPICS = 20;
const EXPIRY = { sessionExpiryInterval: 3600 };

let cluster: TestCluster;
let nodes: readonly [NodeProcess, NodeProcess, NodeProcess];

test.before(async () => {
  cluster = await startCluster();
  nodes = cluster.nodes as unknown as typeof nodes;
});
test.after(async () => {
  await endRoamers();
  await cluster.stopAll();
});

function publisherAt(home: NodeProcess, name: string, options: { qos: 1 | 2; retain?: boolean }): Publisher {
  const topic = options.retain === true ? `kept/${name}` : `load/${name}`;
  return new Publisher({ clientId: name, topic, home, nodes: cluster.nodes, pauseMs: 2, ...options });
}

/** A session that subscribes and goes away. */
async function leaveSession(clientId: string, filters: string[], port: number): Promise<void> {
  const client = await connect(port, { clientId, clean: false, properties: EXPIRY });
  await client.subscribeAsync(filters, { qos: 2 });
  await disconnect(client);
}

/** Comes back to a session that must be there. */
async function resume(clientId: string, port: number): Promise<{ messages: Received[]; end: () => Promise<void> }> {
  const messages: Received[] = [];
  const client = await connect(port, { clientId, clean: false, resubscribe: false, properties: EXPIRY, messages });
  assert.ok(sessionPresent(client), `the session of ${clientId} is there`);
  return { messages, end: () => disconnect(client) };
}

async function powerOff(): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')));
}

async function powerOn(): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.start()));
  await cluster.waitReady();
}

/** Published before the load, and never again: after a while only the state store has them. */
async function keep(port: number): Promise<void> {
  const client = await connect(port);
  for (let at = 0; at < STILL_TOPICS; at++) {
    await publish(client, `still/${String(at)}`, String(at), { qos: 1, retain: true });
  }
  await disconnect(client);
}

async function checkKept(port: number): Promise<void> {
  const client = await connect(port);
  const messages = collect(client);
  await client.subscribeAsync('still/+', { qos: 1 });
  await waitFor(() => messages.length >= STILL_TOPICS, { what: 'retained messages from before the load' }).catch(() => {
    assert.unreachable(`of ${String(STILL_TOPICS)} retained messages ${String(messages.length)} are left`);
  });
  for (const { topic, payload } of messages) assert.is(topic, `still/${payload.toString()}`);
  await disconnect(client);
}

async function checkRetained(publishers: readonly Publisher[], ackedBefore: readonly number[]): Promise<void> {
  for (const node of nodes) {
    const reader = await connect(node.mqttPort);
    const messages = collect(reader);
    await reader.subscribeAsync('kept/#', { qos: 1 });
    const newest = (topic: string): number =>
      Number(messages.find((each) => each.topic === topic)?.payload.toString() ?? 0);
    await waitFor(() => publishers.every((each) => newest(each.topic) > 0), {
      what: `retained messages on ${node.id}`,
    });
    for (const [at, publisher] of publishers.entries()) {
      const value = newest(publisher.topic);
      const acked = ackedBefore[at] as number;
      assert.ok(
        value >= acked,
        `${publisher.topic} on ${node.id} is ${String(value)}, acknowledged was ${String(acked)}`,
      );
      assert.ok(
        value <= publisher.sent,
        `${publisher.topic} on ${node.id} is ${String(value)}, which was never published`,
      );
    }
    await disconnect(reader);
  }
}

/** The queue of a session that was away all the time: everything acknowledged, QoS 2 once, in order. */
async function checkAway(clientId: string, port: number, publishers: readonly Publisher[]): Promise<number> {
  const { messages, end } = await resume(clientId, port);
  const numbers = (topic: string): number[] =>
    messages.filter((each) => each.topic === topic).map((each) => Number(each.payload.toString()));
  const missing = (publisher: Publisher): number => {
    const got = new Set(numbers(publisher.topic));
    return [...publisher.acked].filter((number) => !got.has(number)).length;
  };
  await waitFor(() => publishers.every((each) => missing(each) === 0), {
    what: `what was queued for ${clientId}`,
  }).catch(() => {
    const lost = publishers.map((each) => `${each.topic}: ${String(missing(each))} of ${String(each.acked.size)}`);
    assert.unreachable(`acknowledged messages are not in the queue of ${clientId}: ${lost.join('; ')}`);
  });
  for (const publisher of publishers.filter((each) => each.qos === 2)) {
    const got = numbers(publisher.topic);
    assert.is(new Set(got).size, got.length, `QoS 2 messages of ${publisher.topic} once`);
    assert.equal(
      got,
      [...got].sort((x, y) => x - y),
      `messages of ${publisher.topic} in order`,
    );
  }
  await end();
  return messages.length;
}

test(
  'kill -9 of all three nodes at once under load, twice',
  async () => {
    const subscribers = nodes.map((home) => new Subscriber({ clientId: `to-${home.id}`, home, nodes }));
    await Promise.all(subscribers.map((subscriber) => subscriber.subscribe('load/#')));
    await leaveSession('away', ['load/#'], nodes[0].mqttPort);
    await leaveSession('patient', ['after/+/power', 'other/#'], nodes[1].mqttPort);
    await keep(nodes[0].mqttPort);
    const all = nodes.flatMap((home, at) => [
      publisherAt(home, `one-${String(at)}`, { qos: 1 }),
      publisherAt(home, `two-${String(at)}`, { qos: 2 }),
    ]);
    const kept = Array.from({ length: RETAINED_TOPICS }, (_none, at) =>
      publisherAt(nodes[at % 3] as NodeProcess, `topic-${String(at)}`, { qos: 1, retain: true }),
    );

    for (let round = 0; round < ROUNDS; round++) {
      const before = [...all, ...kept].map((publisher) => publisher.acked.size);
      const underLoad = (): boolean =>
        [...all, ...kept].every((publisher, at) => publisher.acked.size >= (before[at] as number) + ACKS_BEFORE);
      await waitFor(underLoad, { what: 'load', timeoutMs: 60_000 });
      await powerOff();
      const ackedBefore = kept.map((publisher) => publisher.newestAcked);
      await powerOn();
      await checkRetained(kept, ackedBefore);
      for (const node of nodes) await checkKept(node.mqttPort);
    }

    await Promise.all([...all, ...kept].map((publisher) => publisher.finish()));
    await checkDelivery(all, subscribers);
    const queued = await checkAway('away', nodes[2].mqttPort, all);
    note(`${String(queued)} messages were queued for the session that was away`);

    const publisher = await connect(nodes[2].mqttPort);
    await publish(publisher, 'after/the/power', 'still subscribed', { qos: 1 });
    const patient = await resume('patient', nodes[0].mqttPort);
    await waitFor(() => patient.messages.length > 0, { what: 'a message by a subscription from before' });
    assert.is(patient.messages[0]?.payload.toString(), 'still subscribed');
    await patient.end();
    await disconnect(publisher);
  },
  { timeoutMs: 150_000 },
);

test.run();
