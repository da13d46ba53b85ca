import type { Clock } from '../raft/index.ts';

/** Runs the same task once at the end of a turn of the event loop, however often it is asked for. */
export class TurnEnd {
  readonly #clock: Clock;
  readonly #task: () => void;
  #due = false;
  #soonDue = false;

  constructor(clock: Clock, task: () => void) {
    this.#clock = clock;
    this.#task = task;
  }

  /** At the end of this turn. */
  request(): void {
    if (this.#due) return;
    this.#due = true;
    this.#clock.defer(this.#run);
  }

  /** When the driver's pump is done, and not a turn later: for what the application of entries lets go. */
  soon(): void {
    this.#due = true;
    if (this.#soonDue) return;
    this.#soonDue = true;
    if (this.#clock.soon === undefined) this.#clock.defer(this.#run);
    else this.#clock.soon(this.#run);
  }

  readonly #run = (): void => {
    this.#soonDue = false;
    if (!this.#due) return;
    this.#due = false;
    this.#task();
  };
}
