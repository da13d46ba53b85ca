/** Bounds of a {@link WorkQueue}. */
export interface WorkLimits {
  readonly maxRunning: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}

interface Waiting {
  readonly sinceMs: number;
  readonly start: () => void;
  readonly refuse: () => void;
}

/** It was not even begun: too much of the kind is under way. */
export class Overloaded extends Error {
  constructor(what: string) {
    super(`too many ${what} wait`);
    this.name = 'Overloaded';
  }
}

/** Runs a bounded number of things at once; a bounded number waits, for a bounded time, in order. */
export class WorkQueue {
  readonly #what: string;
  readonly #limits: WorkLimits;
  readonly #nowMs: () => number;
  readonly #waiting: Waiting[] = [];
  #running = 0;

  /** @param what in the plural, for the error */
  constructor(what: string, limits: WorkLimits, nowMs: () => number = () => performance.now()) {
    this.#what = what;
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** @throws {Overloaded} when there is no room to wait, or it waited too long */
  run<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const refuse = (): void => {
        reject(new Overloaded(this.#what));
      };
      const start = (): void => {
        this.#running++;
        void work()
          .then(resolve, reject)
          .finally(() => {
            this.#running--;
            this.#next();
          });
      };
      if (this.#running < this.#limits.maxRunning) start();
      else if (this.#waiting.length >= this.#limits.maxWaiting) refuse();
      else this.#waiting.push({ sinceMs: this.#nowMs(), start, refuse });
    });
  }

  #next(): void {
    const nowMs = this.#nowMs();
    for (;;) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (nowMs - next.sinceMs <= this.#limits.maxWaitMs) {
        next.start();
        return;
      }
      // Whoever asked has given up by now.
      next.refuse();
    }
  }
}
