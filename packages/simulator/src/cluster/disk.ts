import { type Entry, EntryType } from '@quorate/consensus';
import { type CrashOptions, MemoryDisk, MemoryLogStore, MemoryStateStore, StorageError } from '@quorate/storage';
import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';

type DiskStep = () => void;

interface Pending {
  readonly action: string;
  readonly steps: readonly DiskStep[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly fails: boolean;
}

export interface DiskProfile {
  /** A sync takes at least so long, and seldom up to `slowestMs`. */
  readonly fastestMs: number;
  readonly slowestMs: number;
}

/** Planted bugs of a disk, to see that they are found. */
export interface DiskMutation {
  /** Writes are reported durable at once, before they are. */
  readonly reportsEarly?: boolean;
}

/** What goes into the disk's region of a log: where the checker looks. */
export interface LogRegion {
  readonly compactedIndex: number;
  readonly entries: ReadonlyMap<number, Entry>;
  readonly superblock: { readonly highWaterIndex: number };
}

interface HardRecord {
  readonly term: number;
  readonly vote: string | null;
  readonly counter: number;
}

/** Term and vote stand in two places; the newer one counts. */
interface HardStates {
  readonly hard: HardRecord;
  readonly superblock: { readonly hard: HardRecord };
}

interface StateRegion {
  readonly records: ReadonlyMap<string, Uint8Array>;
  readonly position: { readonly appliedIndex: number };
}

/**
 * The memory disk on the virtual clock: one device, one write at a time, each taking its time; it can be slow, stall, fail
 * one write and take the next, and lose power in the middle of a write.
 */
export class SimulatedDisk extends MemoryDisk {
  readonly #world: World;
  readonly #rng: Rng;
  readonly #mutation: DiskMutation;
  readonly #normal: DiskProfile;
  #profile: DiskProfile;
  #queue: Pending[] = [];
  #busy = false;
  #held = false;
  #power = 0;
  #failNext = 0;
  #full = false;
  /** The region of the log: a disk has one until it is wiped. */
  #log: (LogRegion & HardStates) | null = null;
  /** The disk was full since it was made: what ended for want of room did so for a reason. */
  wasFull = false;
  /** Runs what a completed write causes as an event of the node that owns the disk: a paused process sees it later. */
  deliver: (task: () => void) => void = (task) => {
    task();
  };

  constructor(world: World, rng: Rng, profile: DiskProfile, mutation: DiskMutation) {
    super();
    this.#world = world;
    this.#rng = rng;
    this.#normal = profile;
    this.#profile = profile;
    this.#mutation = mutation;
    // A store makes its region of the disk: it must be there before anybody looks into it.
    new MemoryLogStore(this);
  }

  /** Entries of the log that are on the disk at this moment. */
  get durableLog(): LogRegion {
    return this.#logRegion();
  }

  #logRegion(): LogRegion & HardStates {
    this.#log ??= this.region<LogRegion & HardStates>('log-0', () => {
      throw new Error('no log store was made on this disk');
    });
    return this.#log;
  }

  /** Term and vote, as a start now would find them. */
  get durableHardState(): { readonly term: number; readonly vote: string | null } {
    const { hard, superblock } = this.#logRegion();
    return superblock.hard.counter > hard.counter ? superblock.hard : hard;
  }

  /** The snapshots that lie on it. */
  snapshots(): { readonly id: string; readonly sizeBytes: number }[] {
    const files = this.region<Map<string, Buffer>>('snapshots-0', () => new Map());
    const found: { id: string; sizeBytes: number }[] = [];
    for (const [name, content] of files) {
      const id = /-([0-9a-f]{32})\.snapshot$/.exec(name)?.[1];
      if (id !== undefined) found.push({ id, sizeBytes: content.length });
    }
    return found;
  }

  /** Keys of the records of the state. */
  stateKeys(): Buffer[] {
    const { records } = this.#state();
    return [...records.keys()].map((key) => Buffer.from(key, 'latin1'));
  }

  /** Where the log begins and ends, and up to where the stores know that it was durable. */
  extent(): { readonly compactedIndex: number; readonly lastIndex: number; readonly knownIndex: number } {
    const { compactedIndex, entries, superblock } = this.durableLog;
    const lastIndex = Math.max(compactedIndex, ...entries.keys());
    const knownIndex = Math.max(superblock.highWaterIndex, this.#state().position.appliedIndex);
    return { compactedIndex, lastIndex, knownIndex: Math.min(knownIndex, lastIndex) };
  }

  #state(): StateRegion {
    // A store makes its region.
    new MemoryStateStore(this);
    return this.region<StateRegion>('state-0', () => {
      throw new Error('no state store was made on this disk');
    });
  }

  /** Entries of the log that are configurations. */
  durableConfigurations(): Entry[] {
    return [...this.durableLog.entries.values()].filter(({ type }) => type === EntryType.config);
  }

  setProfile(profile: DiskProfile): void {
    this.#profile = profile;
  }

  override write(action: string, steps: readonly DiskStep[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const fails = this.#failNext > 0;
      if (fails) this.#failNext--;
      this.#world.settle();
      if (this.#mutation.reportsEarly === true && !fails) {
        this.#queue.push({ action, steps, resolve: () => {}, reject: () => {}, fails });
        resolve();
      } else this.#queue.push({ action, steps, resolve, reject, fails });
      this.#next();
    });
  }

  /** Slower than it was made, or stalled, full, or about to fail. */
  get troubled(): boolean {
    return this.#held || this.#full || this.#failNext > 0 || this.#profile !== this.#normal;
  }

  get full(): boolean {
    return this.#full;
  }

  override fill(): void {
    super.fill();
    this.#full = true;
    this.wasFull = true;
  }

  override makeRoom(): void {
    super.makeRoom();
    this.#full = false;
  }

  override wipe(): void {
    super.wipe();
    this.#full = false;
    this.#log = null;
    // As in the constructor: the regions must be there.
    new MemoryLogStore(this);
  }

  /** How long one read takes. */
  async read(): Promise<void> {
    await new Promise<void>((resolve) => {
      const power = this.#power;
      this.#world.after(this.#rng.skewed(0.02, this.#profile.slowestMs), () => {
        if (power !== this.#power) return;
        this.deliver(() => {
          this.#world.settle();
          resolve();
        });
      });
    });
  }

  /** The next write changes nothing and is reported as failed; those after it would succeed. */
  failNext(): void {
    this.#failNext++;
  }

  /** Nothing completes any more, until `proceed`. */
  hold(): void {
    this.#held = true;
  }

  proceed(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#next();
  }

  /** Power off: of every write that waits, some first steps may have happened all the same. */
  override crash(options: CrashOptions = {}): void {
    this.#power++;
    const lost = this.#queue;
    this.#queue = [];
    this.#busy = false;
    this.#held = false;
    this.#failNext = 0;
    const torn = this.#full ? 0 : (options.torn ?? 0);
    for (const { steps, fails } of lost) if (!fails) for (const step of steps.slice(0, torn)) step();
    super.crash();
    this.#world.settle();
    for (const { action, reject } of lost) reject(new StorageError('CRASHED', { action }));
  }

  #next(): void {
    if (this.#busy || this.#held || this.#queue.length === 0) return;
    this.#busy = true;
    const power = this.#power;
    const { fastestMs, slowestMs } = this.#profile;
    this.#world.after(this.#rng.skewed(fastestMs, slowestMs), () => {
      if (power === this.#power) this.#complete();
    });
  }

  #complete(): void {
    this.#busy = false;
    if (this.#held) return;
    const write = this.#queue.shift();
    if (write === undefined) return;
    const error = write.fails ? new Error('EIO: i/o error, write') : this.fullError(write.action);
    if (error === null) {
      this.flush();
      for (const step of write.steps) step();
    }
    const power = this.#power;
    this.deliver(() => {
      if (power !== this.#power) return;
      this.#world.settle();
      if (error === null) write.resolve();
      else write.reject(error);
    });
    this.#next();
  }
}

/** The log store whose reads take time too. */
export class SimulatedLogStore extends MemoryLogStore {
  readonly #slowDisk: SimulatedDisk;
  readonly #world: World;

  constructor(disk: SimulatedDisk, world: World) {
    super(disk);
    this.#slowDisk = disk;
    this.#world = world;
  }

  override async read(fromIndex: number, maxBytes: number): Promise<Entry[]> {
    this.#world.settle();
    await this.#slowDisk.read();
    return super.read(fromIndex, maxBytes);
  }

  override termAt(index: number): Promise<number | null> {
    this.#world.settle();
    return super.termAt(index);
  }

  override compact(throughIndex: number, throughTerm: number): Promise<void> {
    this.#world.settle();
    this.#world.count('log compactions');
    return super.compact(throughIndex, throughTerm);
  }
}
