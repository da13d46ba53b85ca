/**
 * Log-linear latency histogram in the manner of HdrHistogram: 128 linear steps per power of two, so the relative error
 * of a reported value is below 0.8 %. Adding costs one array increment and never allocates.
 */

/** Steps per power of two; also the size of the first, exactly linear, range. */
const SUB_BUCKETS = 128;
const SUB_BITS = 7;
const BUCKETS = (32 - SUB_BITS + 1) * SUB_BUCKETS;
/** One unit of the integer scale is 0.1 microseconds. */
const UNITS_PER_MS = 10_000;
const MAX_UNITS = 0xffff_ffff;

/** The figures of one histogram, in milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Counts durations from 0.1 us to 429 s; anything longer is counted as 429 s, anything negative as 0. */
export class Histogram {
  #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds one duration in milliseconds (fractions count). */
  add(durationMs: number): void {
    const clamped = durationMs > 0 ? durationMs : 0;
    const scaled = clamped * UNITS_PER_MS;
    const units = scaled < MAX_UNITS ? scaled >>> 0 : MAX_UNITS;
    const index = bucketOf(units);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#count++;
    this.#sumMs += clamped;
    if (clamped > this.#maxMs) this.#maxMs = clamped;
  }

  /**
   * The value below which `percent` of the durations lie, in milliseconds; 0 when nothing was added.
   * @param percent from 0 to 100
   */
  percentile(percent: number): number {
    if (this.#count === 0) return 0;
    const wanted = Math.max(1, Math.ceil((percent / 100) * this.#count));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.#counts[index] ?? 0;
      if (seen >= wanted) return Math.min(midpoint(index) / UNITS_PER_MS, this.#maxMs);
    }
    return this.#maxMs;
  }

  /** The usual figures, or null when nothing was added. */
  summary(): LatencySummary | null {
    if (this.#count === 0) return null;
    return {
      count: this.#count,
      meanMs: this.#sumMs / this.#count,
      p50Ms: this.percentile(50),
      p99Ms: this.percentile(99),
      p999Ms: this.percentile(99.9),
      maxMs: this.#maxMs,
    };
  }
}

function bucketOf(units: number): number {
  if (units < SUB_BUCKETS) return units;
  const exponent = 31 - Math.clz32(units);
  return (exponent - SUB_BITS + 1) * SUB_BUCKETS + ((units >>> (exponent - SUB_BITS)) - SUB_BUCKETS);
}

function midpoint(index: number): number {
  if (index < SUB_BUCKETS) return index;
  const shift = Math.floor(index / SUB_BUCKETS) - 1;
  return ((index % SUB_BUCKETS) + SUB_BUCKETS + 0.5) * 2 ** shift;
}
