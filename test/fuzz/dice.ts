/** Random choices of the fuzzers: quick to make, the same for the same seed and number. */
export class Dice {
  /** Nothing happens {@link oddly}: what is made is what a client that knows the protocol would make. */
  isCareful = false;
  #state: number;

  /** @param number of the input: each has dice of its own, so that one can be had again without those before it */
  constructor(seed: number, number = 0) {
    let mixed = Math.imul(seed ^ Math.imul(number + 1, 0x9e3779b1), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    this.#state = (mixed ^ (mixed >>> 16)) >>> 0;
  }

  /** Mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    const state = this.#state;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.#next() / 2 ** 32) * limit);
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** Once in `of` times. */
  oneIn(of: number): boolean {
    return this.below(of) === 0;
  }

  /** Once in `of` times, and never when careful. */
  oddly(of: number): boolean {
    return this.oneIn(of) && !this.isCareful;
  }

  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new Error('nothing to pick from');
    return from[this.below(from.length)] as T;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at++) bytes[at] = this.#next() & 0xff;
    return bytes;
  }
}

/** Picks by weight: the sum of all weights is counted once. */
export function weighted<T>(table: readonly (readonly [weight: number, value: T])[]): (dice: Dice) => T {
  const all = table.flatMap(([weight, value]) => Array.from({ length: weight }, () => value));
  return (dice) => dice.pick(all);
}
