import {
  type AppliedEntry,
  CheckpointTaker,
  type State,
  StateLoader,
  StateMachine,
  type StateSink,
} from '@quorate/broker';
import { demand, Violation } from '../world/violation.ts';
import { describeState, firstDifference } from './digest.ts';
import type { StateDigest } from './state-digest.ts';

/** Records gathered for a checkpoint between two entries: from one to so many, so that entries come in between. */
const MOST_RECORDS_PER_ENTRY = 24;
/** A restart is at least so many entries after the one before, and more where there is more to load. */
const RESTART_ENTRIES = 24;
const RECORDS_PER_ENTRY = 8;

/**
 * One more replica, which does nothing but start again from its checkpoints: it takes those of the log as a node does, some
 * records between any two entries, and goes on from what it stored. Whatever a checkpoint leaves out, a start does not
 * bring back, or only happens to have one order in a state that grew, shows here without a node that crashes at the right
 * moment, and without a node at all.
 */
export class RestartingReference {
  readonly #digest: StateDigest;
  readonly #expected: (index: number) => number | undefined;
  readonly #stateAt: (index: number) => string;
  readonly #sink: StateSink;
  #machine: StateMachine;
  /** What the state store of a node would hold, by the key's bytes as latin1 text. */
  readonly #records = new Map<string, Uint8Array>();
  /** The checkpoint that is being gathered, and what was applied since. */
  #taker: CheckpointTaker | null = null;
  #behind: AppliedEntry[] = [];
  #checkpointDue = false;
  #restartFrom = 0;
  restarts = 0;

  /**
   * @param digest of states
   * @param expected the digest of the state at an index, where it is known
   * @param stateAt the state at an index, as text
   */
  constructor(
    digest: StateDigest,
    expected: (index: number) => number | undefined,
    stateAt: (index: number) => string,
  ) {
    this.#digest = digest;
    this.#expected = expected;
    this.#stateAt = stateAt;
    this.#sink = quiet(() => {
      this.#checkpointDue = true;
    });
    this.#machine = new StateMachine(this.#sink);
  }

  /** @param entry whose data does not change any more */
  apply(entry: AppliedEntry): void {
    try {
      this.#machine.apply(entry);
      if (this.#taker !== null) this.#behind.push(entry);
      this.#gather(entry.index);
    } catch (error) {
      if (error instanceof Violation) throw error;
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Violation(
        'restarted-state',
        `a node started from its checkpoints ends at entry ${entry.index}: ${why}`,
      );
    }
    this.#compare(entry.index, this.#machine.state);
  }

  #gather(index: number): void {
    const due = this.#checkpointDue;
    this.#checkpointDue = false;
    // As on a node, one that comes while another is gathered is missed.
    if (this.#taker === null) {
      if (!due) return;
      this.#taker = new CheckpointTaker(this.#machine.state);
      this.#behind = [];
      return;
    }
    if (this.#taker.next(1 + ((index * 7) % MOST_RECORDS_PER_ENTRY))) return;
    const taker = this.#taker;
    this.#taker = null;
    for (const [key, value] of taker.puts) this.#records.set(textOf(key), Uint8Array.from(value));
    for (const key of taker.deletes) this.#records.delete(textOf(key));
    if (index >= this.#restartFrom) this.#restart(taker, index);
  }

  #restart({ appliedIndex, appliedTerm }: CheckpointTaker, index: number): void {
    this.#restartFrom = index + RESTART_ENTRIES + Math.floor(this.#records.size / RECORDS_PER_ENTRY);
    this.restarts++;
    const loader = new StateLoader();
    for (const [key, value] of sorted(this.#records)) loader.add(key, value);
    this.#machine = new StateMachine(this.#sink, loader.finish(appliedIndex, appliedTerm));
    this.#compare(appliedIndex, this.#machine.state);
    for (const entry of this.#behind) this.#machine.apply(entry);
    this.#behind = [];
    this.#checkpointDue = false;
  }

  #compare(index: number, state: State): void {
    const expected = this.#expected(index);
    demand(
      expected === undefined || this.#digest.of(state) === expected,
      'restarted-state',
      () =>
        `a node started from its checkpoints has at index ${index}\n` +
        firstDifference(describeState(state), this.#stateAt(index)),
    );
  }
}

/** In the order of their bytes, as a state store gives them. */
function sorted(records: ReadonlyMap<string, Uint8Array>): [Uint8Array, Uint8Array][] {
  return [...records.keys()].sort().map((key) => [Buffer.from(key, 'latin1'), records.get(key) as Uint8Array]);
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

function quiet(checkpoint: () => void): StateSink {
  const nothing = (): void => {};
  return {
    batchBegin: nothing,
    commandResult: nothing,
    batchEnd: nothing,
    deliver: nothing,
    queued: nothing,
    ownershipLost: nothing,
    nodeChanged: nothing,
    checkpoint,
    clusterNamed: nothing,
    dropped: nothing,
  };
}
