/** A leader's side of replication: windows, probes, commit, heartbeats (Raft paper, section 5.3; thesis section 10.2). */
import { invariant } from './assert.ts';
import { hasQuorum, isVoter, quorumValue } from './configuration.ts';
import { entryBytes } from './log.ts';
import { afterCommit, beginAskedChange, leaveJoint, tickAskedChange } from './membership.ts';
import type { Progress } from './progress.ts';
import { admitEarlyReads, confirmReads } from './read-index.ts';
import { becomeFollower } from './roles.ts';
import { requestSnapshot } from './snapshot.ts';
import type { CoreState, Leadership } from './state.ts';
import { sendTimeoutNow } from './transfer.ts';
import type { AppendResponse, Entry, HeartbeatResponse, Input, NodeId } from './types.ts';

const DEFAULT_SNAPSHOT_TIMEOUT_MS = 60_000;

export function tickReplication(state: CoreState, leadership: Leadership): void {
  if (!hearsQuorum(state, leadership)) {
    becomeFollower(state, state.term, null);
    return;
  }
  tickAskedChange(state, leadership);
  leaveJoint(state, leadership);
  if (state.nowMs < leadership.heartbeatDueMs) return;
  leadership.heartbeatDueMs = state.nowMs + state.options.heartbeatIntervalMs;
  for (const progress of leadership.progress.values()) progress.heartbeatDue = true;
  leadership.flushDue = true;
}

/** Check-quorum (thesis section 6.2): a leader that a majority does not answer makes room for one that it may not see. */
function hearsQuorum(state: CoreState, leadership: Leadership): boolean {
  const sinceMs = state.nowMs - state.options.electionTimeoutMs;
  if (leadership.startedMs > sinceMs) return true;
  return hasQuorum(state.configurations.current, (id) => {
    if (id === state.id) return true;
    const heardMs = leadership.progress.get(id)?.heardMs ?? null;
    return heardMs !== null && heardMs > sinceMs;
  });
}

export function onAppendResponse(state: CoreState, from: NodeId, response: AppendResponse): void {
  const { leadership } = state;
  const progress = leadership?.progress.get(from);
  if (leadership === null || progress === undefined) return;
  heard(state, leadership, progress, response.round);
  if (response.success) {
    invariant(
      response.matchIndex <= state.log.lastIndex,
      `${from} acknowledges ${response.matchIndex}, beyond the log`,
    );
    const news = progress.matched(response.matchIndex, state.nowMs);
    progress.endRound(state.log.lastIndex, state.nowMs, state.options.electionTimeoutMs);
    if (news) advanceCommit(state);
    return;
  }
  const rejectedIndex = response.matchIndex;
  const stale =
    progress.mode === 'replicate' ? rejectedIndex <= progress.matchIndex : rejectedIndex !== progress.nextIndex - 1;
  if (stale || progress.mode === 'needsSnapshot') return;
  const hint = state.log.findConflict(Math.min(response.hintIndex, rejectedIndex - 1), response.hintTerm);
  progress.probe(Math.min(hint.index, rejectedIndex - 1) + 1, state.nowMs);
}

export function onHeartbeatResponse(state: CoreState, from: NodeId, response: HeartbeatResponse): void {
  const { leadership } = state;
  const progress = leadership?.progress.get(from);
  if (leadership === null || progress === undefined) return;
  heard(state, leadership, progress, response.round);
  // The follower lives, but an append or its answer has been under way for long: it may be lost.
  const { heartbeatIntervalMs, snapshotTimeoutMs = DEFAULT_SNAPSHOT_TIMEOUT_MS } = state.options;
  const waitedMs = state.nowMs - progress.movedMs;
  if (waitedMs < heartbeatIntervalMs) return;
  if (progress.mode === 'needsSnapshot') {
    if (waitedMs >= snapshotTimeoutMs) progress.probe(progress.nextIndex, state.nowMs);
  } else if (progress.mode === 'probe' && progress.paused) {
    progress.paused = false;
    progress.probeUnanswered = true;
  } else if (progress.mode === 'replicate' && progress.inflightCount > 0) {
    progress.checkDue = true;
    progress.movedMs = state.nowMs;
  }
}

function heard(state: CoreState, leadership: Leadership, progress: Progress, round: number): void {
  invariant(round <= leadership.round, `${progress.id} answers round ${round} of ${leadership.round}`);
  progress.heardMs = state.nowMs;
  leadership.flushDue = true;
  if (round <= progress.answeredRound) return;
  progress.answeredRound = round;
  confirmReads(state);
  beginAskedChange(state, leadership);
}

/**
 * The connection to the peer closed: a snapshot that was on its way to it is lost too. What it has answered does not count
 * for a change of voters any more, as it may come back without its disk; reads are the later for it, and no less right.
 */
export function losePeer(state: CoreState, peer: NodeId): void {
  const progress = state.leadership?.progress.get(peer);
  if (progress !== undefined) progress.answeredRound = 0;
  if (progress?.mode === 'needsSnapshot') progress.probe(progress.nextIndex, state.nowMs);
  suspendPeer(state, peer);
}

/** Nothing reaches the peer for now: the next append waits until it answers a heartbeat. */
export function suspendPeer(state: CoreState, peer: NodeId): void {
  const progress = state.leadership?.progress.get(peer);
  if (progress === undefined || progress.mode === 'needsSnapshot') return;
  // A probe keeps its place: before the first answer the match index is 0, and going back there would ask for a log that
  // was compacted long ago.
  const nextIndex = progress.mode === 'probe' ? progress.nextIndex : progress.matchIndex + 1;
  progress.probe(nextIndex, state.nowMs);
  progress.paused = true;
}

/**
 * Commits what a quorum holds durably. Only an entry of the current term is committed by counting: an older one could
 * still be overwritten although a majority holds it (Raft paper, section 5.4.2, figure 8).
 */
export function advanceCommit(state: CoreState): void {
  const { leadership, log } = state;
  if (leadership === null) return;
  const index = quorumValue(state.configurations.current, (id) =>
    id === state.id ? log.stableIndex : (leadership.progress.get(id)?.matchIndex ?? 0),
  );
  if (index <= state.commitIndex || log.termAt(index) !== state.term) return;
  leadership.uncommittedBytes -= log.bytesBetween(state.commitIndex + 1, index);
  state.commitIndex = index;
  leadership.flushDue = true;
  admitEarlyReads(state);
  afterCommit(state, leadership);
}

/** Lets go what may leave: called once before outputs are taken, so that one message carries what many steps brought. */
export function flush(state: CoreState): void {
  const { leadership } = state;
  if (leadership?.flushDue !== true) return;
  const roundBegins = leadership.roundOpen;
  leadership.flushDue = false;
  leadership.roundOpen = false;
  for (const progress of leadership.progress.values()) {
    sendAppends(state, leadership, progress);
    const commitIndex = Math.min(state.commitIndex, progress.matchIndex);
    const unsaid = commitIndex > progress.sentCommitIndex;
    // Learners have a say only when it is about their vote.
    const asked = leadership.askedChange !== null || isVoter(state.configurations.current, progress.id);
    const confirms = roundBegins && asked;
    if (!progress.heartbeatDue && !unsaid && !confirms) continue;
    progress.heartbeatDue = false;
    progress.sentCommitIndex = Math.max(progress.sentCommitIndex, commitIndex);
    const { term } = state;
    state.outbox.sendNow(progress.id, { kind: 'heartbeat', term, commitIndex, round: leadership.round });
  }
  sendTimeoutNow(state, leadership);
}

function sendAppends(state: CoreState, leadership: Leadership, progress: Progress): void {
  const { log, options } = state;
  while (progress.canSend(options)) {
    const { nextIndex } = progress;
    const prevTerm = log.termAt(nextIndex - 1);
    if (prevTerm === null) return sendOlder(state, progress);
    const entries = progress.probeUnanswered ? [] : log.sliceBytes(nextIndex, options.maxAppendBytes);
    if (entries.length === 0 && progress.mode === 'replicate') break;
    sendAppend(state, leadership, progress, prevTerm, entries);
  }
  if (!progress.checkDue) return;
  const prevTerm = log.termAt(progress.nextIndex - 1);
  if (prevTerm !== null) {
    progress.checkDue = false;
    sendAppend(state, leadership, progress, prevTerm, []);
  } else {
    // What was sent came from the log store, and its term is no longer at hand: begin again from what is certain.
    progress.probe(progress.matchIndex + 1, state.nowMs);
    sendOlder(state, progress);
  }
}

function sendAppend(
  state: CoreState,
  leadership: Leadership,
  progress: Progress,
  prevTerm: number,
  entries: readonly Entry[],
): void {
  const { term, commitIndex } = state;
  const prevIndex = progress.nextIndex - 1;
  const lastIndex = prevIndex + entries.length;
  const { round } = leadership;
  state.outbox.sendNow(progress.id, { kind: 'appendRequest', term, prevIndex, prevTerm, commitIndex, round, entries });
  progress.sentCommitIndex = Math.max(progress.sentCommitIndex, Math.min(commitIndex, lastIndex));
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  progress.sent(lastIndex, bytes, state.nowMs);
}

/**
 * What is no longer in memory comes from the log store, one read per follower at a time, or from a snapshot when the
 * entry before it is compacted too.
 */
function sendOlder(state: CoreState, progress: Progress): void {
  if (progress.nextIndex <= state.log.compactedIndex) return requestSnapshot(state, progress);
  progress.reading = true;
  if (state.logReads.has(progress.id)) return;
  const fromIndex = progress.nextIndex;
  state.logReads.set(progress.id, { term: state.term, fromIndex });
  state.outbox.readLog.push({ peer: progress.id, fromIndex, maxBytes: state.options.maxAppendBytes });
}

/** The log store answers. An answer to a read of an earlier leadership, or from another place, only makes room for a new one. */
export function onLogRead(state: CoreState, input: Extract<Input, { kind: 'logRead' }>): void {
  const request = state.logReads.get(input.peer);
  invariant(request !== undefined, `logRead for ${input.peer}, which asked for nothing`);
  state.logReads.delete(input.peer);
  const { leadership } = state;
  const progress = leadership?.progress.get(input.peer);
  if (leadership === null || progress?.reading !== true) return;
  progress.reading = false;
  leadership.flushDue = true;
  if (request.term !== state.term || request.fromIndex !== progress.nextIndex || !progress.canSend(state.options))
    return;
  const entries = readableEntries(state, input.entries);
  if (entries.length === 0) {
    requestSnapshot(state, progress);
    return;
  }
  invariant(
    input.prevIndex === request.fromIndex - 1 && entries[0]?.index === request.fromIndex,
    'logRead at another place',
  );
  sendAppend(state, leadership, progress, input.prevTerm, entries);
}

/** The store may hold, beyond what was applied here, entries that were since replaced in memory. */
function readableEntries(state: CoreState, entries: readonly Entry[]): readonly Entry[] {
  const { log } = state;
  const end = entries.findIndex((entry) => entry.index > log.baseIndex && log.termAt(entry.index) !== entry.term);
  return end < 0 ? entries : entries.slice(0, end);
}
