import { invariant } from './assert.ts';
import type { Entry, InitialState } from './types.ts';

/** What an entry counts for beside its data, so that empty entries count too. */
const ENTRY_OVERHEAD_BYTES = 32;

/** The weight of an entry in every limit in bytes. */
export function entryBytes(entry: Entry): number {
  return entry.data.byteLength + ENTRY_OVERHEAD_BYTES;
}

/**
 * The part of the log that is in memory: everything not yet applied and a recent window before it, after the entry
 * (baseIndex, baseTerm). Tracks which entries have been handed to a write and which are durable.
 *
 * An entry can be rewritten while a write with its predecessor is in flight (the ABA race: etcd raft argues it in
 * rawnode.go). So each write in flight remembers the last index it still vouches for; truncation lowers it, and a
 * completion makes durable only what its write vouches for.
 */
export class RaftLog {
  #baseIndex: number;
  #baseTerm: number;
  #baseStampMs = 0;
  /** #entries[#head] has index #baseIndex + 1; what is before #head has been let go. */
  #entries: (Entry | undefined)[] = [];
  #head = 0;
  #stableIndex: number;
  #unwrittenIndex: number;
  #writing: { readonly seq: number; lastIndex: number }[] = [];
  #appliedIndex: number;
  /** Weight of the entries in (base, applied]. */
  #appliedBytes = 0;
  /** The log store holds nothing up to here. */
  #compactedIndex: number;

  constructor(initial: InitialState) {
    this.#baseIndex = initial.snapshotIndex;
    this.#baseTerm = initial.snapshotTerm;
    this.#baseStampMs = initial.snapshotStampMs ?? 0;
    this.#compactedIndex = initial.snapshotIndex;
    this.#appliedIndex = initial.snapshotIndex;
    this.#stableIndex = initial.snapshotIndex;
    this.#unwrittenIndex = initial.snapshotIndex + 1;
    this.append(initial.entries);
    this.#stableIndex = this.lastIndex;
    this.#unwrittenIndex = this.lastIndex + 1;
  }

  /** Index of the entry before the first one in memory. */
  get baseIndex(): number {
    return this.#baseIndex;
  }

  /** What a follower needs up to here, only a snapshot can give it. */
  get compactedIndex(): number {
    return this.#compactedIndex;
  }

  get lastIndex(): number {
    return this.#baseIndex + this.#entries.length - this.#head;
  }

  get lastTerm(): number {
    return this.#last()?.term ?? this.#baseTerm;
  }

  get lastStampMs(): number {
    return this.#last()?.stampMs ?? this.#baseStampMs;
  }

  /** The last index that is durable on this node with everything before it. */
  get stableIndex(): number {
    return this.#stableIndex;
  }

  /** Whether entries wait for a write. */
  get hasUnwritten(): boolean {
    return this.#unwrittenIndex <= this.lastIndex;
  }

  /** The term at `index`, or null when it is not in memory (too old) or not in the log (too new). */
  termAt(index: number): number | null {
    if (index === this.#baseIndex) return this.#baseTerm;
    return this.#at(index)?.term ?? null;
  }

  /** Whether the log (index, term) is at least as up to date as this one (Raft paper, section 5.4.1). */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** The entries from `from` to `to`, both included. All must be in memory. */
  slice(from: number, to: number): Entry[] {
    if (to < from) return [];
    invariant(from > this.#baseIndex && to <= this.lastIndex, `log: ${from}..${to} is not in memory`);
    const offset = this.#head - this.#baseIndex - 1;
    return this.#entries.slice(from + offset, to + offset + 1) as Entry[];
  }

  /** The entries from `from` to `last`, at most `maxBytes` of them but at least one if there is one. */
  sliceBytes(from: number, maxBytes: number, last = Number.MAX_SAFE_INTEGER): Entry[] {
    let bytes = 0;
    let to = from - 1;
    for (let entry = this.#at(from); entry !== undefined && to < last; entry = this.#at(to + 1)) {
      bytes += entryBytes(entry);
      if (to >= from && bytes > maxBytes) break;
      to++;
      if (bytes >= maxBytes) break;
    }
    return this.slice(from, to);
  }

  /** The weight of the entries from `from` to `to`, both included. */
  bytesBetween(from: number, to: number): number {
    let bytes = 0;
    for (let index = from; index <= to; index++) bytes += entryBytes(this.#at(index) as Entry);
    return bytes;
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      invariant(entry.index === this.lastIndex + 1, `log: entry ${entry.index} after ${this.lastIndex}`);
      invariant(entry.term >= this.lastTerm, `log: term ${entry.term} after ${this.lastTerm}`);
      invariant(Number.isSafeInteger(entry.index) && Number.isSafeInteger(entry.term), 'log: unsafe integer');
      this.#entries.push(entry);
    }
  }

  /** Drops the entries from `index` on: a leader of a newer term has others there. */
  truncateFrom(index: number): void {
    invariant(index > this.#appliedIndex, `log: truncation at ${index}, applied up to ${this.#appliedIndex}`);
    this.#entries.length = this.#head + index - this.#baseIndex - 1;
    this.#stableIndex = Math.min(this.#stableIndex, index - 1);
    this.#unwrittenIndex = Math.min(this.#unwrittenIndex, index);
    for (const write of this.#writing) write.lastIndex = Math.min(write.lastIndex, index - 1);
  }

  /** Hands the entries that wait for a write to the write with this sequence number. */
  takeUnwritten(seq: number): Entry[] {
    const entries = this.slice(this.#unwrittenIndex, this.lastIndex);
    this.#unwrittenIndex = this.lastIndex + 1;
    if (entries.length > 0) this.#writing.push({ seq, lastIndex: this.lastIndex });
    return entries;
  }

  /** The writes up to this sequence number are durable. */
  written(seq: number): void {
    while (this.#writing.length > 0 && (this.#writing[0]?.seq as number) <= seq) {
      this.#stableIndex = Math.max(this.#stableIndex, this.#writing.shift()?.lastIndex as number);
    }
  }

  /** The state machine holds everything up to `index`: keeps no more than `recentBytes` of that in memory. */
  applied(index: number, recentBytes: number): void {
    invariant(index <= this.#stableIndex, `log: applied ${index}, durable only up to ${this.#stableIndex}`);
    this.#appliedBytes += this.bytesBetween(this.#appliedIndex + 1, index);
    this.#appliedIndex = Math.max(this.#appliedIndex, index);
    while (this.#appliedBytes > recentBytes && this.#baseIndex < this.#appliedIndex) this.#dropFirst();
  }

  /** The log store no longer holds anything up to `index`. */
  compacted(index: number): void {
    invariant(index <= this.#appliedIndex, `log: compacted up to ${index}, applied up to ${this.#appliedIndex}`);
    this.#compactedIndex = Math.max(this.#compactedIndex, index);
  }

  /**
   * A snapshot up to (index, term) stands for everything before it, durably. Entries after it stay if this log agrees
   * with it at `index`; else all of them go. Returns whether they stay.
   */
  install(index: number, term: number, stampMs: number): boolean {
    invariant(index > this.#appliedIndex, `log: snapshot ${index}, applied up to ${this.#appliedIndex}`);
    const agrees = this.termAt(index) === term;
    if (agrees) {
      this.#stableIndex = Math.max(this.#stableIndex, index);
      this.#unwrittenIndex = Math.max(this.#unwrittenIndex, index + 1);
      this.applied(index, 0);
    } else {
      for (const write of this.#writing) write.lastIndex = Math.min(write.lastIndex, index);
      this.#entries = [];
      this.#head = 0;
      this.#baseIndex = index;
      this.#baseTerm = term;
      this.#baseStampMs = stampMs;
      this.#stableIndex = index;
      this.#unwrittenIndex = index + 1;
      this.#appliedIndex = index;
      this.#appliedBytes = 0;
    }
    this.#compactedIndex = Math.max(this.#compactedIndex, index);
    return agrees;
  }

  /**
   * The last index up to `index` whose term is at most `term`, and its term: both sides use it to skip a whole term per
   * rejected probe (thesis section 3.5; etcd raft, findConflictByTerm). Stops at the oldest entry in memory.
   */
  findConflict(index: number, term: number): { index: number; term: number } {
    let at = Math.min(index, this.lastIndex);
    while (at > this.#baseIndex && (this.#at(at)?.term as number) > term) at--;
    return { index: at, term: this.termAt(at) ?? 0 };
  }

  #at(index: number): Entry | undefined {
    return index > this.#baseIndex ? this.#entries[this.#head + index - this.#baseIndex - 1] : undefined;
  }

  #last(): Entry | undefined {
    return this.#at(this.lastIndex);
  }

  #dropFirst(): void {
    const entry = this.#entries[this.#head];
    invariant(entry !== undefined, 'log: nothing to drop');
    this.#entries[this.#head++] = undefined;
    this.#baseIndex = entry.index;
    this.#baseTerm = entry.term;
    this.#baseStampMs = entry.stampMs;
    this.#appliedBytes -= entryBytes(entry);
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
