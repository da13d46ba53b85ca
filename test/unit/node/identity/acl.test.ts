import { topicMatches } from '@quorate/protocol';
import fc from 'fast-check';
import { Matcher, type MatcherRule } from '../../../../packages/node/src/identity/acl/matcher.ts';
import { type OwnRules, ownRights, Policy } from '../../../../packages/node/src/identity/acl/policy.ts';
import {
  type AclRule,
  completeRule,
  type GivenRule,
  ruleProblem,
} from '../../../../packages/node/src/identity/acl/rules.ts';
import type { Subject } from '../../../../packages/node/src/identity/acl/template.ts';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('identity: access rules');

const ANN: Subject = { clientId: 'c1', userName: 'ann', address: '10.1.2.3' };

function rules(...given: readonly (Partial<GivenRule> & { readonly topics: readonly string[] })[]): AclRule[] {
  return given.map((each, at) => {
    const full: GivenRule = { permission: 'allow', who: 'all', action: 'all', ...each };
    assert.is(ruleProblem(full), null);
    return completeRule(full, `r${String(at)}`);
  });
}

function rightsOf(list: readonly AclRule[], subject = ANN, otherwise = false) {
  return new Policy(list).rightsOf(subject, otherwise);
}

/* The model: every topic of few levels over few names. `z` is in no rule and stands for all other names. */

const NAMES = ['a', 'b', '$s', 'z', ''];
const DEPTH = 4;

function allTopics(): string[] {
  const topics: string[] = [];
  let last: string[] = [''];
  for (let depth = 0; depth < DEPTH; depth++) {
    last = last.flatMap((above) => NAMES.map((name) => (depth === 0 ? name : `${above}/${name}`)));
    topics.push(...last);
  }
  return topics.filter((topic) => topic !== '');
}

const TOPICS = allTopics();

function modelAllows(list: readonly MatcherRule[], otherwise: boolean, topic: string, asked = topic): boolean {
  for (const { allow, filters, literals } of list) {
    if (literals.includes(asked) || filters.some((filter) => topicMatches(filter, topic))) return allow;
  }
  return otherwise;
}

const level = fc.constantFrom('a', 'b', '+', '+', '');
const filter = fc
  .tuple(fc.constantFrom('a', 'b', '+', '$s'), fc.array(level, { maxLength: 2 }), fc.boolean())
  .map(([first, rest, hash]) => [first, ...rest, ...(hash ? ['#'] : [])].join('/'));
const anyFilter = fc.oneof({ weight: 5, arbitrary: filter }, { weight: 1, arbitrary: fc.constant('#') });
const matcherRule = fc.record({
  allow: fc.boolean(),
  filters: fc.array(anyFilter, { minLength: 1, maxLength: 2 }),
  literals: fc.array(fc.constantFrom('#', 'a/#', '+/a'), { maxLength: 1 }),
});
const matcherRules = fc.array(matcherRule, { maxLength: 5 });

test('a topic is decided by the first rule that matches it', () => {
  const property = fc.property(matcherRules, fc.boolean(), (list, otherwise) => {
    const matcher = new Matcher(list, otherwise, 8);
    for (const topic of TOPICS) {
      assert.is(matcher.allowsTopic(topic), modelAllows(list, otherwise, topic), topic);
      assert.is(matcher.allowsTopic(topic), modelAllows(list, otherwise, topic), `${topic}, from the cache`);
    }
  });
  fc.assert(property, { seed: seedFor('a topic is decided'), numRuns: 100 });
});

test('a filter is allowed if and only if every topic that it matches is', () => {
  const seen = { yes: 0, no: 0, mixed: 0 };
  const property = fc.property(matcherRules, fc.boolean(), anyFilter, (list, otherwise, asked) => {
    const matched = TOPICS.filter((topic) => topicMatches(asked, topic));
    const allowed = matched.filter((topic) => modelAllows(list, otherwise, topic, asked));
    const expected = allowed.length === matched.length;
    seen[expected ? 'yes' : allowed.length === 0 ? 'no' : 'mixed']++;
    assert.is(new Matcher(list, otherwise, 8).allowsFilter(asked), expected, asked);
  });
  fc.assert(property, { seed: seedFor('a filter is allowed'), numRuns: 3000 });
  for (const [name, count] of Object.entries(seen)) assert.ok(count > 100, `${name}: ${String(count)}`);
});

test('a wildcard slips neither through a narrower permission nor past a refusal', () => {
  const narrow = rightsOf(rules({ topics: ['a/#'] }));
  assert.is(narrow.maySubscribe('a/#', 0), true);
  assert.is(narrow.maySubscribe('a/+/c', 0), true);
  for (const each of ['#', '+/b', '+', 'b']) assert.is(narrow.maySubscribe(each, 0), false, each);
  const secret = rightsOf(rules({ permission: 'deny', topics: ['secret/#'] }, { topics: ['#'] }));
  assert.is(secret.maySubscribe('public/#', 0), true);
  for (const each of ['#', '+/x', 'secret', 'secret/+']) assert.is(secret.maySubscribe(each, 0), false, each);
  const exception = rightsOf(
    rules({ topics: ['secret/mine'] }, { permission: 'deny', topics: ['secret/#'] }),
    ANN,
    true,
  );
  assert.is(exception.maySubscribe('secret/mine', 0), true);
  assert.is(exception.maySubscribe('secret/+', 0), false);
});

test('a filter that would take too long to look at is refused', () => {
  // Each level is named by a rule of its own, so that each doubles the ways to match some of them: 2^24 in all.
  const depth = 24;
  const wide = Array.from({ length: depth }, (_none, at) => ({
    topics: [Array.from({ length: depth }, (_also, place) => (place === at ? 'a' : '+')).join('/')],
  }));
  const rights = rightsOf(rules(...wide), ANN, true);
  const startedMs = performance.now();
  assert.is(rights.maySubscribe('+/'.repeat(depth).slice(0, -1), 0), false);
  // Without a bound it would be minutes.
  assert.ok(performance.now() - startedMs < 20_000, 'bounded');
});

test('placeholders are the client id and the user name', () => {
  const rights = rightsOf(rules({ topics: ['clients/%c/#', 'users/%u/in', 'x/%u-%c'] }));
  assert.is(rights.mayPublish('clients/c1/state', 0, false), true);
  assert.is(rights.mayPublish('clients/c2/state', 0, false), false);
  assert.is(rights.mayPublish('users/ann/in', 0, false), true);
  assert.is(rights.mayPublish('x/ann-c1', 0, false), true);
  assert.is(rights.maySubscribe('clients/+/state', 0), false);
});

const ODD = ['+', '#', 'a/b', '/', '+/+', '', '$SYS', 'a+'];

test('no name that a client chooses gives it more than its own place', () => {
  const allowing = rules({ topics: ['%c/#', 'clients/%c/#', 'eq %c/+'] });
  const denying = rules({ permission: 'deny', topics: ['clients/%c/secret', 'eq clients/+/%c'] }, { topics: ['#'] });
  for (const clientId of ODD) {
    const subject = { ...ANN, clientId };
    const allowed = rightsOf(allowing, subject);
    for (const topic of ['clients/other', 'clients/a/b', 'a/b', '$SYS/x', 'x', 'clients//x', '/x']) {
      if (topic.startsWith(`clients/${clientId}/`) && !/[/+#]/.test(clientId) && clientId !== '') continue;
      assert.is(allowed.mayPublish(topic, 0, false), false, `${clientId}: ${topic}`);
      assert.is(allowed.maySubscribe(topic, 0), false, `${clientId}: ${topic}`);
    }
    for (const asked of ['#', '+/#', 'clients/#', 'clients/+/x', '$SYS/#']) {
      assert.is(allowed.maySubscribe(asked, 0), false, `${clientId}: ${asked}`);
    }
    if (clientId === '$SYS') continue;
    const denied = rightsOf(denying, subject);
    assert.is(denied.mayPublish(`clients/${clientId}/secret`, 0, false), false, clientId);
    assert.is(denied.mayPublish('clients/x/secret', 0, false), false, 'all that begins like the rule');
    assert.is(denied.mayPublish('elsewhere', 0, false), true);
  }
  const anonymous = rightsOf(rules({ topics: ['users/%u/#'] }), { ...ANN, userName: null });
  assert.is(anonymous.mayPublish('users//x', 0, false), false);
  assert.is(anonymous.mayPublish('users/null/x', 0, false), false);
});

test('eq stands for one subscription, letter for letter', () => {
  const rights = rightsOf(rules({ permission: 'deny', topics: ['eq #'] }, { topics: ['#', 'eq $share'] }));
  assert.is(rights.maySubscribe('#', 0), false);
  assert.is(rights.maySubscribe('+/#', 0), true);
  const only = rightsOf(rules({ topics: ['eq a/+/c'] }));
  assert.is(only.maySubscribe('a/+/c', 0), true);
  assert.is(only.maySubscribe('a/b/c', 0), false);
  assert.is(only.mayPublish('a/b/c', 0, false), false);
  const plain = rightsOf(rules({ permission: 'deny', topics: ['eq a/b'] }, { topics: ['#'] }));
  assert.is(plain.maySubscribe('a/+', 0), false, 'without wildcards it is a topic');
});

test('a rule is for whom it says, and for the QoS and RETAIN that it says', () => {
  const who = rules(
    { who: { user: 'bob' }, topics: ['bob'] },
    { who: { clientId: 'c1' }, topics: ['c1'] },
    { who: { address: '10.0.0.0/8' }, topics: ['ten'] },
    { who: { address: '::ffff:192.168.0.0/112' }, topics: ['mapped'] },
    { who: 'anonymous', topics: ['anonymous'] },
    { who: 'authenticated', topics: ['authenticated'] },
  );
  const may = (subject: Subject): string[] =>
    ['bob', 'c1', 'ten', 'mapped', 'anonymous', 'authenticated'].filter((topic) =>
      rightsOf(who, subject).mayPublish(topic, 0, false),
    );
  assert.equal(may(ANN), ['c1', 'ten', 'authenticated']);
  assert.equal(may({ clientId: '', userName: 'bob', address: '::ffff:192.168.4.4' }), [
    'bob',
    'mapped',
    'authenticated',
  ]);
  assert.equal(may({ clientId: 'c', userName: null, address: 'fe80::1%eth0' }), ['anonymous']);
  const limited = rightsOf(
    rules(
      { topics: ['q'], qos: [0, 1] },
      { topics: ['r'], action: 'publish', retain: false },
      { topics: ['p'], action: 'publish' },
      { topics: ['s'], action: 'subscribe' },
    ),
  );
  assert.equal(
    [0, 1, 2].map((qos) => limited.mayPublish('q', qos as 0, true)),
    [true, true, false],
  );
  assert.equal(
    [0, 1, 2].map((qos) => limited.maySubscribe('q', qos as 0)),
    [true, true, false],
  );
  assert.equal([limited.mayPublish('r', 1, false), limited.mayPublish('r', 1, true)], [true, false]);
  assert.equal([limited.mayPublish('p', 0, false), limited.maySubscribe('p', 0)], [true, false]);
  assert.equal([limited.mayPublish('s', 0, false), limited.maySubscribe('s', 0)], [false, true]);
});

test('rights are shared by the clients for which they are the same', () => {
  const policy = new Policy(rules({ who: { user: 'bob' }, topics: ['b'] }, { topics: ['all'] }));
  const other = { ...ANN, clientId: 'c2', userName: 'cay' };
  assert.is(policy.rightsOf(ANN, false), policy.rightsOf(other, false));
  assert.is.not(policy.rightsOf(ANN, false), policy.rightsOf({ ...ANN, userName: 'bob' }, false));
  assert.is.not(policy.rightsOf(ANN, false), policy.rightsOf(ANN, true));
  const named = new Policy(rules({ topics: ['%c'] }));
  assert.is.not(named.rightsOf(ANN, false), named.rightsOf(other, false));
  assert.is(named.rightsOf(ANN, false), named.rightsOf({ ...ANN, userName: 'cay' }, false));
});

test('a list of its own allows a client that and nothing else', () => {
  const own: OwnRules = { publish: ['up/%c', 'up/+/x'], subscribe: ['down/#'] };
  const rights = ownRights(own, ANN);
  assert.is(rights.mayPublish('up/c1', 0, false), true);
  assert.is(rights.mayPublish('up/c2', 0, false), false);
  assert.is(rights.maySubscribe('down/#', 0), true);
  assert.is(rights.maySubscribe('up/c1', 0), false);
  assert.is(ownRights(own, { ...ANN, clientId: '+' }).mayPublish('up/c2', 0, false), false);
});

test('a rule that cannot mean anything is refused with a sentence', () => {
  const bad: readonly (readonly [Partial<GivenRule>, RegExp])[] = [
    [{ topics: [] }, /topics has 0 entries/],
    [{ topics: ['a/#/b'] }, /topics has "a\/#\/b": expected a topic filter/],
    [{ topics: ['$share/g/a'] }, /without \$share/],
    [{ topics: ['eq '] }, /expected a topic filter/],
    [{ topics: ['%cx/#/'] }, /expected a topic filter/],
    [{ topics: ['a/'.repeat(200)] }, /expected a topic filter/],
    [{ topics: ['a'], who: { address: '10.0.0.0/33' } }, /who.address is "10.0.0.0\/33": expected an IP address/],
    [{ topics: ['a'], action: 'subscribe', retain: true }, /retain is true and action is subscribe/],
  ];
  for (const [part, sentence] of bad) {
    const rule: GivenRule = { permission: 'allow', who: 'all', action: 'all', topics: ['a'], ...part };
    assert.match(ruleProblem(rule) ?? '', sentence);
  }
});

test.run();
