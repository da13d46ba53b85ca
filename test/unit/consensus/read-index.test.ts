import type { Message } from '@quorate/consensus';
import { assert, suite } from '../../support/suite.ts';
import { ELECTION_TIMEOUT_MS, HEARTBEAT_MS, TestCluster, type TestNode } from './support/harness.ts';

const test = suite('read index');
const THREE = ['n1', 'n2', 'n3'];

const read = (node: TestNode, id: number): void => node.step({ kind: 'readIndex', id });
const isAppend = (message: Message): boolean => message.kind === 'appendRequest';

test('is answered on leader and follower without time passing (section 6.4)', () => {
  const cluster = new TestCluster([...THREE, 'n4', 'n5']);
  const leader = cluster.elect('n1');
  leader.propose();
  cluster.settle();
  for (const node of cluster.nodes.values()) read(node, 7);
  cluster.settle();
  for (const node of cluster.nodes.values()) assert.equal(node.reads, [{ id: 7, index: 2 }]);
});

test('reads of one turn share one round', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  cluster.trace.length = 0;
  for (let id = 1; id <= 20; id++) read(leader, id);
  cluster.settle();
  assert.is(leader.reads.length, 20);
  assert.equal(cluster.kinds('n1', 'n2'), ['heartbeat']);
});

test('waits for a quorum, and is not confirmed by answers to earlier rounds', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  const held: Message[] = [];
  cluster.passes = (from, _to, message) => {
    if (from === 'n2' && message.kind === 'heartbeatResponse') held.push(message);
    return from === 'n1' && message.kind === 'heartbeat';
  };
  read(leader, 1);
  cluster.settle();
  read(leader, 2);
  cluster.settle();
  assert.is(leader.reads.length, 0);
  assert.is(held.length, 2);
  leader.receive('n2', held[0] as Message);
  assert.equal(
    leader.reads.map(({ id }) => id),
    [1],
  );
  leader.receive('n2', held[0] as Message);
  assert.equal(
    leader.reads.map(({ id }) => id),
    [1],
  );
  leader.receive('n2', held[1] as Message);
  assert.equal(
    leader.reads.map(({ id }) => id),
    [1, 2],
  );
});

test('a late answer to a leader of an older term confirms nothing in the new one', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  for (let id = 1; id <= 5; id++) {
    read(leader, id);
    cluster.settle();
  }
  // n2 moves to the next term and there answers round 5 of the old one; n1 then leads that very term.
  const late: Message[] = [];
  cluster.passes = (from, _to, message) => {
    if (from === 'n2' && message.kind === 'heartbeatResponse') late.push(message);
    return false;
  };
  const ahead = cluster.node('n2');
  ahead.receive('n3', { kind: 'voteResponse', term: 2, preVote: true, granted: false });
  ahead.step({ kind: 'message', from: 'n1', message: { kind: 'heartbeat', term: 1, commitIndex: 1, round: 5 } });
  cluster.settle();
  cluster.passes = () => true;
  leader.step({
    kind: 'message',
    from: 'n3',
    message: { kind: 'voteResponse', term: 1, preVote: true, granted: false },
  });
  cluster.tick(2 * ELECTION_TIMEOUT_MS, ['n1']);
  cluster.elect('n1');
  assert.is(late.length, 1);
  cluster.passes = () => false;
  const before = leader.reads.length;
  read(leader, 6);
  leader.take();
  leader.receive('n2', { ...(late[0] as Message), term: leader.status.term });
  assert.is(leader.reads.length, before);
});

test('waits until an entry of the term is committed', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.node('n1');
  cluster.passes = (_from, _to, message) => !isAppend(message);
  cluster.elect('n1');
  read(leader, 1);
  cluster.settle();
  cluster.tick(2 * HEARTBEAT_MS);
  assert.equal([leader.reads.length, leader.failedReads.length], [0, 0]);
  cluster.passes = () => true;
  cluster.tick(2 * HEARTBEAT_MS);
  assert.equal(leader.reads, [{ id: 1, index: 1 }]);
});

test('fails without a leader, and when leadership is lost', () => {
  const cluster = new TestCluster(THREE);
  read(cluster.node('n2'), 1);
  cluster.settle();
  assert.equal(cluster.node('n2').failedReads, [1]);
  const leader = cluster.elect('n1');
  cluster.passes = () => false;
  read(leader, 1);
  read(cluster.node('n3'), 1);
  cluster.tick(1);
  cluster.tick(ELECTION_TIMEOUT_MS);
  assert.is(leader.status.role, 'follower');
  assert.equal([leader.failedReads, leader.reads], [[1], []]);
  assert.equal(cluster.node('n3').failedReads, [1]);
});

test('fails on a follower when the leader does not answer in time, or is lost', () => {
  const cluster = new TestCluster(THREE);
  cluster.elect('n1');
  const node = cluster.node('n2');
  cluster.passes = (_from, _to, message) => message.kind !== 'readIndexResponse';
  read(node, 1);
  cluster.tick(ELECTION_TIMEOUT_MS - 1);
  assert.equal(node.failedReads, []);
  cluster.tick(1);
  assert.equal(node.failedReads, [1]);
  // The late answer is for nobody.
  node.receive('n1', { kind: 'readIndexResponse', term: 1, id: 1, index: 1 });
  read(node, 2);
  node.step({ kind: 'peerLost', peer: 'n1' });
  node.take();
  assert.equal([node.failedReads, node.reads], [[1, 2], []]);
});

test('ids only rise', () => {
  const node = new TestCluster(THREE).node('n1');
  read(node, 5);
  assert.throws(() => read(node, 5), /read id 5/);
});

test('pending reads are bounded', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  cluster.passes = () => false;
  for (let id = 1; id <= 5000; id++) {
    read(leader, id);
    read(cluster.node('n2'), id);
  }
  cluster.settle();
  assert.is(leader.failedReads.length, 5000 - 4096);
  assert.is(cluster.node('n2').failedReads.length, 5000 - 4096);
});

test('a single voter answers at once', () => {
  const cluster = new TestCluster(['n1']);
  const leader = cluster.elect('n1');
  read(leader, 1);
  leader.take();
  assert.equal(leader.reads, [{ id: 1, index: 1 }]);
});

test.run();
