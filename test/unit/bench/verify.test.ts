import { Bitmap, DeliveryRecord, findFault, makePayload, payloadIntact, stampPayload, Tally } from '@quorate/bench';
import fc from 'fast-check';
import { assert, suite } from '../../support/suite.ts';

const test = suite('bench verification');

const CLEAN = { qos: 1, loss: 0, duplicates: 0, reordered: 0, foreign: 0, bad: 0 };

test('the bitmap agrees with a set', () => {
  const operation = fc.record({ add: fc.boolean(), index: fc.nat(5000) });
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 200 }),
      fc.array(fc.nat(5000), { maxLength: 100 }),
      (operations, others) => {
        const bitmap = new Bitmap();
        const model = new Set<number>();
        for (const { add, index } of operations) {
          if (add) {
            assert.is(bitmap.add(index), model.has(index));
            model.add(index);
          } else {
            bitmap.delete(index);
            model.delete(index);
          }
          assert.is(bitmap.has(index), model.has(index));
        }
        const other = new Bitmap();
        for (const index of others) other.add(index);
        const missing = [...model].filter((index) => !others.includes(index)).length;
        assert.is(bitmap.countMissingFrom(other), missing);
      },
    ),
  );
});

test('counts loss, duplicates and swaps of any delivery sequence', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(60), { maxLength: 120 }), (deliveries) => {
      const tally = new Tally();
      const record = new DeliveryRecord(tally);
      const promised = new Bitmap();
      for (let i = 0; i <= 60; i++) promised.add(i);
      for (const sequence of deliveries) record.record(sequence);
      const firsts = deliveries.filter((sequence, i) => deliveries.indexOf(sequence) === i);
      const swaps = firsts.filter((sequence, i) => firsts.slice(0, i).some((earlier) => earlier > sequence));
      assert.is(tally.delivered, firsts.length);
      assert.is(tally.duplicates, deliveries.length - firsts.length);
      assert.is(tally.reordered, swaps.length);
      assert.is(record.countLost(promised), 61 - firsts.length);
    }),
  );
});

test('judges by quality of service', () => {
  assert.is(findFault(CLEAN), null);
  assert.match(findFault({ ...CLEAN, loss: 3 }) ?? '', /3 acknowledged messages lost/);
  assert.is(findFault({ ...CLEAN, qos: 0, loss: 3 }), null);
  assert.is(findFault({ ...CLEAN, duplicates: 1 }), null);
  assert.match(findFault({ ...CLEAN, qos: 2, duplicates: 1 }) ?? '', /1 duplicates at QoS 2/);
  assert.match(findFault({ ...CLEAN, qos: 0, reordered: 1 }) ?? '', /out of order/);
  assert.match(findFault({ ...CLEAN, qos: 0, foreign: 1 }) ?? '', /foreign/);
  assert.match(findFault({ ...CLEAN, qos: 0, bad: 1 }) ?? '', /bad/);
});

test('sees any changed filler byte and any changed size', () => {
  const payload = makePayload(7, 3, 256);
  stampPayload(payload, 0, 99, 1234.5);
  assert.ok(payloadIntact(payload, 0, 256));
  assert.not.ok(payloadIntact(payload, 0, 255));
  assert.not.ok(payloadIntact(payload, 0, 20));
  for (let i = 24; i < 256; i++) {
    payload[i] = (payload[i] as number) ^ 1;
    assert.not.ok(payloadIntact(payload, 0, 256));
    payload[i] = (payload[i] as number) ^ 1;
  }
});

test.run();
