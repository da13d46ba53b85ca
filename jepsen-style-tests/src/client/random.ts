/** Numbers that follow from a seed and a name: the same in every run. */
export class Random {
  private state: number;

  /** @param seed an unsigned 32-bit integer */
  constructor(seed: number, name = '') {
    // FNV-1a, so that neighbouring seeds and names have nothing in common.
    let hash = (0x811c9dc5 ^ seed) >>> 0;
    for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
    this.state = hash;
  }

  /** From 0 to 1, without 1 (mulberry32). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** From `low` to `high`, without `high`. */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** @throws when there is nothing to choose from */
  pick<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError('nothing to choose from');
    return choices[this.below(choices.length)] as T;
  }
}
