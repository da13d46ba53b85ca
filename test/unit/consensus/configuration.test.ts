import {
  addressOf,
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
  hasQuorum,
  majority,
  members,
  quorumValue,
  tagOf,
  voteOutcome,
} from '@quorate/consensus';
import fc from 'fast-check';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('configuration');
const parameters = { seed: seedFor('configuration properties') | 0, numRuns: 500 };

const IDS = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7'];
const half = fc.subarray(IDS, { minLength: 1 });
const configurations = fc.record({
  voters: half,
  learners: fc.constant<string[]>([]),
  outgoing: fc.oneof(fc.constant<string[]>([]), half),
});

test('counts majorities', () => {
  assert.equal([1, 2, 3, 4, 5].map(majority), [1, 2, 2, 3, 3]);
});

test('has no quorum without voters', () => {
  const empty: Configuration = { voters: [], learners: ['n1'], outgoing: [] };
  assert.not.ok(hasQuorum(empty, () => true));
  assert.is(
    quorumValue(empty, () => 9),
    0,
  );
  assert.is(voteOutcome(empty, new Map([['n1', true]])), 'lost');
});

test('two quorums always meet, joint or not (thesis section 4.3)', () => {
  fc.assert(
    fc.property(configurations, fc.subarray(IDS), (configuration, side) => {
      const one = hasQuorum(configuration, (id) => side.includes(id));
      const other = hasQuorum(configuration, (id) => !side.includes(id));
      return !(one && other);
    }),
    parameters,
  );
});

test('the quorum value is the greatest that a quorum has reached', () => {
  fc.assert(
    fc.property(configurations, fc.array(fc.nat(9), { minLength: 7, maxLength: 7 }), (configuration, list) => {
      const valueOf = (id: string) => list[IDS.indexOf(id)] ?? 0;
      let greatest = 0;
      for (let value = 0; value < 10; value++) {
        if (hasQuorum(configuration, (id) => valueOf(id) >= value)) greatest = value;
      }
      assert.is(quorumValue(configuration, valueOf), greatest);
    }),
    parameters,
  );
});

test('an election is won by a quorum and lost when none can form', () => {
  const answer = fc.constantFrom(true, false, undefined);
  fc.assert(
    fc.property(configurations, fc.array(answer, { minLength: 7, maxLength: 7 }), (configuration, list) => {
      const answers = new Map<string, boolean>();
      IDS.forEach((id, at) => {
        const given = list[at];
        if (given !== undefined) answers.set(id, given);
      });
      const won = hasQuorum(configuration, (id) => answers.get(id) === true);
      const possible = hasQuorum(configuration, (id) => answers.get(id) !== false);
      assert.is(voteOutcome(configuration, answers), won ? 'won' : possible ? 'pending' : 'lost');
    }),
    parameters,
  );
});

test('encodes and decodes', () => {
  const id = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
  const ids = fc.uniqueArray(id, { maxLength: 8 });
  fc.assert(
    fc.property(ids, ids, (list, outgoing) => {
      const voters = list.slice(0, 4);
      const configuration = { voters, learners: list.slice(4), outgoing };
      assert.equal(decodeConfiguration(encodeConfiguration(configuration)), configuration);
    }),
    parameters,
  );
});

test('has a stable encoding', () => {
  const bytes = encodeConfiguration({ voters: ['a', 'bc'], learners: ['d'], outgoing: [] });
  assert.equal([...bytes], [1, 2, 1, 97, 2, 98, 99, 1, 1, 100, 0]);
});

test('carries a tag per member', () => {
  const id = fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' });
  const tag = fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' });
  fc.assert(
    fc.property(fc.uniqueArray(id, { minLength: 1, maxLength: 6 }), fc.array(tag, { minLength: 6 }), (ids, texts) => {
      const memberTags = Object.fromEntries(ids.map((each, at) => [each, texts[at] as string]));
      const configuration = { voters: ids.slice(2), learners: ids.slice(0, 2), outgoing: [], memberTags };
      assert.equal(decodeConfiguration(encodeConfiguration(configuration)), configuration);
    }),
    parameters,
  );
  const some = { voters: ['a', 'b'], learners: [], outgoing: [], memberTags: { b: 'xy' } };
  assert.equal([...encodeConfiguration(some)], [2, 2, 1, 97, 1, 98, 0, 0, 0, 0, 0, 2, 120, 121]);
  assert.is(tagOf(some, 'a'), '');
  assert.is(tagOf(some, 'toString'), '');
});

test('refuses tags of nobody, of too many bytes, and bytes that hold none', () => {
  const of = (memberTags: Record<string, string>): Configuration => ({
    voters: ['a'],
    learners: [],
    outgoing: [],
    memberTags,
  });
  assert.throws(() => encodeConfiguration(of({ b: 'x' })), /no member/);
  assert.throws(() => encodeConfiguration(of({ a: 'x'.repeat(1025) })), /1024/);
  assert.throws(() => encodeConfiguration(of({ a: '\ud800' })), /not well formed/);
  assert.throws(() => decodeConfiguration(new Uint8Array([2, 1, 1, 97, 0, 0, 0, 0])), /version 2 without/);
  assert.throws(() => decodeConfiguration(new Uint8Array([2, 1, 1, 97, 0, 0, 0, 2, 120])), /cut short/);
});

test('carries an address per member, with and without tags', () => {
  const addresses = { voters: ['a', 'b'], learners: [], outgoing: [], memberAddresses: { b: 'xy' } };
  const bytes = [3, 2, 1, 97, 1, 98, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 120, 121];
  assert.equal([...encodeConfiguration(addresses)], bytes);
  assert.equal(decodeConfiguration(Uint8Array.from(bytes)), addresses);
  assert.equal(
    [addressOf(addresses, 'b'), addressOf(addresses, 'a'), addressOf(addresses, 'toString')],
    ['xy', '', ''],
  );
  const both = { ...addresses, memberTags: { a: 't' } };
  assert.equal(decodeConfiguration(encodeConfiguration(both)), both);
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => decodeConfiguration(Uint8Array.from(bytes.slice(0, length))), /configuration/);
  assert.throws(() => decodeConfiguration(new Uint8Array([3, 1, 1, 97, 0, 0, 0, 0, 0, 0])), /version 3 without/);
  assert.throws(() => decodeConfiguration(new Uint8Array([4, 1, 1, 97, 0, 0])), /unknown version 4/);
  assert.throws(() => encodeConfiguration({ ...addresses, memberAddresses: { c: 'x' } }), /no member/);
  assert.throws(() => encodeConfiguration({ ...addresses, memberAddresses: { a: 'x'.repeat(1025) } }), /1024/);
});

test('refuses malformed bytes', () => {
  const good = encodeConfiguration({ voters: ['a', 'bc'], learners: ['d'], outgoing: ['e'] });
  for (let length = 0; length < good.length; length++) {
    assert.throws(() => decodeConfiguration(good.subarray(0, length)), /configuration/);
  }
  assert.throws(() => decodeConfiguration(new Uint8Array([...good, 0])), /after the end/);
  assert.throws(() => decodeConfiguration(new Uint8Array([9, 0, 0, 0])), /version/);
  assert.throws(() => decodeConfiguration(new Uint8Array([1, 1, 1, 0xff, 0, 0])), /UTF-8/);
  assert.throws(() => decodeConfiguration(new Uint8Array([1, 2, 1, 97, 1, 97, 0, 0])), /twice/);
  assert.throws(() => decodeConfiguration(new Uint8Array([1, 1, 1, 97, 1, 1, 97, 0])), /both votes and learns/);
});

test('refuses to encode what could not be decoded', () => {
  const of = (voters: string[]): Configuration => ({ voters, learners: [], outgoing: [] });
  for (const id of ['', 'x'.repeat(256), '\ud800']) assert.throws(() => encodeConfiguration(of([id])), /node id/);
});

test('lists members once', () => {
  assert.equal(members({ voters: ['b', 'a'], learners: ['d'], outgoing: ['a', 'c'] }), ['b', 'a', 'c', 'd']);
});

test.run();
