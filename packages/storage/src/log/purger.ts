import type { Level } from '../level/level-database.ts';
import { entryKey } from './keys.ts';
import { deleteEntries } from './recovery.ts';

const SLICE_KEYS = 1000;

export interface PurgerOptions {
  readonly level: Level;
  readonly group: number;
  /** Ask LevelDB to compact the dead range after this many deletions. */
  readonly compactAfterDeletes: number;
  /** Or when its files are said to hold this many bytes of dead range. */
  readonly compactAfterBytes: number;
  /** True while the store has a write of its own in flight, is closed or poisoned: the purger stays out. */
  readonly mustWait: () => boolean;
  readonly onError: (error: unknown) => void;
}

/**
 * Deletes compacted entries in slices, between the appends. One LevelDB write is in flight at any time, the purger's
 * included: a failed write must be seen before the next one is acknowledged (the next would be lost unnoticed).
 */
export class Purger {
  readonly #options: PurgerOptions;
  /** Entries through here are deleted; entries through `#target` are dead. */
  #deletedThrough: number;
  #target: number;
  #slice: Promise<void> | null = null;
  #compaction: Promise<void> | null = null;
  /** Start of the range that LevelDB was not yet asked to compact. */
  #deadFrom: number;
  #deletesSinceCompaction = 0;

  constructor(options: PurgerOptions, compactedIndex: number) {
    this.#options = options;
    this.#deletedThrough = compactedIndex;
    this.#target = compactedIndex;
    this.#deadFrom = compactedIndex + 1;
  }

  /** The slice in flight, to be awaited before a write; or null. Never rejects. */
  get inFlight(): Promise<void> | null {
    return this.#slice;
  }

  get deletedThrough(): number {
    return this.#deletedThrough;
  }

  /** Entries through `index` are dead, and the bounds that say so are durable. */
  raiseTarget(index: number): void {
    this.#target = Math.max(this.#target, index);
  }

  /** The caller deleted everything itself; the log now begins after `compactedIndex`. */
  reset(compactedIndex: number, deletes: number): void {
    this.#deletedThrough = compactedIndex;
    this.#target = compactedIndex;
    this.#deletesSinceCompaction += deletes;
  }

  /** Starts the next slice, if there is work and no other write is in flight. */
  kick(): void {
    if (this.#slice !== null || this.#options.mustWait()) return;
    if (this.#deletedThrough < this.#target) {
      const from = this.#deletedThrough + 1;
      this.#slice = this.#run(from, Math.min(this.#target, this.#deletedThrough + SLICE_KEYS));
    } else if (this.#compaction === null && this.#deletesSinceCompaction > 0) {
      this.#compaction = this.#compactIfWorthIt();
    }
  }

  /** Resolves when nothing of the purger is in flight. What is left is deleted when the log is opened again. */
  async settle(): Promise<void> {
    while (this.#slice !== null || this.#compaction !== null) await (this.#slice ?? this.#compaction);
  }

  async #run(from: number, through: number): Promise<void> {
    try {
      await deleteEntries(this.#options.level, this.#options.group, from, through);
      this.#deletedThrough = Math.max(this.#deletedThrough, through);
      this.#deletesSinceCompaction += through - from + 1;
    } catch (error) {
      this.#options.onError(error);
    }
    this.#slice = null;
    this.kick();
  }

  async #compactIfWorthIt(): Promise<void> {
    const { level, group, compactAfterDeletes, compactAfterBytes } = this.#options;
    const deletes = this.#deletesSinceCompaction;
    const through = this.#deletedThrough;
    const start = entryKey(group, this.#deadFrom);
    const end = entryKey(group, through + 1);
    try {
      if (deletes >= compactAfterDeletes || (await level.approximateSize(start, end)) >= compactAfterBytes) {
        await level.compactRange(start, end);
        this.#deletesSinceCompaction -= deletes;
        this.#deadFrom = through + 1;
      }
    } catch (error) {
      this.#options.onError(error);
    }
    this.#compaction = null;
  }
}
