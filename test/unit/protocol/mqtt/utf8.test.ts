import { isStrictUtf8, readTopicNameUtf8, readUtf8 } from '@quorate/protocol';
import fc from 'fast-check';
import { assert, suite } from '../../../support/suite.ts';
import { protocolErrorOf } from './support.ts';

const test = suite('mqtt utf8');

const INVALID: readonly [name: string, bytes: readonly number[]][] = [
  ['U+0000 alone', [0x00]],
  ['U+0000 between ASCII', [0x61, 0x00, 0x62]],
  ['U+0000 beside a multi-byte character', [0xc3, 0xa9, 0x00]],
  ['overlong U+0000', [0xc0, 0x80]],
  ['overlong slash in two bytes', [0xc0, 0xaf]],
  ['overlong slash in three bytes', [0xe0, 0x80, 0xaf]],
  ['overlong slash in four bytes', [0xf0, 0x80, 0x80, 0xaf]],
  ['high surrogate', [0xed, 0xa0, 0x80]],
  ['low surrogate', [0xed, 0xbf, 0xbf]],
  ['surrogate pair as two characters (CESU-8)', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
  ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ['five-byte form', [0xf8, 0x88, 0x80, 0x80, 0x80]],
  ['lone continuation', [0x80]],
  ['truncated character', [0x61, 0xe2, 0x82]],
  ['truncated by ASCII', [0xe2, 0x82, 0x61]],
  ['0xFF', [0xff]],
];

for (const [name, invalid] of INVALID) {
  test(`refuses ${name}`, () => {
    const buffer = Buffer.from([0x80, ...invalid, 0x80]);
    const end = 1 + invalid.length;
    assert.not(isStrictUtf8(buffer, 1, end));
    assert.is(protocolErrorOf(() => readUtf8(buffer, 1, end)).code, 'INVALID_UTF8');
    assert.is(protocolErrorOf(() => readTopicNameUtf8(buffer, 1, end)).code, 'INVALID_UTF8');
  });
}

for (const text of ['', 'a/b c', '\u007f', 'é', '€', '😀', '\ufeffbom', '\uffff\ufffe', '\u0001', 'Ā\u{10ffff}']) {
  test(`reads ${JSON.stringify(text)} unchanged`, () => {
    const buffer = Buffer.concat([Buffer.of(0xff), Buffer.from(text), Buffer.of(0x80)]);
    assert.ok(isStrictUtf8(buffer, 1, buffer.length - 1));
    assert.is(readUtf8(buffer, 1, buffer.length - 1), text);
    assert.is(readTopicNameUtf8(buffer, 1, buffer.length - 1), text);
  });
}

test('refuses wildcards in topic names, in ASCII and beside other characters', () => {
  for (const topic of ['#', '+', 'a/#', 'a+b', 'é/+', '#€']) {
    const buffer = Buffer.from(topic);
    assert.is(protocolErrorOf(() => readTopicNameUtf8(buffer, 0, buffer.length)).code, 'INVALID_TOPIC_NAME');
    assert.is(readUtf8(buffer, 0, buffer.length), topic);
  }
});

test('agrees with the strict decoder of the platform on any bytes', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const continuation = fc.integer({ min: 0x7e, max: 0xc1 });
  const biased = fc.array(fc.oneof(fc.integer({ min: 0, max: 255 }), continuation, fc.constant(0xed)), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(biased, (raw) => {
      const buffer = Buffer.from(raw);
      let expected: string | null;
      try {
        expected = decoder.decode(buffer);
        if (expected.includes('\0')) expected = null;
      } catch {
        expected = null;
      }
      assert.is(isStrictUtf8(buffer, 0, buffer.length), expected !== null);
      if (expected !== null) assert.is(readUtf8(buffer, 0, buffer.length), expected);
    }),
    { numRuns: 5000 },
  );
});

test.run();
