import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FilterTree, NameTree, Session, type Subscription, SubscriptionTable } from '@quorate/broker';
import { topicMatches } from '@quorate/protocol';
import fc from 'fast-check';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';

/* Both trees and the table with its cache against the plainest matcher there is: every filter tried in turn. */

const test = suite('state: topic trees');

// Few levels, so that names and filters meet; empty, `$` and number-like ones, which have rules or traps of their own.
const level = fc.constantFrom('a', 'b', '', '$a', '1', '01');
const name = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
const filterLevel = fc.oneof(level, fc.constant('+'));
const filter = fc
  .tuple(fc.array(filterLevel, { maxLength: 4 }), fc.boolean())
  .map(([levels, hash]) => (hash || levels.length === 0 ? [...levels, '#'] : levels).join('/'));

const key = fc.integer({ min: 0, max: 3 });
const filterStep = fc.record({ remove: fc.boolean(), filter, key, value: fc.integer({ min: 0, max: 1000 }) });

test('FilterTree finds exactly the filters that match, through additions, replacements and removals', () => {
  const property = fc.property(fc.array(filterStep, { maxLength: 60 }), fc.array(name), (steps, topics) => {
    const tree = new FilterTree<number>();
    const model = new Map<string, { filter: string; value: number }>();
    for (const step of steps) {
      const id = `${step.key} ${step.filter}`;
      if (step.remove) {
        assert.is(tree.delete(step.filter, step.key), model.delete(id));
      } else {
        tree.set(step.filter, step.key, step.value);
        model.set(id, { filter: step.filter, value: step.value });
      }
      assert.is(tree.size, model.size);
    }
    for (const topic of topics) {
      const found: number[] = [];
      tree.match(topic, (value) => found.push(value));
      const expected = [...model.values()].filter((each) => topicMatches(each.filter, topic)).map((each) => each.value);
      assert.equal(sorted(found), sorted(expected), `filters of ${topic}`);
    }
  });
  fc.assert(property, { seed: seedFor('filter tree'), numRuns: 1500 });
});

const nameStep = fc.record({ remove: fc.boolean(), topic: name, value: fc.integer({ min: 0, max: 1000 }) });

test('NameTree finds exactly the names that a filter matches', () => {
  const property = fc.property(fc.array(nameStep, { maxLength: 60 }), fc.array(filter), (steps, filters) => {
    const tree = new NameTree<number>();
    const model = new Map<string, number>();
    for (const { remove, topic, value } of steps) {
      if (remove) assert.is(tree.delete(topic), model.delete(topic));
      else {
        tree.set(topic, value);
        model.set(topic, value);
      }
      assert.is(tree.size, model.size);
      assert.is(tree.get(topic), model.get(topic));
    }
    const all: number[] = [];
    tree.forEach((value) => all.push(value));
    assert.equal(sorted(all), sorted([...model.values()]));
    for (const each of filters) {
      const found: number[] = [];
      tree.match(each, (value) => found.push(value));
      const expected = [...model].filter(([topic]) => topicMatches(each, topic)).map(([, value]) => value);
      assert.equal(sorted(found), sorted(expected), `names of ${each}`);
    }
  });
  fc.assert(property, { seed: seedFor('name tree'), numRuns: 1500 });
});

test('what was taken out leaves no branch behind', () => {
  const filters = new FilterTree<number>();
  const names = new NameTree<number>();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let each = 0; each < 30_000; each++) {
    const topic = `a/${each}/b/c`;
    for (const value of [topic, `a/+/${each}`, `a/${each}/#`]) filters.set(value, 1, 1);
    names.set(topic, 1);
    names.set(`a/${each}`, 1);
    for (const value of [`a/+/${each}`, topic, `a/${each}/#`]) assert.ok(filters.delete(value, 1));
    assert.ok(names.delete(`a/${each}`) && names.delete(topic));
  }
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  // The trees are alive until here.
  assert.is(filters.size + names.size, 0);
  assert.ok(grown < 3_000_000, `${grown} bytes are left`);
});

// Fewer still, so that a change hits what was asked before.
const tableStep = fc.record({
  kind: fc.constantFrom('set', 'delete', 'match'),
  session: key,
  filter: fc.constantFrom('a', 'a/b', 'a/+', '#', '$a'),
  topic: fc.constantFrom('a', 'a/b', '$a', 'c'),
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  noLocal: fc.boolean(),
  identifier: fc.option(fc.integer({ min: 1, max: 3 })),
});

test('SubscriptionTable never answers from before a change, and in the order of the sessions', () => {
  const property = fc.property(fc.array(tableStep, { maxLength: 60, size: 'max' }), (steps) => {
    const table = new SubscriptionTable();
    const sessions = [0, 1, 2, 3].map((number) => new Session(number, `c${number}`, number));
    const model = sessions.map(() => new Map<string, Subscription>());
    for (const step of steps) {
      const session = sessions[step.session] as Session;
      const own = model[step.session] as Map<string, Subscription>;
      if (step.kind === 'set') {
        const { filter: value, qos, noLocal, identifier } = step;
        const subscription = { filter: value, qos, noLocal, retainAsPublished: qos > 0, identifier };
        table.set(session, { ...subscription, retainHandling: 0 });
        own.set(value, { ...subscription, retainHandling: 0 });
      } else if (step.kind === 'delete') assert.is(table.delete(session, step.filter), own.delete(step.filter));
      const found = table.match(step.topic).map((target) => ({ ...target, session: target.session.number }));
      assert.equal(found.map(withoutOrder), expectedTargets(model, step.topic), `targets of ${step.topic}`);
      const targets = countOf(table);
      assert.equal(table.cached, { topics: 4, targets }, 'what the cache holds is counted');
    }
  });
  fc.assert(property, { seed: seedFor('subscription table'), numRuns: 1000 });
});

/** Targets of all topics, once all of them are in the cache. */
function countOf(table: SubscriptionTable): number {
  return ['a', 'a/b', '$a', 'c'].reduce((sum, topic) => sum + table.match(topic).length, 0);
}

function expectedTargets(model: readonly Map<string, Subscription>[], topic: string): unknown[] {
  return model.flatMap((own, session) => {
    const subscriptions = [...own.values()].filter((each) => topicMatches(each.filter, topic));
    if (subscriptions.length === 0) return [];
    const ids = subscriptions.flatMap((each) => (each.identifier === null ? [] : [each.identifier]));
    const target = {
      session,
      qos: Math.max(...subscriptions.map((each) => each.qos)),
      retainAsPublished: subscriptions.some((each) => each.retainAsPublished),
      subscriptionIdentifiers: ids.length > 0 ? sorted(ids) : null,
      noLocal: subscriptions.some((each) => each.noLocal),
      subscriptions,
    };
    return [withoutOrder(target)];
  });
}

function withoutOrder<T extends { readonly subscriptions: readonly Subscription[] }>(target: T): unknown {
  const subscriptions = [...target.subscriptions].sort((a, b) => (a.filter < b.filter ? -1 : 1));
  return { ...target, subscriptions };
}

test('more topics and targets than the cache may hold are still answered', () => {
  const table = new SubscriptionTable();
  const subscription = { qos: 1 as const, noLocal: false, retainAsPublished: false, retainHandling: 0 as const };
  const sessions = Array.from({ length: 300 }, (_, number) => new Session(number, `c${number}`, number));
  for (const session of sessions) table.set(session, { ...subscription, filter: 'many/#', identifier: null });
  for (let round = 0; round < 2; round++) {
    for (let topic = 0; topic < 20_000; topic++) assert.is(table.match(`few/${topic}`).length, 0);
    for (let topic = 0; topic < 1000; topic++) assert.is(table.match(`many/${topic}`).length, 300);
    const before = table.cached;
    assert.is(table.match(`many/${'x'.repeat(60_000)}`).length, 300);
    assert.equal(table.cached, before, 'a very long name is not remembered');
  }
  const { topics, targets } = table.cached;
  assert.ok(topics <= 16_384 && targets <= 262_144, `${topics} topics, ${targets} targets`);
});

test('a subscription without wildcards leaves the answers for other topics in the cache', () => {
  const table = new SubscriptionTable();
  const session = new Session(1, 'c', 1);
  const subscription = { qos: 1 as const, noLocal: false, retainAsPublished: false, retainHandling: 0 as const };
  table.set(session, { ...subscription, filter: 'a', identifier: null });
  const before = table.match('a');
  table.set(session, { ...subscription, filter: 'b', identifier: null });
  table.delete(session, 'b');
  assert.is(table.match('a'), before);
  table.set(session, { ...subscription, filter: '+', identifier: null });
  assert.is.not(table.match('a'), before);
});

function sorted(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}

test.run();
