/**
 * The time that is written into the log: it continues from the last stamp found there by the monotonic time that has
 * passed since this node became leader. It never runs backwards, and no wall clock has any part in it. While there is
 * no leader it stands still.
 */
export class ClusterClock {
  /** The highest stamp seen or given, in milliseconds. */
  private lastMs: number;
  private baseMs = 0;
  /** Monotonic time at which the clock stood at `baseMs`; null on a node that does not lead. */
  private sinceMs: number | null = null;

  /** @param lastStampMs of the last entry in the log, or what the state machine knows when the log is empty */
  constructor(lastStampMs: number) {
    this.lastMs = lastStampMs;
  }

  /** A stamp stands in the log. */
  observe(stampMs: number): void {
    if (stampMs > this.lastMs) this.lastMs = stampMs;
  }

  /** This node leads from now on. */
  lead(nowMs: number): void {
    this.baseMs = this.lastMs;
    this.sinceMs = nowMs;
  }

  follow(): void {
    this.sinceMs = null;
  }

  /** The stamp of an entry that is made now: a whole number, never less than one before it. Only while leading. */
  stamp(nowMs: number): number {
    if (this.sinceMs === null) throw new Error('only a leader stamps entries');
    let stampMs = this.baseMs + Math.floor(nowMs - this.sinceMs);
    if (stampMs < this.lastMs) {
      // The log held a later stamp than was known when this node became leader: go on from there.
      stampMs = this.lastMs;
      this.baseMs = stampMs;
      this.sinceMs = nowMs;
    }
    this.lastMs = stampMs;
    return stampMs;
  }
}
