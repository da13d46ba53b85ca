import type { AppendResponse, Message, NodeId } from '@quorate/consensus';
import { assert, suite } from '../../support/suite.ts';
import {
  ELECTION_TIMEOUT_MS,
  entriesOf,
  HEARTBEAT_MS,
  initialOf,
  OPTIONS,
  TestCluster,
  TestNode,
} from '../consensus/support/harness.ts';

/* Faults that other Raft engines had, each played against the core. The whole list is docs/pitfalls.md. */

const test = suite('pitfalls: consensus');
const THREE = ['n1', 'n2', 'n3'];
const FIVE = [...THREE, 'n4', 'n5'];

function follower(more: Parameters<typeof initialOf>[1] = {}, voters = THREE): TestNode {
  const node = new TestNode(OPTIONS, initialOf(voters, more));
  node.step({ kind: 'tick', nowMs: 0 });
  node.take();
  return node;
}

function append(term: number, prevIndex: number, prevTerm: number, terms: readonly number[], commitIndex = 0): Message {
  const entries = entriesOf(terms, prevIndex + 1);
  return { kind: 'appendRequest', term, prevIndex, prevTerm, commitIndex, round: 0, entries };
}

function answer(more: Partial<AppendResponse>): AppendResponse {
  const nothing = { round: 0, success: true, matchIndex: 0, hintIndex: 0, hintTerm: 0 } as const;
  return { kind: 'appendResponse', term: 1, ...nothing, ...more };
}

function leaders(cluster: TestCluster): NodeId[] {
  return [...cluster.nodes.values()].filter(({ status }) => status.role === 'leader').map(({ id }) => id);
}

const termsOf = (node: TestNode): number[] => node.log.map(({ term }) => term);

test('etcd#20418: an answer to an earlier attempt of a read confirms nothing', () => {
  const cluster = new TestCluster(THREE);
  const old = cluster.elect('n1');
  // The answers to the first attempt are on their way for long.
  const late: { readonly from: NodeId; readonly message: Message }[] = [];
  cluster.passes = (from, to, message) => {
    if (to === 'n1' && message.kind === 'heartbeatResponse') late.push({ from, message });
    return from === 'n1';
  };
  old.step({ kind: 'readIndex', id: 1 });
  cluster.settle();
  assert.is(late.length, 2);
  // Meanwhile another leads and commits, unknown to the old leader.
  cluster.passes = (from, to) => from !== 'n1' && to !== 'n1';
  const next = cluster.node('n2');
  for (const id of ['n2', 'n3']) cluster.node(id).step({ kind: 'peerLost', peer: 'n1' });
  cluster.elect('n2').propose();
  cluster.settle();
  assert.ok(next.status.commitIndex > old.status.commitIndex);
  assert.is(old.status.role, 'leader');
  // The second attempt, and then what was late. The name of an attempt is not to be had twice.
  old.step({ kind: 'readIndex', id: 2 });
  cluster.settle();
  for (const { from, message } of late) old.receive(from, message);
  assert.equal(
    old.reads.map(({ id }) => id),
    [1],
  );
  assert.throws(() => old.step({ kind: 'readIndex', id: 2 }), /read id 2 after 2/);
});

test('etcd#20418: on a follower, too, the answer to an attempt that was given up is for nobody', () => {
  const cluster = new TestCluster(THREE);
  cluster.elect('n1');
  const node = cluster.node('n2');
  const late: Message[] = [];
  cluster.passes = (_from, _to, message) => {
    if (message.kind !== 'readIndexResponse') return true;
    late.push(message);
    return false;
  };
  node.step({ kind: 'readIndex', id: 1 });
  cluster.tick(ELECTION_TIMEOUT_MS);
  assert.equal(node.failedReads, [1]);
  node.step({ kind: 'readIndex', id: 2 });
  for (const message of late) node.receive('n1', message);
  assert.equal(node.reads, []);
});

test('hashicorp/raft#695: a heartbeat of a newer term beside a proposal leaves no entry of a term that it does not lead', () => {
  for (const heartbeatFirst of [true, false]) {
    const cluster = new TestCluster(THREE);
    const leader = cluster.elect('n1');
    leader.manualDisk = true;
    const heartbeat = (): void =>
      leader.step({ kind: 'message', from: 'n2', message: { kind: 'heartbeat', term: 2, commitIndex: 1, round: 0 } });
    if (heartbeatFirst) heartbeat();
    leader.propose();
    if (!heartbeatFirst) heartbeat();
    const sent = leader.take();
    assert.equal(
      sent.map(({ to, message }) => [to, message.kind, message.term]),
      [['n2', 'heartbeatResponse', 2]],
    );
    while (leader.writes.length > 0) leader.finishWrite();
    assert.equal(leader.hardState, { term: 2, vote: null });
    assert.equal(termsOf(leader), heartbeatFirst ? [1] : [1, 1]);
    assert.is(leader.core.rejectedProposals, heartbeatFirst ? 1 : 0);
  }
});

test('yugabyte-db#32875: an answer to an append without entries waits for the write in flight, too', () => {
  const node = follower();
  node.manualDisk = true;
  node.receive('n2', append(1, 0, 0, [1]));
  assert.is(node.writes.length, 1);
  // The same again, and an empty one: nothing new to write, and still nothing to promise.
  assert.equal(node.receive('n2', append(1, 0, 0, [1])), []);
  assert.equal(node.receive('n2', append(1, 1, 1, [])), []);
  node.finishWrite();
  const matched = node.take().map(({ message }) => (message.kind === 'appendResponse' ? message.matchIndex : -1));
  assert.equal(matched, [1, 1, 1]);
});

test('etcd#13527: a leader whose write never ends still notices that it has lost its quorum', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  cluster.tick(HEARTBEAT_MS);
  leader.manualDisk = true;
  leader.propose();
  cluster.passes = () => false;
  cluster.tick(ELECTION_TIMEOUT_MS, ['n1']);
  assert.is(leader.writes.length, 1);
  assert.is(leader.status.role, 'follower');
});

test('Cloudflare 2020: a follower that the leader does not reach, but others do, disturbs nobody', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  const cut = (from: NodeId, to: NodeId): boolean => [from, to].sort().join() === 'n1,n3';
  cluster.passes = (from, to) => !cut(from, to);
  cluster.tick(20 * ELECTION_TIMEOUT_MS);
  assert.equal([leaders(cluster), leader.status.term], [['n1'], 1]);
  // Nor when the link is back: its term has not risen.
  cluster.passes = () => true;
  cluster.tick(2 * ELECTION_TIMEOUT_MS);
  assert.equal([leaders(cluster), leader.status.term, cluster.node('n3').status.leader], [['n1'], 1, 'n1']);
});

test('Cloudflare 2020: a leader that is heard but does not hear makes room for another', () => {
  const cluster = new TestCluster(THREE);
  cluster.elect('n1');
  cluster.passes = (_from, to) => to !== 'n1';
  cluster.tick(10 * ELECTION_TIMEOUT_MS);
  const [next, ...others] = leaders(cluster);
  assert.equal(others, []);
  assert.ok(next === 'n2' || next === 'n3');
  cluster.node(next).propose();
  cluster.settle();
  assert.is(cluster.node(next).status.commitIndex, cluster.node(next).status.lastIndex);
});

test('openraft#2080: a leader that reaches one of five does not keep three others from a leader of their own', () => {
  const cluster = new TestCluster(FIVE);
  cluster.elect('n1');
  // n2 is the bridge: n1 has it alone; n2, n3 and n4 have each other; n5 has nobody.
  const links = new Set(['n1,n2', 'n2,n3', 'n2,n4', 'n3,n4']);
  cluster.passes = (from, to) => links.has([from, to].sort().join());
  cluster.tick(20 * ELECTION_TIMEOUT_MS);
  const [next, ...others] = leaders(cluster);
  assert.equal(others, []);
  assert.ok(next !== undefined && ['n2', 'n3', 'n4'].includes(next));
  cluster.node(next).propose();
  cluster.tick(HEARTBEAT_MS);
  assert.is(cluster.node(next).status.commitIndex, cluster.node(next).status.lastIndex);
});

test('CCF#5674: a leader that steps down keeps what it was counted for', () => {
  const cluster = new TestCluster(THREE);
  const old = cluster.elect('n1');
  // The entry is on n1 and n2: committed, though only n1 knows it.
  cluster.passes = (from, to) => [from, to].sort().join() === 'n1,n2';
  old.propose();
  cluster.settle();
  assert.is(old.status.commitIndex, 2);
  cluster.passes = () => false;
  old.receive('n3', { kind: 'voteResponse', term: 5, preVote: true, granted: false });
  assert.equal([old.status.role, old.status.lastIndex, termsOf(old)], ['follower', 2, [1, 1]]);
  // Nor does a node lose anything by voting.
  cluster.node('n2').step({ kind: 'peerLost', peer: 'n1' });
  const request = { kind: 'voteRequest', term: 6, preVote: false, transfer: true, lastIndex: 9, lastTerm: 5 } as const;
  cluster.node('n2').receive('n3', request);
  assert.equal([cluster.node('n2').status.term, termsOf(cluster.node('n2'))], [6, [1, 1]]);
});

test('CCF#5674: a refused append counts for nothing, whatever index it names', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  cluster.tick(HEARTBEAT_MS);
  cluster.passes = () => false;
  leader.propose();
  leader.propose();
  leader.take();
  for (const from of ['n2', 'n3']) {
    leader.receive(from, answer({ success: false, matchIndex: 3, hintIndex: 3, hintTerm: 1 }));
  }
  assert.equal([leader.status.commitIndex, leader.status.followers.map(({ matchIndex }) => matchIndex)], [1, [1, 1]]);
});

test('CCF#6016, NuRaft#57: a follower acknowledges and commits no further than the append reaches', () => {
  // The end of its log is of an earlier leader: entry 3 is not what the leader has committed there.
  const node = follower({ entries: entriesOf([1, 1, 1]), hardState: { term: 1, vote: null } });
  const [accepted] = node.receive('n2', append(2, 1, 1, [], 3));
  assert.ok(accepted?.message.kind === 'appendResponse' && accepted.message.success);
  assert.equal([accepted.message.matchIndex, node.status.commitIndex], [1, 1]);
  node.receive('n2', append(2, 1, 1, [1], 3));
  assert.equal([node.status.commitIndex, node.committed.map(({ index }) => index)], [2, [1, 2]]);
  node.receive('n2', append(2, 2, 1, [2], 3));
  assert.equal(
    [termsOf(node), node.committed.map(({ term }) => term)],
    [
      [1, 1, 2],
      [1, 1, 2],
    ],
  );
});

test('nats-server#7209: late appends of an earlier leader change nothing', () => {
  const node = follower({ entries: entriesOf([1, 2, 2]), hardState: { term: 2, vote: 'n3' } });
  node.receive('n3', append(2, 3, 2, []));
  const [refused] = node.receive('n2', append(1, 1, 1, [1, 1, 1]));
  assert.ok(refused?.message.kind === 'appendResponse' && !refused.message.success && refused.message.term === 2);
  assert.equal([termsOf(node), node.status.lastIndex, node.status.leader], [[1, 2, 2], 3, 'n3']);
});

test('nats-server#5975: what is cut off the log takes neither the term nor the vote back', () => {
  const node = follower({ entries: entriesOf([1, 2, 2, 2]), hardState: { term: 2, vote: null } });
  const request = (from: NodeId, lastTerm: number) =>
    node.receive(from, { kind: 'voteRequest', term: 5, preVote: false, transfer: false, lastIndex: 9, lastTerm });
  request('n2', 4);
  // The leader's log is short and old: it was elected by others, with n2's vote in an earlier state of the network.
  node.receive('n2', append(5, 1, 1, [5]));
  assert.equal([termsOf(node), node.hardState], [[1, 5], { term: 5, vote: 'n2' }]);
  node.restart();
  const [again] = request('n3', 9);
  assert.ok(again?.message.kind === 'voteResponse' && !again.message.granted);
  assert.equal(node.hardState, { term: 5, vote: 'n2' });
});

test('NuRaft#407: what waits to be applied when a snapshot takes its place is never handed out', () => {
  const node = follower();
  node.receive('n2', append(1, 0, 0, [1]));
  node.core.step({ kind: 'message', from: 'n2', message: append(1, 1, 1, [1, 1], 3) });
  const { write, committed } = node.core.takeOutputs({ holdWrite: false, holdCommitted: true });
  assert.equal(committed, []);
  node.core.step({ kind: 'writeDone', seq: write?.seq as number });
  assert.equal(node.core.takeOutputs({ holdWrite: false, holdCommitted: true }).committed, []);
  const configuration = { voters: THREE, learners: [], outgoing: [] };
  node.core.step({ kind: 'snapshotInstalled', index: 9, term: 1, stampMs: 0, configuration });
  node.core.step({ kind: 'message', from: 'n2', message: append(1, 9, 1, [1], 10) });
  const { write: next } = node.core.takeOutputs();
  node.core.step({ kind: 'writeDone', seq: next?.seq as number });
  assert.equal(
    node.core.takeOutputs().committed.map(({ index }) => index),
    [10],
  );
});

test('tikv#9859, dgraph#2707: a leader with nothing to commit offers a snapshot, and again after a failure', () => {
  const cluster = new TestCluster(THREE, { recentLogBytes: 0 });
  const leader = cluster.elect('n1');
  cluster.passes = (from, to) => from !== 'n3' && to !== 'n3';
  for (let at = 0; at < 5; at++) leader.propose();
  cluster.tick(HEARTBEAT_MS, ['n1', 'n2']);
  const { commitIndex: index } = leader.status;
  leader.step({ kind: 'applied', index });
  leader.step({ kind: 'compacted', index, term: 1 });
  cluster.passes = () => true;
  cluster.tick(5 * HEARTBEAT_MS);
  const need = { peer: 'n3', minIndex: index };
  assert.equal(leader.snapshotRequests, [need]);
  leader.step({ kind: 'snapshotSent', peer: 'n3', index, term: 1, ok: false });
  cluster.tick(5 * HEARTBEAT_MS);
  assert.equal(leader.snapshotRequests, [need, need]);
  // It came: from here on the log is enough.
  const configuration = { voters: THREE, learners: [], outgoing: [] };
  cluster.node('n3').step({ kind: 'snapshotInstalled', index, term: 1, stampMs: 0, configuration });
  leader.step({ kind: 'snapshotSent', peer: 'n3', index, term: 1, ok: true });
  leader.propose();
  cluster.tick(2 * HEARTBEAT_MS);
  assert.is(cluster.node('n3').status.commitIndex, leader.status.commitIndex);
  assert.ok(leader.status.commitIndex > index);
});

test.run();
