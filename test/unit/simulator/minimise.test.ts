import { describeMinimised, minimise, parseArguments, simulate } from '@quorate/simulator';
import { assert, suite } from '../../support/suite.ts';

const test = suite('simulator: fewer faults');

const LIAR = { disk: { reportsEarly: true } };
const BUDGET_MS = 20_000;

test(
  'faults that a failure does not need are left out, and the same promise is broken without them',
  async () => {
    const seconds = 8;
    let seed = 1;
    let failed = await simulate({ seed, seconds, mutation: LIAR });
    while (failed.violation === null || failed.faults.length < 3) {
      seed++;
      assert.ok(seed < 20, 'no seed with some faults finds the disk that lies');
      failed = await simulate({ seed, seconds, mutation: LIAR });
    }
    const found = await minimise({
      seed,
      seconds,
      mutation: LIAR,
      budgetMs: BUDGET_MS,
      nowMs: () => performance.now(),
    });
    assert.ok(found !== null);
    const { result, leftOut } = found;
    assert.is(result.violation?.invariant, failed.violation.invariant);
    assert.ok(result.faults.length < failed.faults.length, `${result.faults.length} of ${failed.faults.length}`);
    const again = await simulate({ seed, seconds, mutation: LIAR, leftOut: new Set(leftOut) });
    assert.is(again.traceHash, result.traceHash);
    assert.ok(
      describeMinimised(found, seconds).includes(`--replay ${seed} --seconds ${seconds} --leave-out ${leftOut.join()}`),
    );
  },
  { timeoutMs: 120_000 },
);

test('a seed that breaks nothing is not minimised', async () => {
  assert.is(await minimise({ seed: 2, seconds: 1, budgetMs: 1, nowMs: () => 0 }), null);
});

test('numbers of faults are read from the command line', () => {
  const args = (...argv: string[]) => parseArguments(argv, 1, () => 0);
  assert.equal(args('--replay', '3', '--leave-out', '1,2').leftOut, [1, 2]);
  assert.throws(() => args('--leave-out', 'a'), /whole numbers joined by commas, not a/);
  assert.is(args('--minimise', '0').minimiseSec, 0);
});

test.run();
