import { invariant } from './assert.ts';
import type { RaftLog } from './log.ts';
import type {
  HardState,
  MembershipResult,
  Message,
  NodeId,
  Outputs,
  Send,
  SnapshotRequest,
  TakenOutputs,
  Write,
} from './types.ts';

const NONE: readonly never[] = Object.freeze([]);

/** What the core adds to the outputs gathered here. */
export interface TakenState extends Pick<Outputs, 'committed' | 'status'> {
  readonly log: RaftLog;
  readonly hardState: HardState;
}

/** A message that waits for a write. */
export interface DeferredSend {
  readonly seq: number;
  readonly send: Send;
}

/**
 * Gathers what leaves a core, and keeps the order between writes and the messages that promise what they store.
 *
 * A deferred message waits for the write that will carry everything changed so far, even if a later step of the same
 * batch overwrites that change: to everybody else this looks as if the write and the message had happened in time and
 * the node had then gone on. What never happens is that it leaves while a crash could still undo what it promises.
 */
export class Outbox {
  reads: { readonly id: number; readonly index: number }[] = [];
  failedReads: number[] = [];
  readLog: { readonly peer: NodeId; readonly fromIndex: number; readonly maxBytes: number }[] = [];
  sendSnapshot: SnapshotRequest[] = [];
  membershipResults: MembershipResult[] = [];
  #send: Send[] = [];
  /** Wait for the write that is not handed out yet. At most one per peer and kind. */
  #unwritten: Send[] = [];
  /** Wait for a write in flight. */
  #inflight: DeferredSend[] = [];
  #hardStateDirty = false;
  #lastSeq = 0;
  #doneSeq = 0;
  #writtenStates: { readonly seq: number; readonly hardState: HardState }[] = [];
  #durableState: HardState;

  constructor(durableState: HardState) {
    this.#durableState = durableState;
  }

  /** Term and vote as they would be found after a crash now. */
  get durableState(): HardState {
    return this.#durableState;
  }

  get isEmpty(): boolean {
    return (
      this.#send.length === 0 &&
      this.#inflight.length === 0 &&
      this.reads.length === 0 &&
      this.failedReads.length === 0 &&
      this.readLog.length === 0 &&
      this.sendSnapshot.length === 0 &&
      this.membershipResults.length === 0
    );
  }

  /** Term or vote changed. */
  markHardState(): void {
    this.#hardStateDirty = true;
  }

  hasWrite(log: RaftLog): boolean {
    return this.#hardStateDirty || log.hasUnwritten;
  }

  /** The message promises nothing that a crash could undo. */
  sendNow(to: NodeId, message: Message): void {
    this.#send.push({ to, message });
  }

  /** The message leaves once everything changed so far is durable. */
  sendDurable(to: NodeId, message: Message, log: RaftLog): void {
    const send = { to, message };
    if (this.hasWrite(log)) this.#defer(send);
    else if (this.#lastSeq > this.#doneSeq) this.#inflight.push({ seq: this.#lastSeq, send });
    else this.#send.push(send);
  }

  writeDone(seq: number): void {
    invariant(seq > this.#doneSeq && seq <= this.#lastSeq, `write ${seq} done after ${this.#doneSeq}`);
    this.#doneSeq = seq;
    while (this.#writtenStates.length > 0 && (this.#writtenStates[0]?.seq as number) <= seq) {
      this.#durableState = this.#writtenStates.shift()?.hardState as HardState;
    }
  }

  /** Hands everything over. With `holdWrite` the pending write stays inside, and what depends on it too. */
  take(state: TakenState, holdWrite: boolean): TakenOutputs {
    const { log, hardState, committed, status } = state;
    const write = holdWrite ? null : this.#takeWrite(log, hardState);
    const sendAfterWrite = this.#releaseDurable();
    const { reads, failedReads, readLog, sendSnapshot, membershipResults } = this;
    const send = this.#send;
    this.#send = [];
    if (reads.length > 0) this.reads = [];
    if (failedReads.length > 0) this.failedReads = [];
    if (readLog.length > 0) this.readLog = [];
    if (sendSnapshot.length > 0) this.sendSnapshot = [];
    if (membershipResults.length > 0) this.membershipResults = [];
    // Empty lists are shared with nobody: only one that holds something is handed over.
    return {
      send,
      write,
      sendAfterWrite,
      committed,
      reads: reads.length > 0 ? reads : NONE,
      failedReads: failedReads.length > 0 ? failedReads : NONE,
      readLog: readLog.length > 0 ? readLog : NONE,
      status,
      sendSnapshot: sendSnapshot.length > 0 ? sendSnapshot : NONE,
      membershipResults: membershipResults.length > 0 ? membershipResults : NONE,
    };
  }

  /** Messages whose write is durable by now join those that leave at once. */
  #releaseDurable(): readonly DeferredSend[] {
    const inflight = this.#inflight;
    if (inflight.length === 0) return NONE;
    this.#inflight = [];
    const waiting: DeferredSend[] = [];
    for (const deferred of inflight) {
      if (deferred.seq <= this.#doneSeq) this.#send.push(deferred.send);
      else waiting.push(deferred);
    }
    return waiting;
  }

  #takeWrite(log: RaftLog, hardState: HardState): Write | null {
    if (!this.hasWrite(log)) return null;
    const seq = ++this.#lastSeq;
    if (this.#hardStateDirty) this.#writtenStates.push({ seq, hardState });
    const write = { seq, entries: log.takeUnwritten(seq), hardState: this.#hardStateDirty ? hardState : null };
    this.#hardStateDirty = false;
    for (const send of this.#unwritten) this.#inflight.push({ seq, send });
    this.#unwritten = [];
    return write;
  }

  /** A newer message of a kind to a peer replaces the older: acknowledgements are cumulative, votes of old terms void. */
  #defer(send: Send): void {
    const at = this.#unwritten.findIndex((other) => other.to === send.to && other.message.kind === send.message.kind);
    if (at < 0) {
      this.#unwritten.push(send);
      return;
    }
    const older = this.#unwritten[at]?.message as Message;
    this.#unwritten[at] = { to: send.to, message: mergeAcknowledgements(older, send.message) };
  }
}

/** Within a term the acknowledged index and the answered round only rise, so the greatest of each stands for both. */
function mergeAcknowledgements(older: Message, newer: Message): Message {
  if (older.kind !== 'appendResponse' || newer.kind !== 'appendResponse' || older.term !== newer.term) return newer;
  return {
    ...newer,
    round: Math.max(older.round, newer.round),
    matchIndex: Math.max(older.matchIndex, newer.matchIndex),
  };
}
