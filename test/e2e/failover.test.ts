import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { checkDelivery, Publisher, Subscriber } from '../support/load.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { endRoamers } from '../support/roamer.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Promises P1, P4 and P5 while the leader is killed again and again. */

const test = suite('e2e: failover');

const KILLS = 10;
/** A user's patience: publishing goes on within this time in half of all cases. */
const MEDIAN_BOUND_MS = 1_000;

let cluster: TestCluster;

test.before(async () => {
  cluster = await startCluster();
});
test.after(async () => {
  await endRoamers();
  await cluster.stopAll();
});

function publisherAt(home: NodeProcess, qos: 1 | 2, name: string): Publisher {
  return new Publisher({ clientId: name, topic: `load/${name}`, qos, home, nodes: cluster.nodes, pauseMs: 2 });
}

/** Publishers of one node move to another one, in the middle of their exchanges. */
async function place(publishers: readonly Publisher[], node: NodeProcess): Promise<void> {
  await Promise.all(publishers.map((publisher) => publisher.moveTo(node)));
}

async function ackAfter(publisher: Publisher, atMs: number): Promise<void> {
  await waitFor(() => (publisher.ackedAtMs.at(-1) ?? 0) > atMs, { what: `an acknowledgement for ${publisher.name}` });
}

test(
  'kill -9 of the leader, ten times, under QoS 1 and 2 from and to all nodes',
  async () => {
    const [first, second, third] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
    const subscribers = cluster.nodes.map(
      (home) =>
        new Subscriber({
          clientId: `to-${home.id}`,
          home,
          nodes: cluster.nodes,
          protocolVersion: home === second ? 4 : 5,
        }),
    );
    await Promise.all(subscribers.map((subscriber) => subscriber.subscribe('load/#')));
    const onA = [publisherAt(first, 1, 'a1'), publisherAt(first, 2, 'a2')];
    const onB = [publisherAt(second, 1, 'b1'), publisherAt(second, 2, 'b2')];
    // On the node that is killed: these find another node by themselves.
    const onVictim = [publisherAt(third, 1, 'v1'), publisherAt(third, 2, 'v2')];
    const all = [...onA, ...onB, ...onVictim];
    const gapsMs: number[] = [];

    for (let kill = 0; kill < KILLS; kill++) {
      const victim = cluster.node(await cluster.leader());
      const [a, b] = cluster.nodes.filter((node) => node !== victim) as [NodeProcess, NodeProcess];
      await Promise.all([place(onA, a), place(onB, b), place(onVictim, victim)]);
      await Promise.all(subscribers.map((subscriber, at) => subscriber.moveTo(cluster.nodes[at] as NodeProcess)));
      const placedAtMs = performance.now();
      await Promise.all(all.map((publisher) => ackAfter(publisher, placedAtMs)));

      const killedAtMs = performance.now();
      await victim.kill('SIGKILL');
      const deadAtMs = performance.now();
      await Promise.all([...onA, ...onB].map((publisher) => ackAfter(publisher, deadAtMs + 100)));
      await cluster.leader({ not: victim.id });
      await Promise.all(all.map((publisher) => publisher.connected()));
      const gaps = [...onA, ...onB].map((publisher) => publisher.longestGapMs(killedAtMs, performance.now()));
      gapsMs.push(Math.max(...gaps));
      await victim.start();
      await cluster.waitReady();
    }

    await Promise.all(all.map((publisher) => publisher.finish()));
    await checkDelivery(all, subscribers);
    const total = all.reduce((sum, publisher) => sum + publisher.acked.size, 0);
    note(`gaps in ms, the slowest surviving publisher of each kill: ${gapsMs.map(Math.round).join(' ')}`);
    note(`${String(total)} messages acknowledged, each at ${String(subscribers.length)} subscribers`);
    const median = [...gapsMs].sort((x, y) => x - y)[KILLS / 2] as number;
    assert.ok(median < MEDIAN_BOUND_MS, `publishing resumes after ${String(Math.round(median))} ms in the median`);
  },
  { timeoutMs: 120_000 },
);

test.run();
