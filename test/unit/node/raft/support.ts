import type {
  Configuration,
  Entry,
  HardState,
  Input,
  Message,
  NodeId,
  Outputs,
  Send,
  Status,
  Write,
} from '@quorate/consensus';
import { type Clock, type DrivenCore, RaftDriver, type RaftDriverLimits, splitBatches } from '@quorate/node';
import { MemoryDisk, MemoryLogStore } from '@quorate/storage';

/** A clock that moves when told to. */
export class ManualClock implements Clock {
  now = 0;
  private deferred: (() => void)[] = [];
  private readonly tickers = new Set<() => void>();

  nowMs(): number {
    return this.now;
  }

  defer(task: () => void): void {
    this.deferred.push(task);
  }

  every(_intervalMs: number, task: () => void): () => void {
    this.tickers.add(task);
    return () => {
      this.tickers.delete(task);
    };
  }

  get idle(): boolean {
    return this.deferred.length === 0;
  }

  get tickerCount(): number {
    return this.tickers.size;
  }

  /** Runs what was deferred so far, not what that defers in turn, and lets promises settle. */
  async turn(): Promise<void> {
    for (const task of this.deferred.splice(0)) task();
    await settle();
  }

  /** Lets time pass, then runs a tick and its turn. */
  async tick(ms: number): Promise<void> {
    this.now += ms;
    for (const task of this.tickers) task();
    await this.turn();
  }
}

/** Every promise that can settle without outside help has settled. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** A core that does what the test says. */
export class FakeCore implements DrivenCore {
  readonly inputs: Input[] = [];
  leads = false;
  mayPropose = true;
  /** Snapshots up to here are of no use. */
  commitIndex = 0;
  /** How often outputs were taken. */
  taken = 0;
  failOn: Input['kind'] | null = null;
  onStep: ((input: Input) => void) | null = null;
  private seq = 0;
  private send: Send[] = [];
  private afterWrite: Send[] = [];
  private inflight: { seq: number; send: Send }[] = [];
  private entries: Entry[] = [];
  private hardState: HardState | null = null;
  private committed: Entry[] = [];
  private reads: { id: number; index: number }[] = [];
  private failedReads: number[] = [];
  private readLog: { peer: NodeId; fromIndex: number; maxBytes: number }[] = [];
  private changed: Status | null = null;

  step(input: Input): void {
    if (this.failOn === input.kind) throw new Error(`the core fails on ${input.kind}`);
    this.inputs.push(input);
    this.onStep?.(input);
  }

  kinds(): string[] {
    return this.inputs.map((input) => input.kind).filter((kind) => kind !== 'tick');
  }

  of<K extends Input['kind']>(kind: K): Extract<Input, { kind: K }>[] {
    return this.inputs.filter((input): input is Extract<Input, { kind: K }> => input.kind === kind);
  }

  sendNow(to: NodeId, message: Message): void {
    this.send.push({ to, message });
  }

  write(entries: Entry[], hardState: HardState | null, afterWrite: Send[] = []): void {
    this.entries.push(...entries);
    this.hardState = hardState ?? this.hardState;
    this.afterWrite.push(...afterWrite);
  }

  commit(entries: Entry[]): void {
    this.committed.push(...entries);
  }

  answerRead(id: number, index: number): void {
    this.reads.push({ id, index });
  }

  failRead(id: number): void {
    this.failedReads.push(id);
  }

  wantLog(peer: NodeId, fromIndex: number): void {
    this.readLog.push({ peer, fromIndex, maxBytes: 1000 });
  }

  become(role: Status['role'], term: number): void {
    this.leads = role === 'leader';
    this.changed = { ...this.status(), role, term };
  }

  hasOutputs(): boolean {
    return true;
  }

  takeOutputs({ holdWrite }: { holdWrite: boolean }): Outputs {
    this.taken++;
    let write: Write | null = null;
    if (!holdWrite && (this.entries.length > 0 || this.hardState !== null)) {
      write = { seq: ++this.seq, entries: this.entries, hardState: this.hardState };
      this.inflight.push(...this.afterWrite.splice(0).map((send) => ({ seq: this.seq, send })));
      this.entries = [];
      this.hardState = null;
    }
    const { send, changed, committed } = this;
    this.send = [];
    this.changed = null;
    this.committed = [];
    return {
      send,
      write,
      sendAfterWrite: this.inflight.splice(0),
      committed,
      reads: this.reads.splice(0),
      failedReads: this.failedReads.splice(0),
      readLog: this.readLog.splice(0),
      status: changed,
    };
  }

  status(): Status {
    const configuration = { voters: ['n1', 'n2', 'n3'], learners: [], outgoing: [] };
    const place = { commitIndex: 0, lastIndex: 0, termCommitted: true, followers: [] };
    return { id: 'n1', role: this.leads ? 'leader' : 'follower', term: 1, leader: null, configuration, ...place };
  }

  canPropose(): boolean {
    return this.leads && this.mayPropose;
  }

  acceptsSnapshot(index: number): boolean {
    return index > this.commitIndex;
  }

  configurationAt(): Configuration {
    return this.status().configuration;
  }
}

export function entry(index: number, sizeBytes = 10, stampMs = 0): Entry {
  return { index, term: 1, type: 1, stampMs, data: new Uint8Array(sizeBytes).fill(index) };
}

export function batch(text: string): Uint8Array {
  return Buffer.from(text);
}

/** The batches in the data of a proposal, as text. */
export function texts(data: Uint8Array): string[] {
  return splitBatches(data).map((each) => Buffer.from(each).toString());
}

/** What the driver did, in order. */
export type Did =
  | { what: 'send'; to: NodeId; message: Message }
  | { what: 'committed'; indexes: number[] }
  | { what: 'status'; role: string; term: number }
  | { what: 'read'; id: number; index: number }
  | { what: 'readFailed'; id: number }
  | { what: 'fatal'; message: string }
  | { what: 'slowWrite'; durationMs: number }
  | { what: 'writeDone'; durationMs: number; sizeBytes: number; entries: number };

export interface World {
  readonly core: FakeCore;
  readonly disk: MemoryDisk;
  readonly log: MemoryLogStore;
  readonly clock: ManualClock;
  readonly driver: RaftDriver;
  readonly did: Did[];
  /** Hooks that a test may set. */
  readonly hooks: { onCommitted?: (entries: readonly Entry[]) => void; onSend?: (to: NodeId) => void };
}

/** A started driver over a scripted core and a simulated disk. */
export async function makeWorld(limits: Partial<RaftDriverLimits> = {}, lastStampMs = 0): Promise<World> {
  const core = new FakeCore();
  const disk = new MemoryDisk();
  const log = new MemoryLogStore(disk);
  await log.open();
  const clock = new ManualClock();
  const did: Did[] = [];
  const hooks: World['hooks'] = {};
  const driver = new RaftDriver({
    core,
    log,
    clock,
    limits,
    lastStampMs,
    send: (to, message) => {
      did.push({ what: 'send', to, message });
      hooks.onSend?.(to);
    },
    handlers: {
      onCommitted: (entries) => {
        did.push({ what: 'committed', indexes: entries.map((each) => each.index) });
        hooks.onCommitted?.(entries);
      },
      onStatus: ({ role, term }) => did.push({ what: 'status', role, term }),
      onRead: (id, index) => did.push({ what: 'read', id, index }),
      onReadFailed: (id) => did.push({ what: 'readFailed', id }),
      onFatal: (error) => did.push({ what: 'fatal', message: error instanceof Error ? error.message : String(error) }),
      onSlowWrite: (durationMs) => did.push({ what: 'slowWrite', durationMs }),
      onWriteDone: (durationMs, sizeBytes, entries) => did.push({ what: 'writeDone', durationMs, sizeBytes, entries }),
    },
  });
  driver.start();
  await clock.turn();
  return { core, disk, log, clock, driver, did, hooks };
}

/** The same, leading term 1. */
export async function makeLeader(limits: Partial<RaftDriverLimits> = {}, lastStampMs = 0): Promise<World> {
  const world = await makeWorld(limits, lastStampMs);
  world.core.become('leader', 1);
  await world.clock.tick(0);
  world.did.length = 0;
  world.core.inputs.length = 0;
  return world;
}
