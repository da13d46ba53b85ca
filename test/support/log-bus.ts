import {
  type AccessControl,
  type AppliedEntry,
  type BrokerLimits,
  type BrokerLog,
  type Connection,
  NOBODY,
  writeCheckpoint,
  writeNodeDown,
  writeTick,
} from '@quorate/broker';
import { FakeClient, FakeSocket, type Version } from './log-bus-client.ts';
import { BusNode } from './log-bus-node.ts';
import { Scheduler } from './scheduler.ts';
import { assert } from './suite.ts';

export interface LogBusOptions {
  readonly seed?: number;
  readonly nodeIds?: readonly string[];
  /** Of batches, leases, releases and QoS 0 between nodes. */
  readonly lossRate?: number;
  readonly duplicateRate?: number;
  /** Between nodes, from 1 ms: different for every message, so they overtake each other. */
  readonly maxDelayMs?: number;
  /** From the commit of an entry to its application on another node. */
  readonly maxApplyDelayMs?: number;
  readonly maxCommitMs?: number;
  /** Between a client and its node. */
  readonly maxLatencyMs?: number;
  readonly leaseMs?: number;
  readonly gracePeriodMs?: number;
  readonly tickIntervalMs?: number;
  readonly limits?: Partial<BrokerLimits>;
  readonly access?: AccessControl;
  readonly disconnectOnDenied?: boolean;
  readonly log?: BrokerLog;
}

export const DEFAULT_LIMITS: BrokerLimits = {
  maxConnections: 100,
  maxPacketSizeBytes: 64 * 1024,
  receiveMaximum: 100,
  maxInflightMessages: 100,
  maxOutgoingBufferBytes: 64 * 1024,
  maxQueuedMessages: 1000,
  maxQueuedBytes: 16 * 1024 * 1024,
  maxSubscriptionsPerClient: 50,
  maxTopicLevels: 16,
  maxKeepAliveSec: 65_535,
  connectTimeoutMs: 10_000,
  maxUnappliedBytes: 1024 * 1024,
};

/** Options that are given once. */
type NotNumeric = 'limits' | 'nodeIds' | 'seed' | 'access' | 'disconnectOnDenied' | 'log';

const SILENT: BrokerLog = { debug: () => {}, info: () => {}, warn: () => {} };
const DISCONNECT = 14;
const DUTIES_MS = 100;
const ELECTION_MS = 300;

/**
 * A cluster of brokers in one process on a virtual clock, with a list of entries in place of Raft: a leader takes
 * batches in the order they arrive, and every node applies the entries when they come by. What Raft promises holds;
 * batches, reads and messages between nodes get lost, doubled and late as the options and the seed say. As on a real
 * cluster, a node is served reads and given up by the leader, and only a majority commits.
 */
export class LogBus {
  readonly scheduler: Scheduler;
  readonly nodes: BusNode[];
  readonly entries: AppliedEntry[] = [];
  /** May be changed at any time. */
  readonly options: { -readonly [K in Exclude<keyof LogBusOptions, NotNumeric>]-?: number };
  readonly limits: BrokerLimits;
  readonly log: BrokerLog;
  readonly access: AccessControl | null;
  readonly disconnectOnDenied: boolean;
  leader: BusNode | null = null;
  term = 0;
  /** While true nothing commits. */
  held = false;
  readonly clients: FakeClient[] = [];
  /** Newest epoch that has answered, by client id: an older one must not any more. */
  readonly #newestEpochs = new Map<string, number>();
  #pending: Buffer[] = [];
  #commitScheduled = false;
  #sinceMs = 0;
  #ticketAtMs = 0;
  readonly #heardMs = new Map<string, number>();
  readonly #goingDown = new Set<string>();
  #clientNumber = 0;
  #quiet = false;

  constructor(options: LogBusOptions = {}) {
    const { seed = 1, nodeIds = ['n1', 'n2', 'n3'], limits, ...others } = options;
    const { access = null, disconnectOnDenied = false, log = SILENT, ...rest } = others;
    this.scheduler = new Scheduler(seed);
    this.options = {
      lossRate: 0,
      duplicateRate: 0,
      maxDelayMs: 1,
      maxApplyDelayMs: 1,
      maxCommitMs: 1,
      maxLatencyMs: 0,
      leaseMs: 1000,
      gracePeriodMs: 5000,
      tickIntervalMs: 10,
      ...rest,
    };
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.access = access;
    this.disconnectOnDenied = disconnectOnDenied;
    this.log = log;
    this.nodes = nodeIds.map((id) => new BusNode(this, id));
    for (const node of this.nodes) node.start();
    this.#elect();
    this.scheduler.every(DUTIES_MS, () => this.#duties());
    // Until every node has its lease.
    this.run(this.options.leaseMs / 5 + 300);
  }

  run(durationMs: number): void {
    this.scheduler.run(durationMs);
  }

  node(id: string): BusNode {
    const found = this.nodes.find((node) => node.id === id);
    if (found === undefined) throw new Error(`no node ${id}`);
    return found;
  }

  /** After it, whatever was cut off or held has caught up. */
  heal(): void {
    this.held = false;
    for (const node of this.nodes) node.reconnect();
    if (this.leader === null) this.#elect();
    this.#scheduleCommit();
  }

  // Clients.

  /** A network connection to a node, without a word said. */
  open(nodeId: string, version: Version = 5): FakeClient {
    const { scheduler, options } = this;
    const latency = (): number => scheduler.integer(0, options.maxLatencyMs);
    const node = this.node(nodeId);
    const socket = new FakeSocket(`client-${++this.#clientNumber}`, scheduler, latency, (connection, packetType) =>
      this.#audit(node, connection, packetType),
    );
    const client = new FakeClient(socket, version);
    this.clients.push(client);
    node.accept(socket);
    return client;
  }

  /** P2: once a connection has answered, no older one of the same client id does. */
  #audit(node: BusNode, { clientId, epoch, phase }: Connection, packetType: number): void {
    if (packetType === DISCONNECT || epoch === 0) return;
    const newest = this.#newestEpochs.get(clientId) ?? 0;
    const what = `client '${clientId}' on ${node.id} (${phase})`;
    assert.ok(epoch >= newest, `${what} is served under epoch ${epoch} after ${newest} was`);
    assert.ok(this.scheduler.nowMs < node.leaseUntilMs, `${what} is served without a lease`);
    this.#newestEpochs.set(clientId, epoch);
  }

  // The network between nodes.

  /** Carries something from one node to another, or not. */
  carry(from: BusNode, to: BusNode, task: () => void): void {
    const { scheduler, options } = this;
    if (from === to) return scheduler.after(0, task);
    for (let copies = scheduler.chance(options.duplicateRate) ? 2 : 1; copies > 0; copies--) {
      if (scheduler.chance(options.lossRate)) continue;
      scheduler.after(scheduler.integer(1, options.maxDelayMs), () => {
        if (!from.cut && !to.cut && to.isUp) task();
      });
    }
  }

  transmit(from: BusNode, batch: Buffer): void {
    const { leader, term } = this;
    if (leader === null || from.cut) return;
    this.carry(from, leader, () => {
      if (this.leader !== leader || this.term !== term) return;
      this.#pending.push(batch);
      this.#scheduleCommit();
    });
  }

  // The log.

  get #hasQuorum(): boolean {
    const { leader } = this;
    if (leader === null || !leader.isUp || leader.cut) return false;
    return this.nodes.filter((node) => node.isUp && !node.cut).length * 2 > this.nodes.length;
  }

  #scheduleCommit(): void {
    if (this.#commitScheduled || this.held) return;
    this.#commitScheduled = true;
    this.scheduler.after(this.scheduler.integer(0, this.options.maxCommitMs), () => {
      this.#commitScheduled = false;
      if (this.#hasQuorum && !this.held && this.#pending.length > 0) this.#commit(this.#pending.splice(0));
    });
  }

  #commit(batches: readonly Buffer[]): void {
    const parts: Buffer[] = [];
    for (const batch of batches) {
      const length = Buffer.allocUnsafe(4);
      length.writeUInt32BE(batch.length);
      parts.push(length, batch);
    }
    const stampMs = this.scheduler.nowMs;
    this.entries.push({ index: this.entries.length + 1, term: this.term, stampMs, data: Buffer.concat(parts) });
    for (const node of this.nodes) node.announce(this.entries.length, this.leader === node);
  }

  /** The leader is gone or replaced. Of what it had not committed, its successor has all, or nothing. */
  changeLeader(): void {
    this.leader = null;
    if (this.scheduler.chance(0.5)) this.#pending = [];
    this.scheduler.after(ELECTION_MS, () => {
      if (this.leader === null) this.#elect();
    });
  }

  #elect(): void {
    const able = this.nodes.filter((node) => node.isUp && !node.cut);
    if (able.length * 2 <= this.nodes.length) return;
    this.term++;
    this.leader = this.scheduler.pick(able);
    this.#sinceMs = this.scheduler.nowMs;
    this.#heardMs.clear();
    this.#goingDown.clear();
    this.#commit([]);
    this.#scheduleCommit();
    for (const node of able) node.broker.proposer.resend();
  }

  // What a leader does besides.

  #duties(): void {
    const { leader, scheduler } = this;
    if (leader === null || !this.#hasQuorum) {
      if (leader !== null) this.changeLeader();
      else this.#elect();
      return;
    }
    const { broker } = leader;
    if (!broker.registered || this.#quiet) return;
    for (const record of broker.machine.state.nodes.values()) {
      const silentMs = scheduler.nowMs - Math.max(this.#heardMs.get(record.nodeId) ?? 0, this.#sinceMs);
      if (!record.up || record.nodeId === leader.id || this.#goingDown.has(record.nodeId)) continue;
      if (silentMs < this.options.leaseMs * 2 + 500) continue;
      this.#goingDown.add(record.nodeId);
      const { nodeId, incarnation } = record;
      writeNodeDown(broker.proposer.open(), { nodeId, incarnation, term: this.term });
      broker.proposer.added(NOBODY, 0, 0);
    }
    if (scheduler.nowMs - this.#ticketAtMs < 1000) return;
    this.#ticketAtMs = scheduler.nowMs;
    writeTick(broker.proposer.open());
    broker.proposer.added(NOBODY, 0, 0);
    writeCheckpoint(broker.proposer.open(), { compactIndex: 0 });
    broker.proposer.added(NOBODY, 0, 0);
  }

  nodeChanged(nodeId: string): void {
    this.#goingDown.delete(nodeId);
  }

  /** A linearizable read: `answer` gets what was committed at a moment after the question. */
  readIndex(from: BusNode, answer: (index: number) => void): void {
    const { leader, term } = this;
    if (leader === null || from.cut) return;
    this.carry(from, leader, () => {
      if (this.leader !== leader || this.term !== term || !this.#hasQuorum || this.#goingDown.has(from.id)) return;
      this.#heardMs.set(from.id, this.scheduler.nowMs);
      const index = this.entries.length;
      this.carry(leader, from, () => answer(index));
    });
  }

  // At the end of a test.

  /** Closes every client and makes sure that nothing of them is left in any broker. */
  assertForgotten(): void {
    this.heal();
    for (const client of this.clients) {
      client.socket.drain();
      client.socket.reset();
    }
    this.run(this.options.leaseMs * 3 + 2000);
    // No more commands of the leader's own, and time for the last ones.
    this.#quiet = true;
    this.run(3000);
    for (const node of this.nodes) {
      node.assertForgotten();
      assert.is(node.broker.machine.state.appliedIndex, this.entries.length, `${node.id} lags behind`);
      assert.is(node.digest(), this.nodes[0]?.digest(), `the state of ${node.id}`);
    }
  }
}
