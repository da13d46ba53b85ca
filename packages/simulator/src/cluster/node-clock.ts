import type { Clock } from '@quorate/node/runtime';
import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';

/** How late a timer may be, and how long a turn of the event loop gathers events. */
const TIMER_LATE_MS = 2;
const TURN_MS = 0.3;

export interface NodeClockOptions {
  readonly world: World;
  readonly rng: Rng;
  /** What this machine's clock shows. */
  readonly nowMs: () => number;
  /** How fast it runs: 1 is right. */
  readonly rate: number;
  readonly alive: () => boolean;
  /** Runs a task as an event of the process. */
  readonly enter: (task: () => void) => void;
}

/** Time and turns of one process. */
export class NodeClock implements Clock {
  readonly #options: NodeClockOptions;
  #deferred: (() => void)[] = [];
  #scheduled = false;

  constructor(options: NodeClockOptions) {
    this.#options = options;
  }

  nowMs(): number {
    return this.#options.nowMs();
  }

  defer(task: () => void): void {
    const { world, rng, enter } = this.#options;
    this.#deferred.push(task);
    if (this.#scheduled) return;
    this.#scheduled = true;
    world.after(rng.skewed(0.01, TURN_MS), () => {
      enter(() => {
        this.#scheduled = false;
        const tasks = this.#deferred;
        this.#deferred = [];
        for (const each of tasks) if (this.#options.alive()) each();
      });
    });
  }

  every(intervalMs: number, task: () => void): () => void {
    const { world, rng, rate, alive, enter } = this.#options;
    const realMs = intervalMs / rate;
    let cancelled = false;
    // A timer that falls due again while it waits fires once.
    let waiting = false;
    const fire = (): void => {
      if (cancelled || !alive()) return;
      world.after(realMs + rng.skewed(0, TIMER_LATE_MS), fire);
      if (waiting) return;
      waiting = true;
      enter(() => {
        waiting = false;
        if (!cancelled) task();
      });
    };
    world.after(rng.between(0, realMs), fire);
    return () => {
      cancelled = true;
    };
  }
}
