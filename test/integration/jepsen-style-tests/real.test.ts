import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type NodeAddress,
  probe,
  type RunResult,
  runWorkloads,
  type Stage,
  WORKLOADS,
} from '@quorate/jepsen-style-tests';
import { startCluster, type TestCluster } from '../../support/cluster.ts';
import { seedFor } from '../../support/seed.ts';
import { assert, note, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';

/* Every workload of the partition tests, short, against real nodes: nothing is found, and what was looked at is no small thing. */

const test = suite('integration: partition tests on real nodes');

/** A run needs that many acknowledgements to say anything; on a busy machine they take longer. */
const ENOUGH = 400;
const START_TIMEOUT_MS = 60_000;

let cluster: TestCluster;
let folder: string;

test.before(
  async () => {
    cluster = await startCluster({ readyTimeoutMs: START_TIMEOUT_MS });
  },
  { timeoutMs: START_TIMEOUT_MS + 5_000 },
);
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-jepsen-'));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));
test.after(() => cluster.stopAll());

async function run(name: string, stage: (stage: Stage) => Promise<void>): Promise<RunResult> {
  const nodes = cluster.nodes.map(({ id, mqttPort }) => ({ id, host: '127.0.0.1', port: mqttPort }));
  const { features } = await probe(nodes[0] as NodeAddress);
  const workloads = WORKLOADS.filter((workload) => workload.unsupported(features) === null);
  const result = await runWorkloads({
    ...{ workloads, nodes, folder, stage, ratePerSec: 300, seed: seedFor(name) },
    places: ['c1', 'c2'].map((place) => ({ name: place, commandPrefix: [] })),
  });
  const { acknowledged, deliveries } = result.counts;
  note(
    `${name}: ${acknowledged} acknowledged, ${deliveries} delivered; drained in ${Math.round(result.drain.tookMs)} ms`,
  );
  return result;
}

/** Nothing found, everything received, and no checker without anything to look at. */
function assertClean(result: RunResult): void {
  for (const { workload, checks } of result.workloads) {
    for (const check of checks) {
      const found = check.anomalies.slice(0, 3).map(({ kind, sentence }) => `${kind}: ${sentence}`);
      assert.is(check.verdict, 'ok', `${workload}, ${check.checker}: ${[...found, ...check.notes].join('\n')}`);
      assert.ok(Object.keys(check.figures).length > 0, `${workload}, ${check.checker} had nothing to check`);
    }
  }
  assert.is(result.availability.verdict, 'ok', result.availability.anomalies[0]?.sentence ?? '');
  assert.ok(result.drain.settled, `not settled: ${result.drain.waitingFor.join(', ')}`);
}

/** Until so many more publications are acknowledged. */
async function acknowledge({ counts }: Stage, count: number): Promise<void> {
  const until = counts().acknowledged + count;
  await waitFor(() => counts().acknowledged >= until, { timeoutMs: 30_000, what: `${count} acknowledgements` });
}

test(
  'no faults',
  async () => {
    const result = await run('no faults', (stage) => acknowledge(stage, ENOUGH));
    assertClean(result);
    assert.equal(result.availability.faults, []);
  },
  { timeoutMs: 90_000 },
);

test(
  'kill -9 of the leader',
  async () => {
    const result = await run('kill', async (stage) => {
      const { clock, record } = stage;
      await acknowledge(stage, ENOUGH / 2);
      const victim = cluster.node(await cluster.leader());
      const fault = { kind: 'nemesis', fault: 1, name: 'kill leader', detail: victim.id, nodes: [victim.id] } as const;
      record({ ...fault, atMs: clock.beginMs(), phase: 'begin' });
      await victim.kill('SIGKILL');
      await acknowledge(stage, ENOUGH / 2);
      await victim.start();
      await cluster.waitReady(undefined, START_TIMEOUT_MS);
      record({ ...fault, atMs: clock.endMs(), phase: 'end' });
      await acknowledge(stage, ENOUGH / 2);
    });
    assertClean(result);
    const [fault] = result.availability.faults;
    assert.is(fault?.name, 'kill leader');
    assert.ok(fault?.recoveryAfterBeginMs !== null);
    note(
      `longest gap on the others: ${Math.round(fault?.longestGapMs ?? 0)} ms, of their recovery ${Math.round(fault?.recoveryAfterBeginMs ?? 0)} ms`,
    );
  },
  { timeoutMs: 120_000 },
);

test.run();
