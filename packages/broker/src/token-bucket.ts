/**
 * A rate on the monotonic clock, without a timer. What is not used is saved up for one second, at least for one piece, so
 * a burst is at most one second's worth.
 */
export class TokenBucket {
  readonly #perSec: number;
  readonly #capacity: number;
  #tokens: number;
  #atMs: number;

  /** @param perSec more than 0 */
  constructor(perSec: number, nowMs: number) {
    this.#perSec = perSec;
    this.#capacity = Math.max(1, perSec);
    this.#tokens = this.#capacity;
    this.#atMs = nowMs;
  }

  #refill(nowMs: number): void {
    // A clock that seems to stand or to go back gives nothing.
    const passedMs = Math.max(0, nowMs - this.#atMs);
    this.#tokens = Math.min(this.#capacity, this.#tokens + (passedMs * this.#perSec) / 1000);
    this.#atMs = nowMs;
  }

  /** Whether there is one. It is not taken. */
  has(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens >= 1;
  }

  /** Takes `count`, also when there are fewer: the debt has to be worked off first. */
  take(count: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#tokens -= count;
  }

  /** How long it takes until the debt is worked off, 0 without one. */
  debtMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens >= 0 ? 0 : (-this.#tokens * 1000) / this.#perSec;
  }
}

/** Null for a rate of 0, which stands for none. */
export function bucketOf(perSec: number, nowMs: number): TokenBucket | null {
  return perSec > 0 ? new TokenBucket(perSec, nowMs) : null;
}
