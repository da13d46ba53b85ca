import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { INTERRUPTED_MS } from '../support/load.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { endRoamers } from '../support/roamer.ts';
import { SteadyLoad } from '../support/steady-load.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Nodes that come back without their data directory, with a copy of one, or with one of another release. */

const test = suite('e2e: wiped');

const EVERYBODY = ['n1', 'n2', 'n3'];
/** Members that forgot everything do not found a second cluster, however long they are left alone. */
const ALONE_MS = 10_000;

let cluster: TestCluster;

test.before(async () => {
  // A short lease makes the wait for a node that is given up short.
  const config = { serving: { leaseMs: 400 }, checkpoint: { compactEntries: 64, keepLogBytes: 0 } };
  cluster = await startCluster({ config });
});
test.after.each(endRoamers);
test.after(() => cluster.stopAll());

function identityOf(node: NodeProcess): Record<string, unknown> {
  return JSON.parse(readFileSync(join(node.dataDir, 'identity.json'), 'utf8')) as Record<string, unknown>;
}

/** Kills the node under load, deletes its data, and starts it with the command of before. */
async function wipeUnderLoad(victim: NodeProcess, role: string): Promise<void> {
  const load = await SteadyLoad.start({ name: `wipe-${role}`, nodes: cluster.nodes });
  const before = identityOf(victim)['directoryId'];
  const staying = load.publishers.filter((each) => each.node !== victim);
  const startedAtMs = performance.now();
  await victim.kill('SIGKILL');
  victim.wipe();
  await victim.start();
  let wasOut = false;
  const isVoter = async (): Promise<boolean> => {
    const members = await cluster.members(cluster.nodes.find((node) => node !== victim));
    const voter = members?.find((each) => each.id === victim.id)?.voter;
    if (members !== undefined && voter !== true) wasOut = true;
    return wasOut && voter === true;
  };
  await waitFor(isVoter, { what: `${victim.id} to lose its vote and get it back`, intervalMs: 10 });
  const tookMs = performance.now() - startedAtMs;
  await cluster.waitVoters(EVERYBODY);
  await load.goesOn();
  const gapMs = load.longestGapMs(startedAtMs, performance.now(), staying);
  assert.is.not(identityOf(victim)['directoryId'], before, 'a new data directory has a new identity');
  assert.ok(gapMs < INTERRUPTED_MS, `no acknowledgement at the other nodes for ${String(gapMs)} ms`);
  const acked = await load.finish();
  note(
    `${role} wiped: a voter again after ${String(Math.round(tookMs))} ms, longest gap elsewhere ` +
      `${String(Math.round(gapMs))} ms, ${String(acked)} messages acknowledged`,
  );
}

test('a follower that lost its data directory is a voter again by itself, and nothing is lost', async () => {
  const leader = await cluster.leader();
  await wipeUnderLoad(cluster.nodes.find((node) => node.id !== leader) as NodeProcess, 'follower');
});

test('the leader that lost its data directory is a voter again by itself, and nothing is lost', async () => {
  await wipeUnderLoad(cluster.node(await cluster.leader()), 'leader');
});

/** Nodes that are not this one. */
const others = (node: NodeProcess): NodeProcess[] => cluster.nodes.filter((each) => each !== node);

test('a copied data directory, started beside the original: one of the two is refused and says why', async () => {
  await cluster.waitVoters(EVERYBODY);
  const leader = await cluster.leader();
  const original = cluster.nodes.find((node) => node.id !== leader) as NodeProcess;
  const load = await SteadyLoad.start({ name: 'copied', nodes: others(original) });
  const twin = await cluster.double(original.id);
  await original.stop();
  cpSync(original.dataDir, twin.dataDir, { recursive: true });
  await original.start();
  await cluster.waitReady();
  await twin.start();
  const said = (): string => twin.logs();
  await waitFor(() => /is a copy/.test(said()), { what: 'the copy to say that it is refused' });
  assert.match(said(), /stop n\d and start it with the original, or with an empty data directory/);
  await load.goesOn();
  assert.is.not(await twin.readiness(), 'READY');
  assert.is(await original.readiness(), 'READY');
  await twin.kill('SIGKILL');
  await load.finish();
});

test('a copy that is taken while its original runs', async () => {
  const original = cluster.nodes[0] as NodeProcess;
  const twin = await cluster.double(original.id);
  cpSync(original.dataDir, twin.dataDir, { recursive: true });
  await twin.start();
  assert.is(await twin.ended(), 1);
  assert.match(twin.logs(), /is a copy of one that process \d+ is using/);
  await cluster.waitReady();
});

for (const [which, format] of [
  ['older', 1],
  ['newer', 1_000],
] as const) {
  test(`an identity of an ${which} format is refused with a sentence`, async () => {
    const [victim] = cluster.nodes as [NodeProcess];
    await victim.stop();
    const file = join(victim.dataDir, 'identity.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/"format": \d+/, `"format": ${String(format)}`));
    const logged = victim.logs().length;
    await victim.start();
    assert.is(await victim.ended(), 1);
    assert.match(victim.logs().slice(logged), new RegExp(`has format ${String(format)}.*reads format 2`));
    writeFileSync(file, text);
    await victim.start();
    await cluster.waitReady();
  });
}

test(
  'two of three wiped with the third down found no cluster, and nothing is lost when their data is back',
  async () => {
    const load = await SteadyLoad.start({ name: 'most', nodes: cluster.nodes });
    await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')));
    const [third, ...wiped] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
    for (const node of wiped) renameSync(node.dataDir, `${node.dataDir}-away`);
    await Promise.all(wiped.map((node) => node.start()));
    const alone = async (nodes: readonly NodeProcess[], forMs: number): Promise<Set<string>> => {
      // From when they answer on: on a busy machine the start alone may take as long.
      for (const node of nodes) {
        await waitFor(() => node.readiness(), { what: `an answer of ${node.id}` });
      }
      const seen = new Set<string>();
      const untilMs = performance.now() + forMs;
      await waitFor(
        async () => {
          for (const node of nodes) seen.add((await node.readiness()) ?? 'no answer yet');
          return performance.now() >= untilMs;
        },
        { what: 'time to pass', timeoutMs: forMs + 5_000, intervalMs: 100 },
      );
      return seen;
    };
    const answers = await alone(wiped, ALONE_MS);
    assert.not(answers.has('READY'));
    assert.ok(answers.has('NOT_FOUNDED') || answers.has('NO_QUORUM'), [...answers].join(', '));
    // The third alone is no majority of those that promised.
    await third.start();
    const answersOfAll = await alone(cluster.nodes, ALONE_MS / 4);
    assert.not(answersOfAll.has('READY'));
    note(`two wiped: ${[...answers].join(', ')}; with the third: ${[...answersOfAll].join(', ')}`);

    await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')));
    for (const node of wiped) {
      rmSync(node.dataDir, { recursive: true });
      renameSync(`${node.dataDir}-away`, node.dataDir);
    }
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.waitVoters(EVERYBODY);
    await load.goesOn();
    await load.finish();
  },
  { timeoutMs: 150_000 },
);

test.run();
