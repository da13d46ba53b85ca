import { joinBatches, sizeInEntry } from './entry-batches.ts';

/** Batches that wait to become entries, in order. The caller keeps the bound. */
export class ProposalQueue {
  private batches: Uint8Array[] = [];
  private bytes = 0;

  /** What the waiting batches will take in entries. */
  get sizeBytes(): number {
    return this.bytes;
  }

  push(batch: Uint8Array): void {
    this.batches.push(batch);
    this.bytes += sizeInEntry(batch);
  }

  clear(): void {
    this.batches = [];
    this.bytes = 0;
  }

  /**
   * Takes everything out as entry data of about `maxEntryBytes` each; a larger batch has an entry of its own.
   *
   * @param onlyFull leave what does not fill an entry
   * @param propose called per entry; false puts this entry's batches and all later ones back
   */
  drain(maxEntryBytes: number, onlyFull: boolean, propose: (data: Uint8Array) => boolean): void {
    let from = 0;
    while (from < this.batches.length && !(onlyFull && this.bytes < maxEntryBytes)) {
      let to = from;
      let sizeBytes = 0;
      for (let batch = this.batches[to]; batch !== undefined; batch = this.batches[++to]) {
        if (to > from && sizeBytes + sizeInEntry(batch) > maxEntryBytes) break;
        sizeBytes += sizeInEntry(batch);
      }
      if (!propose(joinBatches(this.batches.slice(from, to), sizeBytes))) break;
      this.bytes -= sizeBytes;
      from = to;
    }
    if (from > 0) this.batches.splice(0, from);
  }
}
