import { ByteWriter, beginBatch, type NodeRecord, readBatchHeader } from '@quorate/broker';
import { ProposalGate } from '../../../../packages/node/src/runtime/proposal-gate.ts';
import { seededRandom } from '../../../support/random.ts';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('proposal gate');

function batch(nodeId: string, incarnation: number, sequence: number, sizeBytes = 0): Uint8Array {
  const writer = new ByteWriter(64);
  writer.patchInteger(beginBatch(writer, nodeId, incarnation), sequence);
  return Buffer.concat([writer.take(), Buffer.alloc(sizeBytes)]);
}

function record(nodeId: string, incarnation: number, lastSequence: number, up = true): NodeRecord {
  return { nodeId, incarnation, lastSequence, up, mqtt: '', http: '', peer: '', version: '', leaseMs: 1000 };
}

/** A gate before a log with room for as many batches as the test says. */
function make() {
  const log: Uint8Array[] = [];
  const refused: string[] = [];
  const nodes = new Map<string, NodeRecord>([['n1', record('n1', 1, 0)]]);
  const room = { batches: Number.POSITIVE_INFINITY };
  const gate = new ProposalGate({
    propose: (each) => {
      if (room.batches === 0) return false;
      room.batches--;
      log.push(each);
      return true;
    },
    nodeRecord: (nodeId) => nodes.get(nodeId),
    onRefused: (from, reason) => refused.push(`${from}: ${reason}`),
  });
  return { gate, log, refused, nodes, room };
}

const sequences = (log: readonly Uint8Array[]): number[] => log.map((each) => readBatchHeader(each).sequence);

test('closed it keeps batches, open it lets them in once and in order', () => {
  const { gate, log } = make();
  for (const sequence of [1, 2, 1, 2, 3]) gate.add('n1', batch('n1', 1, sequence));
  assert.is(log.length, 0);
  gate.open();
  assert.equal(sequences(log), [1, 2, 3]);
  for (const sequence of [3, 5, 4, 4, 5, 1]) gate.add('n1', batch('n1', 1, sequence));
  assert.equal(sequences(log), [1, 2, 3, 4, 5]);
});

test('goes on behind what is applied', () => {
  const { gate, log, nodes } = make();
  nodes.set('n1', record('n1', 1, 7));
  gate.open();
  for (const sequence of [6, 7, 9, 8, 9]) gate.add('n1', batch('n1', 1, sequence));
  assert.equal(sequences(log), [8, 9]);
});

test('what it let in and is not applied yet is not let in again', () => {
  const { gate, log, nodes } = make();
  gate.open();
  gate.add('n1', batch('n1', 1, 1));
  gate.add('n1', batch('n1', 1, 2));
  nodes.set('n1', record('n1', 1, 1));
  gate.add('n1', batch('n1', 1, 2));
  gate.add('n1', batch('n1', 1, 3));
  assert.equal(sequences(log), [1, 2, 3]);
});

test('a new term forgets what was let in: it may not have been committed', () => {
  const { gate, log } = make();
  gate.open();
  gate.add('n1', batch('n1', 1, 1));
  gate.reset();
  gate.add('n1', batch('n1', 1, 1));
  assert.is(log.length, 1);
  gate.open();
  assert.equal(sequences(log), [1, 1]);
});

test('without room it waits, and loses no place in the order', () => {
  const { gate, log, room } = make();
  gate.open();
  room.batches = 1;
  for (const sequence of [1, 2, 3]) gate.add('n1', batch('n1', 1, sequence));
  assert.equal(sequences(log), [1]);
  gate.retry();
  assert.equal(sequences(log), [1]);
  room.batches = 1;
  gate.retry();
  gate.add('n1', batch('n1', 1, 4));
  assert.equal(sequences(log), [1, 2]);
  room.batches = Number.POSITIVE_INFINITY;
  gate.retry();
  assert.equal(sequences(log), [1, 2, 3, 4]);
});

test('a new incarnation begins with its first batch; the old one has no say any more', () => {
  const { gate, log, nodes } = make();
  nodes.set('n1', record('n1', 5, 9));
  gate.open();
  gate.add('n1', batch('n1', 6, 2));
  assert.is(log.length, 0);
  gate.add('n1', batch('n1', 6, 1));
  gate.add('n1', batch('n1', 5, 10));
  gate.add('n1', batch('n1', 6, 2));
  assert.equal(sequences(log), [1, 2]);
});

test('a node that was given up is not let in before it has a new incarnation', () => {
  const { gate, log, nodes } = make();
  nodes.set('n1', record('n1', 5, 9, false));
  gate.open();
  gate.add('n1', batch('n1', 5, 10));
  assert.is(log.length, 0);
  gate.add('n1', batch('n1', 6, 1));
  assert.is(log.length, 1);
});

test('what waits is bounded', () => {
  const { gate, log } = make();
  const MIB = 1024 * 1024;
  for (let sequence = 1; sequence <= 40; sequence++) gate.add('n1', batch('n1', 1, sequence, MIB));
  gate.open();
  assert.is(log.length, 31);
  gate.add('n1', batch('n1', 1, 32, MIB));
  assert.is(log.length, 32, 'it goes on when the node sends again');
});

test('what can not be read, or is in the name of another node, does not reach the log', () => {
  const { gate, log, refused } = make();
  gate.open();
  gate.add('n2', batch('n1', 1, 1));
  gate.add('n2', Buffer.from([99, 1, 2, 3]));
  gate.add('n2', Buffer.alloc(0));
  assert.is(log.length, 0);
  assert.is(refused.length, 3);
});

/** One node that proposes, a leader that changes, a way between that loses: in the end all is applied, once and in order. */
test('whatever is lost on the way, everything gets through once', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    const { gate, log, nodes, room } = make();
    const applied: number[] = [];
    let inLog = 0;
    const apply = (): void => {
      for (; inLog < log.length; inLog++) {
        const sequence = sequences([log[inLog] as Uint8Array])[0] as number;
        const known = nodes.get('n1') as NodeRecord;
        if (sequence !== known.lastSequence + 1) continue;
        known.lastSequence = sequence;
        applied.push(sequence);
      }
    };
    const resend = (): void => {
      const from = (nodes.get('n1') as NodeRecord).lastSequence + 1;
      for (let sequence = from; sequence <= 20; sequence++) {
        if (random.below(10) < 8) gate.add('n1', batch('n1', 1, sequence));
      }
    };
    for (let round = 0; round < 60 && applied.length < 20; round++) {
      room.batches = random.below(6);
      if (random.below(10) < 2) {
        // Another leader: what was let in and is not applied is gone, or is committed after all.
        if (random.below(10) < 5) log.length = inLog;
        gate.reset();
      }
      resend();
      if (random.below(10) < 7) {
        apply();
        gate.open();
      }
      gate.retry();
    }
    gate.reset();
    room.batches = Number.POSITIVE_INFINITY;
    apply();
    gate.open();
    for (let sequence = 1; sequence <= 20; sequence++) gate.add('n1', batch('n1', 1, sequence));
    apply();
    assert.equal(
      applied,
      Array.from({ length: 20 }, (_, at) => at + 1),
      `seed ${String(seed)}`,
    );
  }
});

test.run();
