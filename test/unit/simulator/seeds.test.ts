import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { simulate } from '@quorate/simulator';
import { seedFor } from '../../support/seed.ts';
import { assert, note, suite } from '../../support/suite.ts';

const test = suite('simulator: fresh seeds');

const SECONDS = 10;
const SEEDS = 300;
/** On a busy machine fewer seeds are run, never fewer than one a thread. */
const BUDGET_SEC = 50;
const MAIN = fileURLToPath(new URL('../../../packages/simulator/dist/main.js', import.meta.url));

test(
  'a cluster keeps its promises under faults from seeds that nobody has seen',
  async () => {
    const base = seedFor('simulator');
    const args = ['--seeds', SEEDS, '--base', base, '--seconds', SECONDS, '--budget', BUDGET_SEC, '--minimise', 0];
    const said = await simulator(args.map(String));
    const [, ran] = /^(\d+) seeds, /m.exec(said) ?? [];
    assert.ok(Number(ran) >= 1, said);
    // Together: a busy machine may run too few seeds for one of each.
    let faults = 0;
    for (const kind of ['crash of a majority', 'paused process', 'isolated node', 'one-way partition']) {
      const [, count] = new RegExp(`^ +(\\d+)  ${kind}$`, 'm').exec(said) ?? [];
      assert.ok(count !== undefined, `no line for ${kind}`);
      faults += Number(count);
    }
    assert.ok(faults > 0, `no fault in ${ran} seeds`);
    note(`${ran} seeds of ${SECONDS} s from ${base}`);
  },
  { timeoutMs: 180_000 },
);

/** What the command prints; throws with it when a seed fails. The threads of the command use every core. */
async function simulator(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${stdout}\n${stderr}`));
    });
  });
}

test('a seed does the same again, to the last event', async () => {
  const seed = seedFor('determinism');
  const first = await simulate({ seed, seconds: 4 });
  const again = await simulate({ seed, seconds: 4 });
  const traced = await simulate({ seed, seconds: 4, trace: true });
  const other = await simulate({ seed: seed + 1, seconds: 4 });
  assert.is(again.traceHash, first.traceHash);
  assert.is(again.events, first.events);
  assert.equal([...again.counts], [...first.counts]);
  assert.is(traced.traceHash, first.traceHash, 'keeping the trace changes what happens');
  assert.is.not(other.traceHash, first.traceHash);
});

test('the work that is simulated is work', async () => {
  // Together: one alone may be a quiet one, or have its nodes down for most of so short a time.
  const runs = [];
  for (const seed of [2, 3, 4, 5, 6, 7, 8, 9]) runs.push(await simulate({ seed, seconds: 8 }));
  assert.ok(runs.every(({ violation }) => violation === null));
  for (const kind of ['acknowledgements', 'messages delivered', 'states compared', 'connections']) {
    const count = runs.reduce((sum, { counts }) => sum + (counts.get(kind) ?? 0), 0);
    assert.ok(count >= 40, `${kind}: ${count}`);
  }
  assert.ok(runs.some(({ counts }) => (counts.get('registers read') ?? 0) > 5));
});

test.run();
