import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { fill, freeze, mayMount, mountExt4, mountTmpfs, resizeTmpfs, thaw, unmountAll } from '../support/disks.ts';
import { INTERRUPTED_MS } from '../support/load.ts';
import { connect, disconnect, publish } from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { seededRandom } from '../support/random.ts';
import { endRoamers } from '../support/roamer.ts';
import { seedFor } from '../support/seed.ts';
import { SteadyLoad } from '../support/steady-load.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Disks that are full, and disks that stand still. Each data directory lies on a small file system of its own. */

const test = suite('e2e: disks');

const EVERYBODY = ['n1', 'n2', 'n3'];
const MIB = 1024 * 1024;
/** The first one is too small for what the others hold. */
const SIZES_MIB = [40, 400, 400] as const;
const STALL_MS = 10_000;
const PAYLOAD_BYTES = 200_000;

const scratch = mkdtempSync(join(tmpdir(), 'quorate-disks-'));
const reason = mayMount(scratch);
const disk = { lowBytes: 16 * MIB, criticalBytes: 6 * MIB, ballastBytes: 4 * MIB, checkIntervalMs: 50 };
const serving = { leaseMs: 700 };
const checkpoint = { compactEntries: 64, keepLogBytes: MIB, intervalMs: 300 };
let cluster: TestCluster | undefined;

/** Starts a cluster whose disks are small; data directories are emptied by unmounting them. */
async function onDisks(prepare: (node: NodeProcess) => void): Promise<TestCluster> {
  await dispose();
  cluster = await startCluster({ config: { disk, serving, checkpoint }, prepare });
  return cluster;
}

async function dispose(): Promise<void> {
  await endRoamers();
  await Promise.all((cluster?.nodes ?? []).map((node) => node.kill('SIGKILL')));
  unmountAll();
  await cluster?.stopAll();
  cluster = undefined;
}

test.after(async () => {
  await dispose();
  rmSync(scratch, { recursive: true, force: true });
});

/** A test that needs mounted disks; where they can not be had it says so, and checks nothing. */
function testWithDisks(title: string, body: () => Promise<void>): void {
  test(
    title,
    async () => {
      if (reason === null) return body();
      note(`SKIPPED, nothing was checked: ${title} (${reason})`);
    },
    { timeoutMs: 150_000 },
  );
}

/** It has let go of its clients and says why. */
async function standsStill(node: NodeProcess, logged: number): Promise<void> {
  const said = (): boolean => /stands still until there is room|the disk is full/.test(node.logs().slice(logged));
  await waitFor(async () => said() && !(await node.isReady()), {
    what: `${node.id} to stand still`,
    timeoutMs: 40_000,
  });
  assert.ok(node.isRunning(), `${node.id} goes on waiting: it ${node.ending}`);
}

testWithDisks('a node whose disk fills up stands still while the others go on, and comes back with room', async () => {
  const { nodes, waitVoters } = bound(
    await onDisks((node) => mountTmpfs(node.dataDir, SIZES_MIB[Number(node.id.slice(1)) - 1] as number)),
  );
  const [small, second, third] = nodes as [NodeProcess, NodeProcess, NodeProcess];
  const load = await SteadyLoad.start({ name: 'full', nodes, homes: [second, third] });
  // By its own writing: a session that is away, and its queue.
  const away = await connect(second.mqttPort, {
    clientId: 'away',
    clean: false,
    properties: { sessionExpiryInterval: 3600 },
  });
  await away.subscribeAsync('heavy', { qos: 1 });
  await disconnect(away);
  const heavy = await connect(third.mqttPort);
  const random = seededRandom(seedFor('disks'));
  const block = random.bytes(PAYLOAD_BYTES);
  const startedAtMs = performance.now();
  let sent = 0;
  const logged = small.logs().length;
  const isFull = (): boolean => /stands still|the disk is full/.test(small.logs().slice(logged));
  while (!isFull()) {
    block.writeUInt32BE(sent, random.below(PAYLOAD_BYTES - 4));
    await publish(heavy, 'heavy', random.bytes(1_000).toString('latin1') + block.toString('latin1'), { qos: 1 });
    sent++;
    assert.ok(sent < 1_000, `${small.id} has not noticed that its disk is full`);
  }
  await standsStill(small, logged);
  await load.goesOn();
  await publish(heavy, 'heavy', 'with two nodes', { qos: 1 });
  resizeTmpfs(small.dataDir, 400);
  await waitVoters(EVERYBODY, 40_000);
  const ownMs = performance.now() - startedAtMs;

  // By a file beside its data.
  const follower = (await (cluster as TestCluster).leader()) === third.id ? second : third;
  const before = follower.logs().length;
  const filler = join(follower.dataDir, 'somebody-elses');
  const filledAtMs = performance.now();
  fill(filler);
  await standsStill(follower, before);
  await load.goesOn();
  const gapMs = load.longestGapMs(filledAtMs, performance.now(), load.awayFrom(follower));
  rmSync(filler);
  await waitVoters(EVERYBODY, 40_000);
  await load.goesOn();
  assert.ok(gapMs < INTERRUPTED_MS, `no acknowledgement at the other nodes for ${String(gapMs)} ms`);
  await disconnect(heavy);

  // All of them.
  const marks = nodes.map((node) => node.logs().length);
  for (const node of nodes) fill(join(node.dataDir, 'somebody-elses'));
  await Promise.all(nodes.map((node, at) => standsStill(node, marks[at] as number)));
  for (const node of nodes) rmSync(join(node.dataDir, 'somebody-elses'));
  await waitVoters(EVERYBODY, 40_000);
  await load.goesOn();
  const acked = await load.finish();
  await checkQueue(second, sent + 1);
  note(
    `full by its own writing after ${String(sent)} large messages, back after ${String(Math.round(ownMs))} ms; longest ` +
      `gap elsewhere while a disk was full ${String(Math.round(gapMs))} ms; ${String(acked)} messages acknowledged`,
  );
});

/** The session that was away has all that was acknowledged for it. */
async function checkQueue(node: NodeProcess, count: number): Promise<void> {
  let got = 0;
  const options = { clientId: 'away', clean: false, resubscribe: false, properties: { sessionExpiryInterval: 3600 } };
  const messages: unknown[] = [];
  const away = await connect(node.mqttPort, { ...options, messages: messages as never });
  await waitFor(() => (got = messages.length) >= count, { what: `${String(count)} queued messages` }).catch(() => {
    assert.unreachable(`of ${String(count)} queued messages ${String(got)} are there`);
  });
  await disconnect(away);
}

function bound(of: TestCluster): { nodes: NodeProcess[]; waitVoters: TestCluster['waitVoters'] } {
  return { nodes: of.nodes, waitVoters: (ids, timeoutMs) => of.waitVoters(ids, timeoutMs) };
}

testWithDisks('a disk that stands still for ten seconds: the others go on, and nothing is lost', async () => {
  const { nodes, waitVoters } = bound(
    await onDisks((node) => mountExt4(node.dataDir, join(scratch, `${node.id}.img`), 300)),
  );
  const load = await SteadyLoad.start({ name: 'stall', nodes });
  const stall = async (victim: NodeProcess, role: string): Promise<void> => {
    const others = load.awayFrom(victim);
    const stalledAtMs = performance.now();
    freeze(victim.dataDir);
    try {
      const untilMs = stalledAtMs + STALL_MS;
      await waitFor(() => performance.now() >= untilMs, { what: 'time to pass', timeoutMs: STALL_MS + 5_000 });
    } finally {
      thaw(victim.dataDir);
    }
    await load.goesOn();
    const gapMs = load.longestGapMs(stalledAtMs, performance.now(), others);
    const leader = await (cluster as TestCluster).leader();
    note(
      `the disk of the ${role} ${victim.id} stalls: longest gap elsewhere ${String(Math.round(gapMs))} ms, then ${leader} leads`,
    );
    assert.ok(gapMs < INTERRUPTED_MS, `no acknowledgement at the other nodes for ${String(gapMs)} ms`);
    await waitVoters(EVERYBODY);
    await load.goHome(nodes);
  };
  const leader = (cluster as TestCluster).node(await (cluster as TestCluster).leader());
  await stall(leader, 'leader');
  const now = await (cluster as TestCluster).leader();
  await stall(nodes.find((node) => node.id !== now) as NodeProcess, 'follower');
  await load.finish();
  assert.not(existsSync(join(nodes[0]?.dataDir ?? '', 'set-aside')));
});

test.run();
