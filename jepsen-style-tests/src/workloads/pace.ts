import type { Random } from '../random.ts';

const WAKE_MS = 5;
/** After a pause, at most this much is made up for: a burst would measure the client. */
const MAX_BEHIND = 8;

/**
 * Calls `step` a number of times a second, at random distances: clients that began together do not stay in step.
 *
 * @param step returns whether it did something; otherwise it is tried again at the next moment
 * @returns ends it
 */
export function pace(ratePerSec: number, random: Random, step: () => boolean): () => void {
  const everyMs = 1_000 / ratePerSec;
  let dueMs = performance.now() + everyMs;
  const timer = setInterval(
    () => {
      const nowMs = performance.now();
      dueMs = Math.max(dueMs, nowMs - MAX_BEHIND * everyMs);
      while (dueMs <= nowMs && step()) dueMs += everyMs * (0.5 + random.next());
    },
    Math.max(WAKE_MS, everyMs / 2),
  );
  return () => clearInterval(timer);
}

/** Resolves after a while, or at once when `stop` is called. */
export class Pause {
  private readonly ends = new Set<() => void>();
  private stopped = false;

  /** Whether {@link stop} was called. */
  get over(): boolean {
    return this.stopped;
  }

  for(ms: number): Promise<void> {
    if (this.stopped) return Promise.resolve();
    return new Promise((done) => {
      const end = (): void => {
        clearTimeout(timer);
        this.ends.delete(end);
        done();
      };
      const timer = setTimeout(end, ms);
      this.ends.add(end);
    });
  }

  stop(): void {
    this.stopped = true;
    for (const end of [...this.ends]) end();
  }
}
