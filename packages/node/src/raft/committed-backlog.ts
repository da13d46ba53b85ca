import type { Entry } from '@quorate/consensus';

/** Committed entries on their way to the state machine, cut into slices. */
export class CommittedBacklog {
  private readonly runs: (readonly Entry[])[] = [];
  /** Entries of `runs[0]` that are taken already. */
  private taken = 0;
  private bytes = 0;

  get isEmpty(): boolean {
    return this.runs.length === 0;
  }

  /** Of the entries' data. */
  get sizeBytes(): number {
    return this.bytes;
  }

  push(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    this.runs.push(entries);
    for (const entry of entries) this.bytes += entry.data.length;
  }

  clear(): void {
    this.runs.length = 0;
    this.taken = 0;
    this.bytes = 0;
  }

  /** The next entries: at least one, then as many of the same run as fit in `maxBytes` of data and in `maxEntries`. */
  take(maxBytes: number, maxEntries: number): readonly Entry[] {
    const run = this.runs[0];
    if (run === undefined) return [];
    const from = this.taken;
    let to = from;
    let sizeBytes = 0;
    for (let entry = run[to]; entry !== undefined && to - from < maxEntries; entry = run[++to]) {
      if (to > from && sizeBytes + entry.data.length > maxBytes) break;
      sizeBytes += entry.data.length;
    }
    this.bytes -= sizeBytes;
    if (to < run.length) {
      this.taken = to;
    } else {
      this.runs.shift();
      this.taken = 0;
    }
    return from === 0 && to === run.length ? run : run.slice(from, to);
  }
}
