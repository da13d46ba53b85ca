import { isValidTopicFilter, isValidTopicName, parseSharedFilter, splitLevels, topicMatches } from '@quorate/protocol';
import fc from 'fast-check';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('mqtt topics');

test('topic names', () => {
  for (const name of ['a', '/', '//', 'a b/€', '$SYS/x', '$share/g/t', ' ', 'x'.repeat(65_535), '\ufeff', '😀']) {
    assert.ok(isValidTopicName(name), name.slice(0, 20));
  }
  const euros = '€'.repeat(21_845);
  assert.ok(isValidTopicName(euros), '65,535 bytes');
  for (const name of [
    '',
    'a/#',
    '+',
    'a+b',
    'a\0b',
    'x'.repeat(65_536),
    `${euros}a`,
    '\ud800',
    'a\udc00',
    '\ud83d',
    '\ud83dx',
  ]) {
    assert.not(isValidTopicName(name), JSON.stringify(name.slice(0, 20)));
  }
});

test('topic filters', () => {
  for (const filter of [
    'a',
    '#',
    '+',
    '/',
    'a/#',
    '+/+',
    '/+',
    '+/',
    'a/+/b',
    '+/#',
    '/#',
    '$SYS/#',
    '$share',
    '$shared/a',
  ]) {
    assert.ok(isValidTopicFilter(filter), filter);
  }
  for (const filter of [
    '',
    'a#',
    '#/a',
    'a/#/b',
    '##',
    'a+',
    '+a',
    'a/+b/c',
    '++',
    '+#',
    'a\0',
    '\ud800',
    'x'.repeat(65_536),
  ]) {
    assert.not(isValidTopicFilter(filter), JSON.stringify(filter.slice(0, 20)));
  }
});

test('shared subscriptions', () => {
  assert.equal(parseSharedFilter('$share/g/a/b'), { group: 'g', filter: 'a/b' });
  assert.equal(parseSharedFilter('$share/g//'), { group: 'g', filter: '/' });
  assert.equal(parseSharedFilter('$share/g/#'), { group: 'g', filter: '#' });
  assert.equal(parseSharedFilter('$share/g/$share/h/+'), { group: 'g', filter: '$share/h/+' });
  for (const filter of ['a/b', '$share', '$shared/g/a', '$SHARE/g/a']) assert.is(parseSharedFilter(filter), null);
  for (const filter of [
    '$share/',
    '$share/g',
    '$share/g/',
    '$share//a',
    '$share/+/a',
    '$share/g#/a',
    '$share/#',
    '$share/g/a#',
  ]) {
    assert.is(parseSharedFilter(filter), null, filter);
    assert.not(isValidTopicFilter(filter), filter);
  }
});

const MATCHES: readonly [filter: string, topic: string, matches: boolean][] = [
  ['sport/tennis/player1/#', 'sport/tennis/player1', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
  ['sport/tennis/player1/#', 'sport/tennis/player10', false],
  ['sport/#', 'sport', true],
  ['sport/#', 'sport/', true],
  ['sport/#', 'sports', false],
  ['#', 'a/b', true],
  ['#', '/', true],
  ['sport/tennis/+', 'sport/tennis/player1', true],
  ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
  ['sport/+', 'sport', false],
  ['sport/+', 'sport/', true],
  ['+', 'finance', true],
  ['+', '/finance', false],
  ['+/+', '/finance', true],
  ['/+', '/finance', true],
  ['+/#', 'a', true],
  ['a/+/#', 'a/b', true],
  ['a/+/#', 'a', false],
  ['a/+/c', 'a/b/c', true],
  ['a/+/c', 'a//c', true],
  ['a/b', 'a/b/', false],
  ['a/b/', 'a/b', false],
  ['A', 'a', false],
  ['#', '$SYS/x', false],
  ['+/monitor/Clients', '$SYS/monitor/Clients', false],
  ['$SYS/#', '$SYS/x', true],
  ['$SYS/#', '$SYS', true],
  ['$SYS/monitor/+', '$SYS/monitor/Clients', true],
  ['a/#', 'a/$SYS', true],
];

test('matching, with the examples of the specification', () => {
  for (const [filter, topic, matches] of MATCHES) assert.is(topicMatches(filter, topic), matches, `${filter} ${topic}`);
});

function matchesByLevels(filter: string, topic: string): boolean {
  const f = splitLevels(filter);
  const t = splitLevels(topic);
  if (topic.startsWith('$') && (f[0] === '#' || f[0] === '+')) return false;
  for (let i = 0; i < f.length; i++) {
    if (f[i] === '#') return true;
    if (i >= t.length || (f[i] !== '+' && f[i] !== t[i])) return false;
  }
  return f.length === t.length;
}

test('matching agrees with a comparison level by level', () => {
  const level = fc.constantFrom('', 'a', 'b', 'ab', '$x');
  const topic = fc
    .array(level, { minLength: 1, maxLength: 4 })
    .map((levels) => levels.join('/'))
    .filter(isValidTopicName);
  const filter = fc
    .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 4 }), fc.boolean())
    .map(([levels, multi]) => [...levels, ...(multi ? ['#'] : [])].join('/'))
    .filter(isValidTopicFilter);
  fc.assert(
    fc.property(filter, topic, (f, t) => assert.is(topicMatches(f, t), matchesByLevels(f, t))),
    { numRuns: 5000 },
  );
});

test('levels', () => {
  assert.equal(splitLevels('/a//b'), ['', 'a', '', 'b']);
});

test.run();
