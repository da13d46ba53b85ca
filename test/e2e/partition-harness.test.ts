import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  describePlan,
  detectNetwork,
  followOuterProcess,
  insideOf,
  makePlan,
  NEMESES,
  type Nemesis,
  type NemesisEvent,
  OWN_BUILD,
  runInside,
  runPlan,
  seededRandom,
} from '@quorate/jepsen-style-tests';
import { PartitionBench } from '../support/partition-bench.ts';
import { seedFor } from '../support/seed.ts';
import { asProgram, assert, note, suite } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';

/*
 * Each fault of the partition tests, done once to three nodes on hosts of their own: that it does what it says, and that its end
 * ends it. A quick choice of them; PARTITION_HARNESS=all does all. Where namespaces are
 * not possible, or with PARTITION_HARNESS_NETWORK=proxies, hosts are addresses on loopback.
 */

/** Longer than a node takes to give a dead connection up and to look for the other one elsewhere. */
const STILL_CUT_MS = 6_000;

/** Who acknowledges while a fault lasts, of those with a publisher; `null` where that is not what tells it. */
type Expected = (hit: readonly string[], all: readonly string[]) => readonly string[] | null;

const others: Expected = (hit, all) => all.filter((id) => !hit.includes(id));
const everybody: Expected = (_hit, all) => all;
const nobody: Expected = () => [];
const untold: Expected = () => null;

interface Check {
  readonly quick?: true;
  readonly expect: Expected;
  /** What else must be seen while it lasts. */
  readonly during?: (bench: PartitionBench, hit: readonly string[], before: Before) => Promise<void>;
}

interface Before {
  readonly term: number;
  readonly pids: ReadonlyMap<string, number | undefined>;
}

const CHECKS: Readonly<Record<string, Check>> = {
  'isolate leader': { quick: true, expect: others },
  'isolate leader with its clients': { expect: others },
  'isolate leader from the clients too': { expect: others },
  'isolate one': { expect: others },
  'isolate one with its clients': { expect: others },
  'isolate one from the clients too': { expect: others },
  // The first of the shuffled nodes is the smaller half.
  halves: { expect: (hit) => hit.slice(1) },
  'halves with their clients': { expect: (hit) => hit.slice(1) },
  bridge: { expect: untold, during: someAcknowledge },
  'leader cannot send': { quick: true, expect: untold, during: anotherLeads },
  'leader cannot receive': { expect: untold, during: anotherLeads },
  'one-way cuts': { expect: untold },
  'flapping links': { expect: untold, during: someAcknowledge },
  'clients cut off': { expect: untold, during: fewerAcknowledge },
  'packet loss': { expect: untold, during: someAcknowledge },
  delay: { quick: true, expect: untold, during: someAcknowledge },
  reorder: { expect: untold, during: someAcknowledge },
  duplication: { expect: untold, during: someAcknowledge },
  'bad links': { expect: untold, during: someAcknowledge },
  'kill one': { quick: true, expect: others },
  'kill leader': { expect: others },
  'kill majority': { expect: nobody },
  'kill all': { expect: nobody },
  'pause one': { expect: others },
  'pause leader': { expect: others },
  'pause majority': { expect: nobody },
  'slow start': { expect: untold, during: someAcknowledge },
  'clock jump': { quick: true, expect: everybody, during: clocksAreWrong },
  'clock strobe': { expect: everybody, during: clocksAreWrong },
  'clock drift': { expect: everybody, during: clocksAreWrong },
  'disk full': { expect: others },
  'disk stall': { quick: true, expect: others },
  'flipped bytes': { expect: others },
  'truncated file': { expect: others },
  'wiped node': { expect: others },
  'add a node': { expect: everybody, during: membersAre(4) },
  'remove a node': { expect: others, during: membersAre(2) },
  'replace a node': { expect: others, during: membersAre(3) },
  'leadership transfers': { expect: untold, during: termGrows },
  'rolling restart': { expect: untold, during: processesChange },
  'rolling upgrade': { expect: untold, during: processesChange },
  'changed settings': { quick: true, expect: everybody, during: settingsChange },
};

async function someAcknowledge(bench: PartitionBench): Promise<void> {
  await waitFor(async () => (await bench.acknowledging(700)).length >= 2, { what: 'two nodes to acknowledge' });
}

async function anotherLeads(bench: PartitionBench, _hit: readonly string[], before: Before): Promise<void> {
  const isOther = async (): Promise<boolean> => ((await bench.cluster.leader())?.term ?? 0) > before.term;
  await waitFor(isOther, { what: 'another leader' });
  await someAcknowledge(bench);
}

async function fewerAcknowledge(bench: PartitionBench): Promise<void> {
  await waitFor(async () => (await bench.acknowledging(700)).length < 3, { what: 'a client to be cut off' });
}

/** Each line of a log has the time of its node's wall clock; each refused change of the cluster leaves a line. */
async function clocksAreWrong(bench: PartitionBench, hit: readonly string[]): Promise<void> {
  const wrong = async (): Promise<boolean> => {
    await assert.rejects(bench.cluster.transferLeadership('nobody'), /NOT_A_MEMBER|nobody/);
    return hit.every((id) => {
      const node = bench.cluster.nodes.find((each) => each.id === id);
      const lines = readFileSync(node?.logFile ?? '', 'utf8')
        .trimEnd()
        .split('\n');
      const last = /"time":"([^"]+)"/.exec(lines.at(-1) ?? '')?.[1];
      return last !== undefined && Math.abs(Date.parse(last) - Date.now()) > 800;
    });
  };
  await waitFor(wrong, { what: `the logs of ${hit.join(', ')} to have another time`, intervalMs: 200 });
}

function membersAre(count: number): NonNullable<Check['during']> {
  return async (bench) => {
    const whole = async (): Promise<boolean> => bench.cluster.nodes.length === count && (await bench.cluster.isWhole());
    await waitFor(whole, { what: `${String(count)} voters`, timeoutMs: 40_000 });
  };
}

async function termGrows(bench: PartitionBench, _hit: readonly string[], before: Before): Promise<void> {
  const grown = async (): Promise<boolean> => ((await bench.cluster.leader())?.term ?? 0) > before.term + 1;
  await waitFor(grown, { what: 'leadership to move twice' });
}

async function processesChange(bench: PartitionBench, hit: readonly string[], before: Before): Promise<void> {
  const changed = (): boolean => {
    const now = pidsOf(bench);
    return hit.every((id) => now.get(id) !== undefined && now.get(id) !== before.pids.get(id));
  };
  await waitFor(changed, { what: 'all processes to be others', timeoutMs: 60_000 });
}

/** Each node goes by one limit after another, whoever was asked to change it. */
async function settingsChange(bench: PartitionBench): Promise<void> {
  const seen = new Map(bench.cluster.nodes.map(({ id }) => [id, new Set<unknown>()]));
  const changed = async (): Promise<boolean> => {
    for (const [id, values] of seen) {
      const settings = await bench.cluster.settingsOf(id);
      if (settings !== null) values.add(settings['sharedInflightPerSession']);
    }
    return [...seen.values()].every((values) => values.size >= 3);
  };
  await waitFor(changed, { what: 'three values of a limit on each node', timeoutMs: 40_000 });
}

function pidsOf(bench: PartitionBench): Map<string, number | undefined> {
  return new Map(bench.cluster.nodes.map((node) => [node.id, (node as { pid?: number }).pid]));
}

const inside = insideOf();
const wantsProxies = process.env['PARTITION_HARNESS_NETWORK'] === 'proxies';
const kind = wantsProxies ? 'proxies' : (await detectNetwork()).kind;

if (kind !== 'proxies' && inside === null) {
  asProgram();
  process.exitCode = await runInside(kind);
} else {
  if (inside !== null) followOuterProcess();
  declareTests();
}

function declareTests(): void {
  const test = suite('e2e: partition harness');
  const doesAll = process.env['PARTITION_HARNESS'] === 'all';
  const part = process.env['PARTITION_HARNESS_ONLY'] ?? '';
  const ran: string[] = [];
  let bench: PartitionBench;
  let closeBench = (): Promise<void> => Promise.resolve();
  let nextBuild = '';
  test.before(
    async () => {
      nextBuild = mkdtempSync(join(tmpdir(), 'quorate-next-build-'));
      const next = join(nextBuild, 'quorate.js');
      symlinkSync(OWN_BUILD, next);
      bench = await PartitionBench.open(21_800, [OWN_BUILD, next]);
      closeBench = () => bench.close();
    },
    { timeoutMs: 150_000 },
  );
  test.after(
    async () => {
      rmSync(nextBuild, { recursive: true, force: true });
      await closeBench();
    },
    { timeoutMs: 30_000 },
  );
  for (const nemesis of NEMESES) {
    const check = CHECKS[nemesis.name];
    if (check === undefined || (!doesAll && check.quick !== true) || !nemesis.name.includes(part)) continue;
    const body = async (): Promise<void> => {
      const startedMs = performance.now();
      await doOnce(bench, nemesis, check);
      ran.push(`${nemesis.name} ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    };
    test(`${nemesis.name}: it does what it says, and its end ends it`, body, { timeoutMs: 100_000 });
  }
  // With proxies there are ways past them.
  if ((doesAll || kind === 'proxies') && 'a cut'.includes(part)) {
    test('a cut is one also when every process is another one, and lasts', () => cutAfterRestarts(bench), {
      timeoutMs: 100_000,
    });
  }
  if (doesAll && 'a plan'.includes(part))
    test('a plan of them runs through and leaves everything whole', () => runAPlan(bench), { timeoutMs: 280_000 });
  test('each fault has a check here, or says why it can not be done to three nodes', () => {
    const unchecked = NEMESES.filter((each) => CHECKS[each.name] === undefined);
    for (const each of unchecked) assert.ok(each.unavailable(bench.context) !== null, each.name);
    note(`${bench.network.description}; ${ran.join(', ')}`);
  });
  test.run();
}

/** Processes that find each other again may take other ways than those that the founders were told. */
async function cutAfterRestarts(bench: PartitionBench): Promise<void> {
  const all = ['n1', 'n2', 'n3'];
  for (const node of bench.cluster.nodes) {
    await node.kill();
    await node.start();
    await bench.cluster.ready(30_000);
  }
  await bench.onlyAcknowledging(all, 'all to acknowledge after restarts', 30_000);
  const nemesis = NEMESES.find(({ name }) => name === 'isolate one');
  const begun = await nemesis?.begin(bench.context, seededRandom(seedFor('cut')));
  assert.ok(begun !== null && begun !== undefined, 'it begins');
  try {
    const left = all.filter((id) => !begun.nodes.includes(id));
    await bench.onlyAcknowledging(left, `${begun.detail} after restarts`, 25_000);
    const later = await bench.acknowledging(STILL_CUT_MS);
    assert.equal(later.sort(), left, 'it stays cut off');
  } finally {
    await begun.end();
  }
  await bench.onlyAcknowledging(all, 'all to acknowledge after the cut', 40_000);
}

async function runAPlan(bench: PartitionBench): Promise<void> {
  const nemeses = NEMESES.filter((each) => each.unavailable(bench.context) === null);
  const options = { durationMs: 150_000, recoveryMs: 1_000, quietMs: [1_000, 2_000], faultMs: [2_000, 5_000] } as const;
  const plan = makePlan({ ...options, seed: seedFor('plan'), nemeses, pairPct: 60 });
  note(describePlan(plan));
  const events: NemesisEvent[] = [];
  const startMs = performance.now();
  const nowMs = (): number => performance.now() - startMs;
  const result = await runPlan({ plan, nemeses, context: bench.context, nowMs, write: (event) => events.push(event) });
  const lines = events.map(
    ({ atMs, name, phase, detail }) => `${(atMs / 1000).toFixed(1)} ${phase} ${name}: ${detail}`,
  );
  note([...lines, ...bench.notes, `whole after ${(result.healedAtMs / 1000).toFixed(1)} s`].join('\n'));
  assert.equal(result.problems, []);
  assert.is(events.filter((each) => each.phase === 'begin').length, result.begun);
  assert.is(events.length, 2 * result.begun);
  await bench.onlyAcknowledging(['n1', 'n2', 'n3'], 'all to acknowledge after the plan', 40_000);
  await waitFor(() => bench.cluster.isWhole(), { what: 'all to be voters' });
}

async function doOnce(bench: PartitionBench, nemesis: Nemesis, check: Check): Promise<void> {
  const { context } = bench;
  const why = nemesis.unavailable(context);
  if (why !== null) {
    note(`SKIPPED, nothing was checked: ${nemesis.name} (${why})`);
    return;
  }
  const all = ['n1', 'n2', 'n3'];
  await bench.onlyAcknowledging(all, `all to acknowledge before ${nemesis.name}`, 30_000);
  const before = { term: (await bench.cluster.leader())?.term ?? 0, pids: pidsOf(bench) };
  const begun = await nemesis.begin(context, seededRandom(seedFor(nemesis.name)));
  assert.ok(begun !== null, `${nemesis.name} found nothing to do`);
  try {
    const expected = check.expect(begun.nodes, all);
    if (expected !== null)
      await bench.onlyAcknowledging(expected, `what ${nemesis.name} (${begun.detail}) does`, 25_000);
    await bench.explained(begun.detail, async () => check.during?.(bench, begun.nodes, before));
  } finally {
    await begun.end();
  }
  await bench.onlyAcknowledging(all, `all to acknowledge after ${nemesis.name} (${begun.detail})`, 40_000);
}
