import {
  type CoreOptions,
  type Entry,
  EntryType,
  type HardState,
  type InitialState,
  type Input,
  type MembershipResult,
  type Message,
  type NodeId,
  type Outputs,
  RaftCore,
  type Send,
  type SnapshotRequest,
  type Status,
  type Write,
} from '@quorate/consensus';

export const ELECTION_TIMEOUT_MS = 100;
export const HEARTBEAT_MS = 20;

export const OPTIONS: CoreOptions = {
  id: 'n1',
  group: 1,
  seed: 1,
  electionTimeoutMs: ELECTION_TIMEOUT_MS,
  heartbeatIntervalMs: HEARTBEAT_MS,
  maxAppendBytes: 1000,
  maxInflightAppends: 4,
  maxInflightBytes: 3000,
  recentLogBytes: 10_000,
  maxUncommittedBytes: 10_000,
};

/** Entries from a list of terms, the first at `from`. */
export function entriesOf(terms: readonly number[], from = 1, sizeBytes = 0): Entry[] {
  return terms.map((term, at) => ({
    index: from + at,
    term,
    type: EntryType.data,
    stampMs: 0,
    data: new Uint8Array(sizeBytes),
  }));
}

export function initialOf(voters: readonly NodeId[], more: Partial<InitialState> = {}): InitialState {
  return {
    hardState: { term: more.entries?.at(-1)?.term ?? 0, vote: null },
    configuration: { voters, learners: [], outgoing: [] },
    snapshotIndex: 0,
    snapshotTerm: 0,
    entries: [],
    appliedIndex: 0,
    ...more,
  };
}

/** A core with a disk, driven by hand. */
export class TestNode {
  readonly id: NodeId;
  core: RaftCore;
  /** This node's clock; every node has its own. */
  nowMs = 1000;
  /** When true, writes wait in `writes` until `finishWrite`. */
  manualDisk = false;
  /** When true, takes outputs with `holdWrite` while a write is in flight. */
  holdWrite = false;
  hardState: HardState;
  log: Entry[];
  readonly writes: Write[] = [];
  readonly committed: Entry[] = [];
  readonly reads: { readonly id: number; readonly index: number }[] = [];
  readonly failedReads: number[] = [];
  readonly readLogs: Outputs['readLog'][number][] = [];
  readonly statuses: Status[] = [];
  readonly snapshotRequests: SnapshotRequest[] = [];
  readonly results: MembershipResult[] = [];
  readonly #initial: InitialState;
  readonly #options: CoreOptions;
  #waiting: Outputs['sendAfterWrite'][number][] = [];
  #doneSeq = 0;

  constructor(options: CoreOptions, initial: InitialState) {
    this.id = options.id;
    this.#options = options;
    this.#initial = initial;
    this.hardState = initial.hardState;
    this.log = [...initial.entries];
    this.core = new RaftCore(options, initial);
  }

  get status(): Status {
    return this.core.status();
  }

  /** Loses what is not durable. */
  restart(appliedIndex = 0): void {
    this.writes.length = 0;
    this.#waiting = [];
    this.#doneSeq = 0;
    this.committed.length = 0;
    const { hardState } = this;
    this.core = new RaftCore(this.#options, { ...this.#initial, hardState, entries: [...this.log], appliedIndex });
  }

  step(input: Input): void {
    this.core.step(input);
  }

  receive(from: NodeId, message: Message): Send[] {
    this.step({ kind: 'message', from, message });
    return this.take();
  }

  propose(sizeBytes = 1, stampMs = 0): void {
    this.step({ kind: 'propose', data: new Uint8Array(sizeBytes), stampMs });
  }

  /** Takes outputs until there are none and returns what may be sent. */
  take(): Send[] {
    const sends: Send[] = [];
    for (;;) {
      const hold = { holdWrite: this.holdWrite && this.writes.length > 0 };
      const outputs = this.core.takeOutputs(hold);
      this.#keep(outputs);
      sends.push(...outputs.send);
      while (!this.manualDisk && this.writes.length > 0) this.finishWrite();
      sends.push(...this.#released());
      if (!this.core.hasOutputs({ holdWrite: this.holdWrite && this.writes.length > 0 })) return sends;
    }
  }

  /** The oldest write in flight becomes durable. */
  finishWrite(): void {
    const write = this.writes.shift();
    if (write === undefined) throw new Error('no write in flight');
    if (write.hardState !== null) this.hardState = write.hardState;
    const first = write.entries[0];
    if (first !== undefined) this.log.length = first.index - 1 - this.#initial.snapshotIndex;
    this.log.push(...write.entries);
    this.#doneSeq = write.seq;
    this.step({ kind: 'writeDone', seq: write.seq });
  }

  #keep(outputs: Outputs): void {
    if (outputs.write !== null) this.writes.push(outputs.write);
    this.#waiting.push(...outputs.sendAfterWrite);
    this.committed.push(...outputs.committed);
    this.reads.push(...outputs.reads);
    this.failedReads.push(...outputs.failedReads);
    this.readLogs.push(...outputs.readLog);
    this.snapshotRequests.push(...(outputs.sendSnapshot ?? []));
    this.results.push(...(outputs.membershipResults ?? []));
    if (outputs.status !== null) this.statuses.push(outputs.status);
  }

  #released(): Send[] {
    const ready = this.#waiting.filter(({ seq }) => seq <= this.#doneSeq);
    this.#waiting = this.#waiting.filter(({ seq }) => seq > this.#doneSeq);
    return ready.map(({ send }) => send);
  }
}

/** Several nodes with an instant network. */
export class TestCluster {
  readonly nodes = new Map<NodeId, TestNode>();
  /** Every message that passed, in order. */
  readonly trace: { readonly from: NodeId; readonly to: NodeId; readonly message: Message }[] = [];
  /** Decides which messages pass. */
  passes: (from: NodeId, to: NodeId, message: Message) => boolean = () => true;

  constructor(ids: readonly NodeId[], options: Partial<CoreOptions> = {}, more: Partial<InitialState> = {}) {
    const learners = more.configuration?.learners ?? [];
    for (const id of [...ids, ...learners]) {
      const seed = id.charCodeAt(1);
      this.nodes.set(id, new TestNode({ ...OPTIONS, seed, ...options, id }, initialOf(ids, more)));
    }
    this.tick(0);
  }

  node(id: NodeId): TestNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Time passes for the given nodes, all by default, in steps of a millisecond, messages passing meanwhile. */
  tick(forMs: number, ids: readonly NodeId[] = [...this.nodes.keys()]): void {
    for (let ms = 0; ms < Math.max(forMs, 1); ms++) {
      for (const id of ids) {
        const node = this.node(id);
        if (forMs > 0) node.nowMs++;
        node.step({ kind: 'tick', nowMs: node.nowMs });
      }
      this.settle();
    }
  }

  /** Passes messages until nothing moves. */
  settle(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const [from, node] of this.nodes) {
        for (const { to, message } of node.take()) {
          if (!this.nodes.has(to) || !this.passes(from, to, message)) continue;
          moved = true;
          this.trace.push({ from, to, message });
          this.node(to).step({ kind: 'message', from, message });
        }
      }
    }
  }

  /** Makes `id` the leader: only its clock runs until it is. */
  elect(id: NodeId): TestNode {
    for (let ms = 0; ms < 10 * ELECTION_TIMEOUT_MS && this.node(id).status.role !== 'leader'; ms++) this.tick(1, [id]);
    if (this.node(id).status.role !== 'leader') throw new Error(`${id} was not elected`);
    return this.node(id);
  }

  /** Kinds of the messages from one node to another, since the trace was last cleared. */
  kinds(from: NodeId, to: NodeId): string[] {
    return this.trace.filter((each) => each.from === from && each.to === to).map((each) => each.message.kind);
  }
}

/** Answers of voters to the question that a leader asks before it begins a change of voters. */
export function answer(leader: TestNode, round: number, ...from: readonly NodeId[]): void {
  const message = { kind: 'heartbeatResponse', term: leader.status.term, round } as const;
  for (const each of from) leader.step({ kind: 'message', from: each, message });
}
