import { type Configuration, EntryType, encodeConfiguration } from '@quorate/consensus';
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

/* The input `bootstrap`: the first configuration of a new cluster reaches a node that began without one. */

const test = suite('bootstrap');

const IDS = ['n1', 'n2', 'n3'];
const NONE: Configuration = { voters: [], learners: [], outgoing: [] };
const FIRST: Configuration = { voters: IDS, learners: [], outgoing: [], memberTags: { n1: 'a', n2: 'b', n3: 'c' } };

function unborn(id = 'n1', more: Parameters<typeof initialOf>[1] = {}): TestNode {
  const node = new TestNode(
    { ...OPTIONS, id, seed: id.charCodeAt(1) },
    initialOf([], { configuration: NONE, ...more }),
  );
  node.step({ kind: 'tick', nowMs: node.nowMs });
  node.take();
  return node;
}

function pass(node: TestNode, ms: number): void {
  for (let left = ms; left > 0; left--) {
    node.nowMs++;
    node.step({ kind: 'tick', nowMs: node.nowMs });
    node.take();
  }
}

function cluster(): TestCluster {
  const made = new TestCluster([]);
  for (const id of IDS) made.nodes.set(id, unborn(id));
  return made;
}

test('without a configuration nobody stands for election, however long nothing is heard', () => {
  const node = unborn();
  pass(node, 20 * ELECTION_TIMEOUT_MS);
  assert.equal([node.status.role, node.status.term, node.hardState.term], ['learner', 0, 0]);
});

test('with it they elect a leader, who commits', () => {
  const three = cluster();
  for (const node of three.nodes.values()) node.step({ kind: 'bootstrap', configuration: FIRST });
  three.settle();
  for (const { status } of three.nodes.values()) {
    assert.equal([status.role, status.configuration, status.configurationIndex], ['follower', FIRST, 0]);
    assert.ok(status.configurationCommitted);
  }
  const leader = three.elect('n2');
  leader.propose();
  three.tick(2 * HEARTBEAT_MS);
  for (const { committed } of three.nodes.values()) assert.is(committed.length, 2);
});

test('it is reported, although the index of the configuration stays the same', () => {
  // Of n9 the role stays the same, too.
  for (const id of ['n1', 'n9']) {
    const node = unborn(id);
    node.statuses.length = 0;
    node.step({ kind: 'bootstrap', configuration: FIRST });
    node.take();
    assert.is(node.statuses.length, 1, id);
    assert.equal(node.statuses[0]?.configuration, FIRST);
  }
});

test('who gets it later follows a leader before, and stands for election only with it', () => {
  const three = cluster();
  for (const id of ['n1', 'n2']) three.node(id).step({ kind: 'bootstrap', configuration: FIRST });
  const leader = three.elect('n1');
  leader.propose();
  three.tick(2 * HEARTBEAT_MS);
  const late = three.node('n3');
  assert.equal([late.status.role, late.status.leader, late.log.length], ['learner', 'n1', 2]);
  late.step({ kind: 'bootstrap', configuration: FIRST });
  late.take();
  assert.is(late.status.role, 'follower');
  three.passes = (from, to) => from !== 'n1' && to !== 'n1';
  three.tick(4 * ELECTION_TIMEOUT_MS, ['n2', 'n3']);
  assert.ok(['n2', 'n3'].some((id) => three.node(id).status.role === 'leader'));
});

test('a second one changes nothing', () => {
  const node = unborn();
  node.step({ kind: 'bootstrap', configuration: FIRST });
  node.step({ kind: 'bootstrap', configuration: { voters: ['n1'], learners: [], outgoing: [] } });
  assert.equal(node.status.configuration, FIRST);
  const restarted = unborn('n1', { configuration: FIRST });
  restarted.step({ kind: 'bootstrap', configuration: { voters: ['n1'], learners: [], outgoing: [] } });
  assert.equal(restarted.status.configuration, FIRST);
});

test('a configuration of the log stays in force; the first one stands before it', () => {
  const later: Configuration = { voters: ['n1', 'n2', 'n4'], learners: [], outgoing: [] };
  const [one, two] = entriesOf([1, 1]);
  assert.ok(one && two);
  const entries = [one, { ...two, type: EntryType.config, data: encodeConfiguration(later) }];
  const node = unborn('n1', { entries });
  assert.equal(node.status.configuration, later);
  node.step({ kind: 'bootstrap', configuration: FIRST });
  assert.equal([node.status.configuration, node.status.configurationIndex], [later, 2]);
  assert.equal(node.core.configurationAt(1), FIRST);
  // A leader of a later term never had that entry: the one before it is in force again.
  const append = { kind: 'appendRequest', term: 2, prevIndex: 1, prevTerm: 1, commitIndex: 0, round: 0 } as const;
  node.receive('n2', { ...append, entries: entriesOf([2], 2) });
  assert.equal([node.status.configuration, node.status.configurationIndex], [FIRST, 0]);
});

test('a snapshot has brought the configuration: the first one is of the past', () => {
  const later: Configuration = { voters: ['n1', 'n4'], learners: [], outgoing: [] };
  const node = unborn();
  node.step({ kind: 'snapshotReceiving', from: 'n4', term: 3 });
  node.take();
  node.step({ kind: 'snapshotInstalled', index: 50, term: 3, stampMs: 1, configuration: later });
  node.step({ kind: 'bootstrap', configuration: FIRST });
  assert.equal([node.status.configuration, node.status.configurationIndex], [later, 50]);
  // Also one with nobody in it, as a node has that was removed: its place is not before the log.
  const removed = unborn();
  removed.step({ kind: 'snapshotInstalled', index: 50, term: 3, stampMs: 1, configuration: NONE });
  removed.step({ kind: 'bootstrap', configuration: FIRST });
  assert.equal(removed.status.configuration, NONE);
});

test('a configuration that is not the own one is followed, not led', () => {
  const node = unborn('n9');
  node.step({ kind: 'bootstrap', configuration: FIRST });
  pass(node, 10 * ELECTION_TIMEOUT_MS);
  assert.equal([node.status.role, node.status.term], ['learner', 0]);
});

test.run();
