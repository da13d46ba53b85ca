import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { quorate } from '../support/command.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { endRoamers } from '../support/roamer.ts';
import { SteadyLoad } from '../support/steady-load.ts';
import { assert, note, suite } from '../support/suite.ts';

/* The leader stops running and goes on later, or gives leadership away because it is asked to: how long that holds up. */

const test = suite('e2e: pauses');

const ROUNDS = 10;
const ELECTION_TIMEOUT_MS = 600;
/** The last of the leader's successors stands half an election timeout after the first. */
const PAUSE_MEDIAN_MS = ELECTION_TIMEOUT_MS + 300;
/** None takes longer: a split vote, the rare case, costs up to two election timeouts more. */
const PAUSE_BOUND_MS = 3_000;
const TRANSFER_MEDIAN_MS = 100;
/** A fault is several steps, each held up by a busy machine as much as an acknowledgement is. */
const NOISE_FACTOR = 2;

let cluster: TestCluster;

test.before(async () => {
  cluster = await startCluster();
});
test.after.each(endRoamers);
test.after(() => cluster.stopAll());

/** How long a window without any fault is: as long as what it is compared with. */
const CALM_MS = 300;

/** The longest gap of a moment in which nothing happens: on a busy machine there are gaps without any cause here. */
async function calmGapMs(load: SteadyLoad): Promise<number> {
  const fromMs = performance.now();
  await waitFor(() => performance.now() >= fromMs + CALM_MS, { what: 'a calm moment' });
  await load.goesOn();
  return load.longestGapMs(fromMs, performance.now());
}

function report(what: string, figures: readonly number[]): number {
  const sorted = [...figures].sort((x, y) => x - y);
  // Of an even number both middle ones count: the lower one alone would flatter.
  const [low, high] = [Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2)];
  const median = ((sorted[low] as number) + (sorted[high] as number)) / 2;
  note(`${what}, gaps in ms: ${figures.map(Math.round).join(' ')}; median ${String(Math.round(median))}`);
  return median;
}

const others = (node: NodeProcess): NodeProcess[] => cluster.nodes.filter((each) => each !== node);

test(
  'SIGSTOP of the leader, ten times, and SIGCONT: publishing goes on, nothing is lost, no session has two owners',
  async () => {
    const load = await SteadyLoad.start({ name: 'stop', nodes: cluster.nodes });
    const gapsMs: number[] = [];
    const calmMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const victim = cluster.node(await cluster.leader());
      await load.goHome(cluster.nodes);
      await load.goesOn();
      calmMs.push(await calmGapMs(load));
      const staying = load.awayFrom(victim);
      const stoppedAtMs = performance.now();
      await victim.kill('SIGSTOP');
      await load.goesOn(staying);
      // Those whose node stands still notice by themselves (their keep-alive), here at once.
      for (const each of load.publishers) if (each.node === victim) await each.moveTo(others(victim)[0] as NodeProcess);
      await load.goesOn();
      gapsMs.push(load.longestGapMs(stoppedAtMs, performance.now(), staying));
      await victim.kill('SIGCONT');
      await cluster.waitReady();
    }
    await load.finish();
    const median = report('SIGSTOP of the leader', gapsMs);
    const noiseMs = report('calm moments between', calmMs);
    assert.ok(
      median <= PAUSE_MEDIAN_MS + NOISE_FACTOR * noiseMs,
      `publishing resumes after ${String(median)} ms in the median`,
    );
    assert.ok(Math.max(...gapsMs) <= PAUSE_BOUND_MS, `the longest gap is ${String(Math.max(...gapsMs))} ms`);
  },
  { timeoutMs: 150_000 },
);

test(
  'leadership is handed over ten times under load',
  async () => {
    const load = await SteadyLoad.start({ name: 'transfer', nodes: cluster.nodes });
    const gapsMs: number[] = [];
    const calmMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const leader = cluster.node(await cluster.leader());
      const [target] = others(leader) as [NodeProcess];
      calmMs.push(await calmGapMs(load));
      const askedAtMs = performance.now();
      if (round === 0) {
        const url = `http://127.0.0.1:${String(target.httpPort)}`;
        const result = await quorate('transfer-leader', '--to', target.id, '--url', url);
        assert.is(result.code, 0, result.stderr);
        assert.match(result.stdout, new RegExp(`^${target.id} is the leader now`));
      } else {
        const answer = await target.send('POST', '/api/v1/leader', round % 2 === 0 ? {} : { to: target.id });
        assert.is(answer.status, 200, answer.body);
      }
      assert.is.not(await cluster.leader({ not: leader.id }), leader.id);
      await load.goesOn();
      gapsMs.push(load.longestGapMs(askedAtMs, performance.now()));
    }
    await load.finish();
    const median = report('planned transfer', gapsMs);
    const noiseMs = report('calm moments between', calmMs);
    assert.ok(
      median <= TRANSFER_MEDIAN_MS + NOISE_FACTOR * noiseMs,
      `a transfer holds publishing up for ${String(median)} ms in the median`,
    );
  },
  { timeoutMs: 150_000 },
);

test.run();
