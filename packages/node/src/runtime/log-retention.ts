/** A snapshot on its way may hold back so many times the log that a member which is behind may. */
const SNAPSHOT_FACTOR = 8;
/** Places remembered; of more, neighbours are joined. */
const MAX_PLACES = 1024;

interface Place {
  readonly index: number;
  /** Log data from the first place remembered to this one. */
  readonly totalBytes: number;
}

/**
 * How much log is kept for those who are behind. A member that was away for a short time catches up from the log, which
 * is cheaper than a snapshot and does not set its clients back. One that is away for longer must not fill the others'
 * disks: beyond a number of bytes it gets a snapshot. What comes behind a snapshot on its way is kept longer, or the next
 * snapshot would have to follow it, again and again.
 */
export class LogRetention {
  readonly #keepBytes: number;
  #places: Place[] = [{ index: 0, totalBytes: 0 }];

  /** @param keepBytes of log data, 0 for none */
  constructor(keepBytes: number) {
    this.#keepBytes = keepBytes;
  }

  /** The log goes on to `index`, with `bytes` of data since the place before. */
  passed(index: number, bytes: number): void {
    const last = this.#places.at(-1);
    if (last !== undefined && index <= last.index) return;
    this.#places.push({ index, totalBytes: (last?.totalBytes ?? 0) + bytes });
    if (this.#places.length > MAX_PLACES) this.#places = this.#places.filter((_, at) => at % 2 === 0);
  }

  /**
   * Up to where the log may be dropped.
   *
   * @param matched what each other member is known to hold
   * @param snapshotIndex the oldest snapshot that is being sent, or null
   */
  compactIndex(appliedIndex: number, matched: readonly number[], snapshotIndex: number | null): number {
    const slowest = Math.min(appliedIndex, ...matched);
    const forMembers = Math.max(slowest, this.#indexBehind(this.#keepBytes));
    if (snapshotIndex === null) return Math.min(appliedIndex, forMembers);
    const forSnapshot = Math.max(snapshotIndex, this.#indexBehind(this.#keepBytes * SNAPSHOT_FACTOR));
    return Math.min(appliedIndex, forMembers, forSnapshot);
  }

  /** The last place behind which there are more than `bytes` of log. */
  #indexBehind(bytes: number): number {
    const end = this.#places.at(-1)?.totalBytes ?? 0;
    return this.#places.findLast(({ totalBytes }) => end - totalBytes > bytes)?.index ?? 0;
  }
}
