import {
  type Configuration,
  type CoreOptions,
  type Entry,
  type HardState,
  type Input,
  type Message,
  type NodeId,
  RaftCore,
  Random,
  type Send,
  type Write,
} from '@quorate/consensus';
import { Checker, Violation } from './checker.ts';

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
  readonly options?: Partial<CoreOptions>;
}

interface SimNode {
  readonly id: NodeId;
  core: RaftCore;
  up: boolean;
  incarnation: number;
  hardState: HardState;
  log: Entry[];
  readonly writes: { readonly write: Write; readonly doneMs: number; reported: boolean }[];
  readonly waiting: { readonly seq: number; readonly send: Send }[];
  doneSeq: number;
  handedIndex: number;
  /** What the state machine would find on disk after a crash. */
  checkpointIndex: number;
  commitIndex: number;
  readonly inbox: Input[];
  stalledUntilMs: number;
  /** Outstanding reads: id to the commit index known anywhere when the read was asked for. */
  readonly reads: Map<number, number>;
}

const TICK_MS = 5;

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
    this.checker = new Checker(world.configuration);
    const { voters, outgoing, learners } = world.configuration;
    for (const id of new Set([...voters, ...outgoing, ...learners])) {
      const node = newNode(id);
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
    const state = this.nodes.map((node) =>
      JSON.stringify({ ...node.core.status(), handed: node.handedIndex, configuration: undefined }),
    );
    const indexes = new Set(this.nodes.map((node) => node.handedIndex));
    if (indexes.size !== 1 || this.checker.maxCommitIndex <= before || this.readsServed < served + this.nodes.length) {
      throw new Violation(
        `no progress after healing at ${this.nowMs} ms, ${before} entries and ${served} reads before, ${this.readsServed} after:\n${state.join('\n')}`,
      );
    }
  }

  #boot(node: SimNode): RaftCore {
    node.doneSeq = 0;
    node.handedIndex = node.checkpointIndex;
    node.commitIndex = node.checkpointIndex;
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
      ...this.world.options,
    };
    return new RaftCore(options, {
      hardState: node.hardState,
      configuration: this.world.configuration,
      snapshotIndex: 0,
      snapshotTerm: 0,
      entries: [...node.log],
      appliedIndex: node.checkpointIndex,
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
    if (inputs.length === 0 && !node.core.hasOutputs()) return;
    for (const input of inputs) {
      node.core.step(input);
      this.#check(node);
    }
    this.#release(node);
    this.#take(node);
    this.#check(node);
  }

  #report(node: SimNode, write: Write, inputs: Input[]): void {
    node.doneSeq = write.seq;
    inputs.push({ kind: 'writeDone', seq: write.seq });
  }

  #store(node: SimNode, write: Write): void {
    if (write.hardState !== null) {
      if (write.hardState.term < node.hardState.term) throw new Violation(`${node.id}: term goes backwards on disk`);
      node.hardState = write.hardState;
    }
    const first = write.entries[0]?.index;
    if (first === undefined) return;
    if (first > node.log.length + 1) throw new Violation(`${node.id}: a hole before ${first}`);
    node.log.length = first - 1;
    node.log.push(...write.entries);
    this.checker.onStored(node.log, first);
  }

  #check(node: SimNode): void {
    const status = node.core.status();
    if (status.role === 'leader') {
      this.checker.onVote(node.id, status.term, node.id);
      this.checker.onStatus(status, node.log);
      this.checker.onLeaderCommit(
        status,
        (id) => this.nodes.find((each) => each.id === id)?.log ?? [],
        node.commitIndex,
      );
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
      if (node.handedIndex > node.log.length && this.world.lyingDisks !== true) {
        throw new Violation(`${node.id} is handed ${node.handedIndex}, its disk ends at ${node.log.length}`);
      }
      if (this.chance(200)) node.checkpointIndex = Math.min(node.handedIndex, node.log.length);
    }
    for (const { id, index } of outputs.reads) this.#served(node, id, index);
    for (const id of outputs.failedReads) if (!node.reads.delete(id)) throw new Violation(`read ${id} fails twice`);
    for (const { peer, fromIndex, maxBytes } of outputs.readLog) this.#readLog(node, peer, fromIndex, maxBytes);
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
    const prevTerm = node.log[fromIndex - 2]?.term ?? 0;
    const entries = node.log.slice(fromIndex - 1, fromIndex + 1 + Math.floor(maxBytes / 64));
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
    const node = this.nodes.find((each) => each.id === to);
    if (node !== undefined) this.#input(node, { kind: 'message', from, message });
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

function newNode(id: NodeId): SimNode {
  return {
    id,
    core: undefined as unknown as RaftCore,
    up: true,
    incarnation: 1,
    hardState: { term: 0, vote: null },
    log: [],
    writes: [],
    waiting: [],
    doneSeq: 0,
    handedIndex: 0,
    checkpointIndex: 0,
    commitIndex: 0,
    inbox: [],
    stalledUntilMs: 0,
    reads: new Map(),
  };
}
