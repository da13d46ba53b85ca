import type { CheckpointRecords, CheckpointTaker } from '@quorate/broker';
import { type Configuration, encodeConfiguration } from '@quorate/consensus';
import type { LogStore, SnapshotInfo, SnapshotSource, SnapshotStore, StateStore } from '@quorate/storage';
import { mergeCheckpoints } from './checkpoint-merge.ts';
import { RecordSum } from './record-sum.ts';
import { CONFIGURATION_KEY } from './stored-configuration.ts';

/** A state store that can be dumped. */
export type CheckpointStore = StateStore & SnapshotSource;

/** What stands beside the records of a checkpoint. */
export interface CheckpointFacts {
  readonly index: number;
  readonly term: number;
  /** Cluster clock there, in milliseconds. */
  readonly stampMs: number;
  readonly configuration: Configuration;
}

export interface CheckpointerOptions {
  readonly log: Pick<LogStore, 'termAt'>;
  readonly snapshots: Pick<SnapshotStore, 'create'>;
  readonly nowMs: () => number;
  /** Runs a task in a turn of its own. */
  readonly defer: (task: () => void) => void;
  /** Entries worth a compaction: fewer are not worth its writes. */
  readonly compactEntries: number;
  /** Asks for the log to be dropped up to an index that the state store holds durably. */
  readonly compact: (index: number, term: number) => void;
  readonly onWritten: (durationMs: number) => void;
  /** The sum of what changed from the checkpoint before to the one at `index`: the same on every node. */
  readonly onSum: (index: number, sum: Buffer) => void;
  readonly onFatal: (error: unknown) => void;
}

/** Log that is worth a compaction. What is not compacted is read into memory at the next start. */
const COMPACT_BYTES = 32 * 1024 * 1024;
/** Records gathered in one turn. */
const SLICE_RECORDS = 512;

interface Pending {
  readonly taker: CheckpointTaker | null;
  /** Of several checkpoints merged into one; else what the taker gives. */
  readonly merged: CheckpointRecords | null;
  readonly facts: CheckpointFacts;
  readonly compactIndex: number;
}

/**
 * Brings checkpoints to the state store one after the other, and lets go of the log behind them. At most two are held,
 * one on its way to the disk and one behind it: a further one is merged into that. The leader asks for no checkpoint
 * while its own wait, but a follower with a slower disk gets them at the leader's pace.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #store: CheckpointStore;
  /** What the state store holds. */
  #stored: CheckpointFacts;
  #next: Pending | null = null;
  #working = false;
  /** A dump or an installation has the state store: nothing is written meanwhile. */
  #held = false;
  /** Dumps and installations that wait for it. They go before further writes, which might follow each other for ever. */
  #holders = 0;
  #idle: (() => void)[] = [];
  #compactedIndex: number;
  #bytesSinceCompaction = 0;
  #ended = false;

  /** @param compactedIndex where the log begins now */
  constructor(options: CheckpointerOptions, store: CheckpointStore, stored: CheckpointFacts, compactedIndex: number) {
    this.#options = options;
    this.#store = store;
    this.#stored = stored;
    this.#compactedIndex = compactedIndex;
  }

  /**
   * Checkpoints of this node that are not on disk, at most two; a dump counts as one, as it holds them back. The leader
   * asks for no further one while two wait.
   */
  get waiting(): number {
    return (this.#next === null ? 0 : 1) + (this.#working || this.#held ? 1 : 0);
  }

  /** @param logBytes data of the log entries since the checkpoint before */
  add(taker: CheckpointTaker, facts: CheckpointFacts, compactIndex: number, logBytes: number): void {
    if (this.#ended) return;
    this.#bytesSinceCompaction += logBytes;
    const waiting = this.#next;
    if (waiting === null) this.#next = { taker, merged: null, facts, compactIndex };
    else {
      const earlier = waiting.merged ?? waiting.taker;
      if (earlier === null) throw new Error('a checkpoint without records');
      this.#next = { taker: null, merged: mergeCheckpoints(earlier, taker), facts, compactIndex };
    }
    this.#advance();
  }

  /** Resolves when nothing is being written and the state store may be closed. What waits is given up. */
  async stop(): Promise<void> {
    this.#ended = true;
    this.#next = null;
    await this.#whenIdle();
    await this.#store.close();
  }

  /**
   * Makes a snapshot of what the state store holds; writes are held back meanwhile.
   * @returns null when it does not reach `minIndex`, or the cluster has no name yet
   */
  async dump(minIndex: number, clusterId: string | null, machineVersion: number): Promise<SnapshotInfo | null> {
    await this.#hold();
    try {
      const { index, term, stampMs, configuration } = this.#stored;
      if (index < minIndex || clusterId === null || this.#ended) return null;
      const facts = { index, term, stampMs, configuration: encodeConfiguration(configuration) };
      return await this.#options.snapshots.create(this.#store, { ...facts, clusterId, machineVersion });
    } finally {
      this.#release();
    }
  }

  /**
   * Another state takes the place of what is stored: what waits to be written belongs to the old one and is dropped.
   * @param replace is given the store that counted, open, and gives back the one that counts then, open too
   */
  async handOver(
    replace: (before: CheckpointStore) => Promise<StateStore>,
    { index, term, stampMs, configuration }: CheckpointFacts,
  ): Promise<void> {
    await this.#hold();
    this.#next = null;
    try {
      this.#store = (await replace(this.#store)) as CheckpointStore;
      this.#stored = { index, term, stampMs, configuration };
      this.#compactedIndex = index;
      this.#bytesSinceCompaction = 0;
      this.#next = null;
    } finally {
      this.#release();
    }
  }

  async #hold(): Promise<void> {
    this.#holders++;
    while (this.#held || this.#working) await this.#whenIdle();
    this.#holders--;
    this.#held = true;
  }

  #release(): void {
    this.#held = false;
    this.#settled();
    this.#advance();
  }

  #whenIdle(): Promise<void> {
    if (!this.#held && !this.#working) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
    });
  }

  #settled(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #advance(): void {
    const pending = this.#next;
    if (pending === null || this.#working || this.#held || this.#holders > 0 || this.#ended) return;
    this.#next = null;
    this.#working = true;
    this.#gather(pending);
  }

  /** In turns of its own, or a checkpoint of many records would hold everything up. */
  #gather(pending: Pending): void {
    const { taker, merged } = pending;
    try {
      if (taker !== null && taker.next(SLICE_RECORDS) && !this.#ended) {
        this.#options.defer(() => {
          this.#gather(pending);
        });
        return;
      }
      const records = merged ?? taker?.records();
      if (records === undefined) throw new Error('a checkpoint without records');
      // Of merged ones the sum is another than that of either.
      if (merged === null) this.#sum(pending, records, new RecordSum(), 0);
      else this.#write(pending, records);
    } catch (error) {
      this.#fail(error);
    }
  }

  #sum(pending: Pending, records: CheckpointRecords, sum: RecordSum, from: number): void {
    const to = from + SLICE_RECORDS;
    sum.add(records, from, to);
    if (to < records.puts.length + records.deletes.length) {
      this.#options.defer(() => {
        this.#sum(pending, records, sum, to);
      });
      return;
    }
    if (!this.#ended) this.#options.onSum(pending.facts.index, sum.value());
    this.#write(pending, records);
  }

  #write({ facts, compactIndex }: Pending, records: CheckpointRecords): void {
    if (this.#ended) return this.#done();
    const { nowMs, onWritten } = this.#options;
    const { appliedIndex, appliedTerm, puts, deletes } = records;
    const startedMs = nowMs();
    const configuration = [CONFIGURATION_KEY, encodeConfiguration(facts.configuration)] as const;
    this.#store
      .write({ position: { appliedIndex, appliedTerm }, puts: [...puts, configuration], deletes })
      .then(async () => {
        this.#stored = facts;
        onWritten(nowMs() - startedMs);
        await this.#compact(Math.min(compactIndex, appliedIndex));
      })
      .then(
        () => {
          this.#done();
        },
        (error: unknown) => {
          this.#fail(error);
        },
      );
  }

  #done(): void {
    this.#working = false;
    this.#settled();
    this.#advance();
  }

  #fail(error: unknown): void {
    this.#ended = true;
    this.#next = null;
    this.#options.onFatal(error);
    this.#done();
  }

  async #compact(index: number): Promise<void> {
    const entries = index - this.#compactedIndex;
    const { compactEntries, log, compact } = this.#options;
    if (entries <= 0 || (entries < compactEntries && this.#bytesSinceCompaction < COMPACT_BYTES)) return;
    const term = await log.termAt(index);
    if (term === null) return;
    this.#compactedIndex = index;
    this.#bytesSinceCompaction = 0;
    compact(index, term);
  }
}
