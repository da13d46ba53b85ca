/** A follower's side of replication (Raft paper, section 5.3). */
import { invariant } from './assert.ts';
import { isMember } from './configuration.ts';
import { appendLocally, becomeFollower } from './roles.ts';
import type { CoreState } from './state.ts';
import type { AppendRequest, AppendResponse, Entry, Heartbeat, NodeId } from './types.ts';

/** Takes `from` for the leader of the current term. False when the message is not to be believed. */
export function followLeader(state: CoreState, from: NodeId): boolean {
  if (state.leader === from && state.role === 'follower') {
    becomeFollower(state, state.term, from);
    return true;
  }
  if (state.leader !== null) {
    invariant(
      !isMember(state.configurations.current, from),
      `two leaders in term ${state.term}: ${state.leader}, ${from}`,
    );
    return false;
  }
  becomeFollower(state, state.term, from);
  return true;
}

export function onAppendRequest(state: CoreState, from: NodeId, request: AppendRequest): void {
  if (!followLeader(state, from)) return;
  checkEntries(request);
  const lastNewIndex = request.prevIndex + request.entries.length;
  const { log } = state;
  // What is no longer in memory is committed, so it is the leader's log for certain.
  if (request.prevIndex >= log.baseIndex && log.termAt(request.prevIndex) !== request.prevTerm) {
    invariant(request.prevIndex > state.commitIndex, `committed entry ${request.prevIndex} differs from the leader's`);
    return reject(state, from, request);
  }
  const skipped = Math.max(log.baseIndex - request.prevIndex, 0);
  store(state, skipped === 0 ? request.entries : request.entries.slice(skipped));
  commitTo(state, Math.min(request.commitIndex, lastNewIndex));
  state.outbox.sendDurable(from, accepted(state, request, Math.max(lastNewIndex, state.commitIndex)), log);
}

function accepted(state: CoreState, request: AppendRequest, matchIndex: number): AppendResponse {
  const { round } = request;
  return { kind: 'appendResponse', term: state.term, round, success: true, matchIndex, hintIndex: 0, hintTerm: 0 };
}

function reject(state: CoreState, from: NodeId, request: AppendRequest): void {
  const hint = state.log.findConflict(request.prevIndex, request.prevTerm);
  state.outbox.sendNow(from, {
    kind: 'appendResponse',
    term: state.term,
    round: request.round,
    success: false,
    matchIndex: request.prevIndex,
    hintIndex: hint.index,
    hintTerm: hint.term,
  });
}

/** Appends what is new. Only a conflict truncates: a delayed, shorter append must not (Raft paper, figure 2). */
function store(state: CoreState, entries: readonly Entry[]): void {
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as Entry;
    const term = state.log.termAt(entry.index);
    if (term === entry.term) continue;
    if (term !== null) {
      invariant(entry.index > state.commitIndex, `committed entry ${entry.index} of term ${term} would be overwritten`);
      state.log.truncateFrom(entry.index);
      state.configurations.truncateFrom(entry.index);
    }
    appendLocally(state, entries.slice(at));
    return;
  }
}

function checkEntries(request: AppendRequest): void {
  let { prevIndex, prevTerm } = request;
  for (const entry of request.entries) {
    invariant(entry.index === prevIndex + 1, `append: entry ${entry.index} after ${prevIndex}`);
    invariant(entry.term >= prevTerm && entry.term <= request.term, `append: term ${entry.term} at ${entry.index}`);
    prevIndex = entry.index;
    prevTerm = entry.term;
  }
}

function commitTo(state: CoreState, commitIndex: number): void {
  if (commitIndex > state.commitIndex) state.commitIndex = commitIndex;
}

export function onHeartbeat(state: CoreState, from: NodeId, heartbeat: Heartbeat): void {
  if (!followLeader(state, from)) return;
  invariant(
    heartbeat.commitIndex <= state.log.lastIndex,
    `commit ${heartbeat.commitIndex} beyond the log: was it lost?`,
  );
  commitTo(state, heartbeat.commitIndex);
  // Heartbeats also carry news of commits, many a millisecond: one answer now and then is enough for those.
  const { answered } = state;
  const fresh = answered.term === state.term && state.nowMs - answered.atMs < state.options.heartbeatIntervalMs / 2;
  if (fresh && heartbeat.round <= answered.round) return;
  state.answered = { term: state.term, round: heartbeat.round, atMs: state.nowMs };
  state.outbox.sendNow(from, { kind: 'heartbeatResponse', term: state.term, round: heartbeat.round });
}
