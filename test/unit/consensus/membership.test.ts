import { decodeConfiguration, EntryType, type NodeId } from '@quorate/consensus';
import { assert, suite } from '../../support/suite.ts';
import { quorumsMeet } from './support/checker.ts';
import {
  answer,
  ELECTION_TIMEOUT_MS,
  HEARTBEAT_MS,
  initialOf,
  OPTIONS,
  TestCluster,
  TestNode,
} from './support/harness.ts';

const test = suite('membership');
const THREE = ['n1', 'n2', 'n3'];
const NOBODY = { configuration: { voters: [], learners: [], outgoing: [] } };

/** Three voters and nodes that belong to nothing yet. */
function clusterWith(spares: readonly NodeId[]): TestCluster {
  const cluster = new TestCluster(THREE);
  for (const id of spares) {
    cluster.nodes.set(id, new TestNode({ ...OPTIONS, id, seed: id.charCodeAt(1) }, initialOf([], NOBODY)));
  }
  cluster.tick(0);
  return cluster;
}

function change(node: TestNode, voters: readonly NodeId[], learners: readonly NodeId[] = [], tags = {}): void {
  node.step({ kind: 'changeMembership', id: node.results.length + 1, voters, learners, memberTags: tags });
}

function codes(node: TestNode): unknown[] {
  return node.results.map(({ code }) => code);
}

test('three become five and three again, the leader not spared', () => {
  const cluster = clusterWith(['n4', 'n5']);
  const leader = cluster.elect('n1');
  change(leader, THREE, ['n4', 'n5']);
  cluster.tick(3 * HEARTBEAT_MS);
  change(leader, [...THREE, 'n4', 'n5']);
  cluster.tick(3 * HEARTBEAT_MS);
  change(leader, ['n3', 'n4', 'n5']);
  cluster.tick(3 * HEARTBEAT_MS);
  assert.equal(codes(leader), ['COMMITTED', 'COMMITTED', 'COMMITTED']);
  assert.is(leader.status.role, 'learner');
  const next = [...cluster.nodes.values()].find(({ status }) => status.role === 'leader') as TestNode;
  assert.ok(['n3', 'n4', 'n5'].includes(next.id));
  assert.equal(next.status.configuration, { voters: ['n3', 'n4', 'n5'], learners: [], outgoing: [] });
  next.propose();
  cluster.tick(HEARTBEAT_MS);
  for (const id of ['n3', 'n4', 'n5']) assert.is(cluster.node(id).committed.at(-1)?.index, next.status.lastIndex);
});

test('a read that waited for a node that is removed is served', () => {
  const cluster = new TestCluster(['n1', 'n2', 'n3', 'n4']);
  const leader = cluster.elect('n1');
  cluster.passes = () => false;
  change(leader, ['n1', 'n2']);
  leader.take();
  leader.step({ kind: 'readIndex', id: 1 });
  answer(leader, 1, 'n2', 'n3');
  leader.take();
  assert.ok(leader.status.joint);
  // n3 answers appends, but not the round of the read: three of four are needed for it, two of two afterwards.
  const appended = {
    kind: 'appendResponse',
    term: 1,
    success: true,
    matchIndex: 2,
    hintIndex: 0,
    hintTerm: 0,
  } as const;
  leader.receive('n2', { ...appended, round: 2 });
  assert.equal(leader.reads, []);
  leader.receive('n3', { ...appended, round: 1 });
  assert.equal(
    leader.reads.map(({ id }) => id),
    [1],
  );
});

test('a new identity of a member begins without a log', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  cluster.tick(HEARTBEAT_MS);
  change(leader, ['n1', 'n2'], ['n3']);
  cluster.tick(2 * HEARTBEAT_MS);
  change(leader, ['n1', 'n2'], ['n3'], { n3: 'wiped' });
  leader.take();
  const progress = leader.status.followers.find(({ id }) => id === 'n3');
  assert.equal([progress?.matchIndex, progress?.mode], [0, 'probe']);
  assert.equal(leader.status.configuration.memberTags, { n3: 'wiped' });
  cluster.tick(2 * HEARTBEAT_MS);
  assert.equal(codes(leader), ['COMMITTED', 'COMMITTED']);
});

test('a tag that is taken away stays away, also in a change of voters', () => {
  const cluster = new TestCluster(
    ['n1', 'n2'],
    {},
    {
      configuration: { voters: ['n1', 'n2'], learners: ['n3', 'n4'], outgoing: [], memberTags: { n3: 'a', n4: 'b' } },
    },
  );
  const leader = cluster.elect('n1');
  cluster.tick(HEARTBEAT_MS);
  change(leader, ['n1', 'n2', 'n3'], ['n4'], { n4: '' });
  cluster.tick(2 * HEARTBEAT_MS);
  assert.equal(codes(leader), ['COMMITTED']);
  assert.equal(leader.status.configuration.memberTags, { n3: 'a' });
});

test('addresses are in force with the configuration, through every step of a change; alone they are none', () => {
  const cluster = clusterWith(['n4']);
  const leader = cluster.elect('n1');
  const ask = (
    voters: readonly NodeId[],
    learners: readonly NodeId[],
    memberAddresses: Record<NodeId, string>,
  ): void => {
    leader.step({ kind: 'changeMembership', id: leader.results.length + 1, voters, learners, memberAddresses });
  };
  ask(THREE, ['n4'], { n4: 'h:4', n2: 'h:2' });
  cluster.tick(3 * HEARTBEAT_MS);
  ask([...THREE, 'n4'], [], { n2: 'h:22' });
  cluster.tick(HEARTBEAT_MS);
  const final = { n4: 'h:4', n2: 'h:22' };
  const written = leader.log.filter(({ type }) => type === EntryType.config).slice(-2);
  const [between, after] = written.map(({ data }) => decodeConfiguration(data));
  assert.equal([between?.outgoing, between?.memberAddresses], [THREE, final]);
  assert.equal([after?.outgoing, after?.memberAddresses], [[], final]);
  cluster.tick(2 * HEARTBEAT_MS);
  for (const id of [...THREE, 'n4']) assert.equal(cluster.node(id).status.configuration.memberAddresses, final, id);
  ask([...THREE, 'n4'], [], { n2: 'h:222' });
  ask([...THREE, 'n4'], [], { n9: 'h:9' });
  leader.take();
  assert.equal(codes(leader), ['COMMITTED', 'COMMITTED', 'UNCHANGED', 'INVALID']);
  ask(THREE, [], {});
  cluster.tick(3 * HEARTBEAT_MS);
  assert.equal(leader.status.configuration.memberAddresses, { n2: 'h:22' }, 'of nobody who has left');
});

test('another node never has the vote of the one whose name it has, not even in the outgoing half', () => {
  const of = (voters: string[], outgoing: string[] = []) => ({ voters, outgoing, learners: [] });
  // What would be: the old n4 and n5, and new ones, are different voters.
  const old = of(['n1', 'n2', 'n3', 'n4', 'n5']);
  assert.not.ok(quorumsMeet(old, of(['n1', 'n2', 'n3'], ['n1', 'n2', 'n3', 'm4', 'm5'])));
  const cluster = new TestCluster(old.voters);
  const leader = cluster.elect('n1');
  cluster.tick(HEARTBEAT_MS);
  change(leader, THREE, ['n4', 'n5'], { n4: 'wiped', n5: 'wiped' });
  cluster.tick(2 * HEARTBEAT_MS);
  assert.equal(codes(leader), ['INVALID']);
  assert.equal(leader.status.configuration, old);
});

test('an answer does not count once the connection it came by is lost; a new one does', () => {
  const cluster = new TestCluster(['n1', 'n2', 'n3', 'n4']);
  const leader = cluster.elect('n1');
  cluster.passes = () => false;
  change(leader, THREE);
  leader.step({ kind: 'readIndex', id: 1 });
  answer(leader, 1, 'n2');
  leader.step({ kind: 'peerLost', peer: 'n2' });
  answer(leader, 1, 'n3');
  assert.not.ok(leader.status.joint);
  answer(leader, 1, 'n2');
  leader.take();
  assert.ok(leader.status.joint);
  assert.equal(leader.reads, [{ id: 1, index: 1 }]);
});

test('a transfer holds back the end of a joint phase, and only that', () => {
  const cluster = clusterWith(['n4']);
  const leader = cluster.elect('n1');
  change(leader, THREE, ['n4']);
  cluster.tick(3 * HEARTBEAT_MS);
  cluster.passes = (from, to) => ![from, to].includes('n3');
  change(leader, ['n1', 'n2', 'n4']);
  answer(leader, 1, 'n2', 'n4');
  leader.step({ kind: 'transferLeadership', to: 'n3' });
  cluster.settle();
  assert.ok(leader.status.joint === true && leader.status.configurationCommitted === true);
  cluster.tick(2 * ELECTION_TIMEOUT_MS);
  assert.is(leader.status.joint, false);
  assert.equal(codes(leader), ['COMMITTED', 'COMMITTED']);
});

test('one voter alone grows to three', () => {
  const cluster = new TestCluster(['n1']);
  for (const id of ['n2', 'n3']) {
    cluster.nodes.set(id, new TestNode({ ...OPTIONS, id }, initialOf([], NOBODY)));
  }
  cluster.tick(0);
  const leader = cluster.elect('n1');
  change(leader, ['n1'], ['n2', 'n3']);
  cluster.tick(3 * HEARTBEAT_MS);
  change(leader, THREE);
  cluster.tick(3 * HEARTBEAT_MS);
  assert.equal(codes(leader), ['COMMITTED', 'COMMITTED']);
  cluster.passes = (from, to) => ![from, to].includes('n1');
  cluster.tick(5 * ELECTION_TIMEOUT_MS, ['n2', 'n3']);
  assert.ok(['n2', 'n3'].some((id) => cluster.node(id).status.role === 'leader'));
});

test('the oracle of quorum overlap tells joint from direct changes', () => {
  const of = (voters: string[], outgoing: string[] = []) => ({ voters, outgoing, learners: [] });
  assert.not.ok(quorumsMeet(of(['n1', 'n2', 'n3']), of(['n1', 'n4', 'n5'])));
  assert.ok(quorumsMeet(of(['n1', 'n2', 'n3']), of(['n1', 'n4', 'n5'], ['n1', 'n2', 'n3'])));
  assert.ok(quorumsMeet(of(['n1', 'n2', 'n3']), of(['n1', 'n2', 'n3', 'n4'])));
});

test.run();
