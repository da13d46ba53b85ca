import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NodeAddress, probe, type RunResult, runWorkloads, type Stage, WORKLOADS } from '@quorate/jepsen-style-tests';
import { startCluster, type TestCluster } from '../../support/cluster.ts';
import { seedFor } from '../../support/seed.ts';
import { assert, note, suite } from '../../support/suite.ts';

/* Every workload of the partition tests, short, against real nodes: nothing is found, and what was looked at is no small thing. */

const test = suite('integration: partition tests, clients and checkers');

let cluster: TestCluster;
let folder: string;

test.before(async () => {
  cluster = await startCluster();
});
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
    ...{ workloads, nodes, folder, stage, ratePerSec: 600, seed: seedFor(name) },
    places: [
      { name: 'c1', commandPrefix: [] },
      { name: 'c2', commandPrefix: [] },
    ],
  });
  const { acknowledged, deliveries } = result.counts;
  note(`${name}: ${acknowledged} acknowledged, ${deliveries} delivered; drained in ${Math.round(result.drain.tookMs)} ms`);
  return result;
}

function assertNone(result: RunResult): void {
  const checks = result.workloads.flatMap(({ workload, checks }) => checks.map((check) => ({ workload, check })));
  for (const { workload, check } of checks) {
    const found = check.anomalies.slice(0, 3).map(({ kind, sentence }) => `${kind}: ${sentence}`);
    assert.is(check.verdict, 'ok', `${workload}, ${check.checker}: ${[...found, ...check.notes].join('\n')}`);
  }
  assert.ok(result.drain.settled, `not settled: ${result.drain.waitingFor.join(', ')}`);
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

test(
  'no faults, no anomalies',
  async () => {
    const result = await run('no faults', () => pause(6_000));
    for (const { workload, checks } of result.workloads) for (const c of checks) console.log(workload, JSON.stringify(c.figures));
    assertNone(result);
  },
  { timeoutMs: 60_000 },
);

test.run();
