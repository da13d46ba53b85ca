import fc from 'fast-check';
import { LogRetention } from '../../../../packages/node/src/runtime/log-retention.ts';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('log retention');

const SNAPSHOT_FACTOR = 8;

const step = fc.record({
  entries: fc.integer({ min: 1, max: 50 }),
  bytes: fc.integer({ min: 0, max: 400 }),
  /** How far behind the applied index others are, in entries. */
  behind: fc.array(fc.integer({ min: -20, max: 3_000 }), { maxLength: 4 }),
  snapshotBehind: fc.option(fc.integer({ min: 0, max: 3_000 })),
});

test('never beyond what is applied; kept is what a member lacks within the bound, and what follows a snapshot', () => {
  const property = fc.property(
    fc.array(step, { minLength: 1, maxLength: 120, size: 'max' }),
    fc.constantFrom(0, 100, 1_000, 10_000),
    (steps, keepBytes) => {
      const retention = new LogRetention(keepBytes);
      const places = [{ index: 0, totalBytes: 0 }];
      let applied = 0;
      let total = 0;
      for (const { entries, bytes, behind, snapshotBehind } of steps) {
        applied += entries;
        total += bytes;
        retention.passed(applied, bytes);
        places.push({ index: applied, totalBytes: total });
        const matched = behind.map((by) => Math.max(0, applied - by));
        const snapshot = snapshotBehind === null ? null : Math.max(0, applied - snapshotBehind);
        const index = retention.compactIndex(applied, matched, snapshot);
        assert.ok(index >= 0 && index <= applied, 'never beyond what is applied');
        const dropped = places.findLast((place) => place.index <= index);
        assert.ok(dropped);
        const behindBytes = total - dropped.totalBytes;
        const slowest = Math.min(applied, ...matched);
        if (index > slowest) assert.ok(behindBytes > keepBytes, 'a member within the bound keeps its log');
        if (snapshot !== null && index > snapshot) {
          assert.ok(behindBytes > keepBytes * SNAPSHOT_FACTOR, 'a snapshot within its bound keeps what follows it');
        }
        // And no more than that is kept: the disks do not fill.
        const free = places.findLast(({ totalBytes }) => total - totalBytes > keepBytes * SNAPSHOT_FACTOR)?.index ?? 0;
        assert.ok(index >= Math.min(applied, free), 'beyond the larger bound nothing is kept');
        const freeOfMembers = places.findLast(({ totalBytes }) => total - totalBytes > keepBytes)?.index ?? 0;
        if (snapshot === null) assert.is(index, Math.min(applied, Math.max(slowest, freeOfMembers)));
      }
    },
  );
  fc.assert(property, { seed: seedFor('log retention'), numRuns: 300 });
});

test('of very many places neighbours are joined: the bounds hold as before, by an eighth', () => {
  const retention = new LogRetention(100_000);
  for (let index = 1; index <= 20_000; index++) {
    retention.passed(index, 100);
    const compacted = retention.compactIndex(index, [0], null);
    const keptBytes = (index - compacted) * 100;
    if (index > 1_000) assert.ok(keptBytes > 100_000, `${String(index)}: ${String(keptBytes)}`);
    // 20,000 places of 100 bytes in 1,024: a place stands for up to 4 kB.
    assert.ok(keptBytes <= 100_000 + 100 * 64, `${String(index)}: ${String(keptBytes)} are kept`);
  }
});

test('a place that was passed already changes nothing', () => {
  const retention = new LogRetention(10);
  retention.passed(5, 100);
  retention.passed(5, 100);
  retention.passed(3, 100);
  retention.passed(6, 5);
  assert.is(retention.compactIndex(6, [0], null), 0);
  retention.passed(7, 6);
  assert.is(retention.compactIndex(7, [0], null), 5);
});

test.run();
