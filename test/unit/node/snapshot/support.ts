import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeSnapshotMessage, encodeSnapshotMessage, type SnapshotMessage } from '@quorate/protocol';
import {
  installMemorySnapshot,
  MemoryDisk,
  MemorySnapshotStore,
  MemoryStateStore,
  type SnapshotInfo,
  type StateRecord,
} from '@quorate/storage';
import { SnapshotReceiver, SnapshotSender, teeSnapshot } from '../../../../packages/node/src/snapshot/index.ts';
import { Scheduler } from '../../../support/scheduler.ts';
import { assert } from '../../../support/suite.ts';

export const CLUSTER = 'cluster one';
export const WINDOW = 1 << 20;
const TICK_MS = 100;

export const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Virtual milliseconds; storage goes on between them, a bounded piece in each. */
export class VirtualTime extends Scheduler {
  async pass(durationMs: number): Promise<void> {
    for (let left = durationMs; left > 0; left--) await this.#millisecond();
  }

  /** Lets time pass until `reached`; fails after `limitMs`. */
  async until(reached: () => boolean, limitMs: number, what: string): Promise<void> {
    for (let left = limitMs; !reached(); left--) {
      assert.ok(left > 0, `within ${limitMs} ms: ${what}`);
      await this.#millisecond();
    }
  }

  /** Lets time pass until `work` is done, which may wait for it. */
  async through(work: Promise<void>): Promise<void> {
    let done = false;
    const finished = work.finally(() => {
      done = true;
    });
    await this.until(() => done, 60_000, 'the end of what is awaited');
    await finished;
  }

  async sleep(durationMs: number): Promise<void> {
    await new Promise<void>((resolve) => this.after(durationMs, resolve));
  }

  async #millisecond(): Promise<void> {
    this.run(1);
    await nextTurn();
  }
}

export interface LinkFaults {
  dropPerMille?: number;
  /** `send` says that it did not take the message. */
  refusePerMille?: number;
  maxDelayMs?: number;
}

interface Endpoint {
  readonly id: string;
  onMessage(from: string, message: SnapshotMessage): void;
  peerLost(peer: string): void;
}

/** An ordered link that loses messages, and all that is on its way when it breaks. */
export class Link {
  connected = true;
  /** Every message that was taken, in the order of sending. */
  onSent: (to: string, message: SnapshotMessage) => void = () => {};
  /** Changes what arrives; undefined: nothing does. */
  intercept: (to: string, message: SnapshotMessage) => SnapshotMessage | undefined = (_, message) => message;
  readonly #time: VirtualTime;
  readonly #faults: LinkFaults;
  readonly #ends: Map<string, Endpoint>;
  readonly #arrivals = new Map<string, number>();
  #epoch = 0;

  constructor(time: VirtualTime, faults: LinkFaults, ...ends: Endpoint[]) {
    this.#time = time;
    this.#faults = faults;
    this.#ends = new Map(ends.map((end) => [end.id, end]));
  }

  send(from: string, to: string, message: SnapshotMessage): boolean {
    const { dropPerMille = 0, refusePerMille = 0, maxDelayMs = 5 } = this.#faults;
    if (!this.connected || this.#time.chance(refusePerMille / 1000)) return false;
    this.onSent(to, message);
    if (this.#time.chance(dropPerMille / 1000)) return true;
    const bytes = Buffer.concat(encodeSnapshotMessage(message));
    const atMs = Math.max(this.#arrivals.get(to) ?? 0, this.#time.nowMs + this.#time.integer(1, maxDelayMs));
    this.#arrivals.set(to, atMs);
    const epoch = this.#epoch;
    this.#time.after(atMs - this.#time.nowMs, () => {
      if (epoch !== this.#epoch) return;
      const arrived = this.intercept(to, decodeSnapshotMessage(bytes));
      if (arrived !== undefined) this.#ends.get(to)?.onMessage(from, arrived);
    });
    return true;
  }

  cut(): void {
    if (!this.connected) return;
    this.connected = false;
    this.#epoch += 1;
    const ids = [...this.#ends.keys()];
    for (const id of ids) for (const end of this.#ends.values()) if (end.id !== id) end.peerLost(id);
  }

  join(): void {
    this.connected = true;
  }
}

/** Records of `sizeBytes` in all, different for each `salt`. */
export function recordsOf(sizeBytes: number, salt: number): StateRecord[] {
  const valueBytes = Math.min(60_000, sizeBytes);
  return Array.from({ length: Math.ceil(sizeBytes / valueBytes) }, (_, i) => [
    Buffer.from(`key ${String(i).padStart(6, '0')}`),
    Buffer.alloc(valueBytes, `value ${i} of ${salt};`),
  ]);
}

/** A disk with state and, at first, no snapshot. It may serve many simulations, as a sender only reads. */
export class Source {
  readonly store: MemorySnapshotStore;
  readonly records: readonly StateRecord[];
  dumps = 0;
  readonly #state: MemoryStateStore;
  readonly #index: number;

  private constructor(index: number, records: readonly StateRecord[], salt: number) {
    const disk = new MemoryDisk();
    let ids = 0;
    this.records = records;
    this.#index = index;
    const newId = () => `${salt.toString(16).padStart(16, '0')}${(++ids).toString(16).padStart(16, '0')}`;
    this.store = new MemorySnapshotStore(disk, { newId });
    this.#state = new MemoryStateStore(disk);
  }

  static async at(index: number, sizeBytes: number, salt = index): Promise<Source> {
    const records = recordsOf(sizeBytes, salt);
    const source = new Source(index, records, salt);
    await source.#state.open();
    await source.#state.write({ position: { appliedIndex: index, appliedTerm: 1 }, puts: records, deletes: [] });
    return source;
  }

  readonly dump = async (minIndex: number): Promise<SnapshotInfo | null> => {
    if (minIndex > this.#index) return null;
    this.dumps += 1;
    const configuration = Buffer.from('a configuration');
    const facts = { index: this.#index, term: 1, stampMs: 5_000, configuration, clusterId: CLUSTER, machineVersion: 3 };
    return await this.store.create(this.#state, facts);
  };
}

export interface Report {
  readonly peer: string;
  readonly index: number;
  readonly term: number;
  readonly ok: boolean;
}

/** A leader, as far as snapshots go. */
export class SendingNode implements Endpoint {
  readonly id: string;
  readonly source: Source;
  readonly links = new Map<string, Link>();
  readonly reports: Report[] = [];
  readonly fatal: unknown[] = [];
  onReport: (report: Report) => void = () => {};
  /** The most that was ever sent beyond what the receiver had acknowledged. */
  mostUnacknowledged = 0;
  sender: SnapshotSender;
  readonly #acknowledged = new Map<string, number>();
  readonly #time: VirtualTime;

  constructor(id: string, time: VirtualTime, source: Source) {
    this.id = id;
    this.source = source;
    this.#time = time;
    this.sender = this.#make();
    time.every(TICK_MS, () => this.sender.tick(time.nowMs));
  }

  onMessage(from: string, message: SnapshotMessage): void {
    if (message.kind === 'progress') this.#acknowledged.set(`${from} ${message.id}`, message.offset);
    this.sender.onMessage(from, message);
  }

  peerLost(peer: string): void {
    this.sender.peerLost(peer);
  }

  /** The process ends and another begins, which leads again. */
  async restart(): Promise<void> {
    await this.sender.stop();
    this.#acknowledged.clear();
    this.sender = this.#make();
  }

  #make(): SnapshotSender {
    return new SnapshotSender({
      store: this.source.store,
      dump: this.source.dump,
      nowMs: () => this.#time.nowMs,
      logger: silent,
      onFatal: (error) => this.fatal.push(error),
      onSent: (peer, index, term, ok) => {
        const report = { peer, index, term, ok };
        this.reports.push(report);
        this.onReport(report);
      },
      send: (to, message) => {
        const taken = this.links.get(to)?.send(this.id, to, message) ?? false;
        if (taken && message.kind === 'chunk') this.#measure(to, message.id, message.offset + message.data.length);
        return taken;
      },
    });
  }

  #measure(to: string, id: string, end: number): void {
    const unacknowledged = end - (this.#acknowledged.get(`${to} ${id}`) ?? 0);
    this.mostUnacknowledged = Math.max(this.mostUnacknowledged, unacknowledged);
  }
}

/** A node that is behind. */
export class ReceivingNode implements Endpoint {
  readonly id: string;
  readonly links = new Map<string, Link>();
  readonly fatal: unknown[] = [];
  readonly disk = new MemoryDisk();
  readonly heard: { readonly from: string; readonly term: number }[] = [];
  committedIndex = 0;
  installs = 0;
  installMs = 0;
  clusterId: string | null = CLUSTER;
  /** What the second consumer got of the last snapshot installed. */
  records: StateRecord[] = [];
  store = new MemorySnapshotStore(this.disk);
  receiver: SnapshotReceiver;
  readonly #time: VirtualTime;

  constructor(id: string, time: VirtualTime) {
    this.id = id;
    this.#time = time;
    this.receiver = this.#make();
  }

  onMessage(from: string, message: SnapshotMessage): void {
    this.receiver.onMessage(from, message);
  }

  peerLost(): void {}

  /** Power cut: what is not synced is gone. */
  async crash(): Promise<void> {
    const before = this.receiver;
    this.disk.crash();
    // Not awaited: what it waits for may be virtual time.
    void before.stop();
    for (const link of this.links.values()) link.cut();
    this.store = new MemorySnapshotStore(this.disk);
    this.receiver = this.#make();
    await this.store.removeLeftovers();
    for (const link of this.links.values()) link.join();
  }

  #make(): SnapshotReceiver {
    const { store } = this;
    return new SnapshotReceiver({
      receiver: store.receiver,
      accepts: (index) => index > this.committedIndex,
      onReceiving: (from, term) => this.heard.push({ from, term }),
      install: async (info) => await this.#install(store, info),
      send: (to, message) => this.links.get(to)?.send(this.id, to, message),
      onFatal: (error) => this.fatal.push(error),
      logger: silent,
      clusterId: () => this.clusterId,
      maxMachineVersion: 3,
    });
  }

  async #install(store: MemorySnapshotStore, info: SnapshotInfo): Promise<boolean> {
    if (this.installMs > 0) await this.#time.sleep(this.installMs);
    if (info.index <= this.committedIndex) return false;
    const records: StateRecord[] = [];
    const reader = teeSnapshot(await store.open(info.id), (slice) => records.push(...slice));
    await installMemorySnapshot(this.disk, reader, null);
    await reader.close();
    this.committedIndex = info.index;
    this.records = records;
    this.installs += 1;
    return true;
  }
}

export function connect(time: VirtualTime, faults: LinkFaults, a: SendingNode, b: ReceivingNode): Link {
  const link = new Link(time, faults, a, b);
  a.links.set(b.id, link);
  b.links.set(a.id, link);
  return link;
}

export function assertSame(found: readonly StateRecord[], expected: readonly StateRecord[]): void {
  assert.is(found.length, expected.length, 'number of records');
  for (const [i, [key, value]] of expected.entries()) {
    const [foundKey, foundValue] = found[i] as StateRecord;
    assert.ok(Buffer.from(foundKey).equals(key), `key ${i}`);
    assert.ok(Buffer.from(foundValue).equals(value), `value of ${Buffer.from(key).toString()}`);
  }
}
