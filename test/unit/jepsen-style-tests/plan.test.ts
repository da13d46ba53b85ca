import {
  type Begun,
  describePlan,
  excludes,
  makePlan,
  NEMESES,
  type Nemesis,
  type NemesisContext,
  type Plan,
  type PlanOptions,
  runPlan,
  type Touches,
} from '@quorate/jepsen-style-tests';
import fc from 'fast-check';
import type { NemesisEvent } from '../../../jepsen-style-tests/src/history/operation.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('partition tests: plan');

const options = (): fc.Arbitrary<PlanOptions> =>
  fc.record({
    seed: fc.nat(),
    durationMs: fc.integer({ min: 60_000, max: 900_000 }),
    pairPct: fc.integer({ min: 0, max: 100 }),
    nemeses: fc.shuffledSubarray([...NEMESES], { minLength: 1 }),
  });

function overlap(plan: Plan): [Plan['faults'][number], Plan['faults'][number]][] {
  return plan.faults.flatMap((one, at) =>
    plan.faults
      .slice(at + 1)
      .filter((other) => one.beginMs < other.endMs && other.beginMs < one.endMs)
      .map((other): [typeof one, typeof one] => [one, other]),
  );
}

test('the same seed makes the same plan, another one another', () => {
  fc.assert(fc.property(options(), (given) => assert.equal(makePlan(given), makePlan({ ...given }))));
  const given = { durationMs: 300_000, nemeses: NEMESES };
  assert.is.not(describePlan(makePlan({ ...given, seed: 1 })), describePlan(makePlan({ ...given, seed: 2 })));
});

test('every fault ends after it began and before everything is to be whole', () => {
  fc.assert(
    fc.property(options(), (given) => {
      const plan = makePlan(given);
      assert.ok(plan.healMs < plan.durationMs);
      for (const [at, { fault, beginMs, endMs }] of plan.faults.entries()) {
        assert.is(fault, at + 1);
        assert.ok(beginMs < endMs && endMs <= plan.healMs, `${beginMs} to ${endMs}`);
        assert.ok(at === 0 || beginMs >= (plan.faults[at - 1]?.beginMs ?? 0), 'in order');
      }
    }),
  );
});

test('faults that exclude each other never go on at once, and never more than two', () => {
  let pairs = 0;
  fc.assert(
    fc.property(options(), (given) => {
      const plan = makePlan(given);
      for (const [one, other] of overlap(plan)) {
        pairs++;
        assert.not(excludes(one.touches, other.touches), `${one.nemesis} and ${other.nemesis}`);
      }
      for (const { beginMs } of plan.faults) {
        assert.ok(plan.faults.filter((each) => each.beginMs <= beginMs && beginMs < each.endMs).length <= 2);
      }
    }),
  );
  assert.ok(pairs > 100, `${String(pairs)} pairs were looked at`);
});

test('at most one disk is damaged at once, and no member leaves meanwhile', () => {
  assert.ok(excludes('data', 'data'));
  assert.ok(excludes('data', 'members') && excludes('members', 'data'));
  assert.ok(excludes('data', 'processes') && excludes('space', 'data'));
  assert.not(excludes('data', 'shapes'));
  assert.not(excludes('links', 'processes'));
  for (const one of NEMESES)
    for (const other of NEMESES) {
      assert.is(excludes(one.touches, other.touches), excludes(other.touches, one.touches));
    }
});

test('quiet stretches lie between, and every kind comes once before any comes twice', () => {
  const nemeses = NEMESES.map(({ name, touches }) => ({ name, touches }));
  const plan = makePlan({ seed: 5, durationMs: 3_600_000, nemeses, pairPct: 0 });
  for (const [at, fault] of plan.faults.slice(1).entries()) {
    const quietMs = fault.beginMs - (plan.faults[at]?.endMs ?? 0);
    assert.ok(quietMs >= 4_000 && quietMs <= 8_000, String(quietMs));
  }
  const first = plan.faults.slice(0, nemeses.length).map((each) => each.nemesis);
  assert.is(new Set(first).size, nemeses.length);
});

test('names are unique; a plan of nothing, or without time, is refused', () => {
  assert.is(new Set(NEMESES.map((each) => each.name)).size, NEMESES.length);
  assert.throws(() => makePlan({ seed: 1, durationMs: 60_000, nemeses: [] }), /at least one kind/);
  assert.throws(() => makePlan({ seed: 1, durationMs: 3_000, nemeses: NEMESES }), /too short/);
});

/** A context of which only what the runner itself touches is there. */
function emptyContext(notes: string[], cleared: string[]): NemesisContext {
  const node = {
    running: false,
    resume: () => cleared.push('resumed'),
    start: () => Promise.resolve(cleared.push('started')),
  };
  return {
    links: { clear: () => Promise.resolve(cleared.push('links')) },
    cluster: { nodes: [node] },
    note: (text: string) => notes.push(text),
  } as unknown as NemesisContext;
}

function fake(name: string, begin: () => Promise<Begun | null>): Nemesis {
  return { name, touches: 'links', unavailable: () => null, begin };
}

const DIFFERENT: readonly Touches[] = ['links', 'clocks', 'shapes', 'processes'];

function planOf(...faults: [name: string, beginMs: number, endMs: number][]): Plan {
  return {
    seed: 1,
    healMs: 70_000,
    durationMs: 80_000,
    faults: faults.map(([nemesis, beginMs, endMs], at) => {
      const touches = DIFFERENT[at] as Touches;
      return { fault: at + 1, nemesis, touches, beginMs, endMs };
    }),
  };
}

test('a run begins and ends what the plan says, writes it down, and leaves everything whole', async () => {
  const [events, notes, cleared, ended]: [NemesisEvent[], string[], string[], string[]] = [[], [], [], []];
  const begun = (detail: string, end = () => Promise.resolve()): Begun => ({
    detail,
    nodes: ['n1'],
    end: () => {
      ended.push(detail);
      return end();
    },
  });
  const startMs = performance.now();
  const result = await runPlan({
    plan: planOf(['good', 0, 30], ['nothing', 1, 40], ['bad begin', 2, 40], ['bad end', 3, 40]),
    nemeses: [
      fake('good', () => Promise.resolve(begun('g'))),
      fake('nothing', () => Promise.resolve(null)),
      fake('bad begin', () => Promise.reject(new Error('no way'))),
      fake('bad end', () => Promise.resolve(begun('b', () => Promise.reject(new Error('stuck'))))),
    ],
    context: emptyContext(notes, cleared),
    nowMs: () => performance.now() - startMs,
    write: (event) => events.push(event),
  });
  const seen = events.map(({ fault, name, phase, detail }) => `${String(fault)} ${name} ${phase} ${detail}`);
  assert.equal(seen, ['1 good begin g', '4 bad end begin b', '1 good end g', '4 bad end end b']);
  assert.equal(ended, ['g', 'b']);
  assert.equal(cleared, ['links', 'resumed', 'started']);
  assert.match(notes.join(), /fault 2, nothing: there was nothing/);
  assert.is(result.begun, 2);
  assert.equal(result.problems, [
    'fault 3, bad begin, did not begin: no way',
    'fault 4, bad end, did not end as it should: stuck',
  ]);
  assert.ok(result.healedAtMs >= 30);
});

test('a run that is told to end ends the faults of the moment and begins no more', async () => {
  const stop = new AbortController();
  const phases: string[] = [];
  const begin = (): Promise<Begun> => {
    stop.abort();
    return Promise.resolve({ detail: '', nodes: [], end: () => Promise.resolve() });
  };
  await runPlan({
    plan: planOf(['one', 0, 60_000], ['one', 50_000, 70_000]),
    nemeses: [fake('one', begin)],
    context: emptyContext([], []),
    nowMs: () => 1,
    write: ({ fault, phase }) => phases.push(`${String(fault)} ${phase}`),
    signal: stop.signal,
  });
  assert.equal(phases, ['1 begin', '1 end']);
});

test('what takes longer than planned moves the rest; what would end too late is left out', async () => {
  const [notes, events]: [string[], NemesisEvent[]] = [[], []];
  const lasting = (name: string, endMs: number): Nemesis =>
    fake(name, () =>
      Promise.resolve({
        detail: '',
        nodes: [],
        end: () => new Promise<void>((done) => setTimeout(done, endMs)),
      }),
    );
  const startMs = performance.now();
  await runPlan({
    plan: { ...planOf(['slow', 0, 10], ['quick', 200, 250], ['quick', 600, 790]), healMs: 800, durationMs: 1_000 },
    nemeses: [lasting('slow', 400), lasting('quick', 0)],
    context: emptyContext(notes, []),
    nowMs: () => performance.now() - startMs,
    write: (event) => events.push(event),
  });
  assert.equal(
    events.map(({ fault, phase }) => `${String(fault)} ${phase}`),
    ['1 begin', '1 end', '2 begin', '2 end'],
  );
  const [, , begin, end] = events.map((each) => each.atMs) as [number, number, number, number];
  assert.ok(begin >= 590, `the quiet before it keeps its length: it began at ${String(begin)}`);
  assert.ok(end - begin >= 45, 'and so does the fault');
  assert.match(notes.join(), /fault 3, quick, is left out: the plan is 0\.[4-9] s late/);
});

test.run();
