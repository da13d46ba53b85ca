import { digestRecord, RECORD_HASH_BYTES, RecordHash } from '@quorate/storage';
import fc from 'fast-check';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';
import { levelPlace, memoryPlace } from './harness.ts';
import { makeWrite } from './state-store-suite.ts';

const test = suite('record hash');
const MODULUS = 2n ** 128n;

const bytes = fc.uint8Array({ maxLength: 40 });
const records = fc.array(fc.tuple(bytes, bytes), { maxLength: 30 });

function hashOf(pairs: readonly (readonly [Uint8Array, Uint8Array])[]): RecordHash {
  const hash = new RecordHash();
  for (const [key, value] of pairs) hash.add(key, value);
  return hash;
}

test('is the sum of the digests modulo 2^128, carries included', () => {
  const property = fc.property(records, (pairs) => {
    let sum = 0n;
    for (const [key, value] of pairs) {
      const digest = digestRecord(key, value).reduce((all, word) => (all << 32n) | BigInt(word), 0n);
      sum = (sum + digest) % MODULUS;
    }
    assert.is(hashOf(pairs).toString(), sum.toString(16).padStart(32, '0'));
    const back = hashOf(pairs);
    for (const [key, value] of pairs) back.remove(key, value);
    assert.is(back.toString(), '0'.repeat(32));
  });
  fc.assert(property, { seed: seedFor('sum'), numRuns: 200 });
});

test('does not depend on the order; a replacement equals a removal and an addition', () => {
  const property = fc.property(records, bytes, bytes, bytes, (pairs, key, one, two) => {
    const forward = hashOf([...pairs, [key, two]]);
    const replaced = hashOf([[key, one], ...[...pairs].reverse()]);
    replaced.replace(key, one, two);
    assert.ok(forward.equals(replaced));
    assert.ok(RecordHash.fromBytes(forward.toBytes()).equals(forward));
    const copy = forward.clone();
    copy.add(key, one);
    assert.not.ok(copy.equals(forward));
  });
  fc.assert(property, { seed: seedFor('order'), numRuns: 200 });
});

test('carries and borrows go through all words', () => {
  const ones = RecordHash.fromBytes(Buffer.alloc(RECORD_HASH_BYTES, 0xff));
  ones.addDigest(Uint32Array.of(0, 0, 0, 1));
  assert.is(ones.toString(), '0'.repeat(32));
  ones.removeDigest(Uint32Array.of(0, 0, 0, 1));
  assert.is(ones.toString(), 'f'.repeat(32));
  ones.addDigest(Uint32Array.of(0, 0xffffffff, 0xffffffff, 0xffffffff));
  assert.is(ones.toString(), `00000000${'f'.repeat(23)}e`.slice(0, 8) + `${'f'.repeat(23)}e`);
});

test('tells key from value, and an absent record from an empty one', () => {
  const made = [
    ['ab', 'c'],
    ['a', 'bc'],
    ['abc', ''],
    ['', 'abc'],
    ['', ''],
  ].map(([key = '', value = '']) => hashOf([[Buffer.from(key), Buffer.from(value)]]).toString());
  assert.is(new Set([...made, new RecordHash().toString()]).size, made.length + 1);
});

test('is a fixed function: nodes of different releases compare it', () => {
  const hash = hashOf([
    [Buffer.from('key'), Buffer.from('value')],
    [Buffer.from(''), Buffer.alloc(300, 1)],
  ]);
  assert.is(hash.toString(), '4961d8f104f3d0f16afed2171fc2f80a');
});

for (const [name, factory] of [
  ['memory', memoryPlace],
  ['LevelDB', levelPlace],
] as const) {
  test(`${name}: what is followed write by write is what the store computes from its records`, async () => {
    const place = await factory();
    const store = await place.stateStore();
    await store.open();
    const hash = new RecordHash();
    const first = Array.from({ length: 1_200 }, (_, i): [string, string] => [`key ${i}`, `value ${i}`]);
    await store.write(makeWrite(1, 1, first));
    for (const [key, value] of first) hash.add(Buffer.from(key), Buffer.from(value));
    await store.write(makeWrite(2, 1, [['key 7', 'seven']], ['key 8']));
    hash.replace(Buffer.from('key 7'), Buffer.from('value 7'), Buffer.from('seven'));
    hash.remove(Buffer.from('key 8'), Buffer.from('value 8'));
    assert.is((await store.recordHash()).toString(), hash.toString());
    await store.write(makeWrite(3, 1, [['key 7', 'other']]));
    assert.is.not((await store.recordHash()).toString(), hash.toString());
    await store.close();
    await place.remove();
  });
}

test.run();
