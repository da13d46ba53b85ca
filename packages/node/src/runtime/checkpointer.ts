import type { CheckpointRecords } from '@quorate/broker';
import type { LogStore, StateStore } from '@quorate/storage';

export interface CheckpointerOptions {
  readonly stateStore: StateStore;
  readonly log: LogStore;
  readonly nowMs: () => number;
  /** Asks for the log to be dropped up to an index that the state store holds durably. */
  readonly compact: (index: number, term: number) => void;
  readonly onWritten: (durationMs: number) => void;
  readonly onFatal: (error: unknown) => void;
}

/** Entries worth a compaction: fewer are not worth its writes. */
const COMPACT_ENTRIES = 4096;

/** Brings checkpoints to the state store one after the other, and lets go of the log behind them. */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #queue: { readonly records: CheckpointRecords; readonly compactIndex: number }[] = [];
  #writing: Promise<void> | null = null;
  #compactedIndex: number;
  #failed = false;

  constructor(options: CheckpointerOptions, compactedIndex: number) {
    this.#options = options;
    this.#compactedIndex = compactedIndex;
  }

  /** Checkpoints waiting for the disk. The leader asks for no further one while its own wait. */
  get waiting(): number {
    return this.#queue.length + (this.#writing === null ? 0 : 1);
  }

  add(records: CheckpointRecords, compactIndex: number): void {
    this.#queue.push({ records, compactIndex });
    this.#writing ??= this.#drain();
  }

  /** Resolves when everything added is durable, or has failed. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    const { stateStore, nowMs, onWritten, onFatal } = this.#options;
    try {
      for (let next = this.#queue.shift(); next !== undefined && !this.#failed; next = this.#queue.shift()) {
        const { appliedIndex, appliedTerm, puts, deletes } = next.records;
        const startedMs = nowMs();
        await stateStore.write({ position: { appliedIndex, appliedTerm }, puts, deletes });
        onWritten(nowMs() - startedMs);
        await this.#compact(Math.min(next.compactIndex, appliedIndex));
      }
    } catch (error) {
      this.#failed = true;
      onFatal(error);
    }
    this.#writing = null;
  }

  async #compact(index: number): Promise<void> {
    if (index - this.#compactedIndex < COMPACT_ENTRIES) return;
    const term = await this.#options.log.termAt(index);
    if (term === null) return;
    this.#compactedIndex = index;
    this.#options.compact(index, term);
  }
}
