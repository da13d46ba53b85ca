import { type Configuration, EntryType, encodeConfiguration, type Message, RaftCore } from '@quorate/consensus';
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

const test = suite('snapshots');
const THREE = ['n1', 'n2', 'n3'];
const CONFIGURATION: Configuration = { voters: THREE, learners: [], outgoing: [] };

function installed(index: number, term: number, configuration = CONFIGURATION) {
  return { kind: 'snapshotInstalled', index, term, stampMs: 77, configuration } as const;
}

/** A follower of n2 in term 9. */
function follower(terms: readonly number[]): TestNode {
  const node = new TestNode(OPTIONS, initialOf(THREE, { entries: entriesOf(terms) }));
  node.step({ kind: 'tick', nowMs: 0 });
  node.receive('n2', { kind: 'heartbeat', term: 9, commitIndex: 0, round: 0 });
  return node;
}

function accepted(message: Message | undefined): number | null {
  return message?.kind === 'appendResponse' && message.success ? message.matchIndex : null;
}

test('begins the log anew, answers, and continues the time of the log', () => {
  const node = follower([1, 1]);
  assert.ok(node.core.acceptsSnapshot(8));
  node.step(installed(8, 7));
  const [answer] = node.take();
  assert.equal([answer?.to, accepted(answer?.message)], ['n2', 8]);
  const { lastIndex, commitIndex } = node.status;
  assert.equal([lastIndex, commitIndex, node.committed.length], [8, 8, 0]);
  assert.not.ok(node.core.acceptsSnapshot(8));
  const entries = entriesOf([9], 9);
  const append = { kind: 'appendRequest', term: 9, prevIndex: 8, prevTerm: 7, commitIndex: 9, round: 0 } as const;
  assert.is(accepted(node.receive('n2', { ...append, entries }).at(-1)?.message), 9);
  assert.equal(
    node.committed.map(({ index }) => index),
    [9],
  );
});

test('a leader whose log begins at a snapshot stamps no earlier than the snapshot', () => {
  const more = { snapshotIndex: 5, snapshotTerm: 1, snapshotStampMs: 500, appliedIndex: 5 };
  const node = new TestNode(OPTIONS, initialOf(['n1'], { ...more, hardState: { term: 1, vote: null } }));
  for (; node.status.role !== 'leader'; node.nowMs++) {
    node.step({ kind: 'tick', nowMs: node.nowMs });
    node.take();
  }
  node.propose(1, 3);
  node.take();
  assert.equal(
    node.log.map(({ stampMs }) => stampMs),
    [500, 500],
  );
});

test('entries that were never written are not written after a snapshot covers them', () => {
  const node = follower([]);
  node.manualDisk = true;
  node.holdWrite = true;
  node.receive('n2', { kind: 'heartbeat', term: 10, commitIndex: 0, round: 0 });
  const append = { kind: 'appendRequest', term: 10, prevIndex: 0, prevTerm: 0, commitIndex: 0, round: 0 } as const;
  node.receive('n2', { ...append, entries: entriesOf([10, 10, 10]) });
  node.writes.length = 0;
  node.step({ kind: 'writeDone', seq: 2 });
  node.step(installed(2, 10));
  node.take();
  assert.equal(
    node.writes[0]?.entries.map(({ index }) => index),
    [3],
  );
});

test('a snapshot behind the commit index changes nothing but what is applied', () => {
  const node = follower([1, 1, 1, 1]);
  const append = { kind: 'appendRequest', term: 9, prevIndex: 4, prevTerm: 1, commitIndex: 4, round: 0 } as const;
  node.step({ kind: 'message', from: 'n2', message: { ...append, entries: [] } });
  node.step(installed(2, 1));
  const sends = node.take();
  assert.ok(sends.some(({ message }) => accepted(message) === 4));
  assert.equal(
    node.committed.map(({ index }) => index),
    [3, 4],
  );
  node.step(installed(3, 1));
  assert.is(node.status.lastIndex, 4);
  node.step({ kind: 'applied', index: 4 });
  node.step(installed(4, 1));
  assert.is(node.status.commitIndex, 4);
});

test('a snapshot that contradicts a committed entry ends the node', () => {
  const node = follower([1, 1, 1]);
  const append = { kind: 'appendRequest', term: 9, prevIndex: 3, prevTerm: 1, commitIndex: 3, round: 0 } as const;
  node.step({ kind: 'message', from: 'n2', message: { ...append, entries: [] } });
  assert.throws(() => node.step(installed(2, 2)), /committed entry 2/);
});

test('an uncommitted configuration does not survive a snapshot that covers it (openraft#1808)', () => {
  const node = follower([1]);
  const other: Configuration = { voters: ['n1', 'n7', 'n8'], learners: [], outgoing: [] };
  const entry = { index: 2, term: 9, type: EntryType.config, stampMs: 0, data: encodeConfiguration(other) };
  const append = { kind: 'appendRequest', term: 9, prevIndex: 1, prevTerm: 1, commitIndex: 0, round: 0 } as const;
  node.receive('n2', { ...append, entries: [entry] });
  assert.equal(node.status.configuration, other);
  node.step(installed(3, 10));
  assert.equal(node.status.configuration, CONFIGURATION);
  assert.equal([node.status.term, node.status.configurationCommitted], [10, true]);
  assert.equal(node.core.configurationAt(3), CONFIGURATION);
  assert.throws(() => node.core.configurationAt(2), /no longer known/);
});

test('a longer log that contradicts the snapshot goes, with the configuration behind the snapshot', () => {
  const node = follower([1]);
  const other: Configuration = { voters: ['n1', 'n7', 'n8'], learners: [], outgoing: [] };
  const entries = [
    ...entriesOf([9, 9, 9], 2),
    { index: 5, term: 9, type: EntryType.config, stampMs: 0, data: encodeConfiguration(other) },
  ];
  const append = { kind: 'appendRequest', term: 9, prevIndex: 1, prevTerm: 1, commitIndex: 0, round: 0 } as const;
  node.receive('n2', { ...append, entries });
  assert.equal(node.status.configuration, other);
  node.step(installed(3, 10));
  assert.equal([node.status.configuration, node.status.lastIndex], [CONFIGURATION, 3]);
});

test('what follows the snapshot in an agreeing log stays, its configuration too', () => {
  const node = follower([1, 1]);
  const later: Configuration = { voters: THREE, learners: ['n4'], outgoing: [] };
  const entry = { index: 3, term: 9, type: EntryType.config, stampMs: 0, data: encodeConfiguration(later) };
  const append = { kind: 'appendRequest', term: 9, prevIndex: 2, prevTerm: 1, commitIndex: 0, round: 0 } as const;
  node.receive('n2', { ...append, entries: [entry] });
  node.step(installed(2, 1));
  const { lastIndex, configuration, configurationCommitted } = node.status;
  assert.equal([lastIndex, configuration, configurationCommitted], [3, later, false]);
});

test('receiving a snapshot keeps elections away', () => {
  const node = follower([]);
  const wait = (receiving: boolean): string => {
    for (let ms = 0; ms < 3 * ELECTION_TIMEOUT_MS; ms++) {
      if (receiving && ms % 50 === 0) node.step({ kind: 'snapshotReceiving', from: 'n2', term: 9 });
      node.step({ kind: 'tick', nowMs: ++node.nowMs });
      node.take();
    }
    return node.status.role;
  };
  assert.is(wait(true), 'follower');
  // Of an older term it counts for nothing, of a newer one it makes a leader known.
  node.step({ kind: 'snapshotReceiving', from: 'n3', term: 8 });
  assert.is(node.status.leader, 'n2');
  node.step({ kind: 'snapshotReceiving', from: 'n3', term: 10 });
  assert.equal([node.status.leader, node.status.term], ['n3', 10]);
  assert.is(wait(false), 'preCandidate');
});

test('a crash between installation and the write of the term is survived', () => {
  const more = { snapshotIndex: 8, snapshotTerm: 7, appliedIndex: 8, hardState: { term: 3, vote: 'n2' } };
  const node = new TestNode(OPTIONS, initialOf(THREE, more));
  node.take();
  assert.equal(node.hardState, { term: 7, vote: null });
  assert.throws(
    () => new RaftCore(OPTIONS, initialOf(THREE, { entries: entriesOf([4]), hardState: { term: 3, vote: null } })),
    /term below/,
  );
});

test('asks for a snapshot once per need, and again when the connection was lost', () => {
  const base = { snapshotIndex: 10, snapshotTerm: 1, appliedIndex: 10, hardState: { term: 1, vote: null } };
  const cluster = new TestCluster(THREE, {}, base);
  cluster.nodes.set('n3', new TestNode({ ...OPTIONS, id: 'n3' }, initialOf(THREE)));
  cluster.tick(0);
  const leader = cluster.elect('n1');
  const wanted = (): unknown[] => leader.snapshotRequests.splice(0);
  assert.equal(wanted(), [{ peer: 'n3', minIndex: 10 }]);
  assert.is(leader.status.followers.find(({ id }) => id === 'n3')?.mode, 'needsSnapshot');
  cluster.tick(10 * HEARTBEAT_MS);
  assert.equal([wanted(), leader.readLogs], [[], []]);
  leader.step({ kind: 'peerLost', peer: 'n3' });
  cluster.tick(4 * HEARTBEAT_MS);
  assert.is(wanted().length, 1);
  // An acknowledgement that still leaves a gap does not end the need.
  const match = { kind: 'appendResponse', round: 0, success: true, hintIndex: 0, hintTerm: 0 } as const;
  leader.receive('n3', { ...match, term: leader.status.term, matchIndex: 4 });
  assert.equal([leader.status.followers.find(({ id }) => id === 'n3')?.mode, wanted()], ['needsSnapshot', []]);
  leader.receive('n3', { ...match, term: leader.status.term, matchIndex: 10 });
  assert.is(leader.status.followers.find(({ id }) => id === 'n3')?.mode, 'replicate');
});

test('without the knowledge of a compaction an empty read of the log store tells', () => {
  const entries = entriesOf([1, 1, 1, 1], 1, 10);
  const more = { entries, hardState: { term: 1, vote: null }, appliedIndex: 4 };
  const cluster = new TestCluster(THREE, { recentLogBytes: 0 }, more);
  cluster.nodes.set('n3', new TestNode({ ...OPTIONS, id: 'n3' }, initialOf(THREE)));
  cluster.tick(0);
  const leader = cluster.elect('n1');
  assert.equal(leader.readLogs.length, 1);
  leader.step({ kind: 'logRead', peer: 'n3', prevIndex: 0, prevTerm: 0, entries: [] });
  leader.take();
  assert.equal(leader.snapshotRequests.splice(0), [{ peer: 'n3', minIndex: 1 }]);
  assert.throws(() => leader.step({ kind: 'compacted', index: 9, term: 1 }), /compacted/);
  assert.throws(() => leader.step({ kind: 'compacted', index: 4, term: 3 }), /compacted/);
});

test.run();
