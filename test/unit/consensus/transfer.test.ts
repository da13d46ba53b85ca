import { assert, suite } from '../../support/suite.ts';
import { ELECTION_TIMEOUT_MS, HEARTBEAT_MS, TestCluster } from './support/harness.ts';

const test = suite('leadership transfer');
const THREE = ['n1', 'n2', 'n3'];

test('hands over at once, past the stickiness of the others (section 3.10)', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  leader.step({ kind: 'transferLeadership', to: 'n3' });
  cluster.settle();
  assert.equal(
    THREE.map((id) => cluster.node(id).status.leader),
    ['n3', 'n3', 'n3'],
  );
  assert.is(cluster.node('n3').status.term, 2);
});

test('first brings the target up to date, and takes no proposals meanwhile', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  cluster.passes = (_from, to) => to !== 'n3';
  leader.propose();
  cluster.settle();
  leader.step({ kind: 'transferLeadership', to: 'n3' });
  cluster.settle();
  assert.not.ok(leader.core.canPropose());
  assert.is(leader.status.role, 'leader');
  cluster.passes = () => true;
  cluster.tick(3 * HEARTBEAT_MS);
  assert.is(cluster.node('n3').status.role, 'leader');
  assert.is(cluster.node('n3').committed.length, 3);
});

test('gives up after an election timeout and leads on', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  cluster.tick(HEARTBEAT_MS);
  cluster.passes = (_from, _to, message) => message.kind !== 'timeoutNow';
  leader.step({ kind: 'transferLeadership', to: 'n3' });
  cluster.tick(ELECTION_TIMEOUT_MS - 1);
  assert.not.ok(leader.core.canPropose());
  cluster.tick(1);
  assert.equal([leader.status.role, leader.status.term, leader.core.canPropose()], ['leader', 1, true]);
});

test('chooses the voter that holds most when none is named', () => {
  const configuration = { voters: THREE, learners: ['n4'], outgoing: [] };
  const cluster = new TestCluster(THREE, {}, { configuration });
  const leader = cluster.elect('n1');
  cluster.passes = (_from, to, message) => to !== 'n2' || message.kind !== 'appendRequest';
  leader.propose();
  cluster.settle();
  leader.step({ kind: 'transferLeadership', to: null });
  cluster.settle();
  assert.is(cluster.node('n3').status.role, 'leader');
});

test('ignores what makes no sense', () => {
  const configuration = { voters: THREE, learners: ['n4'], outgoing: [] };
  const cluster = new TestCluster(THREE, {}, { configuration });
  cluster.node('n2').step({ kind: 'transferLeadership', to: 'n3' });
  const leader = cluster.elect('n1');
  for (const to of ['n1', 'n4', 'n9']) leader.step({ kind: 'transferLeadership', to });
  cluster.settle();
  assert.ok(leader.core.canPropose());
});

test('a leader with a stalled disk hands over', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  leader.manualDisk = true;
  leader.propose();
  cluster.settle();
  leader.step({ kind: 'storageStalled' });
  cluster.settle();
  const roles = THREE.map((id) => cluster.node(id).status.role);
  assert.equal(roles, ['follower', 'leader', 'follower']);
});

test('a leader with a stalled disk steps down when nobody takes over', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  leader.manualDisk = true;
  cluster.passes = (_from, _to, message) => message.kind !== 'timeoutNow';
  leader.propose();
  cluster.settle();
  leader.step({ kind: 'storageStalled' });
  cluster.settle();
  // Reported again and again while the write hangs: the deadline stays.
  for (let ms = 0; ms < ELECTION_TIMEOUT_MS; ms++) {
    cluster.tick(1);
    leader.step({ kind: 'storageStalled' });
  }
  assert.not.equal(leader.status.role, 'leader');
});

test('an order to stand from somebody else than the leader is ignored', () => {
  const cluster = new TestCluster(THREE);
  cluster.elect('n1');
  const node = cluster.node('n2');
  assert.equal(node.receive('n3', { kind: 'timeoutNow', term: 1 }), []);
  assert.equal(node.receive('n1', { kind: 'timeoutNow', term: 0 }), []);
  assert.equal([node.status.role, node.status.term], ['follower', 1]);
});

test.run();
