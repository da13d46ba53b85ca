/** Reproducible random choices; get the seed from `seedFor`. */
export interface Random {
  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number;
  /** An integer from `least` to `most`. */
  between(least: number, most: number): number;
  bytes(length: number): Buffer;
  shuffled<T>(items: readonly T[]): T[];
  /** Waits a random time, for faults that come and go at random moments. */
  pause(leastMs: number, mostMs: number): Promise<void>;
}

/** Mulberry32: 32 bits of state are enough to choose faults. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  const between = (least: number, most: number): number => least + below(most - least + 1);
  return {
    below,
    between,
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
    shuffled: (items) => {
      const left = [...items];
      return items.map(() => left.splice(below(left.length), 1)[0] as (typeof items)[number]);
    },
    pause: async (leastMs, mostMs) => {
      await new Promise((done) => setTimeout(done, between(leastMs, mostMs)));
    },
  };
}
