import { Histogram } from '@quorate/bench';
import fc from 'fast-check';
import { assert, suite } from '../../support/suite.ts';

const test = suite('bench histogram');

test('is empty at first', () => {
  const histogram = new Histogram();
  assert.is(histogram.summary(), null);
  assert.is(histogram.percentile(50), 0);
});

test('reports percentiles within one percent of the exact ones', () => {
  const durations = fc.array(fc.double({ min: 0.002, max: 400_000, noNaN: true }), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(durations, fc.constantFrom(1, 50, 90, 99, 99.9, 100), (values, percent) => {
      const histogram = new Histogram();
      for (const value of values) histogram.add(value);
      const sorted = [...values].sort((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil((percent / 100) * sorted.length)) - 1] as number;
      const error = Math.abs(histogram.percentile(percent) - exact);
      // 0.8 % of the bucket and the 0.1 us that the scale resolves.
      assert.ok(error <= exact * 0.01 + 0.0001, `${histogram.percentile(percent)} for ${exact}`);
    }),
    { numRuns: 500 },
  );
});

test('keeps exact count, mean and maximum', () => {
  const histogram = new Histogram();
  for (const value of [1, 2, 3, 10]) histogram.add(value);
  const summary = histogram.summary();
  assert.is(summary?.count, 4);
  assert.is(summary?.meanMs, 4);
  assert.is(summary?.maxMs, 10);
});

test('clamps what lies outside its range', () => {
  const histogram = new Histogram();
  histogram.add(-5);
  assert.is(histogram.percentile(50), 0);
  histogram.add(10_000_000);
  assert.ok(histogram.percentile(100) > 400_000);
});

test.run();
