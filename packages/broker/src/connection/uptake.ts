/**
 * Whether the socket of a client takes what it is given. Counted by what it took and not by what waits in it: more may come
 * than a slow client takes, and still it takes.
 */
export class Uptake {
  #writtenBytes = 0;
  #takenBytes = 0;
  /** Null while it takes, or nothing waits. */
  #stuckSinceMs: number | null = null;

  wrote(sizeBytes: number): void {
    this.#writtenBytes += sizeBytes;
  }

  /**
   * How long it has taken nothing although something waits, in ms, as far as the looks at it tell.
   * @param bufferedBytes what waits in it now
   */
  stuckMs(bufferedBytes: number, nowMs: number): number {
    const takenBytes = this.#writtenBytes - bufferedBytes;
    if (bufferedBytes > 0 && takenBytes <= this.#takenBytes) {
      this.#stuckSinceMs ??= nowMs;
      return nowMs - this.#stuckSinceMs;
    }
    this.#takenBytes = takenBytes;
    this.#stuckSinceMs = null;
    return 0;
  }
}
