import { ItemState, Message, MessageQueue, PACKET_ID_SPAN, packetIdOf, sequenceOf, writeSettle } from '@quorate/broker';
import fc from 'fast-check';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';
import { checkConsistency } from './support/digest.ts';
import { Bench, PERSISTENT } from './support/log.ts';

const test = suite('state: queues');

/** A session c with messages 0 to 4 of QoS 2, held by d as well. */
function filled(): Bench {
  const bench = new Bench();
  for (const clientId of ['c', 'd']) {
    bench.connect(clientId, PERSISTENT);
    bench.subscribe(clientId, 'a');
  }
  for (const payload of '01234') bench.publish('c', 'a', payload, { qos: 2 });
  return bench;
}

function references(bench: Bench): (number | undefined)[] {
  return [0, 1, 2, 3, 4].map((sequence) => bench.session('d').queue?.get(sequence)?.message.references);
}

test('what is settled leaves the queue, in any order, and its references', () => {
  const bench = filled();
  bench.settle('c', [3, 1]);
  assert.is(bench.queued('c'), '0 1 2 - 4');
  assert.equal(references(bench), [2, 2, 2, 1, 2]);
  bench.settle('c', [0, 2]);
  assert.is(bench.queued('c'), '2 - 4');
  bench.settle('c', [2, 1]);
  assert.is(bench.session('c').queue?.headSequence, 4);
  assert.is(bench.queued('d'), '0 1 2 3 4');
  checkConsistency(bench.state);
});

test('settling twice is settling once', () => {
  const bench = filled();
  bench.settle('c', [1, 2, 2, 2, 1, 1]);
  bench.settle('c', [1, 3]);
  assert.is(bench.queued('c'), '0 - - - 4');
  assert.equal(references(bench), [2, 1, 1, 1, 2]);
});

test('a PUBREC marks a QoS 2 message, and nothing else', () => {
  const bench = filled();
  bench.publish('c', 'a', '5', { qos: 1 });
  bench.settle('c', [1, 1, 5, 1], true);
  const states = [0, 1, 5].map((sequence) => bench.session('c').queue?.get(sequence)?.state);
  assert.equal(states, [ItemState.queued, ItemState.received, ItemState.queued]);
  assert.is(bench.queued('c'), '0 1 2 3 4 5');
  assert.is(bench.session('d').queue?.get(1)?.state, ItemState.queued);
});

test('ranges from nowhere to nowhere cost no more than the queue is long', () => {
  const bench = filled();
  const far = Number.MAX_SAFE_INTEGER;
  for (const ranges of [
    [-far, 1],
    [far, far],
    [5, far],
    [-far, far],
    [-1, 1],
    [2, -2],
    [0, 0],
  ]) {
    assert.is(bench.settle('c', ranges).kind, 'ok');
    bench.settle('c', ranges, true);
  }
  assert.is(bench.queued('c'), '0 1 2 3 4');
  bench.settle('c', [-far, far, 3, far]);
  assert.is(bench.queued('c'), '0 1 2 - -');
  checkConsistency(bench.state);
});

test('a count of ranges that the command does not hold stops the machine', () => {
  const bench = filled();
  const { epoch } = bench.session('c');
  const batch = bench.seal('a', (writer) => {
    const at = writer.length;
    writeSettle(writer, { epoch, received: false, ranges: [0, 1] });
    // Behind type, length, epoch and kind.
    writer.patchU32(at + 5 + 8 + 1, 0xffffffff);
  });
  assert.throws(() => bench.apply([batch]), /more bytes wanted/);
});

test('a session without a replicated queue has nothing to settle', () => {
  const bench = new Bench();
  bench.connect('c');
  assert.is(bench.settle('c', [0, 100]).kind, 'ok');
});

test('a Packet Identifier leads back to its sequence number anywhere in the window', () => {
  const sequence = fc.integer({ min: 0, max: 10 * PACKET_ID_SPAN });
  const ahead = fc.integer({ min: 0, max: PACKET_ID_SPAN - 1 });
  const property = fc.property(sequence, ahead, (head, further) => {
    const packetId = packetIdOf(head + further);
    assert.ok(packetId >= 1 && packetId <= 65_535);
    assert.is(sequenceOf(packetId, head), head + further);
  });
  fc.assert(property, { seed: seedFor('packet ids'), numRuns: 500 });
});

type QueueStep = { push: number } | { settle: number } | { window: number };
const queueSteps = fc.array(
  fc.oneof(
    fc.record({ push: fc.integer({ min: 1, max: 1500 }) }),
    fc.record({ settle: fc.integer({ min: 0, max: 4000 }) }),
    fc.record({ window: fc.integer({ min: 0, max: 3000 }) }),
  ),
  { maxLength: 60 },
);

test('the queue behaves as an array with holes', () => {
  const property = fc.property(queueSteps, fc.integer({ min: 0, max: 1e6 }), (steps, first) => {
    const queue = new MessageQueue(first);
    const model: boolean[] = [];
    const headOf = (): number => {
      const at = model.indexOf(true);
      return at < 0 ? model.length : at;
    };
    for (const step of steps as QueueStep[]) {
      if ('push' in step) {
        for (let left = step.push; left > 0; left--) {
          const message = new Message(1, 't', 1, false, null, Number.POSITIVE_INFINITY, Buffer.from('xy'));
          const item = {
            message,
            qos: 1 as const,
            retain: false,
            subscriptionIdentifiers: null,
            state: ItemState.queued,
            share: 0,
          };
          assert.is(queue.push(item), first + model.length);
          model.push(true);
        }
      } else if ('settle' in step) {
        // A run of them, so that the front moves far at once.
        for (let at = step.settle; at < step.settle + 700; at++) {
          assert.is(queue.settle(first + at) !== null, model[at] === true);
          if (at < model.length) model[at] = false;
        }
      } else {
        let end = headOf();
        for (let left = step.window; end < model.length && (left > 0 || model[end] === false); end++) {
          if (model[end] === true) left--;
        }
        assert.is(queue.endOfWindow(step.window), first + end);
      }
      const count = model.filter((there) => there).length;
      assert.equal(
        [queue.headSequence, queue.nextSequence, queue.count, queue.sizeBytes],
        [first + headOf(), first + model.length, count, 3 * count],
      );
    }
    model.forEach((there, at) => assert.is(queue.get(first + at) !== null, there));
  });
  fc.assert(property, { seed: seedFor('queue'), numRuns: 60 });
});

test.run();
