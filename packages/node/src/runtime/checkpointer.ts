import type { CheckpointRecords } from '@quorate/broker';
import type { LogStore, StateStore } from '@quorate/storage';
import { mergeCheckpoints } from './checkpoint-merge.ts';

export interface CheckpointerOptions {
  readonly stateStore: Pick<StateStore, 'write'>;
  readonly log: Pick<LogStore, 'termAt'>;
  readonly nowMs: () => number;
  /** Asks for the log to be dropped up to an index that the state store holds durably. */
  readonly compact: (index: number, term: number) => void;
  readonly onWritten: (durationMs: number) => void;
  readonly onFatal: (error: unknown) => void;
}

/** Entries worth a compaction: fewer are not worth its writes. */
const COMPACT_ENTRIES = 4096;
/** Nor is less log than this. What is not compacted is read into memory at the next start. */
const COMPACT_BYTES = 32 * 1024 * 1024;

interface Pending {
  readonly records: CheckpointRecords;
  readonly compactIndex: number;
}

/**
 * Brings checkpoints to the state store one after the other, and lets go of the log behind them. At most two are held,
 * one on its way to the disk and one behind it: a further one is merged into that. The leader asks for no checkpoint
 * while its own wait, but a follower with a slower disk gets them at the leader's pace.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #next: Pending | null = null;
  #writing: Promise<void> | null = null;
  #compactedIndex: number;
  #bytesSinceCompaction = 0;
  #failed = false;

  /** @param compactedIndex where the log begins now */
  constructor(options: CheckpointerOptions, compactedIndex: number) {
    this.#options = options;
    this.#compactedIndex = compactedIndex;
  }

  /** Checkpoints of this node that are not on disk, at most two. The leader asks for no further one while two wait. */
  get waiting(): number {
    return (this.#next === null ? 0 : 1) + (this.#writing === null ? 0 : 1);
  }

  /** @param logBytes data of the log entries since the checkpoint before */
  add(records: CheckpointRecords, compactIndex: number, logBytes: number): void {
    if (this.#failed) return;
    this.#bytesSinceCompaction += logBytes;
    const waiting = this.#next;
    this.#next = { records: waiting === null ? records : mergeCheckpoints(waiting.records, records), compactIndex };
    this.#writing ??= this.#drain();
  }

  /** Resolves when everything added is durable, or has failed. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    const { stateStore, nowMs, onWritten, onFatal } = this.#options;
    try {
      for (let next = this.#take(); next !== null; next = this.#take()) {
        const { appliedIndex, appliedTerm, puts, deletes } = next.records;
        const startedMs = nowMs();
        await stateStore.write({ position: { appliedIndex, appliedTerm }, puts, deletes });
        onWritten(nowMs() - startedMs);
        await this.#compact(Math.min(next.compactIndex, appliedIndex));
      }
    } catch (error) {
      this.#failed = true;
      this.#next = null;
      onFatal(error);
    }
    this.#writing = null;
  }

  #take(): Pending | null {
    const next = this.#next;
    this.#next = null;
    return next;
  }

  async #compact(index: number): Promise<void> {
    const entries = index - this.#compactedIndex;
    if (entries <= 0 || (entries < COMPACT_ENTRIES && this.#bytesSinceCompaction < COMPACT_BYTES)) return;
    const term = await this.#options.log.termAt(index);
    if (term === null) return;
    this.#compactedIndex = index;
    this.#bytesSinceCompaction = 0;
    this.#options.compact(index, term);
  }
}
