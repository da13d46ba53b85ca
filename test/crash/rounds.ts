import { existsSync, watch } from 'node:fs';
import { join } from 'node:path';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { type Random, seededRandom } from '../support/random.ts';
import { SteadyLoad } from '../support/steady-load.ts';

/*
 * Rounds of `kill -9` against a cluster under load: whom, how many and when is drawn from a seed; what the others do in
 * between depends on the machine. After every round all nodes are up, and nothing acknowledged is lost.
 */

/** What a round kills in the middle of. */
export type RoundKind = 'append' | 'checkpoint' | 'snapshot' | 'membership' | 'start';

/** What came of one round. */
export interface Round {
  readonly kind: RoundKind;
  /** Processes killed. */
  readonly kills: number;
  /** Most of them at the same moment. */
  readonly atOnce: number;
  /** The longest time that a publisher waited for an acknowledgement. */
  readonly gapMs: number;
  /** Messages whose fate was checked. */
  readonly messages: number;
  readonly durationMs: number;
}

const MIB = 1024 * 1024;
const MESSAGE_BYTES = 2_000;
/** Log that a node must miss to need a snapshot: what is kept in memory, and some more. */
const AWAY_BYTES = 1.5 * MIB;
const READY_MS = 45_000;
const EXTRA = 'n4';
/** Signs of lost or damaged data, which no crash may leave behind. */
const NEVER = /neither votes nor acknowledges|differs from that of this node|INVARIANT|"level":"fatal"/;

/** A cluster of three, and a fourth node that comes and goes. */
export class CrashCluster {
  private readonly cluster: TestCluster;
  private readonly extra: NodeProcess;
  private readonly random: Random;
  private readonly load: SteadyLoad;
  private kills = 0;
  private atOnce = 0;

  private constructor(cluster: TestCluster, extra: NodeProcess, random: Random, load: SteadyLoad) {
    this.cluster = cluster;
    this.extra = extra;
    this.random = random;
    this.load = load;
  }

  static async start(seed: number): Promise<CrashCluster> {
    const checkpoint = { intervalMs: 100, compactEntries: 1, keepLogBytes: 0 };
    const config = { serving: { leaseMs: 700 }, checkpoint, raft: { recentLogBytes: MIB } };
    const cluster = await startCluster({ config, readyTimeoutMs: READY_MS });
    const homes = [...cluster.nodes];
    const extra = await cluster.add(EXTRA);
    await extra.start();
    const load = await SteadyLoad.start({
      ...{ name: 'crash', nodes: homes, pauseMs: 10, window: 3, paddingBytes: MESSAGE_BYTES },
    });
    return new CrashCluster(cluster, extra, seededRandom(seed), load);
  }

  async stop(): Promise<void> {
    await this.cluster.stopAll();
  }

  /** State and last log lines of every node. */
  describe(): string {
    return this.cluster.describe();
  }

  /** How often a node took its state from a snapshot. */
  get snapshotsInstalled(): number {
    return this.cluster.nodes.reduce((sum, node) => sum + node.logs().split(' is installed"').length - 1, 0);
  }

  /** One round from the first kill to the check. @throws when anything is lost, or a node does not come back */
  async round(kind: RoundKind): Promise<Round> {
    const startedAtMs = performance.now();
    [this.kills, this.atOnce] = [0, 0];
    await this[kind]();
    await Promise.all(this.nodes.filter((node) => !node.isRunning()).map((node) => node.start()));
    await this.waitReady();
    await this.load.goesOn(this.load.publishers, READY_MS);
    const gapMs = this.load.longestGapMs(startedAtMs, performance.now());
    const messages = await this.load.verify(READY_MS);
    for (const node of this.nodes) {
      const sign = NEVER.exec(node.logs());
      if (sign !== null) throw new Error(`${node.id} says "${sign[0]}" after nothing but kills`);
    }
    const { kills, atOnce } = this;
    return { kind, kills, atOnce, gapMs, messages, durationMs: performance.now() - startedAtMs };
  }

  private get nodes(): readonly NodeProcess[] {
    return this.cluster.nodes;
  }

  private async waitReady(): Promise<void> {
    const members = await this.membersNow();
    await this.cluster.waitReady(members.includes(EXTRA) ? undefined : ['n1', 'n2', 'n3'], READY_MS);
  }

  private async membersNow(): Promise<string[]> {
    const look = async (): Promise<string[] | undefined> => {
      const leader = this.cluster.node(await this.cluster.leader({ timeoutMs: READY_MS }));
      return (await this.cluster.members(leader))?.map((each) => each.id);
    };
    return waitFor(look, { what: 'the members', timeoutMs: READY_MS });
  }

  private async kill(...victims: readonly NodeProcess[]): Promise<void> {
    const alive = [...new Set(victims)].filter((node) => node.isRunning());
    this.kills += alive.length;
    this.atOnce = Math.max(this.atOnce, alive.length);
    await Promise.all(alive.map((node) => node.kill('SIGKILL')));
  }

  /** One, two or all of the nodes, mostly few. */
  private victims(): NodeProcess[] {
    const draw = this.random.below(10);
    const count = draw < 5 ? 1 : draw < 8 ? 2 : this.nodes.length;
    return this.random.shuffled(this.nodes).slice(0, count);
  }

  private async append(): Promise<void> {
    await this.random.pause(20, 400);
    await this.kill(...this.victims());
    await this.random.pause(0, 1_000);
  }

  /** Kills when the state store is being written. */
  private async checkpoint(): Promise<void> {
    const [watched] = this.random.shuffled(this.nodes.slice(0, 3)) as [NodeProcess];
    await fileEvent(watched.dataDir, /^(state|log)/);
    await this.random.pause(0, 5);
    await this.kill(watched, ...this.victims());
  }

  /** Again while nodes open their stores and replay. */
  private async start(): Promise<void> {
    const victims = this.victims();
    await this.kill(...victims);
    for (let again = this.random.between(1, 2); again > 0; again--) {
      await Promise.all(victims.map((node) => node.start()));
      await this.random.pause(200, 1_500);
      await this.kill(...victims);
    }
  }

  /** A node is away until the others have no log for it any more; then the receiver or the sender is killed. */
  private async snapshot(): Promise<void> {
    const leader = await this.cluster.leader({ timeoutMs: READY_MS });
    const others = this.nodes.slice(0, 3).filter((node) => node.id !== leader);
    const [receiver] = this.random.shuffled(others) as [NodeProcess];
    await this.kill(receiver);
    const from = this.load.acked;
    const enough = (): boolean => (this.load.acked - from) * MESSAGE_BYTES > AWAY_BYTES;
    await waitFor(enough, { what: 'enough log', timeoutMs: READY_MS });
    await receiver.start();
    const part = join(receiver.dataDir, 'snapshots-0', 'incoming.part');
    const arrives = waitFor(() => existsSync(part), { what: 'a snapshot', timeoutMs: 8_000, intervalMs: 2 });
    // It may be so short that it is not seen, or the log may have sufficed.
    await arrives.catch(() => {});
    await this.random.pause(0, 40);
    const sender = this.cluster.node(await this.cluster.leader({ timeoutMs: READY_MS }));
    const draw = this.random.below(4);
    await this.kill(...(draw < 2 ? [receiver] : draw === 2 ? [sender] : [receiver, sender]));
  }

  /** The fourth node joins or leaves, and somebody is killed meanwhile; then the change is asked for until it is done. */
  private async membership(): Promise<void> {
    const joins = !(await this.membersNow()).includes(EXTRA);
    const asked = this.ask(joins);
    await this.random.pause(0, 300);
    const [victim] = this.random.shuffled(this.nodes) as [NodeProcess];
    await this.kill(victim);
    await victim.start();
    const done = async (): Promise<boolean> => {
      const leader = this.cluster.node(await this.cluster.leader());
      const extra = (await this.cluster.members(leader))?.find((each) => each.id === EXTRA);
      if (joins ? extra?.voter === true : extra === undefined) return true;
      if (joins !== (extra !== undefined)) await this.ask(joins);
      return false;
    };
    await waitFor(done, { what: `${EXTRA} to ${joins ? 'join' : 'leave'}`, timeoutMs: READY_MS, intervalMs: 250 });
    await asked;
  }

  /** The answer may be lost with the node that is asked. */
  private async ask(joins: boolean): Promise<void> {
    const [node] = this.cluster.live() as [NodeProcess];
    const peer = `127.0.0.1:${String(this.extra.peerPort)}`;
    const answer = joins
      ? node.send('POST', '/api/v1/members', { id: EXTRA, peer })
      : node.send('DELETE', `/api/v1/members/${EXTRA}`);
    await answer.catch(() => {});
  }
}

/** Resolves when something changes below a folder whose path there matches; at the latest after a second. */
async function fileEvent(folder: string, pattern: RegExp): Promise<void> {
  await new Promise<void>((done) => {
    const watcher = watch(folder, { recursive: true }, (_kind, name) => {
      if (name !== null && pattern.test(name)) finish();
    });
    const timer = setTimeout(() => finish(), 1_000);
    const finish = (): void => {
      clearTimeout(timer);
      watcher.close();
      done();
    };
    watcher.on('error', finish);
  });
}

/** Kinds in the order in which rounds take turns, so that every one comes with few rounds, too. */
export const KINDS: readonly RoundKind[] = ['append', 'snapshot', 'checkpoint', 'membership', 'start', 'append'];
