import { EventQueue } from './event-queue.ts';
import { Rng } from './random.ts';
import { Trace, type TraceValue } from './trace.ts';
import { Violation } from './violation.ts';

/** Events run between two turns of the real event loop: it is held up no longer than a fraction of a second. */
const EVENTS_PER_SLICE = 20_000;

/**
 * Virtual time and everything that is going to happen. Events run one at a time, by time and then by the order in which they were
 * scheduled. Whatever may have started or settled a promise says so by `settle`: the world then lets all promise
 * reactions run before the next event, so their order too follows from the seed.
 */
export class World {
  readonly rng: Rng;
  readonly trace: Trace;
  readonly #queue = new EventQueue();
  readonly #counts = new Map<string, number>();
  #nowMs = 0;
  #unsettled = false;
  /** Operations under way that wait for turns of the real event loop. */
  #taking = 0;
  #violation: Violation | null = null;
  #events = 0;

  constructor(seed: number, keepTrace: boolean) {
    this.rng = new Rng(seed);
    this.trace = new Trace(keepTrace);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get events(): number {
    return this.#events;
  }

  /** How often things happened, faults among them, by kind. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  get violation(): Violation | null {
    return this.#violation;
  }

  count(kind: string, by = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + by);
  }

  note(where: string, what: string, ...values: TraceValue[]): void {
    this.trace.note(this.#nowMs, where, what, ...values);
  }

  at(atMs: number, task: () => void): void {
    this.#queue.push(Math.max(atMs, this.#nowMs), task);
  }

  after(delayMs: number, task: () => void): void {
    this.#queue.push(this.#nowMs + delayMs, task);
  }

  /** A promise was made or settled: its reactions run before the next event. */
  settle(): void {
    this.#unsettled = true;
  }

  /**
   * As `settle`, for an operation that waits for turns of the real event loop in between, as those do that must not hold it up
   * for long: until it ends there is a turn behind every event. Not only behind those that settle something: in a cluster
   * without a leader there are none for seconds.
   */
  takesTurns<T>(operation: Promise<T>): Promise<T> {
    this.settle();
    this.#taking++;
    const ended = (): void => {
      this.#taking--;
    };
    operation.then(ended, ended);
    return operation;
  }

  /** Ends the simulation with what is broken; the first one counts. */
  fail(error: unknown): void {
    if (this.#violation !== null) return;
    const unexpected = (): Violation =>
      new Violation('no-exception', error instanceof Error ? (error.stack ?? error.message) : String(error));
    this.#violation = error instanceof Violation ? error : unexpected();
    this.note('world', 'VIOLATION', this.#violation.invariant, this.#violation.message);
  }

  /** Runs everything up to `untilMs`, or until something is broken or `done` says so. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    let sliced = 0;
    await turn();
    while (this.#violation === null && this.#queue.peekMs() <= untilMs && !done()) {
      const event = this.#queue.pop();
      if (event === undefined) break;
      this.#nowMs = event.atMs;
      this.#events++;
      try {
        event.task();
      } catch (error) {
        this.fail(error);
      }
      if (++sliced >= EVENTS_PER_SLICE || this.#taking > 0) {
        this.#unsettled = false;
        sliced = 0;
        await turn();
      } else if (this.#unsettled) {
        this.#unsettled = false;
        await reactions();
      }
    }
    if (this.#violation === null && this.#queue.peekMs() > untilMs) this.#nowMs = untilMs;
  }
}

/** Resolves when every promise reaction that is possible by now has run: Node takes the next tick when none is left. */
function reactions(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve);
  });
}

/** As `reactions`, and what waits for a turn of the event loop has had one. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
