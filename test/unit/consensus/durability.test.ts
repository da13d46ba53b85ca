import type { AppendRequest } from '@quorate/consensus';
import { assert, suite } from '../../support/suite.ts';
import { ELECTION_TIMEOUT_MS, entriesOf, initialOf, OPTIONS, TestNode } from './support/harness.ts';

const test = suite('writes and the messages that wait for them');

function append(prevIndex: number, prevTerm: number, terms: readonly number[], term: number): AppendRequest {
  const entries = entriesOf(terms, prevIndex + 1);
  return { kind: 'appendRequest', term, prevIndex, prevTerm, commitIndex: 0, round: 0, entries };
}

function follower(): TestNode {
  const node = new TestNode(OPTIONS, initialOf(['n1', 'n2', 'n3']));
  node.step({ kind: 'tick', nowMs: 0 });
  node.manualDisk = true;
  node.take();
  return node;
}

test('writes are numbered by one, and hold everything since the last', () => {
  const node = follower();
  node.receive('n2', append(0, 0, [1], 1));
  node.receive('n2', append(1, 1, [1, 1], 1));
  assert.equal(
    node.writes.map(({ seq, hardState, entries }) => [seq, hardState?.term, entries.length]),
    [
      [1, 1, 1],
      [2, undefined, 2],
    ],
  );
});

test('a held write gathers, and what needs no write leaves meanwhile', () => {
  const node = follower();
  node.holdWrite = true;
  node.receive('n2', append(0, 0, [1], 1));
  node.receive('n2', append(1, 1, [1], 1));
  node.receive('n2', append(2, 1, [1], 1));
  assert.is(node.writes.length, 1);
  assert.not.ok(node.core.hasOutputs({ holdWrite: true }));
  assert.ok(node.core.hasOutputs());
  const sends = node.receive('n2', { kind: 'heartbeat', term: 1, commitIndex: 0, round: 3 });
  assert.equal(
    sends.map(({ message }) => message.kind),
    ['heartbeatResponse'],
  );
  node.finishWrite();
  const first = node.take().map(({ message }) => message.kind === 'appendResponse' && message.matchIndex);
  assert.equal(first, [1]);
  assert.equal(
    node.writes.map(({ seq, entries }) => [seq, entries.length]),
    [[2, 2]],
  );
  node.finishWrite();
  // One answer stands for both appends.
  const second = node.take().map(({ message }) => message.kind === 'appendResponse' && message.matchIndex);
  assert.equal(second, [3]);
});

test('a vote that is overtaken inside a held write leaves neither early nor for the old term', () => {
  const node = follower();
  node.holdWrite = true;
  node.receive('n2', append(0, 0, [1], 1));
  node.step({ kind: 'tick', nowMs: ELECTION_TIMEOUT_MS });
  const request = { kind: 'voteRequest', preVote: false, transfer: true, lastIndex: 9, lastTerm: 1 } as const;
  node.receive('n3', { ...request, term: 2 });
  node.receive('n3', { ...request, term: 3 });
  node.finishWrite();
  assert.equal(
    node.take().map(({ message }) => message.kind),
    ['appendResponse'],
  );
  assert.equal(node.writes[0]?.hardState, { term: 3, vote: 'n3' });
  node.finishWrite();
  assert.equal(
    node.take().map(({ message }) => [message.kind, message.term]),
    [['voteResponse', 3]],
  );
});

test('several writes may queue; each answer waits for its own', () => {
  const node = follower();
  node.receive('n2', append(0, 0, [1], 1));
  node.receive('n2', append(1, 1, [1], 1));
  node.finishWrite();
  const matches = () => node.take().map(({ message }) => message.kind === 'appendResponse' && message.matchIndex);
  assert.equal(matches(), [1]);
  node.finishWrite();
  assert.equal(matches(), [2]);
});

test('entries rewritten while their write is in flight are not taken for durable', () => {
  const node = follower();
  node.receive('n2', append(0, 0, [1, 1], 1));
  node.receive('n3', append(1, 1, [2], 2));
  node.finishWrite();
  node.take();
  node.receive('n3', { kind: 'heartbeat', term: 2, commitIndex: 2, round: 0 });
  // Entry 2 is committed, but the write with its present form is still in flight.
  assert.equal(
    node.committed.map((entry) => entry.index),
    [1],
  );
  node.finishWrite();
  node.take();
  assert.equal(
    node.committed.map((entry) => entry.term),
    [1, 2],
  );
});

test('completions come in order, once', () => {
  const node = follower();
  node.receive('n2', append(0, 0, [1], 1));
  assert.throws(() => node.step({ kind: 'writeDone', seq: 2 }), /write 2/);
  const other = follower();
  other.receive('n2', append(0, 0, [1], 1));
  other.finishWrite();
  assert.throws(() => other.step({ kind: 'writeDone', seq: 1 }), /write 1/);
});

test('outputs are handed over once', () => {
  const node = follower();
  node.step({ kind: 'message', from: 'n2', message: append(0, 0, [1], 1) });
  assert.ok(node.core.hasOutputs());
  const first = node.core.takeOutputs();
  assert.equal([first.write?.seq, first.sendAfterWrite.length, first.status?.term], [1, 1, 1]);
  assert.not.ok(node.core.hasOutputs());
  const second = node.core.takeOutputs();
  assert.equal([second.write, second.sendAfterWrite.length, second.status], [null, 0, null]);
});

test('time does not run backwards', () => {
  const node = follower();
  node.step({ kind: 'tick', nowMs: 50 });
  assert.throws(() => node.step({ kind: 'tick', nowMs: 49 }), /backwards/);
});

test.run();
