/**
 * The only source of chance in a simulation (sfc32). The same seed gives the same sequence on every machine; `fork` gives a part its own
 * sequence, so that one more draw here does not change what happens there.
 */
export class Rng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = 0x9e3779b9 ^ seed;
    this.#b = seed | 0;
    this.#c = Math.floor(seed / 0x1_0000_0000) | 0;
    for (let i = 0; i < 16; i++) this.#word();
  }

  #word(): number {
    const t = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  fork(): Rng {
    return new Rng(this.#word() + this.#word() * 0x10_0000);
  }

  /** From 0 to below 1. */
  unit(): number {
    return this.#word() / 0x1_0000_0000;
  }

  /** From `low` to below `high`, with a fraction. */
  between(low: number, high: number): number {
    return low + this.unit() * (high - low);
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.unit() * limit);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  /** Mostly near `low`, seldom near `high`: how long things take and how much comes at once. */
  skewed(low: number, high: number): number {
    const unit = this.unit();
    return low + unit * unit * unit * (high - low);
  }
}
