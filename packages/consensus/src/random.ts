/**
 * A small seeded generator (mulberry32): the same seed gives the same sequence on every machine.
 * Not for secrets; the core uses it only to spread election timeouts.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer in [0, limit). `limit` is a positive integer up to 2^32. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const word = (mixed ^ (mixed >>> 14)) >>> 0;
    return Math.floor((word / 0x1_0000_0000) * limit);
  }
}
