import type { MqttClient } from 'mqtt';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { checkDelivery, INTERRUPTED_MS, Publisher, Subscriber } from '../support/load.ts';
import { collect, connect, disconnect, publish, type Received, sessionPresent, subscribe } from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { seededRandom } from '../support/random.ts';
import { endRoamers } from '../support/roamer.ts';
import { seedFor } from '../support/seed.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Promises P2 and P6: networks that drop everything, one way or both, and close nothing. */

const test = suite('e2e: partition');

const LEASE_MS = 1_000;
/** Long enough to look at a node that serves nobody and has not let its clients go yet. */
const GRACE_MS = 3_000;
/** For polling and a busy machine. */
const SLACK_MS = 2_000;
const SERVER_UNAVAILABLE = 0x88;
const SERVER_UNAVAILABLE_V3 = 3;
const USE_ANOTHER_SERVER = 0x9c;
const EXPIRY = { sessionExpiryInterval: 3600 };

let cluster: TestCluster;

test.before(async () => {
  const config = { serving: { leaseMs: LEASE_MS, gracePeriodMs: GRACE_MS } };
  cluster = await startCluster({ links: true, config });
});
test.after.each(async () => {
  await endRoamers();
  cluster.links.heal('close');
  await cluster.waitReady();
});
test.after(() => cluster.stopAll());

/** A message that must not be acknowledged; says whether it was. */
function publishUnanswered(client: MqttClient, topic: string): () => boolean {
  let acknowledged = false;
  client.publish(topic, 'in the minority', { qos: 1 }, (error) => {
    acknowledged ||= error === undefined || error === null;
  });
  return () => acknowledged;
}

async function refusalCode(port: number, protocolVersion: 4 | 5): Promise<unknown> {
  try {
    await disconnect(await connect(port, { protocolVersion, retryUnavailable: false }));
  } catch (error) {
    return (error as { readonly code?: unknown }).code;
  }
  return 'connected';
}

interface Ended {
  readonly reasonCode: number | undefined;
  readonly atMs: number;
}

/** How a connection ends. */
function watchEnd(client: MqttClient): { ended: Ended | null } {
  const watch: { ended: Ended | null } = { ended: null };
  let reasonCode: number | undefined;
  client.on('disconnect', (packet) => {
    reasonCode = packet.reasonCode;
  });
  client.on('close', () => {
    watch.ended ??= { reasonCode, atMs: performance.now() };
  });
  return watch;
}

async function readiness(node: NodeProcess): Promise<{ status: number; code: string; reason: string }> {
  const { status, body } = await node.get('/readyz');
  return { status, ...(JSON.parse(body) as { code: string; reason: string }) };
}

/** A node that is cut off refuses, and the others go on; what happens in between is in the comments. */
async function cutOff(victim: NodeProcess, name: string): Promise<void> {
  const [a, b] = cluster.nodes.filter((node) => node !== victim) as [NodeProcess, NodeProcess];
  const inMajority = [a, b].map(
    (home) =>
      new Publisher({
        clientId: `${name}-${home.id}`,
        topic: `${name}/${home.id}`,
        qos: 1,
        home,
        nodes: [home],
        pauseMs: 5,
      }),
  );
  const roamerMessages: Received[] = [];
  const roamer = await connect(victim.mqttPort, {
    clientId: `${name}-roamer`,
    clean: false,
    properties: EXPIRY,
    messages: roamerMessages,
  });
  await subscribe(roamer, [`${name}/for-roamer`], 2);
  const sleeper = await connect(victim.mqttPort, { clientId: `${name}-sleeper`, clean: false, properties: EXPIRY });
  await subscribe(sleeper, `${name}/for-sleeper`, 2);
  await disconnect(sleeper);
  const neighbour = await connect(victim.mqttPort, { clientId: `${name}-neighbour` });
  const old = await connect(victim.mqttPort, { protocolVersion: 4 });
  const [roamerEnd, neighbourEnd, oldEnd] = [watchEnd(roamer), watchEnd(neighbour), watchEnd(old)];
  await Promise.all(inMajority.map((publisher) => waitFor(() => publisher.acked.size > 0, { what: publisher.name })));

  const cutAtMs = performance.now();
  cluster.links.isolate(victim.id);
  const wasAcknowledged = publishUnanswered(neighbour, `${name}/lost`);

  // The same client id on the other side, at once: its CONNACK waits for the lease of the node that is out of contact.
  const takeover = connectAnywhere([a, b], `${name}-roamer`);
  await waitFor(async () => (await readiness(victim)).status === 503, {
    what: `${victim.id} to be not ready`,
    intervalMs: 10,
  });
  const notReadyMs = performance.now() - cutAtMs;
  const said = await readiness(victim);
  const taken = await takeover;
  const takenMs = taken.atMs - cutAtMs;

  assert.ok(notReadyMs <= LEASE_MS + SLACK_MS, `not ready after ${String(notReadyMs)} ms`);
  assert.is(said.code, 'NO_QUORUM');
  assert.match(said.reason, / /);
  assert.ok(takenMs >= notReadyMs, `CONNACK after ${String(takenMs)} ms, when ${victim.id} still served`);
  assert.ok(takenMs >= LEASE_MS * 0.8, `CONNACK after ${String(takenMs)} ms, the lease is ${String(LEASE_MS)} ms`);
  assert.ok(sessionPresent(taken.client), 'the session moved');

  // From here on the old connection gets nothing, not even what a neighbour on its own node publishes.
  await publish(taken.client, `${name}/for-roamer`, 'from the majority', { qos: 2 });
  neighbour.publish(`${name}/for-roamer`, 'from the neighbour', { qos: 0 });
  await waitFor(() => taken.messages.length > 0, { what: 'the message to the new connection' });
  assert.is(await refusalCode(victim.mqttPort, 5), SERVER_UNAVAILABLE);
  assert.is(await refusalCode(victim.mqttPort, 4), SERVER_UNAVAILABLE_V3);

  await waitFor(() => roamerEnd.ended !== null && neighbourEnd.ended !== null && oldEnd.ended !== null, {
    what: `clients of ${victim.id} to be let go`,
  });
  const letGoMs = (neighbourEnd.ended?.atMs ?? 0) - cutAtMs;
  assert.ok(letGoMs >= GRACE_MS, `let go after ${String(letGoMs)} ms`);
  assert.ok(letGoMs <= LEASE_MS + GRACE_MS + 2 * SLACK_MS, `let go after ${String(letGoMs)} ms`);
  assert.is(neighbourEnd.ended?.reasonCode, USE_ANOTHER_SERVER);
  assert.equal(roamerMessages, [], 'messages to the old connection');
  assert.is(wasAcknowledged(), false, 'a message was acknowledged without a majority');

  // What the cut-off node has missed.
  await publish(taken.client, `${name}/kept`, 'newest', { qos: 1, retain: true });
  await publish(taken.client, `${name}/for-sleeper`, 'while you were away', { qos: 2 });
  const missedAtMs = performance.now();
  const goOn = (): boolean => inMajority.every(({ ackedAtMs }) => (ackedAtMs.at(-1) ?? 0) > missedAtMs);
  await waitFor(goOn, { what: 'acknowledgements in the majority' });
  const healedAtMs = performance.now();
  for (const publisher of inMajority) {
    const gapMs = publisher.longestGapMs(cutAtMs, healedAtMs);
    assert.ok(gapMs < INTERRUPTED_MS, `${publisher.name} got no acknowledgement for ${String(gapMs)} ms`);
  }
  const gaps = inMajority.map((publisher) => String(Math.round(publisher.longestGapMs(cutAtMs, healedAtMs))));
  note(
    `${name}: not ready after ${String(Math.round(notReadyMs))} ms, takeover after ${String(Math.round(takenMs))} ms, ` +
      `clients let go after ${String(Math.round(letGoMs))} ms, longest gaps of the majority ${gaps.join(' ')} ms`,
  );

  cluster.links.heal('flow');
  await cluster.waitReady([victim.id]);
  await checkCaughtUp(victim, name);
  await disconnect(taken.client);
}

interface Taken {
  readonly client: MqttClient;
  readonly messages: Received[];
  /** When CONNACK came. */
  readonly atMs: number;
}

/** As a client with a list of servers does: until one takes it. */
async function connectAnywhere(nodes: readonly NodeProcess[], clientId: string): Promise<Taken> {
  const messages: Received[] = [];
  let attempt = 0;
  const dial = async (): Promise<MqttClient> => {
    const node = nodes[attempt++ % nodes.length] as NodeProcess;
    return connect(node.mqttPort, {
      clientId,
      clean: false,
      resubscribe: false,
      retryUnavailable: false,
      properties: EXPIRY,
      messages,
    });
  };
  const client = await waitFor(dial, { what: `${clientId} to be taken over`, intervalMs: 10 });
  return { client, messages, atMs: performance.now() };
}

async function checkCaughtUp(victim: NodeProcess, name: string): Promise<void> {
  const reader = await connect(victim.mqttPort);
  const retained = collect(reader);
  await subscribe(reader, `${name}/kept`);
  await waitFor(() => retained.length > 0, { what: `the retained message on ${victim.id}` });
  assert.is(retained[0]?.payload.toString(), 'newest');
  await disconnect(reader);
  const queued: Received[] = [];
  const options = { clean: false, resubscribe: false, properties: EXPIRY, messages: queued };
  const sleeper = await connect(victim.mqttPort, { clientId: `${name}-sleeper`, ...options });
  assert.ok(sessionPresent(sleeper));
  await waitFor(() => queued.length > 0, { what: `the queued message on ${victim.id}` });
  assert.equal(
    queued.map((each) => each.payload.toString()),
    ['while you were away'],
  );
  await disconnect(sleeper);
}

test('a follower that is cut off', async () => {
  const leader = await cluster.leader();
  await cutOff(cluster.nodes.find((node) => node.id !== leader) as NodeProcess, 'follower');
});

test('the leader that is cut off', async () => {
  await cutOff(cluster.node(await cluster.leader()), 'leader');
});

/** Nothing travels from `from` to `to`, and the cluster stays available to a publisher on `at`. */
async function oneWay(from: NodeProcess, to: NodeProcess, at: NodeProcess): Promise<number> {
  const name = `${from.id}-${to.id}-${String(Math.round(performance.now()))}`;
  const publisher = new Publisher({ clientId: name, topic: name, qos: 1, home: at, nodes: cluster.nodes, pauseMs: 5 });
  await waitFor(() => publisher.acked.size > 10, { what: 'load' });
  const cutAtMs = performance.now();
  cluster.links.cut(from.id, to.id, 'oneWay');
  // Longer than lease and election timeout together: whoever is going to stand for election has done so.
  const longEnough = (): boolean => (publisher.ackedAtMs.at(-1) ?? 0) > cutAtMs + 2_500;
  await waitFor(longEnough, { what: `acknowledgements while ${from.id} does not reach ${to.id}` });
  const gapMs = publisher.longestGapMs(cutAtMs, performance.now());
  cluster.links.heal('flow');
  await publisher.finish();
  await publisher.end();
  await cluster.waitReady();
  assert.ok(gapMs < INTERRUPTED_MS, `${name}: no acknowledgement for ${String(gapMs)} ms`);
  return gapMs;
}

test('a link that fails in one direction leaves the cluster available', async () => {
  const gaps: string[] = [];
  const directions = ['leader to follower', 'follower to leader', 'follower to follower'] as const;
  for (const direction of directions) {
    const leader = cluster.node(await cluster.leader());
    const [near, far] = cluster.nodes.filter((node) => node !== leader) as [NodeProcess, NodeProcess];
    const [from, to] =
      direction === 'leader to follower'
        ? [leader, far]
        : direction === 'follower to leader'
          ? [far, leader]
          : [near, far];
    gaps.push(`${direction}: ${String(Math.round(await oneWay(from, to, near)))} ms`);
  }
  note(`longest gaps: ${gaps.join(', ')}`);
});

test(
  'a link that flaps loses nothing',
  async () => {
    const random = seededRandom(seedFor('flapping link'));
    const subscribers = cluster.nodes.map(
      (home) => new Subscriber({ clientId: `flap-to-${home.id}`, home, nodes: cluster.nodes }),
    );
    await Promise.all(subscribers.map((subscriber) => subscriber.subscribe('flap/#')));
    const publishers = cluster.nodes.flatMap((home) =>
      ([1, 2] as const).map((qos) => {
        const name = `${home.id}-${String(qos)}`;
        return new Publisher({
          clientId: `flap-${name}`,
          topic: `flap/${name}`,
          qos,
          home,
          nodes: cluster.nodes,
          pauseMs: 5,
        });
      }),
    );
    const untilMs = performance.now() + 5_000;
    while (performance.now() < untilMs) {
      const [from, to] = random.shuffled(cluster.nodes) as [NodeProcess, NodeProcess];
      cluster.links.cut(from.id, to.id, random.below(2) === 0 ? 'oneWay' : 'both');
      await random.pause(50, 700);
      cluster.links.heal(random.below(3) === 0 ? 'close' : 'flow');
      await random.pause(20, 300);
    }
    await cluster.waitReady();
    await Promise.all(publishers.map((publisher) => publisher.finish()));
    await checkDelivery(publishers, subscribers);
    const total = publishers.reduce((sum, publisher) => sum + publisher.acked.size, 0);
    note(`${String(total)} messages acknowledged, each at ${String(subscribers.length)} subscribers`);
  },
  { timeoutMs: 150_000 },
);

test.run();
