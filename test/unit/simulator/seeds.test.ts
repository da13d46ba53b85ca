import { describeFailure, simulate } from '@quorate/simulator';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('simulator: fresh seeds');

const SECONDS = 10;
const SEEDS = 30;
/** On a busy machine fewer seeds are run, never fewer than this. */
const LEAST_SEEDS = 3;
const BUDGET_MS = 18_000;

test(
  'a cluster keeps its promises under faults from seeds that nobody has seen',
  async () => {
    const base = seedFor('simulator');
    const startedMs = performance.now();
    let virtualMs = 0;
    let faults = 0;
    let ran = 0;
    while (ran < SEEDS && (ran < LEAST_SEEDS || performance.now() - startedMs < BUDGET_MS)) {
      const result = await simulate({ seed: base + ran, seconds: SECONDS });
      assert.is(result.violation, null, describeFailure(result, SECONDS));
      virtualMs += result.virtualMs;
      for (const kind of ['crash of a node', 'paused process', 'isolated node', 'one-way partition']) {
        faults += result.counts.get(kind) ?? 0;
      }
      ran++;
    }
    assert.ok(faults > 0, 'no fault was injected');
    console.log(`# ${ran} seeds from ${base}, ${Math.round(virtualMs / 1000)} virtual seconds`);
  },
  { timeoutMs: 120_000 },
);

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
  // Of two seeds together: one alone may have its nodes down for most of so short a time.
  const runs = [await simulate({ seed: 2, seconds: 8 }), await simulate({ seed: 3, seconds: 8 })];
  assert.ok(runs.every(({ violation }) => violation === null));
  for (const kind of ['acknowledgements', 'messages delivered', 'registers read', 'states compared', 'connections']) {
    const count = runs.reduce((sum, { counts }) => sum + (counts.get(kind) ?? 0), 0);
    assert.ok(count >= 40, `${kind}: ${count}`);
  }
});

test.run();
