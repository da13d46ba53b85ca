import { type AppendRequest, type Entry, EntryType, encodeConfiguration, type Message } from '@quorate/consensus';
import { assert, suite } from '../../support/suite.ts';
import { entriesOf, HEARTBEAT_MS, initialOf, OPTIONS, TestCluster, TestNode } from './support/harness.ts';

const test = suite('replication');
const THREE = ['n1', 'n2', 'n3'];

function append(prevIndex: number, prevTerm: number, entries: readonly Entry[], more: Partial<AppendRequest> = {}) {
  const message: AppendRequest = {
    kind: 'appendRequest',
    term: 9,
    prevIndex,
    prevTerm,
    commitIndex: 0,
    round: 0,
    entries,
    ...more,
  };
  return message;
}

function follower(terms: readonly number[], appliedIndex = 0): TestNode {
  const node = new TestNode(OPTIONS, initialOf(THREE, { entries: entriesOf(terms), appliedIndex }));
  node.step({ kind: 'tick', nowMs: 0 });
  node.take();
  return node;
}

/** Answers of one kind, narrowed. */
function answersOf<Kind extends Message['kind']>(sends: readonly { message: Message }[], kind: Kind) {
  return sends
    .map(({ message }) => message)
    .filter((message): message is Extract<Message, { kind: Kind }> => message.kind === kind);
}

const success = (matchIndex: number, term = 1): Message => ({
  kind: 'appendResponse',
  term,
  round: 0,
  success: true,
  matchIndex,
  hintIndex: 0,
  hintTerm: 0,
});

/** A leader whose followers n2 and n3 are played by the test, caught up with its no-op. */
function leaderOf(options: Partial<typeof OPTIONS> = {}): TestNode {
  const node = new TestNode({ ...OPTIONS, ...options }, initialOf(THREE));
  for (; node.status.role === 'follower'; node.nowMs++) node.step({ kind: 'tick', nowMs: node.nowMs });
  node.receive('n2', { kind: 'voteResponse', term: 1, preVote: true, granted: true });
  node.receive('n2', { kind: 'voteResponse', term: 1, preVote: false, granted: true });
  for (const id of ['n2', 'n3']) node.receive(id, success(1));
  assert.equal([node.status.role, node.status.commitIndex], ['leader', 1]);
  return node;
}

test('opens the term with a no-op and commits on a quorum, everywhere at once (section 3.5, 6.4)', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  assert.ok(leader.status.termCommitted);
  leader.propose(3, 500);
  cluster.settle();
  // No time has passed: news of the commit does not wait for the next heartbeat.
  for (const node of cluster.nodes.values()) {
    assert.equal(
      node.committed.map((entry) => [entry.index, entry.type, entry.stampMs, entry.data.length]),
      [
        [1, EntryType.noop, 0, 0],
        [2, EntryType.data, 500, 3],
      ],
    );
  }
});

test('news of a commit costs one message per follower, none when an append carries it', () => {
  const leader = leaderOf();
  leader.propose();
  leader.take();
  const sends = leader.receive('n2', success(2));
  assert.equal(
    answersOf(sends, 'heartbeat').map((each) => each.commitIndex),
    [2],
  );
  assert.equal(leader.receive('n2', success(2)), []);
  // n3 learns it as soon as it holds the entry.
  assert.equal(
    answersOf(leader.receive('n3', success(2)), 'heartbeat').map((each) => each.commitIndex),
    [2],
  );
  leader.propose();
  leader.take();
  leader.propose();
  leader.step({ kind: 'message', from: 'n2', message: success(3) });
  const kinds = leader.take().map(({ to, message }) => [to, message.kind]);
  assert.equal(kinds, [
    ['n2', 'appendRequest'],
    ['n3', 'appendRequest'],
  ]);
});

test('stamps never fall', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  for (const stampMs of [500, 300, 700]) leader.propose(1, stampMs);
  cluster.settle();
  leader.step({ kind: 'transferLeadership', to: 'n2' });
  cluster.settle();
  assert.equal(
    cluster.node('n3').committed.map((entry) => entry.stampMs),
    [0, 500, 500, 700, 700],
  );
});

test('several proposals of one turn travel in one append and one write', () => {
  const leader = leaderOf();
  leader.manualDisk = true;
  for (let count = 0; count < 5; count++) leader.propose();
  const appends = answersOf(leader.take(), 'appendRequest');
  assert.equal(
    appends.map((message) => message.entries.length),
    [5, 5],
  );
  assert.equal(
    leader.writes.map((write) => write.entries.length),
    [5],
  );
});

test('pipelines appends up to the window by count', () => {
  const leader = leaderOf({ maxAppendBytes: 32 + 100 });
  for (let count = 0; count < 7; count++) leader.propose(100);
  const toSecond = leader.take().filter(({ to }) => to === 'n2');
  assert.equal(
    answersOf(toSecond, 'appendRequest').map((each) => each.prevIndex),
    [1, 2, 3, 4],
  );
  leader.propose(100);
  assert.equal(leader.take(), []);
  const more = answersOf(leader.receive('n2', success(3)), 'appendRequest');
  assert.equal(
    more.map((each) => each.prevIndex),
    [5, 6],
  );
  assert.is(leader.status.followers[0]?.matchIndex, 3);
});

test('pipelines appends up to the window by bytes', () => {
  const leader = leaderOf({ maxAppendBytes: 500, maxInflightBytes: 1000, maxInflightAppends: 100 });
  for (let count = 0; count < 9; count++) leader.propose(468);
  const toSecond = leader.take().filter(({ to }) => to === 'n2');
  assert.is(toSecond.length, 2);
  // An entry greater than every limit still passes, alone.
  const big = leaderOf({ maxAppendBytes: 500, maxInflightBytes: 600 });
  big.propose(9000);
  assert.is(answersOf(big.take(), 'appendRequest')[0]?.entries.length, 1);
});

test('refuses proposals beyond the uncommitted limit, and counts them', () => {
  const leader = leaderOf({ maxUncommittedBytes: 1000 });
  for (let count = 0; count < 5; count++) leader.propose(468);
  assert.equal([leader.core.canPropose(), leader.status.lastIndex, leader.core.rejectedProposals], [false, 4, 2]);
  leader.take();
  leader.receive('n2', success(4));
  assert.ok(leader.core.canPropose());
  const node = follower([]);
  node.propose();
  assert.equal([node.core.canPropose(), node.core.rejectedProposals], [false, 1]);
});

test('a follower acknowledges only what is durable', () => {
  const node = follower([]);
  node.manualDisk = true;
  assert.equal(node.receive('n2', append(0, 0, entriesOf([1, 1]))), []);
  // A duplicate, while the write is in flight, promises nothing either.
  assert.equal(node.receive('n2', append(0, 0, entriesOf([1, 1]))), []);
  node.finishWrite();
  const answers = answersOf(node.take(), 'appendResponse');
  assert.equal(
    answers.map((each) => [each.success, each.matchIndex]),
    [
      [true, 2],
      [true, 2],
    ],
  );
  assert.is(answersOf(node.receive('n2', append(0, 0, entriesOf([1, 1]))), 'appendResponse')[0]?.matchIndex, 2);
});

test('a leader counts itself only when its own write is durable, and commits through the others before', () => {
  const leader = leaderOf();
  leader.manualDisk = true;
  leader.propose();
  leader.take();
  leader.receive('n2', success(2));
  assert.is(leader.status.commitIndex, 1);
  leader.receive('n3', success(2));
  assert.is(leader.status.commitIndex, 2);
  // Handed out only when durable here too: applied state must not run ahead of this node's own log.
  assert.is(leader.committed.length, 1);
  leader.finishWrite();
  leader.take();
  assert.is(leader.committed.length, 2);
});

test('does not commit entries of older terms by counting (section 3.6.2, figure 8)', () => {
  const cluster = new TestCluster(THREE, {}, { entries: entriesOf([1, 1]), hardState: { term: 1, vote: null } });
  cluster.passes = (_from, _to, message) => message.kind !== 'appendRequest' || message.entries.length === 0;
  const leader = cluster.elect('n1');
  // The followers hold entries 1 and 2, but nobody the no-op of term 2.
  leader.receive('n2', success(2, 2));
  leader.receive('n3', success(2, 2));
  assert.equal([leader.status.commitIndex, leader.status.termCommitted], [0, false]);
  leader.receive('n2', success(3, 2));
  assert.is(leader.status.commitIndex, 3);
});

/** Figure 7 of the Raft paper: the leader of term 8 and six logs that differ from its own. */
const FIGURE_7: readonly (readonly number[])[] = [
  [1, 1, 1, 4, 4, 5, 5, 6, 6],
  [1, 1, 1, 4],
  [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
  [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
  [1, 1, 1, 4, 4, 4, 4],
  [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
];

test('brings every log of figure 7 in line, in few round trips', () => {
  const leaderTerms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  for (const terms of FIGURE_7) {
    const cluster = new TestCluster(THREE);
    const hardState = { term: 7, vote: null };
    for (const [id, log] of [
      ['n1', leaderTerms],
      ['n2', terms],
      ['n3', leaderTerms],
    ] as const) {
      cluster.nodes.set(id, new TestNode({ ...OPTIONS, id }, initialOf(THREE, { hardState, entries: entriesOf(log) })));
    }
    cluster.tick(0);
    cluster.elect('n1');
    assert.equal(
      cluster.node('n2').log.map((entry) => entry.term),
      [...leaderTerms, 8],
      terms.join(),
    );
    const probes = cluster.trace.filter(({ to, message }) => to === 'n2' && message.kind === 'appendRequest');
    assert.ok(probes.length <= 5, `${probes.length} appends for ${terms.join()}`);
    assert.equal(
      cluster.node('n2').committed.map((entry) => entry.term),
      [...leaderTerms, 8],
    );
  }
});

test('a delayed shorter append does not truncate (Raft paper, figure 2)', () => {
  const node = follower([1, 1, 1]);
  node.receive('n2', append(0, 0, entriesOf([1, 1]), { commitIndex: 3 }));
  assert.equal([node.status.lastIndex, node.status.commitIndex], [3, 2]);
});

test('never touches what is committed', () => {
  const node = follower([1, 1, 1], 2);
  assert.throws(() => node.receive('n2', append(1, 1, entriesOf([5], 2))), /committed entry 2/);
  assert.throws(() => follower([1, 1], 2).receive('n2', append(2, 5, [])), /committed entry 2/);
});

test('refuses appends that are not contiguous, and commits beyond its log', () => {
  assert.throws(() => follower([1]).receive('n2', append(1, 1, entriesOf([1], 3))), /append/);
  assert.throws(() => follower([1]).receive('n2', append(1, 1, entriesOf([10], 2))), /append/);
  const heartbeat = { kind: 'heartbeat', term: 9, commitIndex: 5, round: 0 } as const;
  assert.throws(() => follower([1]).receive('n2', heartbeat), /beyond the log/);
});

test('a lost append is found by the next heartbeat and sent again', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  cluster.passes = (_from, to, message) => to !== 'n2' || message.kind !== 'appendRequest';
  leader.propose();
  cluster.settle();
  cluster.passes = () => true;
  cluster.tick(4 * HEARTBEAT_MS);
  assert.is(cluster.node('n2').committed.length, 2);
});

test('a lost answer is made up for', () => {
  const cluster = new TestCluster(['n1', 'n2']);
  const leader = cluster.elect('n1');
  cluster.passes = (_from, _to, message) => message.kind !== 'appendResponse';
  leader.propose();
  cluster.settle();
  cluster.passes = () => true;
  cluster.tick(4 * HEARTBEAT_MS);
  assert.is(leader.status.commitIndex, 2);
});

test('a peer that was unreachable since the term began is probed at the end of the log, not where it was compacted', () => {
  const initial = initialOf(THREE, { snapshotIndex: 10, snapshotTerm: 1, appliedIndex: 10 });
  const leader = new TestNode(OPTIONS, { ...initial, hardState: { term: 1, vote: null } });
  for (; leader.status.role === 'follower'; leader.nowMs++) leader.step({ kind: 'tick', nowMs: leader.nowMs });
  leader.receive('n3', { kind: 'voteResponse', term: 2, preVote: true, granted: true });
  leader.receive('n3', { kind: 'voteResponse', term: 2, preVote: false, granted: true });
  leader.step({ kind: 'peerUnreachable', peer: 'n2' });
  leader.step({ kind: 'tick', nowMs: (leader.nowMs += HEARTBEAT_MS) });
  leader.take();
  const [probe] = answersOf(leader.receive('n2', { kind: 'heartbeatResponse', term: 2, round: 0 }), 'appendRequest');
  assert.is(probe?.prevIndex, 10);
  assert.equal(leader.readLogs, [], 'nothing is asked of a log that does not hold it any more');
  assert.equal(leader.status.followers.find(({ id }) => id === 'n2')?.mode, 'probe');
});

test('an unreachable peer gets no stream until it answers a heartbeat', () => {
  const leader = leaderOf();
  leader.step({ kind: 'peerUnreachable', peer: 'n2' });
  leader.propose();
  assert.equal(
    leader.take().map(({ to }) => to),
    ['n3'],
  );
  leader.step({ kind: 'tick', nowMs: (leader.nowMs += HEARTBEAT_MS) });
  leader.take();
  const sends = leader.receive('n2', { kind: 'heartbeatResponse', term: 1, round: 0 });
  const [probe] = answersOf(sends, 'appendRequest');
  assert.equal([probe?.prevIndex, probe?.entries.length], [1, 0]);
  const [stream] = answersOf(leader.receive('n2', success(1)), 'appendRequest');
  assert.equal([stream?.prevIndex, stream?.entries.length], [1, 1]);
});

test('a follower far behind is fed from the log store', () => {
  const entries = entriesOf(new Array<number>(40).fill(1), 1, 100);
  const more = { entries, hardState: { term: 1, vote: null }, appliedIndex: 40 };
  const cluster = new TestCluster(THREE, { recentLogBytes: 500 }, more);
  const late = new TestNode({ ...OPTIONS, id: 'n3', recentLogBytes: 500 }, initialOf(THREE));
  cluster.nodes.set('n3', late);
  cluster.tick(0);
  const leader = cluster.elect('n1');
  for (let turns = 0; turns < 50 && late.committed.length < 41; turns++) {
    assert.ok(leader.readLogs.length <= 1, 'one read at a time');
    for (const { peer, fromIndex, maxBytes } of leader.readLogs.splice(0)) {
      assert.equal([peer, maxBytes], ['n3', OPTIONS.maxAppendBytes]);
      assert.is(leader.status.followers.find(({ id }) => id === 'n3')?.mode, 'readingLog');
      const prevTerm = leader.log[fromIndex - 2]?.term ?? 0;
      const read = leader.log.slice(fromIndex - 1, fromIndex + 5);
      leader.step({ kind: 'logRead', peer, prevIndex: fromIndex - 1, prevTerm, entries: read });
    }
    cluster.settle();
  }
  assert.equal(late.log, leader.log);
  assert.is(late.committed.length, 41);
});

test('an answer to a read of an earlier leadership is not used', () => {
  const entries = entriesOf([1, 1, 1, 1], 1, 100);
  const more = { entries, hardState: { term: 1, vote: null }, appliedIndex: 4 };
  const leader = new TestNode({ ...OPTIONS, recentLogBytes: 0 }, initialOf(THREE, more));
  const lead = (term: number): void => {
    leader.step({ kind: 'peerLost', peer: 'n2' });
    for (; leader.status.role !== 'preCandidate'; leader.nowMs++) leader.step({ kind: 'tick', nowMs: leader.nowMs });
    leader.receive('n2', { kind: 'voteResponse', term, preVote: true, granted: true });
    leader.receive('n2', { kind: 'voteResponse', term, preVote: false, granted: true });
    const behind = { kind: 'appendResponse', term, round: 0, success: false, hintIndex: 1, hintTerm: 1 } as const;
    leader.receive('n3', { ...behind, matchIndex: leader.status.lastIndex - 1 });
  };
  lead(2);
  assert.is(leader.readLogs.length, 1);
  leader.receive('n2', { kind: 'heartbeatResponse', term: 3, round: 0 });
  lead(4);
  // Still the old read is outstanding, and the driver is not asked twice.
  assert.is(leader.readLogs.length, 1);
  const stale = entriesOf([9, 9], 2, 1);
  leader.step({ kind: 'logRead', peer: 'n3', prevIndex: 1, prevTerm: 1, entries: stale });
  assert.equal(leader.take(), []);
  assert.is(leader.readLogs.length, 2);
});

test('hands committed entries out once, again only from the applied index after a restart', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  for (let count = 0; count < 5; count++) leader.propose();
  cluster.settle();
  const node = cluster.node('n2');
  assert.equal(
    node.committed.map((entry) => entry.index),
    [1, 2, 3, 4, 5, 6],
  );
  node.restart(4);
  cluster.tick(3 * HEARTBEAT_MS);
  assert.equal(
    node.committed.map((entry) => entry.index),
    [5, 6],
  );
  assert.throws(() => node.step({ kind: 'applied', index: 7 }), /handed out/);
});

test('hands out committed entries in bounded portions', () => {
  const entries = entriesOf([1, 1, 1, 1, 1, 1], 1, 68);
  const node = new TestNode({ ...OPTIONS, maxCommittedBytesPerTake: 250 }, initialOf(THREE, { entries }));
  node.step({ kind: 'message', from: 'n2', message: append(6, 1, [], { commitIndex: 5 }) });
  const portion = (holdCommitted = false) => {
    const options = { holdWrite: true, holdCommitted };
    const { committed } = node.core.takeOutputs(options);
    return [committed.map((entry) => entry.index), node.core.hasOutputs(options)];
  };
  assert.equal(portion(true), [[], false]);
  assert.equal(portion(), [[1, 2], true]);
  assert.equal(portion(), [[3, 4], true]);
  assert.equal(portion(), [[5], false]);
  const large = new TestNode({ ...OPTIONS, maxCommittedBytesPerTake: 1 }, initialOf(THREE, { entries }));
  large.step({ kind: 'message', from: 'n2', message: append(6, 1, [], { commitIndex: 2 }) });
  assert.is(large.core.takeOutputs().committed.length, 1);
});

test('learners receive everything and do not count', () => {
  const configuration = { voters: THREE, learners: ['n4'], outgoing: [] };
  const cluster = new TestCluster(THREE, {}, { configuration });
  const leader = cluster.elect('n1');
  leader.propose();
  cluster.settle();
  assert.is(cluster.node('n4').committed.length, 2);
  assert.is(cluster.node('n4').status.role, 'learner');
  assert.not.ok(cluster.kinds('n1', 'n4').includes('voteRequest'));
  cluster.passes = (_from, to) => to === 'n4' || to === 'n1';
  leader.propose();
  cluster.settle();
  assert.is(leader.status.commitIndex, 2);
});

test('a joint configuration commits with both majorities only (section 4.3), and is left by itself', () => {
  const configuration = { voters: ['n1', 'n2', 'n3'], learners: [], outgoing: ['n3', 'n4', 'n5'] };
  const cluster = new TestCluster(['n1', 'n2', 'n3', 'n4', 'n5'], {}, { configuration });
  const isElection = (message: Message) => message.kind === 'voteRequest' || message.kind === 'voteResponse';
  cluster.passes = (from, to, message) => isElection(message) || ![from, to].some((id) => id === 'n4' || id === 'n5');
  const leader = cluster.elect('n1');
  leader.propose();
  cluster.settle();
  assert.is(leader.status.commitIndex, 0);
  assert.ok(leader.status.joint);
  cluster.passes = (from, to) => ![from, to].some((id) => id === 'n5');
  cluster.tick(4 * HEARTBEAT_MS);
  assert.equal(leader.status.configuration, { voters: ['n1', 'n2', 'n3'], learners: [], outgoing: [] });
  assert.is(leader.status.commitIndex, 3);
});

test('a configuration is in force when appended and goes when truncated (section 4.1)', () => {
  const node = follower([1]);
  const next = { voters: ['n1', 'n2', 'n3', 'n4'], learners: ['n5'], outgoing: ['n1', 'n2', 'n3'] };
  const entry = { index: 2, term: 9, type: EntryType.config, stampMs: 0, data: encodeConfiguration(next) };
  node.receive('n2', append(1, 1, [entry]));
  assert.equal(node.status.configuration, next);
  assert.equal(node.statuses.at(-1)?.configuration, next);
  node.receive('n3', append(1, 1, entriesOf([10], 2), { term: 10 }));
  assert.equal(node.status.configuration.voters, THREE);
  const restarted = new TestNode(OPTIONS, initialOf(THREE, { entries: [...entriesOf([1]), { ...entry, term: 1 }] }));
  assert.equal(restarted.status.configuration, next);
});

test('a restarted cluster finds its log', () => {
  const cluster = new TestCluster(THREE);
  const leader = cluster.elect('n1');
  for (let count = 0; count < 3; count++) leader.propose();
  cluster.settle();
  for (const node of cluster.nodes.values()) node.restart();
  cluster.tick(0);
  cluster.elect('n3');
  for (const node of cluster.nodes.values()) assert.is(node.committed.length, 5);
});

test.run();
