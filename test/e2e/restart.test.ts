import type { MqttClient } from 'mqtt';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { checkDelivery, INTERRUPTED_MS, Publisher, Subscriber } from '../support/load.ts';
import {
  type ConnectOptions,
  collect,
  connect,
  disconnect,
  publish,
  type Received,
  sessionPresent,
  subscribe,
} from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { endRoamers } from '../support/roamer.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Promise P9: nodes are stopped and started one after the other under load. And what a node leaves behind when it dies:
 * wills and sessions that expire. */

const test = suite('e2e: restart');

const USE_ANOTHER_SERVER = 0x9c;

let cluster: TestCluster;

test.before(async () => {
  cluster = await startCluster();
});
test.after.each(async () => {
  await endRoamers();
});
test.after(() => cluster.stopAll());

function others(victim: NodeProcess): [NodeProcess, NodeProcess] {
  return cluster.nodes.filter((node) => node !== victim) as [NodeProcess, NodeProcess];
}

test(
  'a rolling restart with SIGTERM under load',
  async () => {
    const subscribers = cluster.nodes.map(
      (home) => new Subscriber({ clientId: `to-${home.id}`, home, nodes: cluster.nodes }),
    );
    await Promise.all(subscribers.map((subscriber) => subscriber.subscribe('load/#')));
    const publishers = cluster.nodes.flatMap((home) =>
      ([1, 2] as const).map((qos) => {
        const name = `${home.id}-${String(qos)}`;
        return new Publisher({ clientId: name, topic: `load/${name}`, qos, home, nodes: cluster.nodes, pauseMs: 2 });
      }),
    );
    // The leader last: it then is handed over for certain, and the others before it are followers.
    const leader = await cluster.leader();
    const order = [...cluster.nodes].sort((x, y) => Number(x.id === leader) - Number(y.id === leader));
    for (const node of order) {
      await Promise.all(publishers.map((each, at) => each.moveTo(cluster.nodes[at >> 1] as NodeProcess)));
      const placedAtMs = performance.now();
      await waitFor(() => publishers.every((each) => (each.ackedAtMs.at(-1) ?? 0) > placedAtMs), {
        what: 'load on all nodes',
      });
      const wasLeader = (await cluster.leader()) === node.id;
      const watcher = await connect(node.mqttPort, { clientId: `watcher-${node.id}` });
      const old = await connect(node.mqttPort, { clientId: `old-${node.id}`, protocolVersion: 4 });
      let reasonCode: number | undefined;
      watcher.on('disconnect', (packet) => {
        reasonCode = packet.reasonCode;
      });
      const staying = publishers.filter((each) => each.node !== node);
      const stoppedAtMs = performance.now();
      await node.stop();
      const stopMs = performance.now() - stoppedAtMs;
      await waitFor(() => !watcher.connected && !old.connected, { what: `clients of ${node.id} to be told` });
      assert.is(reasonCode, USE_ANOTHER_SERVER, `what a client of ${node.id} was told`);
      const nextLeader = await cluster.leader(wasLeader ? { not: node.id } : {});
      assert.is.not(nextLeader, node.id);
      await waitFor(() => staying.every((each) => (each.ackedAtMs.at(-1) ?? 0) > stoppedAtMs + stopMs), {
        what: 'acknowledgements after the stop',
      });
      const gapMs = Math.max(...staying.map((each) => each.longestGapMs(stoppedAtMs, performance.now())));
      const role = wasLeader ? 'leader' : 'follower';
      note(
        `${role} ${node.id} stopped in ${String(Math.round(stopMs))} ms, longest gap ${String(Math.round(gapMs))} ms`,
      );
      assert.ok(gapMs < INTERRUPTED_MS, `no acknowledgement for ${String(gapMs)} ms`);
      await disconnect(watcher, true);
      await disconnect(old, true);
      await node.start();
      await cluster.waitReady();
    }
    await Promise.all(publishers.map((each) => each.finish()));
    await checkDelivery(publishers, subscribers);
    const total = publishers.reduce((sum, each) => sum + each.acked.size, 0);
    note(`${String(total)} messages acknowledged, each at ${String(subscribers.length)} subscribers`);
  },
  { timeoutMs: 150_000 },
);

function willOptions(clientId: string, delaySec: number, expirySec: number): ConnectOptions {
  return {
    clientId,
    clean: false,
    resubscribe: false,
    properties: { sessionExpiryInterval: expirySec },
    will: {
      topic: `wills/${clientId}`,
      payload: Buffer.from(clientId),
      qos: 1,
      retain: false,
      properties: { willDelayInterval: delaySec },
    },
  };
}

const texts = (messages: readonly Received[]): string[] => messages.map((each) => each.payload.toString());

async function sessionIsThere(node: NodeProcess, clientId: string): Promise<boolean> {
  const properties = { sessionExpiryInterval: 60 };
  const client = await connect(node.mqttPort, { clientId, clean: false, resubscribe: false, properties });
  const present = sessionPresent(client);
  await disconnect(client);
  return present;
}

test('wills of the clients of a node that is killed: once, unless the client comes back in time', async () => {
  const leader = await cluster.leader();
  const far = cluster.node(leader);
  const [near, victim] = others(far);
  const witness = await connect(near.mqttPort, { clientId: 'witness' });
  const box = collect(witness);
  await subscribe(witness, 'wills/#', 1);
  const open: MqttClient[] = [witness];
  const start = async (clientId: string, delaySec: number, expirySec: number): Promise<MqttClient> => {
    const client = await connect(victim.mqttPort, willOptions(clientId, delaySec, expirySec));
    open.push(client);
    return client;
  };
  await start('at once', 0, 60);
  await start('clean', 0, 0);
  await start('delayed', 1, 60);
  await start('at the end of the session', 60, 5);
  await start('comes back', 3, 60);
  await victim.kill('SIGKILL');
  // From then on all delays run.
  await waitFor(() => texts(box).includes('at once'), { what: 'the will without delay' });
  const back = await connect(far.mqttPort, {
    clientId: 'comes back',
    clean: false,
    properties: { sessionExpiryInterval: 60 },
  });
  open.push(back);
  assert.ok(sessionPresent(back));

  const expected = ['at once', 'at the end of the session', 'clean', 'delayed'];
  await waitFor(() => box.length >= expected.length, {
    what: `wills, got ${texts(box).join(', ')}`,
    timeoutMs: 40_000,
  });
  assert.equal(texts(box).sort(), expected);

  // Neither the return of the node nor a leader that has to look at it all again sends one twice.
  await victim.start();
  await cluster.waitReady();
  await far.stop();
  await far.start();
  await cluster.waitReady();
  await publish(witness, 'wills/end', 'the end', { qos: 1 });
  await waitFor(() => texts(box).includes('the end'), { what: 'the last message' });
  assert.equal(texts(box).sort(), [...expected, 'the end']);
  await Promise.all(open.map((client) => disconnect(client, true)));
});

test('a session expires while the node that had its client is down', async () => {
  const victim = cluster.node(await cluster.leader());
  const [near, far] = others(victim);
  const witness = await connect(near.mqttPort, { clientId: 'expiry-witness' });
  const box = collect(witness);
  await subscribe(witness, 'wills/#', 1);
  // Its will is due when the session ends, which tells when that is.
  const short = await connect(victim.mqttPort, willOptions('short', 600, 2));
  const long = await connect(victim.mqttPort, willOptions('long', 600, 600));
  for (const client of [short, long]) await subscribe(client, 'expiry', 1);
  await victim.kill('SIGKILL');
  await waitFor(() => box.length > 0, { what: 'the end of the session' });
  assert.equal(texts(box), ['short']);
  assert.is(await sessionIsThere(far, 'short'), false, 'the session that expired');
  await victim.start();
  await cluster.waitReady();
  assert.is(await sessionIsThere(victim, 'long'), true, 'a session that lasts, on the node that was down');
  await Promise.all([short, long, witness].map((client) => disconnect(client, true)));
});

test.run();
