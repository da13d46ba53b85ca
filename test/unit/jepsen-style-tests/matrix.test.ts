import { matrixOf } from '../../../jepsen-style-tests/src/run/matrix.ts';
import { type MadeRun, tablesOf } from '../../../jepsen-style-tests/src/run/matrix-table.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('partition tests: many runs');

test('a matrix has each fault and each workload, for each size, under names of their own', () => {
  const runs = matrixOf('quorate');
  assert.is(new Set(runs.map(({ name }) => name)).size, runs.length);
  assert.is(new Set(runs.map(({ seed }) => seed)).size, runs.length);
  assert.equal([...new Set(runs.map(({ nodes }) => nodes))], [3, 5]);
  assert.ok(runs.length >= 120);
  assert.ok(runs.every(({ nemeses }) => nemeses.length > 0));
  assert.equal(
    matrixOf('mosquitto').map(({ nodes }) => nodes),
    matrixOf('mosquitto').map(() => 1),
  );
});

const fault = {
  ...{ fault: 1, name: 'kill one', detail: '', beginMs: 0, endMs: 5_000, nodes: [], minority: true, alone: true },
  ...{ longestGapMs: 100, recoveryAfterBeginMs: 200, recoveryAfterEndMs: 300 },
};

function made(kinds: Readonly<Record<string, number>>, faults: readonly (typeof fault)[]): MadeRun {
  return {
    run: { name: 'x', nodes: 3, nemeses: ['kill one'], workloads: [], seed: 1 },
    report: {
      facts: { Broker: 'a broker', Network: 'a network.', Machine: 'a machine' },
      durationMs: 45_000,
      totals: { operations: 1_000, acknowledged: 900, failed: 0, unknown: 1, delivered: 800, connects: 10 },
      checks: [{ name: 'queue', verdict: 'holds', kinds, anomalyCount: 0 }],
      availability: { faults },
    },
  };
}

test('kinds of anomalies are counted in their columns, unknown ones under other', () => {
  const text = tablesOf([made({ lost: 2, 'delivered twice': 3, 'never heard of': 4 }, []), made({}, [])]);
  assert.match(text, /\| kill one, all workloads \| 2 \| 2,000 \| 1,800 \| 2 \| 3 \| 0 \| 0 \| 0 \| 0 \| 4 \|/);
  assert.match(text, /\| \*\*all\*\* \| 2 \|/);
});

test('gaps are of faults that were alone, and apart where no majority was left', () => {
  const slow = { ...fault, longestGapMs: 300 };
  const others = [
    { ...fault, alone: false, longestGapMs: 9_999 },
    { ...fault, minority: false, longestGapMs: 7_000 },
  ];
  const text = tablesOf([made({}, [fault, slow, ...others])]);
  assert.match(text, /\| kill one \| 2 \| 200 \| 300 \| 200 \| 200 \|/);
  assert.match(text, /\| kill one \(no majority left\) \| 1 \| 7,000 \| 7,000 \| 300 \| 300 \|/);
  assert.not.match(text, /9,999/);
});

test.run();
