import type { CoreOptions, FollowerStatus, NodeId } from './types.ts';

/** What a leader knows of one follower (thesis section 10.2.1 for pipelining; etcd raft, tracker/). */
export class Progress {
  readonly id: NodeId;
  /** The highest index known to be durable there and equal to this log. Never falls within a term. */
  matchIndex = 0;
  /** The next index to send. */
  nextIndex: number;
  /** probe: one append at a time, to find where the logs agree. replicate: pipelined. */
  mode: 'probe' | 'replicate' | 'needsSnapshot' = 'probe';
  /** A read of older entries is outstanding. */
  reading = false;
  /** In probe mode: an append is unanswered. */
  paused = false;
  /** In probe mode: the last append was not answered, so the next one carries no entries. */
  probeUnanswered = false;
  /** In replicate mode: send an empty append, which a follower that lost one before it will reject. */
  checkDue = false;
  heartbeatDue = false;
  /** The highest commit index sent, so that news of a commit leaves once. */
  sentCommitIndex = 0;
  /** The highest round answered in this term, since its connection was lost last. */
  answeredRound = 0;
  heardMs: number | null = null;
  /** When the last probe left, when the window of appends last moved, or when the need of a snapshot was seen. */
  movedMs: number;
  /** In needsSnapshot mode: what a snapshot must reach to help. */
  snapshotMinIndex = 0;
  /** The last round of catching up took less than an election timeout (thesis section 4.2.1), or left nothing to catch up with. */
  #roundWasShort = false;
  /** A round ends when the follower has what the log held at its beginning. Null between rounds: it has everything. */
  #roundStartedMs: number | null;
  #roundTarget: number;
  #inflight: { readonly lastIndex: number; readonly bytes: number }[] = [];
  #inflightBytes = 0;

  constructor(id: NodeId, nextIndex: number, nowMs: number) {
    this.id = id;
    this.nextIndex = nextIndex;
    this.movedMs = nowMs;
    this.#roundStartedMs = nowMs;
    this.#roundTarget = nextIndex - 1;
  }

  get inflightCount(): number {
    return this.#inflight.length;
  }

  /** Whether an append with entries may leave now. */
  canSend(options: CoreOptions): boolean {
    if (this.reading || this.mode === 'needsSnapshot') return false;
    if (this.mode === 'probe') return !this.paused;
    if (this.#inflight.length === 0) return true;
    return this.#inflight.length < options.maxInflightAppends && this.#inflightBytes < options.maxInflightBytes;
  }

  /** An append with entries up to `lastIndex` has left. */
  sent(lastIndex: number, bytes: number, nowMs: number): void {
    if (this.mode === 'probe') {
      this.paused = true;
      this.movedMs = nowMs;
      return;
    }
    if (lastIndex < this.nextIndex) return;
    if (this.#roundStartedMs === null) {
      this.#roundStartedMs = nowMs;
      this.#roundTarget = lastIndex;
    }
    if (this.#inflight.length === 0) this.movedMs = nowMs;
    this.nextIndex = lastIndex + 1;
    this.#inflight.push({ lastIndex, bytes });
    this.#inflightBytes += bytes;
  }

  /** The follower has everything up to `matchIndex`. Returns whether that is news. */
  matched(matchIndex: number, nowMs: number): boolean {
    const advanced = matchIndex > this.matchIndex;
    if (advanced) this.matchIndex = matchIndex;
    if (matchIndex < this.matchIndex) return false;
    if (this.mode === 'needsSnapshot' && matchIndex < this.snapshotMinIndex) return advanced;
    if (this.mode !== 'replicate') {
      this.#reset('replicate', nowMs);
      this.nextIndex = this.matchIndex + 1;
    }
    this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1);
    let freed = 0;
    for (const append of this.#inflight) {
      if (append.lastIndex > this.matchIndex) break;
      this.#inflightBytes -= append.bytes;
      freed++;
    }
    if (freed > 0) {
      this.#inflight.splice(0, freed);
      this.movedMs = nowMs;
    }
    return advanced;
  }

  /** Notes the end of a round of catching up, if it is one. `lastIndex` is the leader's, where the next round ends. */
  endRound(lastIndex: number, nowMs: number, electionTimeoutMs: number): void {
    if (this.#roundStartedMs === null || this.matchIndex < this.#roundTarget) return;
    const hasAll = this.matchIndex >= lastIndex;
    // The round after it would end this moment. Without entries there is none: a long one must not count for ever.
    this.#roundWasShort = hasAll || nowMs - this.#roundStartedMs < electionTimeoutMs;
    this.#roundStartedMs = hasAll ? null : nowMs;
    this.#roundTarget = lastIndex;
  }

  /** Whether it lags by no more than an election timeout: as a voter it would not hold up commits for longer. */
  isCaughtUp(nowMs: number, electionTimeoutMs: number): boolean {
    const sinceMs = nowMs - electionTimeoutMs;
    if (this.mode !== 'replicate' || this.heardMs === null || this.heardMs <= sinceMs) return false;
    return this.#roundWasShort && (this.#roundStartedMs === null || this.#roundStartedMs > sinceMs);
  }

  /** Goes back to probing, next at `nextIndex` or just after the match index, whichever is later. */
  probe(nextIndex: number, nowMs: number): void {
    this.#reset('probe', nowMs);
    this.nextIndex = Math.max(nextIndex, this.matchIndex + 1);
  }

  /** The log no longer holds what this follower needs. */
  needSnapshot(minIndex: number, nowMs: number): void {
    this.#reset('needsSnapshot', nowMs);
    this.snapshotMinIndex = minIndex;
  }

  status(originMs: number, nowMs: number, electionTimeoutMs: number): FollowerStatus {
    return {
      id: this.id,
      matchIndex: this.matchIndex,
      nextIndex: this.nextIndex,
      mode: this.reading ? 'readingLog' : this.mode,
      caughtUp: this.isCaughtUp(nowMs, electionTimeoutMs),
      lastHeardMs: this.heardMs === null ? null : this.heardMs + originMs,
    };
  }

  #reset(mode: Progress['mode'], nowMs: number): void {
    this.mode = mode;
    this.reading = false;
    this.paused = false;
    this.probeUnanswered = false;
    this.checkDue = false;
    this.movedMs = nowMs;
    this.#inflight = [];
    this.#inflightBytes = 0;
  }
}
