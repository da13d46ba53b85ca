/**
 * Linearizable reads without a log entry (thesis section 6.4). A leader notes its commit index, begins a round, and
 * serves the read once a quorum has answered that round or a later one in the same term: no newer leader can have
 * committed anything before the read began. Only after the first commit of its term does a leader know how far the log
 * was committed before it.
 */
import { invariant } from './assert.ts';
import { quorumValue } from './configuration.ts';
import type { CoreState, Leadership } from './state.ts';
import type { NodeId, ReadIndexRequest, ReadIndexResponse } from './types.ts';

/** Reads that may wait, on a leader for all nodes together and on a follower for its own. Beyond it reads fail. */
export const MAX_PENDING_READS = 4096;

/** A read of this node. Ids only rise: an answer to an earlier attempt must never pass for this one. */
export function readIndex(state: CoreState, id: number): void {
  invariant(Number.isSafeInteger(id) && id > state.lastReadId, `read id ${id} after ${state.lastReadId}`);
  state.lastReadId = id;
  if (state.leadership !== null) {
    if (!register(state, state.leadership, null, id)) state.outbox.failedReads.push(id);
  } else if (state.leader === null || state.forwardedReads.size >= MAX_PENDING_READS) {
    state.outbox.failedReads.push(id);
  } else {
    state.forwardedReads.set(id, state.nowMs + state.options.electionTimeoutMs);
    state.outbox.sendNow(state.leader, { kind: 'readIndexRequest', term: state.term, id });
  }
}

/** On a leader: a follower asks. When there is no room it gets no answer, and its read fails there in time. */
export function onReadIndexRequest(state: CoreState, from: NodeId, request: ReadIndexRequest): void {
  if (state.leadership?.progress.has(from) === true) register(state, state.leadership, from, request.id);
}

/** On a follower: the leader's answer. The ids of a restarted node begin anew, but then so does its map. */
export function onReadIndexResponse(state: CoreState, from: NodeId, response: ReadIndexResponse): void {
  if (from !== state.leader || !state.forwardedReads.delete(response.id)) return;
  state.outbox.reads.push({ id: response.id, index: response.index });
}

function register(state: CoreState, leadership: Leadership, from: NodeId | null, id: number): boolean {
  if (leadership.reads.length + leadership.earlyReads.length >= MAX_PENDING_READS) return false;
  if (!termCommitted(state)) {
    leadership.earlyReads.push({ from, id });
    return true;
  }
  leadership.reads.push({ from, id, index: state.commitIndex, round: beginRound(leadership) });
  confirmReads(state);
  return true;
}

/** A round whose answers are all younger than this moment. */
export function beginRound(leadership: Leadership): number {
  // Messages leave only at the next flush, so whatever asks until then may share the round.
  if (!leadership.roundOpen) {
    leadership.roundOpen = true;
    leadership.round += 1;
  }
  leadership.flushDue = true;
  return leadership.round;
}

/** Whether this leader has committed an entry of its own term. */
export function termCommitted(state: CoreState): boolean {
  return state.leadership !== null && state.commitIndex >= state.leadership.firstIndex;
}

/** The term's first commit lets the reads that came before it begin. */
export function admitEarlyReads(state: CoreState): void {
  const { leadership } = state;
  if (leadership === null || leadership.earlyReads.length === 0 || !termCommitted(state)) return;
  for (const read of leadership.earlyReads.splice(0)) register(state, leadership, read.from, read.id);
}

/** Serves the reads whose round a quorum has answered. This node answers itself. */
export function confirmReads(state: CoreState): void {
  const { leadership } = state;
  if (leadership === null || leadership.reads.length === 0) return;
  const confirmed = quorumValue(state.configurations.current, (id) =>
    id === state.id ? leadership.round : (leadership.progress.get(id)?.answeredRound ?? 0),
  );
  let served = 0;
  for (const read of leadership.reads) {
    if (read.round > confirmed) break;
    if (read.from === null) state.outbox.reads.push({ id: read.id, index: read.index });
    else
      state.outbox.sendNow(read.from, { kind: 'readIndexResponse', term: state.term, id: read.id, index: read.index });
    served++;
  }
  leadership.reads.splice(0, served);
}

/** Fails the reads that the leader did not answer in time. */
export function tickReads(state: CoreState): void {
  for (const [id, dueMs] of state.forwardedReads) {
    // In order of registration, hence of time.
    if (state.nowMs < dueMs) break;
    state.forwardedReads.delete(id);
    state.outbox.failedReads.push(id);
  }
}

/** The leader or the term changes: nobody will answer the reads that wait. */
export function failReads(state: CoreState): void {
  state.outbox.failedReads.push(...state.forwardedReads.keys());
  state.forwardedReads.clear();
  if (state.leadership === null) return;
  for (const read of [...state.leadership.reads.splice(0), ...state.leadership.earlyReads.splice(0)]) {
    if (read.from === null) state.outbox.failedReads.push(read.id);
  }
}
