/** How many failed logins are borne. */
export interface AttemptLimits {
  readonly perUser: number;
  readonly perAddress: number;
  readonly windowSec: number;
}

interface Window {
  sinceMs: number;
  failures: number;
}

/** Users and addresses that are counted at once; beyond it the oldest are forgotten. */
const MAX_COUNTED = 20_000;

/** Failed logins of late, by user and by address. */
export class Attempts {
  readonly #limits: AttemptLimits;
  readonly #nowMs: () => number;
  readonly #maxCounted: number;
  /** By `u` and a user's name, or `a` and an address, oldest window first. */
  readonly #windows = new Map<string, Window>();

  /** @param maxCounted only tests give one */
  constructor(limits: AttemptLimits, nowMs: () => number, maxCounted = MAX_COUNTED) {
    this.#limits = limits;
    this.#nowMs = nowMs;
    this.#maxCounted = maxCounted;
  }

  get counted(): number {
    return this.#windows.size;
  }

  /** Whether there were too many to look at another one now. */
  isBlocked(address: string, userName: string | null): boolean {
    if (this.#windows.size === 0) return false;
    const { perAddress, perUser } = this.#limits;
    return (
      this.#failures(`a${address}`) >= perAddress || (userName !== null && this.#failures(`u${userName}`) >= perUser)
    );
  }

  failed(address: string, userName: string | null): void {
    this.#count(`a${address}`);
    if (userName !== null) this.#count(`u${userName}`);
  }

  #failures(key: string): number {
    const window = this.#windows.get(key);
    return window === undefined || this.#isOver(window) ? 0 : window.failures;
  }

  #isOver({ sinceMs }: Window): boolean {
    return this.#nowMs() - sinceMs >= this.#limits.windowSec * 1000;
  }

  #count(key: string): void {
    const window = this.#windows.get(key);
    if (window !== undefined && !this.#isOver(window)) {
      window.failures++;
      return;
    }
    this.#windows.delete(key);
    if (this.#windows.size >= this.#maxCounted) {
      const oldest = this.#windows.keys().next();
      if (oldest.done !== true) this.#windows.delete(oldest.value);
    }
    this.#windows.set(key, { sinceMs: this.#nowMs(), failures: 1 });
  }
}
