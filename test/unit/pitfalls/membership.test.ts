import { decodeConfiguration, encodeConfiguration, type NodeId } from '@quorate/consensus';
import { assert, suite } from '../../support/suite.ts';
import {
  answer,
  ELECTION_TIMEOUT_MS,
  HEARTBEAT_MS,
  initialOf,
  OPTIONS,
  TestCluster,
  TestNode,
} from '../consensus/support/harness.ts';

/* Faults that other Raft engines had when members came and went. The whole list is docs/pitfalls.md. */

const test = suite('pitfalls: membership');
const THREE = ['n1', 'n2', 'n3'];

function change(node: TestNode, voters: readonly NodeId[], learners: readonly NodeId[] = []): void {
  node.step({ kind: 'changeMembership', id: 1, voters, learners });
}

/** The nodes that have a link, each pair in both directions. */
function linked(cluster: TestCluster, ...pairs: readonly string[]): void {
  cluster.passes = (from, to) => pairs.includes([from, to].sort().join());
}

function leaderOf(cluster: TestCluster, ids: readonly NodeId[]): TestNode | undefined {
  return ids.map((id) => cluster.node(id)).find(({ status }) => status.role === 'leader');
}

test('etcd#12359: what is committed of a change need not be known to be so by those who elect', () => {
  const configuration = { voters: THREE, learners: ['n4'], outgoing: [] };
  const cluster = new TestCluster(THREE, {}, { configuration });
  const leader = cluster.elect('n1');
  cluster.tick(3 * HEARTBEAT_MS);
  // n2 is away. n3 shall learn and n4 vote; n4 gets more of the log than n3 and hears of no commit.
  cluster.passes = (from, to) => from !== 'n2' && to !== 'n2';
  change(leader, ['n1', 'n2', 'n4'], ['n3']);
  answer(leader, 1, 'n3', 'n4');
  leader.propose();
  const joint = leader.status.configurationIndex as number;
  for (const { to, message } of leader.take()) {
    if (message.kind !== 'appendRequest') continue;
    const entries = to === 'n3' ? message.entries.filter(({ index }) => index <= joint) : message.entries;
    if (to !== 'n2') cluster.node(to).receive('n1', { ...message, entries });
  }
  const [n3, n4] = [cluster.node('n3'), cluster.node('n4')];
  assert.ok(n4.status.lastIndex > n3.status.lastIndex && n3.status.lastIndex === joint);
  assert.not(n4.status.configurationCommitted);
  // n1 is lost, n2 is back: n2 and n4 are a majority of the new voters, n2 and n3 of the old.
  linked(cluster, 'n2,n3', 'n2,n4', 'n3,n4');
  cluster.tick(20 * ELECTION_TIMEOUT_MS, ['n2', 'n3', 'n4']);
  const next = leaderOf(cluster, ['n2', 'n3', 'n4']);
  assert.ok(next);
  assert.is(next.id, 'n4');
  assert.equal(next.status.configuration, { voters: ['n1', 'n2', 'n4'], learners: ['n3'], outgoing: [] });
});

test('openraft#2091, etcd#10563: a leader that is removed and restarts before the others know of it is no dead end', () => {
  const cluster = new TestCluster(['n1', 'n2']);
  const leader = cluster.elect('n1');
  cluster.tick(HEARTBEAT_MS);
  // The final configuration, without n1, stays on n1.
  const removes = (index: number): boolean => index > (leader.status.commitIndex ?? 0) && !leader.status.joint;
  cluster.passes = (_from, _to, message) =>
    message.kind !== 'appendRequest' || !message.entries.some(({ index }) => removes(index));
  change(leader, ['n2']);
  cluster.settle();
  assert.equal(leader.status.configuration, { voters: ['n2'], learners: [], outgoing: [] });
  assert.ok(leader.status.lastIndex > cluster.node('n2').status.lastIndex);
  cluster.passes = () => true;
  leader.restart();
  cluster.tick(20 * ELECTION_TIMEOUT_MS);
  const next = cluster.node('n2');
  assert.equal([next.status.role, next.status.configurationCommitted], ['leader', true]);
  assert.equal(next.status.configuration, { voters: ['n2'], learners: [], outgoing: [] });
});

test('etcd#12136: the next leader leaves the joint configuration that the one before could not leave', () => {
  const configuration = { voters: THREE, learners: ['n4'], outgoing: [] };
  const cluster = new TestCluster(THREE, {}, { configuration });
  const leader = cluster.elect('n1');
  cluster.tick(3 * HEARTBEAT_MS);
  change(leader, [...THREE, 'n4']);
  answer(leader, 1, 'n2', 'n3');
  const joint = leader.status.configurationIndex as number;
  cluster.passes = (_from, _to, message) =>
    message.kind !== 'appendRequest' || message.entries.every(({ index }) => index <= joint);
  cluster.tick(HEARTBEAT_MS);
  assert.ok(cluster.node('n2').status.joint && cluster.node('n2').status.configurationCommitted);
  const rest = ['n2', 'n3', 'n4'];
  cluster.passes = (from, to) => from !== 'n1' && to !== 'n1';
  cluster.tick(20 * ELECTION_TIMEOUT_MS, rest);
  const next = leaderOf(cluster, rest);
  assert.ok(next);
  assert.equal([next.status.joint, next.status.configurationCommitted], [false, true]);
  assert.equal(next.status.configuration.voters, [...THREE, 'n4']);
});

test('etcd#10998: a node that does not know of its promotion yet votes when it is asked', () => {
  const configuration = { voters: THREE, learners: ['n4'], outgoing: [] };
  const learner = new TestNode({ ...OPTIONS, id: 'n4' }, initialOf(THREE, { configuration }));
  learner.step({ kind: 'tick', nowMs: 0 });
  for (const preVote of [true, false]) {
    const request = { kind: 'voteRequest', term: 1, preVote, transfer: false, lastIndex: 1, lastTerm: 1 } as const;
    const [answer] = learner.receive('n2', request);
    assert.ok(answer?.message.kind === 'voteResponse' && answer.message.granted);
  }
  assert.equal(learner.hardState, { term: 1, vote: 'n2' });
});

test('the keys of a JavaScript object: names that look like numbers keep their order and their tags', () => {
  const voters = ['10', 'x', '9', 'w'];
  const tags = { w: 'double', x: 'cross', '9': 'nine', '10': 'ten' };
  const otherOrder = Object.fromEntries(Object.entries(tags).reverse());
  const bytes = encodeConfiguration({ voters, learners: ['1'], outgoing: [], memberTags: tags });
  assert.equal(bytes, encodeConfiguration({ voters, learners: ['1'], outgoing: [], memberTags: otherOrder }));
  const decoded = decodeConfiguration(bytes);
  assert.equal(decoded, { voters, learners: ['1'], outgoing: [], memberTags: tags });
  assert.equal(encodeConfiguration(decoded), bytes);
});

test.run();
