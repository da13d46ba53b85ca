import { checkLinearizable, contradictionOf, type RegisterOperation, register } from '@quorate/jepsen-style-tests';
import fc from 'fast-check';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';
import { connect, deliver, finds, publish, subscribe } from './histories.ts';

const test = suite('partition tests: registers');

const [check] = register.checkers as [(typeof register.checkers)[0]];
const retained = { retain: true } as const;

const write = (value: string, beginMs: number, endMs: number) => publish('w', value, beginMs, endMs, retained);
/** A read on a connection of its own. */
const read = (client: string, value: string, beginMs: number, endMs: number) => [
  connect(client, beginMs - 2, beginMs - 1, { cleanStart: true }),
  subscribe(client, beginMs, endMs),
  deliver(client, value, endMs + 1, retained),
];
const readNothing = (client: string, beginMs: number, endMs: number) => [
  connect(client, beginMs - 2, beginMs - 1, { cleanStart: true }),
  subscribe(client, beginMs, endMs),
  publish(client, `fence of ${client}`, endMs + 1, endMs + 3, { topic: 'fence' }),
  deliver(client, `fence of ${client}`, endMs + 2, { topic: 'fence' }),
];

test('good: reads of the newest, of either of two that are open, of an unknown write', () => {
  finds(check, [write('a', 10, 20), ...read('r', 'a', 30, 40), write('b', 50, 60), ...read('s', 'b', 70, 80)]);
  finds(check, [write('a', 10, 20), write('b', 25, 60), ...read('r', 'b', 30, 40), ...read('s', 'b', 42, 50)]);
  const unknown = publish('v', 'u', 5, 6, { retain: true, outcome: 'unknown' });
  finds(check, [unknown, write('a', 10, 20), ...read('r', 'a', 30, 40), ...read('s', 'u', 500, 510)]);
  finds(check, [...readNothing('r', 5, 6), write('a', 10, 20)]);
});

test('not linearizable: an acknowledged write is not there, or is gone again', () => {
  finds(check, [write('a', 10, 20), write('b', 30, 40), ...read('r', 'a', 50, 60)], 'not linearizable');
  finds(check, [write('a', 10, 20), ...readNothing('r', 30, 40)], 'not linearizable');
  const twice = [write('a', 10, 20), write('b', 25, 90), ...read('r', 'b', 30, 40), ...read('s', 'a', 50, 60)];
  finds(check, twice, 'not linearizable');
});

test('from nowhere and too early', () => {
  finds(check, [write('a', 10, 20), ...read('r', 'x', 30, 40)], 'from nowhere');
  finds(check, [...read('r', 'a', 2, 5), write('a', 10, 20)], 'too early');
  const refused = publish('v', 'u', 5, 6, { retain: true, outcome: 'fail' });
  finds(check, [refused, ...read('r', 'u', 30, 40)], 'from nowhere');
});

test('a read that nothing ended says nothing; a message that is not retained is no answer', () => {
  const open = [connect('r', 28, 29, { cleanStart: true }), subscribe('r', 30, 40)];
  finds(check, [write('a', 10, 20), ...open]);
  finds(check, [
    write('a', 10, 20),
    ...open,
    deliver('r', 'b', 45),
    write('b', 42, 50),
    deliver('r', 'a', 46, retained),
  ]);
});

test('values that are written twice are searched', () => {
  finds(check, [write('a', 10, 20), write('b', 30, 40), write('a', 50, 60), ...read('r', 'a', 70, 80)]);
  finds(
    check,
    [write('a', 10, 20), write('a', 30, 40), write('b', 50, 60), ...read('r', 'a', 70, 80)],
    'not linearizable',
  );
  // An empty retained message takes the one that is there away.
  finds(check, [write('a', 10, 20), write('', 30, 40), ...readNothing('r', 50, 60)]);
  finds(check, [write('a', 10, 20), write('', 30, 40), ...read('r', 'a', 50, 60)], 'not linearizable');
});

test('more open operations than can be tried are undecided, and said to be', () => {
  const many: RegisterOperation[] = Array.from({ length: 31 }, (_none, at) => ({
    ...{ kind: 'write', value: String(at % 2), beginMs: at, endMs: 100 },
  }));
  assert.is(checkLinearizable(many), 'undecided');
});

/** Every order of every choice of writes that may be missing: right by its plainness. */
function bruteForce(operations: readonly RegisterOperation[]): boolean {
  const go = (left: readonly RegisterOperation[], value: string | null): boolean => {
    if (left.every(({ endMs }) => endMs === Number.POSITIVE_INFINITY)) return true;
    const firstEndMs = Math.min(...left.map(({ endMs }) => endMs));
    return left.some((operation) => {
      if (operation.beginMs > firstEndMs || (operation.kind === 'read' && operation.value !== value)) return false;
      const rest = left.filter((each) => each !== operation);
      return go(rest, operation.kind === 'write' ? operation.value : value);
    });
  };
  return go(operations, null);
}

interface Drawn {
  readonly write: boolean;
  readonly value: number;
  readonly beginMs: number;
  readonly lengthMs: number;
  readonly unknown: boolean;
}

const drawn = fc.array(
  fc.record({
    write: fc.boolean(),
    value: fc.integer({ min: 0, max: 3 }),
    beginMs: fc.integer({ min: 0, max: 16 }),
    lengthMs: fc.integer({ min: 0, max: 8 }),
    unknown: fc.boolean(),
  }),
  { maxLength: 7 },
);

function operationsOf(list: readonly Drawn[], unique: boolean): RegisterOperation[] {
  return list.map(({ write, value, beginMs, lengthMs, unknown }, at) => ({
    kind: write ? 'write' : 'read',
    value: write && unique ? String(at) : !write && value === 0 ? null : String(value),
    beginMs,
    endMs: write && unknown ? Number.POSITIVE_INFINITY : beginMs + lengthMs,
  }));
}

test('the search agrees with brute force on any history', () => {
  const seen = { yes: 0, no: 0 };
  fc.assert(
    fc.property(drawn, (list) => {
      const operations = operationsOf(list, false);
      const expected = bruteForce(operations);
      seen[expected ? 'yes' : 'no']++;
      assert.is(checkLinearizable(operations), expected ? 'linearizable' : 'not linearizable');
    }),
    { seed: seedFor('search'), numRuns: 3_000 },
  );
  assert.ok(seen.yes > 100 && seen.no > 100, `${seen.yes} linearizable, ${seen.no} not`);
});

test('the quick proof agrees with the search where every value is written once', () => {
  const seen = { yes: 0, no: 0 };
  fc.assert(
    fc.property(drawn, (list) => {
      const operations = operationsOf(list, true);
      const expected = bruteForce(operations);
      seen[expected ? 'yes' : 'no']++;
      assert.is(checkLinearizable(operations), expected ? 'linearizable' : 'not linearizable');
      assert.is(contradictionOf(operations) === null, expected);
    }),
    { seed: seedFor('quick'), numRuns: 3_000 },
  );
  assert.ok(seen.yes > 100 && seen.no > 100, `${seen.yes} linearizable, ${seen.no} not`);
});

/** What a real register answers: each operation takes effect at a moment of its own between begin and end. */
const real = fc.array(
  fc.record({
    write: fc.boolean(),
    sinceMs: fc.integer({ min: 0, max: 40 }),
    beforeMs: fc.integer({ min: 0, max: 40 }),
    afterMs: fc.integer({ min: 0, max: 40 }),
    unknown: fc.integer({ min: 0, max: 9 }),
  }),
  { minLength: 60, maxLength: 120 },
);

function played(list: typeof real extends fc.Arbitrary<infer T> ? T : never): RegisterOperation[] {
  let value: string | null = null;
  let moment = 0;
  return list.map(({ write, sinceMs, beforeMs, afterMs, unknown }, at) => {
    // Not two at one time: what touches counts as concurrent, and the other order might be the one that fits.
    moment += sinceMs + 1;
    if (write) value = String(at);
    const beginMs = moment - beforeMs;
    const endMs = write && unknown === 0 ? Number.POSITIVE_INFINITY : beginMs + beforeMs + afterMs;
    return { kind: write ? 'write' : 'read', value, beginMs, endMs };
  });
}

test('long histories of a real register are linearizable; with one answer changed both ways agree', () => {
  let broken = 0;
  fc.assert(
    fc.property(real, fc.nat(), fc.nat(), (list, whichRead, whichValue) => {
      const operations = played(list);
      assert.is(checkLinearizable(operations), 'linearizable');
      assert.is(contradictionOf(operations), null);
      const reads = operations.filter(({ kind }) => kind === 'read');
      const writes = operations.filter(({ kind }) => kind === 'write');
      const read = reads[whichRead % Math.max(1, reads.length)];
      const value = writes[whichValue % Math.max(1, writes.length)]?.value;
      if (read === undefined || value === undefined) return;
      const changed = operations.map((each) => (each === read ? { ...each, value } : each));
      const verdict = checkLinearizable(changed);
      if (verdict === 'not linearizable') broken++;
      assert.is(contradictionOf(changed) === null, verdict === 'linearizable');
    }),
    { seed: seedFor('real'), numRuns: 150 },
  );
  assert.ok(broken > 50, `${broken} of 150 changes broke the history`);
});

test.run();
