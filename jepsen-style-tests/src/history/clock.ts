/**
 * The time of a run: milliseconds of the machine's monotonic clock since the coordinator's zero, the same in all processes of
 * the machine. Microseconds are kept; a begin is rounded down and an end up, so that no operation looks shorter than it was.
 */
export class RunClock {
  private readonly offsetMs: number;

  /** @param zeroNs `process.hrtime.bigint()` of the coordinator when the run began */
  constructor(zeroNs: bigint) {
    this.offsetMs = Number(process.hrtime.bigint() - zeroNs) / 1e6 - performance.now();
  }

  /** The time now, for an operation that begins. */
  beginMs(): number {
    return Math.floor((performance.now() + this.offsetMs) * 1000) / 1000;
  }

  /** The time now, for an operation that ends. */
  endMs(): number {
    return Math.ceil((performance.now() + this.offsetMs) * 1000) / 1000;
  }
}
