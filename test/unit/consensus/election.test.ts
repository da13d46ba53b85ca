import type { Message, VoteRequest } from '@quorate/consensus';
import { assert, suite } from '../../support/suite.ts';
import {
  ELECTION_TIMEOUT_MS,
  entriesOf,
  HEARTBEAT_MS,
  initialOf,
  OPTIONS,
  TestCluster,
  TestNode,
} from './support/harness.ts';

const test = suite('election');
const THREE = ['n1', 'n2', 'n3'];

function single(more: Parameters<typeof initialOf>[1] = {}, voters = THREE): TestNode {
  const node = new TestNode(OPTIONS, initialOf(voters, more));
  node.step({ kind: 'tick', nowMs: 0 });
  node.take();
  return node;
}

function request(term: number, more: Partial<VoteRequest> = {}): VoteRequest {
  return { kind: 'voteRequest', term, preVote: false, transfer: false, lastIndex: 0, lastTerm: 0, ...more };
}

const heartbeat = (term: number): Message => ({ kind: 'heartbeat', term, commitIndex: 0, round: 0 });

/** Lets time pass until the node stands, and returns what it then sends. */
function untilItStands(node: TestNode, fromMs: number) {
  for (let nowMs = fromMs; nowMs < fromMs + 3 * ELECTION_TIMEOUT_MS; nowMs++) {
    node.step({ kind: 'tick', nowMs });
    const sends = node.take();
    if (sends.some(({ message }) => message.kind === 'voteRequest')) return { nowMs, sends };
  }
  throw new Error('never stood');
}

test('a single voter elects itself, once its vote is durable', () => {
  const node = single({}, ['n1']);
  node.manualDisk = true;
  for (let nowMs = 1; nowMs < 2 * ELECTION_TIMEOUT_MS; nowMs++) node.step({ kind: 'tick', nowMs });
  node.take();
  assert.is(node.status.role, 'candidate');
  assert.equal(node.writes[0]?.hardState, { term: 1, vote: 'n1' });
  node.finishWrite();
  assert.is(node.status.role, 'leader');
});

test('waits between one and two election timeouts, by the seed (section 3.4)', () => {
  const waits = Array.from({ length: 50 }, (_, seed) => {
    const node = new TestNode({ ...OPTIONS, seed }, initialOf(THREE));
    node.step({ kind: 'tick', nowMs: 5000 });
    return untilItStands(node, 5000).nowMs - 5000;
  });
  assert.ok(waits.every((wait) => wait >= ELECTION_TIMEOUT_MS && wait < 2 * ELECTION_TIMEOUT_MS));
  assert.ok(new Set(waits).size > 20);
});

/** How long after it last heard `leader` the node stands. */
function waitAfter(leader: string, id: string, voters: readonly string[], seed: number): number {
  const node = new TestNode({ ...OPTIONS, id, seed }, initialOf(voters));
  node.step({ kind: 'tick', nowMs: 5000 });
  node.step({ kind: 'message', from: leader, message: heartbeat(1) });
  node.take();
  return untilItStands(node, 5000).nowMs - 5000;
}

test('the successors of a silent leader stand in turns, within one and a half election timeouts (divergence 3.4)', () => {
  for (const voters of [THREE, ['n1', 'n2', 'n3', 'n4', 'n5']]) {
    const slotMs = ELECTION_TIMEOUT_MS / 2 / (voters.length - 1);
    for (const [at, leader] of voters.entries()) {
      for (let seed = 0; seed < 20; seed++) {
        let beforeMs = ELECTION_TIMEOUT_MS - slotMs / 2;
        for (let turn = 1; turn < voters.length; turn++) {
          const waitMs = waitAfter(leader, voters[(at + turn) % voters.length] as string, voters, seed);
          assert.ok(waitMs >= ELECTION_TIMEOUT_MS && waitMs < 1.5 * ELECTION_TIMEOUT_MS, `${waitMs} ms`);
          // Two clocks are read in whole milliseconds.
          assert.ok(waitMs - beforeMs >= slotMs / 2 - 2, `turn ${turn}: ${waitMs} ms after ${beforeMs} ms`);
          beforeMs = waitMs;
        }
      }
    }
  }
  const waits = Array.from({ length: 50 }, (_, seed) => waitAfter('n1', 'n2', THREE, seed));
  assert.ok(new Set(waits).size > 10, 'and not all at the very same moment of their turns');
});

test('a leader that is not a voter any more has no successors: the wait is random', () => {
  const waits = Array.from({ length: 50 }, (_, seed) => waitAfter('n9', 'n2', THREE, seed));
  assert.ok(waits.every((wait) => wait >= ELECTION_TIMEOUT_MS && wait < 2 * ELECTION_TIMEOUT_MS));
  assert.ok(waits.some((wait) => wait > 1.6 * ELECTION_TIMEOUT_MS));
});

test('a pre-candidate asks again within half an election timeout', () => {
  const node = single();
  const { nowMs: firstMs } = untilItStands(node, 1);
  const { nowMs: secondMs } = untilItStands(node, firstMs + 1);
  assert.ok(secondMs - firstMs >= ELECTION_TIMEOUT_MS / 4, `${secondMs - firstMs} ms`);
  assert.ok(secondMs - firstMs <= ELECTION_TIMEOUT_MS / 2, `${secondMs - firstMs} ms`);
  assert.is(node.status.term, 0);
});

test('pre-vote comes first and changes no term (section 9.6)', () => {
  const node = single();
  const { sends } = untilItStands(node, 1);
  assert.equal(
    sends.map(({ to, message }) => [to, message.kind, message.term]),
    [
      ['n2', 'voteRequest', 1],
      ['n3', 'voteRequest', 1],
    ],
  );
  assert.equal([node.status.role, node.status.term, node.hardState.term], ['preCandidate', 0, 0]);
  const voter = single();
  const answers = voter.receive('n2', request(7, { preVote: true }));
  const message = { kind: 'voteResponse', term: 7, preVote: true, granted: true };
  assert.equal(answers, [{ to: 'n2', message }]);
  assert.is(voter.status.term, 0);
});

test('a partitioned node does not raise its term and disturbs nobody when it returns (section 9.6)', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  cluster.passes = (from, to) => from !== 'n3' && to !== 'n3';
  cluster.tick(20 * ELECTION_TIMEOUT_MS);
  cluster.passes = () => true;
  cluster.tick(2 * ELECTION_TIMEOUT_MS);
  assert.equal([leader.status.role, leader.status.term], ['leader', 1]);
  assert.is(cluster.node('n3').status.leader, 'n1');
});

test('vote requests and granted votes wait for the disk', () => {
  const node = single();
  node.manualDisk = true;
  untilItStands(node, 1);
  const granted = { kind: 'voteResponse', term: 1, preVote: true, granted: true } as const;
  assert.equal(node.receive('n2', granted), []);
  assert.is(node.status.role, 'candidate');
  // A vote that arrives first does not elect a node whose own vote could still be lost.
  node.receive('n2', { ...granted, preVote: false });
  node.receive('n3', { ...granted, preVote: false });
  assert.is(node.status.role, 'candidate');
  node.finishWrite();
  assert.is(node.status.role, 'leader');

  const voter = single();
  voter.manualDisk = true;
  assert.equal(voter.receive('n2', request(3)), []);
  voter.finishWrite();
  assert.equal(voter.hardState, { term: 3, vote: 'n2' });
  assert.equal(
    voter.take().map(({ message }) => message),
    [{ kind: 'voteResponse', term: 3, preVote: false, granted: true }],
  );
});

test('one vote per term, also after a restart (section 3.4)', () => {
  const voter = single();
  voter.receive('n2', request(3));
  voter.restart();
  const [refused] = voter.receive('n3', request(3));
  assert.equal(refused?.message, { kind: 'voteResponse', term: 3, preVote: false, granted: false });
  const [again] = voter.receive('n2', request(3));
  assert.ok(again?.message.kind === 'voteResponse' && again.message.granted);
});

test('votes only for a log at least as up to date (section 3.6.1)', () => {
  const cases: [number, number, boolean][] = [
    [3, 2, true],
    [4, 2, true],
    [2, 2, false],
    [9, 1, false],
    [1, 3, true],
  ];
  for (const [lastIndex, lastTerm, granted] of cases) {
    for (const preVote of [true, false]) {
      const voter = single({ entries: entriesOf([1, 2, 2]) });
      const [answer] = voter.receive('n2', request(5, { lastIndex, lastTerm, preVote }));
      assert.is(answer?.message.kind === 'voteResponse' && answer.message.granted, granted, `${lastIndex}/${lastTerm}`);
    }
  }
});

test('while a leader is heard, refuses votes and does not adopt their term (section 4.2.3)', () => {
  const voter = single();
  voter.receive('n2', heartbeat(1));
  for (const preVote of [true, false]) {
    const [answer] = voter.receive('n3', request(9, { preVote }));
    assert.equal(answer?.message, { kind: 'voteResponse', term: 1, preVote, granted: false });
  }
  assert.is(voter.status.term, 1);
  const [answer] = voter.receive('n3', request(9, { transfer: true }));
  assert.ok(answer?.message.kind === 'voteResponse' && answer.message.granted);
});

test('forgets the leader after the least election timeout', () => {
  const voter = single();
  voter.receive('n2', heartbeat(1));
  voter.step({ kind: 'tick', nowMs: ELECTION_TIMEOUT_MS - 1 });
  assert.not.ok(grants(voter));
  voter.step({ kind: 'tick', nowMs: ELECTION_TIMEOUT_MS });
  assert.ok(grants(voter));
});

function grants(voter: TestNode): boolean {
  const [answer] = voter.receive('n3', request(2, { preVote: true }));
  return answer?.message.kind === 'voteResponse' && answer.message.granted;
}

test('a closed connection to the leader starts a pre-vote at once, and lifts stickiness', () => {
  const node = single();
  node.receive('n2', heartbeat(1));
  node.step({ kind: 'peerLost', peer: 'n3' });
  assert.not.ok(grants(node));
  node.step({ kind: 'peerLost', peer: 'n2' });
  assert.ok(grants(node));
  assert.ok(untilItStands(node, 1).nowMs <= 1 + HEARTBEAT_MS / 2);
});

test('a crashed leader is replaced within a heartbeat interval when its connections close', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const cluster = new TestCluster(THREE, { seed });
    // The same seed everywhere: the two followers draw alike as often as can be.
    cluster.elect('n1');
    cluster.passes = (from, to) => from !== 'n1' && to !== 'n1';
    for (const id of ['n2', 'n3']) cluster.node(id).step({ kind: 'peerLost', peer: 'n1' });
    cluster.tick(HEARTBEAT_MS, ['n2', 'n3']);
    const roles = ['n2', 'n3'].map((id) => cluster.node(id).status.role);
    assert.equal(roles.sort(), ['follower', 'leader'], `seed ${seed}`);
  }
});

test('two pre-candidates that meet do not split the vote', () => {
  const nodes = ['n1', 'n2'].map((id) => new TestNode({ ...OPTIONS, id }, initialOf(THREE)));
  const [low, high] = nodes as [TestNode, TestNode];
  for (const node of nodes) {
    node.step({ kind: 'tick', nowMs: 0 });
    untilItStands(node, 1);
  }
  low.receive('n2', request(1, { preVote: true }));
  high.receive('n1', request(1, { preVote: true }));
  assert.equal([low.status.role, high.status.role], ['follower', 'preCandidate']);
});

test('a candidate that is refused by a node of a higher term learns it', () => {
  const node = single();
  untilItStands(node, 1);
  node.receive('n2', { kind: 'voteResponse', term: 8, preVote: true, granted: false });
  assert.equal([node.status.role, node.status.term], ['follower', 8]);
  const voter = single({ hardState: { term: 8, vote: null } });
  for (const preVote of [true, false]) {
    const [answer] = voter.receive('n2', request(3, { preVote }));
    assert.equal(answer?.message, { kind: 'voteResponse', term: 8, preVote, granted: false });
  }
});

test('a granted pre-vote never raises the term, and only the right one counts', () => {
  const node = single();
  untilItStands(node, 1);
  node.receive('n2', { kind: 'voteResponse', term: 5, preVote: true, granted: true });
  assert.equal([node.status.role, node.status.term], ['preCandidate', 0]);
  node.receive('n9', { kind: 'voteResponse', term: 1, preVote: true, granted: true });
  assert.is(node.status.role, 'preCandidate');
  node.receive('n2', { kind: 'voteResponse', term: 1, preVote: true, granted: true });
  assert.is(node.status.role, 'candidate');
});

test('neither a learner nor a stranger campaigns', () => {
  for (const learners of [['n1'], []]) {
    const configuration = { voters: ['n2', 'n3'], learners, outgoing: [] };
    const node = single({ configuration });
    node.receive('n2', heartbeat(1));
    node.step({ kind: 'peerLost', peer: 'n2' });
    for (let nowMs = 1; nowMs < 10 * ELECTION_TIMEOUT_MS; nowMs++) node.step({ kind: 'tick', nowMs });
    node.receive('n2', { kind: 'timeoutNow', term: 1 });
    assert.equal([node.status.role, node.status.term, node.take().length], ['learner', 1, 0]);
  }
});

test('a leader that hears no quorum steps down (section 6.2)', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  cluster.tick(3 * ELECTION_TIMEOUT_MS);
  assert.is(leader.status.role, 'leader');
  cluster.passes = (from) => from === 'n1';
  cluster.tick(ELECTION_TIMEOUT_MS + 1);
  assert.equal([leader.status.role, leader.status.leader, leader.status.term], ['follower', null, 1]);
});

test('a node of a higher term gets the old leader to step down (etcd raft, checkQuorum)', () => {
  const node = single({ hardState: { term: 5, vote: null } });
  const [first] = node.receive('n2', heartbeat(3));
  assert.equal(first?.message, { kind: 'heartbeatResponse', term: 5, round: 0 });
  const append = { kind: 'appendRequest', term: 3, prevIndex: 0, prevTerm: 0, commitIndex: 0, round: 9 } as const;
  const [second] = node.receive('n2', { ...append, entries: [] });
  assert.ok(second?.message.kind === 'appendResponse' && !second.message.success);
  assert.equal([second.message.term, second.message.round], [5, 0]);
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  leader.receive('n2', { kind: 'heartbeatResponse', term: 5, round: 0 });
  assert.equal([leader.status.role, leader.status.term], ['follower', 5]);
});

test('two leaders in one term are found out; a stranger is ignored', () => {
  const node = single();
  node.receive('n2', heartbeat(1));
  assert.equal(node.receive('n9', heartbeat(1)), []);
  assert.is(node.status.leader, 'n2');
  assert.throws(() => node.receive('n3', heartbeat(1)), /two leaders/);
});

test.run();
