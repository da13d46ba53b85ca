import {
  type Configuration,
  type CoreOptions,
  type Input,
  isMember,
  type Message,
  members,
  type NodeId,
  RaftCore,
  Random,
  type Send,
  type Status,
  type Write,
} from '@quorate/consensus';
import { Checker, Violation } from './checker.ts';
import { Disk, type Snapshot } from './disk.ts';

/** How bad the world is. Probabilities per thousand messages; times in virtual milliseconds. */
export interface World {
  readonly configuration: Configuration;
  readonly dropPerMille: number;
  readonly duplicatePerMille: number;
  readonly maxDelayMs: number;
  readonly maxWriteMs: number;
  readonly holdWrite: boolean;
  /** A disk that reports writes done before they are: Raft can not survive it, and the checker must notice. */
  readonly lyingDisks?: boolean;
  /** Nodes that run but belong to nothing yet. */
  readonly spares?: readonly NodeId[];
  /** How often a node with applied entries drops the log behind them, per thousand. */
  readonly compactPerMille?: number;
  readonly options?: Partial<CoreOptions>;
}

export interface SimNode {
  readonly id: NodeId;
  core: RaftCore;
  up: boolean;
  incarnation: number;
  readonly disk: Disk;
  readonly writes: { readonly write: Write; readonly doneMs: number; reported: boolean }[];
  readonly waiting: { readonly seq: number; readonly send: Send }[];
  doneSeq: number;
  handedIndex: number;
  commitIndex: number;
  /** A snapshot that has been received and waits for the write in flight. */
  arrived: { readonly snapshot: Snapshot; readonly from: SimNode } | null;
  /** Peers to which a snapshot is on its way. */
  readonly streams: Set<NodeId>;
  readonly inbox: Input[];
  stalledUntilMs: number;
  /** Outstanding reads: id to the commit index known anywhere when the read was asked for. */
  readonly reads: Map<number, number>;
}

const TICK_MS = 5;
const NOBODY: Configuration = { voters: [], learners: [], outgoing: [] };

/** A cluster on virtual time, network and disks. Everything follows from the seed. */
export class Simulation {
  readonly random: Random;
  readonly checker: Checker;
  readonly nodes: SimNode[] = [];
  readonly world: World;
  nowMs = 0;
  readsServed = 0;
  proposals = 0;
  logReads = 0;
  installed = 0;
  /** Codes of membership results, counted. */
  readonly changes = new Map<string, number>();
  /** False while the world is healed: nothing is lost then. */
  faulty = true;
  /** `from>to` of links that are cut. */
  readonly cut = new Set<string>();
  readonly #network = new Map<number, (() => void)[]>();
  #nextRead = 1;
  readonly #seed: number;

  constructor(seed: number, world: World) {
    this.#seed = seed;
    this.random = new Random(seed);
    this.world = world;
    this.checker = new Checker();
    for (const id of [...members(world.configuration), ...(world.spares ?? [])]) {
      const node = newNode(id, isMember(world.configuration, id) ? world.configuration : NOBODY);
      node.core = this.#boot(node);
      this.nodes.push(node);
    }
  }

  /** Whether an event of this probability happens now. */
  chance(perMille: number): boolean {
    return this.random.below(1000) < perMille;
  }

  pick(): SimNode {
    return this.nodes[this.random.below(this.nodes.length)] as SimNode;
  }

  leader(): SimNode | undefined {
    return this.nodes.find((node) => node.up && node.core.status().role === 'leader');
  }

  propose(node: SimNode): void {
    const id = ++this.proposals;
    const data = new Uint8Array([id >>> 16, id >>> 8, id & 255, ...new Uint8Array(this.random.below(40))]);
    this.#input(node, { kind: 'propose', data, stampMs: this.nowMs });
  }

  read(node: SimNode): void {
    if (!node.up) return;
    const id = this.#nextRead++;
    node.reads.set(id, this.checker.maxCommitIndex);
    this.#input(node, { kind: 'readIndex', id });
  }

  input(node: SimNode, input: Input): void {
    this.#input(node, input);
  }

  /** Loses everything that is not durable. Of the writes in flight a prefix may have reached the disk unreported. */
  crash(node: SimNode): void {
    if (!node.up) return;
    node.up = false;
    const reached = this.world.lyingDisks === true ? 0 : this.random.below(node.writes.length + 1);
    for (const { write } of node.writes.slice(0, reached)) this.#store(node, write);
    this.#discard(node);
    node.streams.clear();
    node.writes.length = 0;
    node.waiting.length = 0;
    node.inbox.length = 0;
    node.reads.clear();
    for (const other of this.nodes) {
      if (other !== node && this.chance(700))
        this.#later(1, () => this.#input(other, { kind: 'peerLost', peer: node.id }));
    }
  }

  restart(node: SimNode): void {
    if (node.up) return;
    node.up = true;
    node.incarnation++;
    node.core = this.#boot(node);
  }

  heal(): void {
    this.faulty = false;
    this.cut.clear();
    for (const node of this.nodes) {
      node.stalledUntilMs = 0;
      this.restart(node);
    }
  }

  /** Runs for this many virtual milliseconds, `act` before each. */
  run(forMs: number, act: () => void = () => undefined): void {
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; ) {
      this.nowMs++;
      act();
      for (const event of this.#network.get(this.nowMs) ?? []) event();
      this.#network.delete(this.nowMs);
      for (const node of this.nodes) if (node.up) this.#turn(node);
    }
  }

  /** Throws unless the healed cluster agrees, commits, and serves reads on every node. */
  demandLiveness(withinMs: number): void {
    const before = this.checker.maxCommitIndex;
    const served = this.readsServed;
    this.run(withinMs, () => {
      if (this.nowMs % 20 !== 0) return;
      const leader = this.leader();
      if (leader !== undefined) this.propose(leader);
      for (const node of this.nodes) if (node.reads.size === 0) this.read(node);
    });
    this.run(500);
    const state = this.nodes.map((node) => JSON.stringify({ ...node.core.status(), handed: node.handedIndex }));
    const status = this.leader()?.core.status();
    const current = this.nodes.filter(({ id }) => status !== undefined && isMember(status.configuration, id));
    const indexes = new Set(current.map((node) => node.handedIndex));
    const final = status?.configurationCommitted === true && status.joint === false;
    if (!final || indexes.size !== 1 || this.checker.maxCommitIndex <= before || this.readsServed <= served) {
      throw new Violation(
        `no progress after healing at ${this.nowMs} ms, ${before} entries and ${served} reads before, ${this.readsServed} after:\n${state.join('\n')}`,
      );
    }
  }

  #boot(node: SimNode): RaftCore {
    node.doneSeq = 0;
    const { disk } = node;
    node.handedIndex = disk.checkpoint.index;
    node.commitIndex = disk.checkpoint.index;
    const options: CoreOptions = {
      id: node.id,
      group: 1,
      seed: this.#seed * 1000 + node.incarnation * 10 + this.nodes.length + node.id.charCodeAt(1),
      electionTimeoutMs: 150,
      heartbeatIntervalMs: 30,
      maxAppendBytes: 200,
      maxInflightAppends: 4,
      maxInflightBytes: 600,
      recentLogBytes: 300,
      maxUncommittedBytes: 5000,
      maxCommittedBytesPerTake: 300,
      snapshotTimeoutMs: 400,
      ...this.world.options,
    };
    return new RaftCore(options, {
      hardState: disk.hardState,
      configuration: disk.checkpoint.configuration,
      snapshotIndex: disk.base.index,
      snapshotTerm: disk.base.term,
      snapshotStampMs: disk.base.stampMs,
      entries: [...disk.entries],
      appliedIndex: disk.checkpoint.index,
    });
  }

  #turn(node: SimNode): void {
    const inputs = node.inbox.splice(0);
    const startMs = node.incarnation * 100_000;
    if (this.nowMs % TICK_MS === 0) inputs.push({ kind: 'tick', nowMs: startMs + this.nowMs });
    while (this.nowMs >= node.stalledUntilMs && (node.writes[0]?.doneMs ?? Infinity) <= this.nowMs) {
      const done = node.writes.shift() as SimNode['writes'][number];
      if (!done.reported) this.#report(node, done.write, inputs);
      this.#store(node, done.write);
    }
    if (inputs.length === 0 && node.arrived === null && !node.core.hasOutputs()) return;
    for (const input of inputs) this.#step(node, input);
    if (node.arrived !== null && node.writes.length === 0) this.#install(node, node.arrived);
    if (!node.up) return;
    this.#release(node);
    const before = node.core.status();
    this.#take(node);
    this.#check(node, before);
  }

  #report(node: SimNode, write: Write, inputs: Input[]): void {
    node.doneSeq = write.seq;
    inputs.push({ kind: 'writeDone', seq: write.seq });
  }

  #store(node: SimNode, write: Write): void {
    node.disk.store(write);
    const first = write.entries[0]?.index;
    if (first !== undefined) this.checker.onStored(node.disk, first);
  }

  #step(node: SimNode, input: Input): void {
    const before = node.core.status();
    node.core.step(input);
    this.#check(node, before);
  }

  #check(node: SimNode, before: Status): void {
    const status = node.core.status();
    if (status.role === 'leader') {
      this.checker.onVote(node.id, status.term, node.id);
      this.checker.onStatus(status, node.disk);
      this.checker.onLeaderCommit(status, before.configuration, (id) => this.#node(id).disk, node.commitIndex);
      this.checker.onLeaderConfiguration(before, status);
    }
    node.commitIndex = status.commitIndex;
    this.checker.onCommitIndex(status.commitIndex);
  }

  #release(node: SimNode): void {
    while ((node.waiting[0]?.seq ?? Infinity) <= node.doneSeq) {
      this.#send(node, (node.waiting.shift() as SimNode['waiting'][number]).send);
    }
  }

  #take(node: SimNode): void {
    const outputs = node.core.takeOutputs({ holdWrite: this.world.holdWrite && node.writes.length > 0 });
    for (const send of outputs.send) this.#send(node, send);
    node.waiting.push(...outputs.sendAfterWrite);
    if (outputs.write !== null) {
      const doneMs = Math.max(
        this.nowMs + 1 + this.random.below(this.world.maxWriteMs),
        node.writes.at(-1)?.doneMs ?? 0,
      );
      const reported = this.world.lyingDisks === true;
      node.writes.push({ write: outputs.write, doneMs: reported ? doneMs + 100 : doneMs, reported });
      if (reported) this.#report(node, outputs.write, node.inbox);
    }
    this.checker.onCommitted(node.id, outputs.committed, node.handedIndex);
    node.handedIndex += outputs.committed.length;
    if (outputs.committed.length > 0) {
      this.#input(node, { kind: 'applied', index: node.handedIndex });
      // A state store only ever holds what the log on the same node holds too.
      if (node.handedIndex > node.disk.lastIndex && this.world.lyingDisks !== true) {
        throw new Violation(`${node.id} is handed ${node.handedIndex}, its disk ends at ${node.disk.lastIndex}`);
      }
    }
    this.#checkpoint(node);
    for (const { peer, minIndex } of outputs.sendSnapshot) this.#stream(node, this.#node(peer), minIndex);
    for (const { code } of outputs.membershipResults) {
      this.changes.set(code as string, (this.changes.get(code as string) ?? 0) + 1);
    }
    for (const { id, index } of outputs.reads) this.#served(node, id, index);
    for (const id of outputs.failedReads) if (!node.reads.delete(id)) throw new Violation(`read ${id} fails twice`);
    for (const { peer, fromIndex, maxBytes } of outputs.readLog) this.#readLog(node, peer, fromIndex, maxBytes);
  }

  /** Now and then the state machine is stored, and the log behind it dropped. */
  #checkpoint(node: SimNode): void {
    const { disk, core } = node;
    const index = Math.min(node.handedIndex, disk.lastIndex);
    if (index > disk.checkpoint.index && this.chance(200)) {
      // The configuration of an index is known once it is applied.
      core.step({ kind: 'applied', index });
      disk.checkpoint = { index, configuration: core.configurationAt(index) };
    }
    if (disk.checkpoint.index <= disk.base.index || !this.chance(this.world.compactPerMille ?? 0)) return;
    const through = disk.base.index + 1 + this.random.below(disk.checkpoint.index - disk.base.index);
    const term = disk.compact(through);
    if (this.chance(900)) core.step({ kind: 'compacted', index: through, term });
  }

  /** Streams the stored state in three chunks. It may break at each. */
  #stream(node: SimNode, peer: SimNode, minIndex: number): void {
    if (node.streams.has(peer.id)) return;
    if (node.disk.checkpoint.index < minIndex) return this.#streamEnds(node, peer, { index: 0, term: 0 }, false);
    const snapshot = node.disk.snapshot();
    const { term } = node.core.status();
    const incarnations = [node.incarnation, peer.incarnation].join();
    node.streams.add(peer.id);
    const chunk = (count: number): void => {
      const broken = !peer.up || !node.up || [node.incarnation, peer.incarnation].join() !== incarnations;
      if (broken || this.cut.has(`${node.id}>${peer.id}`) || (this.faulty && this.chance(100))) {
        return this.#streamEnds(node, peer, snapshot, false);
      }
      this.#input(peer, { kind: 'snapshotReceiving', from: node.id, term });
      if (count > 0) this.#later(1 + this.random.below(60), () => chunk(count - 1));
      else this.#arrive(peer, { snapshot, from: node });
    };
    this.#later(1, () => chunk(2));
  }

  #arrive(peer: SimNode, arrived: NonNullable<SimNode['arrived']>): void {
    this.#discard(peer);
    peer.arrived = arrived;
  }

  /** A snapshot that is not installed any more: its sender hears of it. */
  #discard(node: SimNode): void {
    if (node.arrived !== null) this.#streamEnds(node.arrived.from, node, node.arrived.snapshot, false);
    node.arrived = null;
  }

  #streamEnds(node: SimNode, peer: SimNode, { index, term }: { index: number; term: number }, ok: boolean): void {
    const { incarnation } = node;
    this.#later(1 + this.random.below(20), () => {
      if (!node.up || node.incarnation !== incarnation) return;
      node.streams.delete(peer.id);
      this.#input(node, { kind: 'snapshotSent', peer: peer.id, index, term, ok });
    });
  }

  #install(node: SimNode, { snapshot, from }: { snapshot: Snapshot; from: SimNode }): void {
    node.arrived = null;
    const wanted = node.core.acceptsSnapshot(snapshot.index);
    if (wanted) {
      this.checker.onInstalled(node.id, snapshot);
      node.disk.install(snapshot);
      this.installed++;
      if (this.faulty && this.chance(100)) {
        this.#streamEnds(from, node, snapshot, false);
        return this.crash(node);
      }
      this.#step(node, { kind: 'snapshotInstalled', ...snapshot });
      node.handedIndex = Math.max(node.handedIndex, snapshot.index);
    }
    this.#streamEnds(from, node, snapshot, true);
  }

  #served(node: SimNode, id: number, index: number): void {
    const least = node.reads.get(id);
    if (least === undefined) throw new Violation(`${node.id}: read ${id} is answered, but not waiting`);
    if (index < least)
      throw new Violation(`${node.id}: stale read at ${index}, ${least} was committed before it began`);
    node.reads.delete(id);
    this.readsServed++;
  }

  #readLog(node: SimNode, peer: NodeId, fromIndex: number, maxBytes: number): void {
    this.logReads++;
    const { incarnation } = node;
    const { disk } = node;
    const prevTerm = disk.termAt(fromIndex - 1) ?? 0;
    const from = fromIndex - disk.base.index - 1;
    const entries = from < 0 ? [] : disk.entries.slice(from, from + 2 + Math.floor(maxBytes / 64));
    this.#later(1 + this.random.below(10), () => {
      if (node.incarnation !== incarnation) return;
      this.#input(node, { kind: 'logRead', peer, prevIndex: fromIndex - 1, prevTerm, entries });
    });
  }

  #send(node: SimNode, { to, message }: Send): void {
    this.checker.onSent(node.id, to, message);
    const copies = this.faulty && this.chance(this.world.duplicatePerMille) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.faulty && this.chance(this.world.dropPerMille)) continue;
      const late = this.faulty && this.chance(10) ? 300 : 0;
      this.#later(1 + this.random.below(this.world.maxDelayMs + late), () => this.#deliver(node.id, to, message));
    }
  }

  #deliver(from: NodeId, to: NodeId, message: Message): void {
    if (this.cut.has(`${from}>${to}`)) return;
    this.#input(this.#node(to), { kind: 'message', from, message });
  }

  #node(id: NodeId): SimNode {
    return this.nodes.find((each) => each.id === id) as SimNode;
  }

  #input(node: SimNode, input: Input): void {
    if (node.up) node.inbox.push(input);
  }

  #later(delayMs: number, event: () => void): void {
    const atMs = this.nowMs + delayMs;
    const events = this.#network.get(atMs);
    if (events === undefined) this.#network.set(atMs, [event]);
    else events.push(event);
  }
}

function newNode(id: NodeId, configuration: Configuration): SimNode {
  return {
    id,
    core: undefined as unknown as RaftCore,
    up: true,
    incarnation: 1,
    disk: new Disk(configuration),
    writes: [],
    waiting: [],
    doneSeq: 0,
    handedIndex: 0,
    commitIndex: 0,
    arrived: null,
    streams: new Set(),
    inbox: [],
    stalledUntilMs: 0,
    reads: new Map(),
  };
}
