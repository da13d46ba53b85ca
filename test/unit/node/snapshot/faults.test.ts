import { seedFor } from '../../../support/seed.ts';
import { assert, note, suite } from '../../../support/suite.ts';
import {
  assertSame,
  connect,
  type Link,
  type LinkFaults,
  ReceivingNode,
  SendingNode,
  Source,
  VirtualTime,
  WINDOW,
} from './support.ts';

const test = suite('snapshots under faults');

const RUNS = 16;
const MIB = 1 << 20;
const FAULTY_MS = 25_000;
const HEALED_LIMIT_MS = 240_000;
const HEARTBEAT_MS = 100;

const sources: Source[] = [];

test.before(async () => {
  for (const [index, sizeBytes] of [
    [100, 3 * MIB],
    [160, 11 * MIB],
  ] as const) {
    const source = await Source.at(index, sizeBytes);
    await source.dump(0);
    sources.push(source);
  }
});

/** Asks as a core does: once per need, and again when a stream failed and the follower still answers. */
class LeaderModel {
  readonly node: SendingNode;
  requests = 0;
  term = 0;
  #asked = new Set<string>();
  #time: VirtualTime;
  #followers: readonly ReceivingNode[];

  constructor(id: string, source: Source, time: VirtualTime, followers: readonly ReceivingNode[]) {
    this.node = new SendingNode(id, time, source);
    this.#time = time;
    this.#followers = followers;
    this.node.onReport = ({ peer }) => {
      assert.ok(this.#asked.delete(peer), `a report about ${peer} that nobody asked for`);
    };
    time.every(HEARTBEAT_MS, () => this.#heartbeat());
  }

  get unanswered(): number {
    return this.#asked.size;
  }

  lead(term: number): void {
    this.term = term;
  }

  stepDown(): void {
    this.term = 0;
    this.#asked.clear();
    this.node.sender.stepDown();
  }

  async restart(): Promise<void> {
    this.term = 0;
    this.#asked.clear();
    await this.node.restart();
  }

  #heartbeat(): void {
    if (this.term === 0) return;
    for (const { id, committedIndex } of this.#followers) {
      if (committedIndex >= 50 || this.node.links.get(id)?.connected !== true) continue;
      const again = this.#asked.has(id);
      // A need that is reported again, with a log that goes back less far.
      if (again && !this.#time.chance(0.02)) continue;
      if (!again) this.requests += 1;
      this.#asked.add(id);
      this.node.sender.request(id, this.#time.integer(40, 60), this.term);
    }
  }
}

/** Lost, delayed, cut and crashed at random, then all is well: what became of it? */
async function run(seed: number): Promise<void> {
  const time = new VirtualTime(seed);
  const faults: LinkFaults = {
    dropPerMille: time.pick([0, 20, 100]),
    refusePerMille: time.pick([0, 50, 300]),
    maxDelayMs: time.pick([40, 400, 1_500]),
  };
  const followers = ['n3', 'n4'].map((id) => new ReceivingNode(id, time));
  for (const follower of followers) follower.installMs = time.pick([0, 2_500]);
  const leaders = sources.map((source, i) => new LeaderModel(`n${i + 1}`, source, time, followers));
  const links: Link[] = [];
  for (const { node } of leaders) for (const each of followers) links.push(connect(time, faults, node, each));
  let term = 1;
  time.pick(leaders).lead(term);
  for (const endMs = time.nowMs + FAULTY_MS; time.nowMs < endMs; ) {
    await time.pass(time.integer(1, 1_500));
    await disturb(time, { leaders, followers, links }, () => ++term);
  }
  for (const link of links) link.join();
  faults.dropPerMille = 0;
  faults.refusePerMille = 0;
  for (const leader of leaders) leader.stepDown();
  const last = time.pick(leaders);
  last.lead(++term);
  const done = () => followers.every(({ installs }) => installs > 0) && last.unanswered === 0;
  await time.until(done, HEALED_LIMIT_MS, 'everybody has a snapshot and every request its report');
  await check(time, leaders, followers);
}

interface World {
  readonly leaders: readonly LeaderModel[];
  readonly followers: readonly ReceivingNode[];
  readonly links: readonly Link[];
}

async function disturb(time: VirtualTime, { leaders, followers, links }: World, nextTerm: () => number): Promise<void> {
  switch (time.integer(0, 5)) {
    case 0:
    case 1:
      return time.pick(links).cut();
    case 2:
    case 3:
      for (const link of links) if (time.chance(0.7)) link.join();
      return;
    case 4:
      return await time.pick(followers).crash();
    default: {
      const leader = time.pick(leaders);
      if (time.chance(0.5)) await leader.restart();
      // The one before does not know at once that it leads no more.
      leader.lead(nextTerm());
    }
  }
}

async function check(
  time: VirtualTime,
  leaders: readonly LeaderModel[],
  followers: readonly ReceivingNode[],
): Promise<void> {
  for (const { node } of leaders) {
    assert.equal(node.fatal, []);
    assert.ok(node.mostUnacknowledged <= WINDOW, `${node.mostUnacknowledged} bytes unacknowledged`);
    await node.sender.stop();
    const { length } = node.reports;
    await node.sender.stop();
    assert.is(node.reports.length, length);
  }
  for (const { committedIndex, records, fatal, receiver } of followers) {
    const source = sources.find((_, i) => committedIndex === [100, 160][i]);
    assertSame(records, source?.records ?? []);
    // A crashed store fails, but its process has ended with it.
    assert.equal(fatal, []);
    await time.through(receiver.stop());
  }
}

test(
  'what is installed is what was sent, and each request has exactly one report',
  async () => {
    const first = seedFor('snapshots under faults');
    for (let i = 0; i < RUNS; i++) {
      const seed = (first + i) >>> 0;
      try {
        await run(seed);
      } catch (error) {
        note(`seed ${seed}`);
        throw error;
      }
    }
  },
  { timeoutMs: 120_000 },
);

test.run();
