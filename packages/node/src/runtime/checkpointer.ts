import type { CheckpointTaker } from '@quorate/broker';
import { type Configuration, encodeConfiguration } from '@quorate/consensus';
import {
  type LogStore,
  type SnapshotInfo,
  type SnapshotSource,
  type SnapshotStore,
  type StateStore,
  TurnShare,
} from '@quorate/storage';
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
/** Records gathered between two looks at the clock. */
const SLICE_RECORDS = 256;
/** Slices of one turn, however short they are. */
const SLICES_PER_TURN = 16;

interface Pending {
  readonly taker: CheckpointTaker;
  readonly facts: CheckpointFacts;
  readonly compactIndex: number;
  /** It stands for more than what changed since the checkpoint command before: its sum is nobody else's. */
  readonly afterMissed: boolean;
}

/**
 * Brings checkpoints to the state store one after the other, and lets go of the log behind them. At most two are held, one
 * on its way to the disk and one that is gathered meanwhile. A further one is missed: the state goes on noting what changes,
 * so the next one has it all. The leader asks for none that it would miss itself, but a follower with a slower disk, or
 * one that catches up, gets them at the leader's pace. To take each of them and merge them took seconds of the event loop.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #store: CheckpointStore;
  /** What the state store holds. */
  #stored: CheckpointFacts;
  #gathering: Pending | null = null;
  /** Gathered: waits for the store. */
  #gathered: Pending | null = null;
  #writing = false;
  #missed = false;
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

  /** Whether `add` would take a checkpoint now. The leader asks for none otherwise. */
  get accepts(): boolean {
    return !this.#ended && this.#gathering === null && this.#gathered === null;
  }

  /**
   * The place of a checkpoint in the log. It is taken, or missed when two are held already.
   * @param take begins to gather it; called at once or not at all
   * @param logBytes data of the log entries since the checkpoint before
   */
  add(take: () => CheckpointTaker, facts: CheckpointFacts, compactIndex: number, logBytes: number): void {
    if (this.#ended) return;
    this.#bytesSinceCompaction += logBytes;
    if (!this.accepts) {
      this.#missed = true;
      return;
    }
    const pending = { taker: take(), facts, compactIndex, afterMissed: this.#missed };
    this.#missed = false;
    this.#gathering = pending;
    this.#gather(pending);
  }

  /** Resolves when nothing is being written and the state store may be closed. What waits is given up. */
  async stop(): Promise<void> {
    this.#ended = true;
    this.#dropHeld();
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
    try {
      this.#store = (await replace(this.#store)) as CheckpointStore;
      this.#stored = { index, term, stampMs, configuration };
      this.#compactedIndex = index;
      this.#bytesSinceCompaction = 0;
      this.#missed = false;
    } finally {
      this.#dropHeld();
      this.#release();
    }
  }

  async #hold(): Promise<void> {
    this.#holders++;
    while (this.#held || this.#writing) await this.#whenIdle();
    this.#holders--;
    this.#held = true;
  }

  #release(): void {
    this.#held = false;
    this.#settled();
    this.#advance();
  }

  #whenIdle(): Promise<void> {
    if (!this.#held && !this.#writing) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
    });
  }

  #settled(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #advance(): void {
    const pending = this.#gathered;
    if (pending === null || this.#writing || this.#held || this.#holders > 0 || this.#ended) return;
    this.#gathered = null;
    this.#writing = true;
    this.#write(pending);
  }

  #dropHeld(): void {
    this.#gathering = null;
    this.#gathered = null;
  }

  /** In turns of its own, or a checkpoint of many records would hold everything up. */
  #gather(pending: Pending): void {
    this.#inTurns(pending, () => {
      if (pending.taker.next(SLICE_RECORDS)) return true;
      if (pending.afterMissed) this.#isGathered(pending);
      else this.#sum(pending);
      return false;
    });
  }

  #sum(pending: Pending): void {
    const records = pending.taker.records();
    const count = records.puts.length + records.deletes.length;
    const sum = new RecordSum();
    let at = 0;
    this.#inTurns(pending, () => {
      sum.add(records, at, at + SLICE_RECORDS);
      at += SLICE_RECORDS;
      if (at < count) return true;
      this.#options.onSum(pending.facts.index, sum.value());
      this.#isGathered(pending);
      return false;
    });
  }

  /** Calls `slice` again and again until it says that there is no more, or the checkpoint was dropped. */
  #inTurns(pending: Pending, slice: () => boolean): void {
    const share = new TurnShare(this.#options.nowMs);
    const turn = (): void => {
      if (this.#gathering !== pending) return;
      share.begin();
      try {
        let slices = 0;
        do {
          if (!slice()) return;
        } while (++slices < SLICES_PER_TURN && !share.isSpent);
      } catch (error) {
        this.#fail(error);
        return;
      }
      share.end();
      this.#options.defer(turn);
    };
    turn();
  }

  #isGathered(pending: Pending): void {
    this.#gathering = null;
    this.#gathered = pending;
    this.#advance();
  }

  #write({ taker, facts, compactIndex }: Pending): void {
    const { nowMs, onWritten } = this.#options;
    const { appliedIndex, appliedTerm, puts, deletes } = taker.records();
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
          this.#done();
        },
      );
  }

  #done(): void {
    this.#writing = false;
    this.#settled();
    this.#advance();
  }

  #fail(error: unknown): void {
    this.#ended = true;
    this.#dropHeld();
    this.#options.onFatal(error);
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
