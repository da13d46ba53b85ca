import { type Message, type NodeId, RaftCore } from '@quorate/consensus';
import { RaftDriver } from '@quorate/node';
import { MemoryDisk, MemoryLogStore } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { ELECTION_TIMEOUT_MS, HEARTBEAT_MS, initialOf, OPTIONS } from '../consensus/support/harness.ts';
import { batch, ManualClock, settle } from '../node/raft/support.ts';

/* Faults that other Raft engines had between their core, their disk and their network. The whole list is docs/pitfalls.md. */

const test = suite('pitfalls: runtime');
const IDS = ['n1', 'n2', 'n3'];
const STALL_MS = 3 * ELECTION_TIMEOUT_MS;

class Member {
  readonly id: NodeId;
  readonly disk: MemoryDisk;
  readonly clock = new ManualClock();
  readonly committed: number[] = [];
  readonly sent: { readonly to: NodeId; readonly message: Message }[] = [];
  readonly fatal: unknown[] = [];
  readonly driver: RaftDriver;

  constructor(id: NodeId, disk: MemoryDisk, log: MemoryLogStore) {
    this.id = id;
    this.disk = disk;
    const options = { ...OPTIONS, id, seed: Number(id.slice(1)) };
    this.driver = new RaftDriver({
      core: new RaftCore(options, initialOf(IDS)),
      log,
      clock: this.clock,
      limits: { stallAfterMs: STALL_MS },
      lastStampMs: 0,
      send: (to, message) => void this.sent.push({ to, message }),
      handlers: {
        onCommitted: (entries) => this.committed.push(...entries.map(({ index }) => index)),
        onStatus: () => undefined,
        onRead: () => undefined,
        onReadFailed: () => undefined,
        onFatal: (error) => this.fatal.push(error),
        onSlowWrite: () => undefined,
        onWriteDone: () => undefined,
      },
    });
  }

  static async start(id: NodeId): Promise<Member> {
    const disk = new MemoryDisk();
    const log = new MemoryLogStore(disk);
    await log.open();
    const member = new Member(id, disk, log);
    member.driver.start();
    return member;
  }
}

/** Three nodes with a disk each, a network that the test carries, and one clock for all. */
class Cluster {
  readonly members: readonly Member[];
  /** Which messages arrive. */
  passes: (from: NodeId, to: NodeId) => boolean = () => true;

  constructor(members: readonly Member[]) {
    this.members = members;
  }

  static async start(): Promise<Cluster> {
    return new Cluster(await Promise.all(IDS.map((id) => Member.start(id))));
  }

  /** Time passes, in steps of 5 ms; messages arrive at the end of each. */
  async run(forMs: number): Promise<void> {
    for (let ms = 0; ms < forMs; ms += 5) {
      for (const { clock } of this.members) await clock.tick(5);
      for (let at = 0; at < 6; at++) await this.#deliver();
    }
  }

  async #deliver(): Promise<void> {
    for (const from of this.members) {
      for (const { to, message } of from.sent.splice(0)) {
        const target = this.members.find(({ id }) => id === to);
        if (this.passes(from.id, to)) target?.driver.receive(from.id, message);
      }
    }
    for (const { clock } of this.members) while (!clock.idle) await clock.turn();
    await settle();
  }

  get leaders(): Member[] {
    return this.members.filter(({ driver }) => driver.status().role === 'leader');
  }

  async leader(): Promise<Member> {
    for (let tries = 0; tries < 50; tries++) {
      const [leader] = this.leaders;
      if (leader?.driver.status().termCommitted === true) return leader;
      await this.run(HEARTBEAT_MS);
    }
    throw new Error('no leader');
  }

  async stop(): Promise<void> {
    for (const { disk } of this.members) disk.release();
    await Promise.all(this.members.map(({ driver }) => driver.stop()));
    for (const { id, fatal } of this.members) assert.equal(fatal, [], id);
  }
}

const withCluster = (body: (cluster: Cluster) => Promise<void>) => async (): Promise<void> => {
  const cluster = await Cluster.start();
  try {
    await body(cluster);
  } finally {
    await cluster.stop();
  }
};

test(
  'etcd#13527, #15247: time goes on for a leader whose write hangs: it counts its quorum, and steps down without one',
  withCluster(async (cluster) => {
    const leader = await cluster.leader();
    leader.disk.stall();
    assert.ok(leader.driver.propose(batch('x')));
    await cluster.run(HEARTBEAT_MS);
    assert.is(leader.disk.writesInFlight, 1);
    cluster.passes = () => false;
    await cluster.run(ELECTION_TIMEOUT_MS + HEARTBEAT_MS);
    assert.is(leader.driver.status().role === 'leader', false);
    assert.is(leader.disk.writesInFlight, 1);
  }),
);

test(
  'hashicorp/raft#503, #612, #614, #666: a leader whose write hangs does not keep the others waiting by its heartbeats',
  withCluster(async (cluster) => {
    const old = await cluster.leader();
    old.disk.stall();
    assert.ok(old.driver.propose(batch('x')));
    await cluster.run(STALL_MS + 3 * ELECTION_TIMEOUT_MS);
    const [next, ...others] = cluster.leaders;
    assert.equal(others, []);
    assert.ok(next !== undefined && next !== old);
    assert.ok(next.driver.propose(batch('y')));
    const before = next.committed.length;
    await cluster.run(2 * HEARTBEAT_MS);
    assert.ok(next.committed.length > before, 'the others commit without the disk that hangs');
    // The disk comes back: its node is one of them again.
    old.disk.release();
    await cluster.run(5 * HEARTBEAT_MS);
    assert.equal(old.committed, next.committed);
  }),
);

test(
  'tikv#994: nothing is acknowledged to the leader before it is on the disk, so nothing is committed by it',
  withCluster(async (cluster) => {
    const leader = await cluster.leader();
    const followers = cluster.members.filter((member) => member !== leader);
    for (const { disk } of followers) disk.stall();
    const before = leader.committed.length;
    assert.ok(leader.driver.propose(batch('x')));
    await cluster.run(STALL_MS / 2);
    assert.is(leader.committed.length, before);
    followers[0]?.disk.release();
    await cluster.run(2 * HEARTBEAT_MS);
    assert.ok(leader.committed.length > before);
  }),
);

test(
  'consul#2893: a proposal that is lost with its leader is not proposed again behind the back of who made it',
  withCluster(async (cluster) => {
    const old = await cluster.leader();
    cluster.passes = (from, to) => from !== old.id && to !== old.id;
    old.disk.stall();
    // The first is in the log of the old leader; the second waits for the write in flight.
    for (const text of ['lost', 'lost too']) {
      assert.ok(old.driver.propose(batch(text)));
      await cluster.run(5);
    }
    assert.ok(old.driver.pendingProposalBytes > 0);
    await cluster.run(5 * ELECTION_TIMEOUT_MS);
    const [next] = cluster.leaders;
    assert.ok(next !== undefined && next !== old);
    old.disk.release();
    cluster.passes = () => true;
    await cluster.run(5 * ELECTION_TIMEOUT_MS);
    next.driver.transferLeadership(old.id);
    await cluster.run(5 * HEARTBEAT_MS);
    assert.equal(cluster.leaders, [old]);
    // A no-op of each of three terms, and nothing else.
    assert.equal([old.driver.status().lastIndex, old.committed, next.committed], [3, [1, 2, 3], [1, 2, 3]]);
  }),
);

test.run();
