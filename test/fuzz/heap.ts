import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const MIB = 1024 * 1024;
/** What may stay behind of any number of inputs: decoders keep nothing but a few caches of one entry. */
const MAX_GROWTH_BYTES = 16 * MIB;
const WARM_UP_INPUTS = 5_000;
const EVERY_INPUTS = 50_000;

/** Looks, after a full collection each time, at what is left on the heap and in buffers. */
export class HeapWatch {
  readonly #collect: () => void;
  #baselineBytes = 0;
  #mostBytes = 0;

  constructor() {
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as () => void;
  }

  /** @throws when more is kept than there was after the first inputs */
  look(number: number): void {
    if (number !== WARM_UP_INPUTS && (number < WARM_UP_INPUTS || number % EVERY_INPUTS !== 0)) return;
    this.#collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    const bytes = heapUsed + arrayBuffers;
    if (number === WARM_UP_INPUTS) this.#baselineBytes = bytes;
    this.#mostBytes = Math.max(this.#mostBytes, bytes);
    if (bytes > this.#baselineBytes + MAX_GROWTH_BYTES) {
      throw new Error(`${this.report()} after ${String(number)} inputs: something keeps them`);
    }
  }

  report(): string {
    return `${(this.#baselineBytes / MIB).toFixed(1)} MiB at first, at most ${(this.#mostBytes / MIB).toFixed(1)} MiB`;
  }
}
