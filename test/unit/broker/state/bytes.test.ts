import { ByteReader, ByteWriter } from '@quorate/broker';
import fc from 'fast-check';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('bytes of commands and records');

const field = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 0xff }) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.integer({ min: 0, max: 0xffff }) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.integer({ min: 0, max: 0xffffffff }) }),
  fc.record({ kind: fc.constant('integer' as const), value: fc.maxSafeInteger() }),
  fc.record({ kind: fc.constant('string' as const), value: fc.string({ unit: 'grapheme', maxLength: 40 }) }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 40 }) }),
);

test('what is written is read, wherever the buffer had to grow', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.array(field, { maxLength: 60 }), (initialBytes, fields) => {
      const writer = new ByteWriter(initialBytes);
      for (const each of fields) {
        if (each.kind === 'string') writer.string(each.value);
        else if (each.kind === 'bytes') writer.bytes(each.value);
        else writer[each.kind](each.value);
      }
      const reader = new ByteReader(writer.take());
      for (const each of fields) {
        const read = reader[each.kind]();
        assert.equal(
          read instanceof Uint8Array ? [...read] : read,
          each.value instanceof Uint8Array ? [...each.value] : each.value,
        );
      }
      assert.is(reader.at, reader.end);
    }),
    { numRuns: 500 },
  );
});

test('every single byte survives growth', () => {
  const writer = new ByteWriter(1);
  for (let value = 0; value < 256; value++) writer.u8(value);
  assert.equal([...writer.take()], [...Array(256).keys()]);
});

test('what was taken is never written again', () => {
  const writer = new ByteWriter(4);
  writer.u32(1);
  const first = writer.take();
  writer.u32(2);
  assert.equal([...first], [0, 0, 0, 1]);
});

test.run();
