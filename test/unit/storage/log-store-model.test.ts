import type { Entry } from '@quorate/consensus';
import fc from 'fast-check';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';
import { levelPlace, makeEntries, memoryPlace, type PlaceFactory, plain, type TestedLogStore } from './harness.ts';

/*
 * Random appends, truncations, compactions and reopens against the simplest log there is: an array. The store has to
 * answer as the array does after every step, and to find no doubt at any reopen.
 */

type Step =
  | { kind: 'append'; count: number; termUp: boolean; hard: boolean; sizeBytes: number }
  | { kind: 'replace'; back: number; count: number }
  | { kind: 'vote' }
  | { kind: 'compact'; part: number }
  | { kind: 'discard'; ahead: number }
  | { kind: 'reopen' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        count: fc.integer({ min: 1, max: 5 }),
        termUp: fc.boolean(),
        hard: fc.boolean(),
        sizeBytes: fc.constantFrom(0, 1, 100, 5000),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('replace' as const),
        back: fc.integer({ min: 1, max: 6 }),
        count: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('vote' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('compact' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('discard' as const), ahead: fc.integer({ min: 1, max: 9 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  ),
  { minLength: 1, maxLength: 30 },
);

class Model {
  compactedIndex = 0;
  compactedTerm = 0;
  entries: Entry[] = [];
  term = 1;
  vote: string | null = null;
  salt = 0;

  get lastIndex(): number {
    return this.compactedIndex + this.entries.length;
  }

  hardState(): { term: number; vote: string | null } {
    return { term: this.term, vote: this.vote };
  }
}

async function apply(step: Step, model: Model, store: TestedLogStore): Promise<void> {
  model.salt += 1;
  if (step.kind === 'append') {
    if (step.termUp) {
      model.term += 1;
      model.vote = null;
    }
    const entries = makeEntries(model.lastIndex + 1, step.count, model.term, step.sizeBytes, model.salt);
    await store.append({ entries, hardState: step.hard || step.termUp ? model.hardState() : null });
    model.entries.push(...entries);
  } else if (step.kind === 'replace') {
    const keep = Math.max(0, model.entries.length - step.back);
    model.term += 1;
    model.vote = null;
    const entries = makeEntries(model.compactedIndex + keep + 1, step.count, model.term, 20, model.salt);
    await store.append({ entries, hardState: model.hardState() });
    model.entries = [...model.entries.slice(0, keep), ...entries];
  } else if (step.kind === 'vote') {
    model.vote ??= 'n2';
    await store.append({ entries: [], hardState: model.hardState() });
  } else if (step.kind === 'compact') {
    const drop = Math.floor(model.entries.length * step.part);
    const last = model.entries[drop - 1];
    if (last === undefined) return;
    await store.compact(last.index, last.term);
    [model.compactedIndex, model.compactedTerm] = [last.index, last.term];
    model.entries = model.entries.slice(drop);
  } else if (step.kind === 'discard') {
    const index = model.lastIndex + step.ahead;
    await store.compact(index, model.term);
    [model.compactedIndex, model.compactedTerm] = [index, model.term];
    model.entries = [];
  }
}

async function check(model: Model, store: TestedLogStore): Promise<void> {
  assert.equal(plain(await store.read(model.compactedIndex + 1, 1 << 30)), plain(model.entries));
  assert.is(await store.termAt(model.compactedIndex), model.compactedTerm);
  assert.is(await store.termAt(model.lastIndex + 1), null);
  for (const { index, term } of model.entries) assert.is(await store.termAt(index), term);
}

async function runSteps(factory: PlaceFactory, list: readonly Step[]): Promise<void> {
  const place = await factory();
  const model = new Model();
  let store = await place.logStore();
  await store.open();
  let isFirst = true;
  try {
    for (const step of [...list, { kind: 'reopen' } as const]) {
      if (step.kind === 'reopen') {
        await store.close();
        await place.stop();
        store = await place.logStore();
        const found = await store.open();
        assert.equal(plain(found.entries), plain(model.entries));
        assert.equal([found.compactedIndex, found.compactedTerm], [model.compactedIndex, model.compactedTerm]);
        if (!isFirst) assert.equal(found.hardState, model.hardState());
        assert.equal(store.doubts, []);
      } else {
        // The first write sets the term, so that model and store begin alike.
        if (isFirst) await store.append({ entries: [], hardState: model.hardState() });
        isFirst = false;
        await apply(step, model, store);
      }
      await check(model, store);
    }
  } finally {
    await store.close();
    await place.remove();
  }
}

const test = suite('log store against a model');

for (const [name, factory, numRuns] of [
  ['memory', memoryPlace, 300],
  ['LevelDB', levelPlace, 25],
] as const) {
  test(`${name} answers as an array does`, async () => {
    const property = fc.asyncProperty(steps, (list) => runSteps(factory, list));
    await fc.assert(property, { seed: seedFor(name) | 0, numRuns, interruptAfterTimeLimit: 15_000 });
  });
}

test.run();
