import type { About } from './cells.ts';

/**
 * A histogram whose `observe` is a search over a handful of numbers, without labels or allocation.
 * prom-client's cannot be filled except observation by observation, so this one writes its own exposition text.
 */
export class Histogram {
  readonly #about: About;
  readonly #bounds: Float64Array;
  /** Observations per bucket, not cumulative; the last one is above every bound. */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param about with the upper bounds of the buckets, rising, in the unit of the metric */
  constructor(about: About & { readonly buckets: readonly number[] }) {
    const rising = about.buckets.every((bound, at) => at === 0 || bound > (about.buckets[at - 1] ?? 0));
    if (!rising || about.buckets.length === 0) throw new Error(`${about.name}: buckets must rise`);
    this.#about = about;
    this.#bounds = Float64Array.from(about.buckets);
    this.#counts = new Float64Array(about.buckets.length + 1);
  }

  /** Counts one observation, in the unit of the metric (seconds, bytes or pieces). */
  observe(value: number): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at++;
    this.#counts[at] = (this.#counts[at] as number) + 1;
    this.#sum += value;
  }

  /** Number of observations so far. */
  get count(): number {
    return this.#counts.reduce((sum, each) => sum + each, 0);
  }

  /** Sum of all observations so far. */
  get sum(): number {
    return this.#sum;
  }

  /** Prometheus text, version 0.0.4. */
  expose(): string {
    const { name, help } = this.#about;
    const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
    let cumulative = 0;
    for (const [at, count] of this.#counts.entries()) {
      cumulative += count;
      const bound = this.#bounds[at];
      lines.push(`${name}_bucket{le="${bound === undefined ? '+Inf' : String(bound)}"} ${String(cumulative)}`);
    }
    lines.push(`${name}_sum ${String(this.#sum)}`, `${name}_count ${String(cumulative)}`);
    return `${lines.join('\n')}\n`;
  }
}
