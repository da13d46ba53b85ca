import { StorageError } from '../errors.ts';
import { addReport, corruptEntry, corruptRecord, corruptSnapshotFile, dropReports, dropTail } from './damage.ts';

/** One step of a write: makes a change of the disk's content. Steps reach the disk in order, each one whole. */
export type DiskStep = () => void;

interface PendingWrite {
  readonly action: string;
  readonly steps: readonly DiskStep[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly error: unknown;
  readonly lose: boolean;
}

export interface CrashOptions {
  /**
   * How many steps of each write in flight reached the disk although nobody was told: 0 (default) for none. A log
   * append with term or vote has two steps, the superblock and then the batch; every other write has one.
   */
  readonly torn?: number;
}

/**
 * A simulated disk: what is synced survives `crash`, what is not is gone. Stores on it are made anew after a crash.
 * No timers, no randomness: a write completes in a microtask, or while stalled when `release` is called.
 */
export class MemoryDisk {
  readonly #regions = new Map<string, unknown>();
  readonly #counters = new Map<string, number>();
  #pending: PendingWrite[] = [];
  #unsynced: DiskStep[] = [];
  #stalled = false;
  #failures: unknown[] = [];
  #losses = 0;
  #full = false;
  #generation = 0;

  /** Goes up with every crash; a store of an earlier generation is dead. */
  get generation(): number {
    return this.#generation;
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  /** Writes handed to the disk that have not completed. */
  get writesInFlight(): number {
    return this.#pending.length;
  }

  /** The durable content kept under `name`, made on first use. For the stores. */
  region<T>(name: string, make: () => T): T {
    let region = this.#regions.get(name) as T | undefined;
    if (region === undefined) {
      region = make();
      this.#regions.set(name, region);
    }
    return region;
  }

  /** 1, 2, 3 and so on for each name: stands in for randomness that never repeats, so `wipe` does not set it back. */
  count(name: string): number {
    const next = (this.#counters.get(name) ?? 0) + 1;
    this.#counters.set(name, next);
    return next;
  }

  /** Hands over a synced write. Resolves when it is durable. For the stores. */
  write(action: string, steps: readonly DiskStep[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const error = this.#failures.shift() ?? null;
      const lose = error === null && this.#losses > 0;
      if (lose) this.#losses -= 1;
      this.#pending.push({ action, steps, resolve, reject, error, lose });
      if (!this.#stalled) this.#completeSoon();
    });
  }

  /** Hands over a change that nobody waits for. It becomes durable with the next write; a crash undoes it. */
  writeUnsynced(step: DiskStep): void {
    this.#unsynced.push(step);
  }

  /** Makes unsynced changes durable, as the next synced write does, and a machine left alone after a while. */
  flush(): void {
    const steps = this.#unsynced;
    this.#unsynced = [];
    for (const step of steps) step();
  }

  /** The next write not yet handed over changes nothing and rejects with `error`. Calls add up, in order. */
  failNextWrite(error: unknown): void {
    this.#failures.push(error);
  }

  /** The next write is acknowledged but never reaches the disk: a disk that lies. Calls add up. */
  loseNextWrite(): void {
    this.#losses += 1;
  }

  /** From now on every write that completes changes nothing and is reported as failed, until `makeRoom`. */
  fill(): void {
    this.#full = true;
  }

  makeRoom(): void {
    this.#full = false;
  }

  /** What a write that completes now rejects with because the disk is full, or null. For disks with a queue of their own. */
  fullError(action: string): StorageError | null {
    if (!this.#full) return null;
    const reason = 'no space left on device';
    const cause = Object.assign(new Error(`ENOSPC: ${reason}, write`), { code: 'ENOSPC' });
    return new StorageError('STORAGE_FAILED', { action, path: 'memory', reason }, cause);
  }

  /**
   * Flips a bit of a log entry where it lies: the next reading of it throws LOG_CORRUPTED, until it is overwritten.
   * @returns false when the disk holds no such entry
   */
  corruptLog(index: number, group = 0): boolean {
    return corruptEntry(this, index, group);
  }

  /**
   * Flips a bit of a record of the state, or of the record of its position: the next reading of it throws STATE_CORRUPTED,
   * until it is overwritten.
   * @returns false when the disk holds no such record
   */
  corruptState(place: Uint8Array | 'position', group = 0): boolean {
    return corruptRecord(this, place, group);
  }

  /** Flips a bit of a whole snapshot, at `offset` or in its middle. @returns false when the disk holds no such snapshot */
  corruptSnapshot(id: string, offset: number | null = null, group = 0): boolean {
    return corruptSnapshotFile(this, id, offset, group);
  }

  /**
   * Drops the last `entries` of the log although they were acknowledged. A store that opens then finds a sound, shorter
   * log; it has a doubt if the log was known to be durable beyond its end. While a store is open, it is in the state of a
   * node whose disk lost them under it. @returns how many were there to drop
   */
  loseTail(entries: number, group = 0): number {
    return dropTail(this, entries, group);
  }

  /** LevelDB dropped something and says so: stores opened from now on have a doubt, until `clearReports`. */
  reportDamage(store: 'log' | 'state', group = 0): void {
    addReport(this, store, group);
  }

  /** What `DataDirectory.clearSuspect` does with such reports. */
  clearReports(group = 0): void {
    dropReports(this, group);
  }

  /**
   * Everything is gone, as after a replaced disk: power off as in `crash`, and whatever is made on it next finds nothing,
   * and room.
   */
  wipe(): void {
    this.crash();
    this.#regions.clear();
    this.#full = false;
  }

  /** Nothing completes until `release`. */
  stall(): void {
    this.#stalled = true;
  }

  /** Completes what was stalled, in order. */
  release(): void {
    this.#stalled = false;
    if (this.#pending.length > 0) this.#completeSoon();
  }

  /**
   * Power off. Writes in flight are dropped, up to their torn steps, and reject with CRASHED; unsynced changes are gone.
   * Armed faults and a stall end with it; a full disk stays full.
   */
  crash(options: CrashOptions = {}): void {
    const pending = this.#pending;
    this.#pending = [];
    this.#unsynced = [];
    this.#stalled = false;
    this.#failures = [];
    this.#losses = 0;
    this.#generation += 1;
    for (const { steps, error, lose } of pending) {
      if (error === null && !lose && !this.#full) for (const step of steps.slice(0, options.torn ?? 0)) step();
    }
    for (const { action, reject } of pending) reject(new StorageError('CRASHED', { action }));
  }

  #completeSoon(): void {
    queueMicrotask(() => this.#complete());
  }

  #complete(): void {
    while (!this.#stalled) {
      const write = this.#pending.shift();
      if (write === undefined) return;
      const error = write.error ?? this.fullError(write.action);
      if (error !== null) {
        write.reject(error);
        continue;
      }
      if (!write.lose) {
        // One log file: what was written to it before is synced along with this write.
        this.flush();
        for (const step of write.steps) step();
      }
      write.resolve();
    }
  }
}
