import { type Entry, type NodeId, RaftCore } from '@quorate/consensus';
import { type PeerTransport, RaftDriver, realClock, splitBatches } from '@quorate/node';
import { MemoryDisk, MemoryLogStore } from '@quorate/storage';
import { assert, suite } from '../../../support/suite.ts';
import { waitFor } from '../../../support/wait.ts';
import { introduce, startNode, stopAll, type TestNode } from '../transport/support.ts';

const test = suite('raft driver, three nodes over loopback');
const IDS = ['n1', 'n2', 'n3'];
/** Long, so that a stall of the machine changes no leader, and a quick change is the work of the closed connection. */
const ELECTION_TIMEOUT_MS = 1_000;

interface Member {
  readonly id: NodeId;
  readonly node: TestNode;
  readonly driver: RaftDriver;
  readonly committed: Entry[];
  readonly reads: { id: number; index: number }[];
  readonly fatal: unknown[];
}

const members: Member[] = [];

test.after.each(async () => {
  await Promise.all(members.map((member) => member.driver.stop()));
  await stopAll();
  const fatal = members.splice(0).flatMap((member) => member.fatal);
  assert.equal(fatal, []);
});

async function startMember(id: NodeId, seed: number): Promise<Member> {
  const log = new MemoryLogStore(new MemoryDisk());
  const opened = await log.open();
  const core = new RaftCore(
    {
      id,
      group: 0,
      seed,
      electionTimeoutMs: ELECTION_TIMEOUT_MS,
      heartbeatIntervalMs: 50,
      maxAppendBytes: 1 << 20,
      maxInflightAppends: 64,
      maxInflightBytes: 8 << 20,
      recentLogBytes: 16 << 20,
      maxUncommittedBytes: 16 << 20,
    },
    {
      hardState: opened.hardState,
      configuration: { voters: IDS, learners: [], outgoing: [] },
      snapshotIndex: 0,
      snapshotTerm: 0,
      entries: opened.entries,
      appliedIndex: 0,
    },
  );
  const late: { transport: PeerTransport | null; driver: RaftDriver | null } = { transport: null, driver: null };
  const committed: Entry[] = [];
  const reads: Member['reads'] = [];
  const fatal: unknown[] = [];
  const driver = new RaftDriver({
    core,
    log,
    clock: realClock,
    lastStampMs: 0,
    send: (to, message) => void late.transport?.sendRaft(to, message),
    flush: () => late.transport?.flush(),
    handlers: {
      onCommitted: (entries) => committed.push(...entries),
      onStatus: () => undefined,
      onRead: (readId, index) => reads.push({ id: readId, index }),
      onReadFailed: () => undefined,
      onFatal: (error) => fatal.push(error),
      onSlowWrite: () => undefined,
      onWriteDone: () => undefined,
    },
  });
  const node = await startNode(id, {
    handlers: {
      onRaft: (from, message) => driver.receive(from, message),
      onDisconnected: (peer) => driver.peerLost(peer),
      onUnreachable: (peer) => driver.peerUnreachable(peer),
    },
  });
  late.transport = node.transport;
  const member = { id, node, driver, committed, reads, fatal };
  members.push(member);
  return member;
}

function leader(among: readonly Member[]): Promise<Member> {
  return waitFor(() => among.find(({ driver }) => driver.status().role === 'leader' && driver.status().termCommitted), {
    what: 'a leader',
    intervalMs: 2,
  });
}

function textsOf(member: Member): string[] {
  const batches = member.committed.filter((entry) => entry.type === 1).flatMap((entry) => splitBatches(entry.data));
  return batches.map((batch) => Buffer.from(batch).toString());
}

test('proposals commit everywhere in one order, and go on after the leader stops', async () => {
  const all = await Promise.all(IDS.map((id, at) => startMember(id, at + 1)));
  introduce(all.map(({ node }) => node));
  for (const { driver } of all) driver.start();
  const first = await leader(all);
  const expected = Array.from({ length: 2000 }, (_, at) => `batch ${String(at)}`);
  for (const text of expected) {
    assert.ok(first.driver.propose(Buffer.from(text)));
    if (text.endsWith('7')) await new Promise((resolve) => setImmediate(resolve));
  }
  await waitFor(() => all.every((member) => textsOf(member).length === expected.length), {
    what: 'all batches on all nodes',
    intervalMs: 5,
  });
  for (const member of all) assert.equal(textsOf(member), expected);
  assert.ok((first.committed.at(-1)?.index ?? 0) < 1000, 'batches share entries');
  assert.ok(first.committed.every((entry, at) => entry.stampMs >= (first.committed[at - 1]?.stampMs ?? 0)));

  const stoppedMs = performance.now();
  await Promise.all([first.driver.stop(), first.node.transport.stop()]);
  const rest = all.filter((member) => member !== first);
  const second = await leader(rest);
  assert.ok(performance.now() - stoppedMs < 0.9 * ELECTION_TIMEOUT_MS);
  assert.ok(second.driver.propose(Buffer.from('after')));
  await waitFor(() => rest.every((member) => textsOf(member).at(-1) === 'after'), {
    what: 'the next batch',
    intervalMs: 2,
  });
  for (const member of rest) assert.equal(textsOf(member), [...expected, 'after']);
});

test('a follower reads linearizably', async () => {
  const all = await Promise.all(IDS.map((id, at) => startMember(id, at + 11)));
  introduce(all.map(({ node }) => node));
  for (const { driver } of all) driver.start();
  const lead = await leader(all);
  const follower = all.find((member) => member !== lead);
  if (follower === undefined) throw new Error('no follower');
  lead.driver.propose(Buffer.from('a'));
  await waitFor(() => textsOf(lead).length === 1, { what: 'the commit', intervalMs: 2 });
  await waitFor(() => follower.driver.status().leader === lead.id, { what: 'the follower to know', intervalMs: 2 });
  const id = follower.driver.readIndex();
  const read = await waitFor(() => follower.reads.find((each) => each.id === id), { what: 'the read', intervalMs: 2 });
  assert.ok(read.index >= (lead.committed.at(-1)?.index ?? Number.POSITIVE_INFINITY));
});

test.run();
