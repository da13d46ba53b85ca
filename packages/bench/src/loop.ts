/**
 * Gathers the work of one event-loop turn. Reads only mark connections; when the poll phase is over, one immediate
 * lets every marked connection produce its packets and write once.
 */

/** Something that wants to act at the end of the turn. */
export interface Turnable {
  /** Managed by the loop: whether it is marked for this turn. */
  queued: boolean;
  turn(): void;
}

/** How a wait ended. */
export type WaitOutcome = 'met' | 'timeout' | 'idle';

interface Wait {
  readonly condition: () => boolean;
  readonly resolve: (outcome: WaitOutcome) => void;
  readonly reject: (error: Error) => void;
}

/** Limits of a wait. */
export interface WaitLimits {
  /** Give up after this long. */
  readonly timeoutMs: number;
  /** With `progress`: give up when `progress()` has not changed for this long. */
  readonly idleMs?: number;
  readonly progress?: () => number;
}

/** The turn of one run. At most one wait at a time. */
export class Loop {
  /** Where every socket of the run reads into: reads are handled before the next one starts. */
  readonly readBuffer = Buffer.allocUnsafeSlow(262_144);
  /** When the chunk being handled was read: one clock reading serves all its packets. */
  readAtMs = 0;
  #marked: Turnable[] = [];
  #running: Turnable[] = [];
  #scheduled = false;
  #wait: Wait | null = null;
  #failure: Error | null = null;
  readonly #turn = (): void => this.#run();

  /** Lets `item` act at the end of this turn. */
  mark(item: Turnable): void {
    if (!item.queued) {
      item.queued = true;
      this.#marked.push(item);
    }
    this.wake();
  }

  /** Has the condition of the current wait looked at after this turn. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  /** Ends the run: the current wait, or the next one, rejects with `error`. The first error stays. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.wake();
  }

  /** Resolves once `condition()` holds or a limit is reached; rejects when the run has failed. */
  async until(condition: () => boolean, limits: WaitLimits): Promise<WaitOutcome> {
    if (this.#wait !== null) throw new Error('a wait is already in progress');
    const timers: NodeJS.Timeout[] = [];
    try {
      return await new Promise<WaitOutcome>((resolve, reject) => {
        this.#wait = { condition, resolve, reject };
        timers.push(setTimeout(() => resolve('timeout'), limits.timeoutMs));
        const { idleMs, progress } = limits;
        if (idleMs !== undefined && progress !== undefined) timers.push(watchProgress(progress, idleMs, resolve));
        this.wake();
      });
    } finally {
      this.#wait = null;
      for (const timer of timers) clearTimeout(timer);
    }
  }

  #run(): void {
    this.#scheduled = false;
    const batch = this.#marked;
    this.#marked = this.#running;
    this.#running = batch;
    for (let i = 0; i < batch.length; i++) {
      const item = batch[i] as Turnable;
      item.queued = false;
      item.turn();
    }
    batch.length = 0;
    const wait = this.#wait;
    if (wait === null) return;
    if (this.#failure !== null) wait.reject(this.#failure);
    else if (wait.condition()) wait.resolve('met');
  }
}

function watchProgress(
  progress: () => number,
  idleMs: number,
  resolve: (outcome: WaitOutcome) => void,
): NodeJS.Timeout {
  let last = progress();
  let lastChangeMs = performance.now();
  return setInterval(() => {
    const current = progress();
    const nowMs = performance.now();
    if (current !== last) {
      last = current;
      lastChangeMs = nowMs;
    } else if (nowMs - lastChangeMs >= idleMs) resolve('idle');
  }, 50);
}
