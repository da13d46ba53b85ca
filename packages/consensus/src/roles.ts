/** Transitions between roles. */
import { invariant } from './assert.ts';
import { members, tagOf } from './configuration.ts';
import { resetElectionTimer } from './election-timer.ts';
import { Progress } from './progress.ts';
import { failReads } from './read-index.ts';
import type { CoreState } from './state.ts';
import { type Entry, EntryType, type NodeId } from './types.ts';

/** Follows `leader`, or nobody yet, in `term`, which is not below the current one. */
export function becomeFollower(state: CoreState, term: number, leader: NodeId | null): void {
  invariant(Number.isSafeInteger(term) && term >= state.term, `term ${term} after ${state.term}`);
  if (term > state.term || state.leader !== leader || state.role !== 'follower') failReads(state);
  if (term > state.term) {
    state.term = term;
    state.vote = null;
    state.outbox.markHardState();
  }
  failChange(state);
  const wasFollower = state.role === 'follower';
  state.role = 'follower';
  state.leader = leader;
  state.leadership = null;
  state.votes.clear();
  if (leader !== null) state.leaderHeardMs = state.nowMs;
  // A higher term alone does not postpone an election: whoever caused it may not be electable.
  if (leader !== null || !wasFollower) resetElectionTimer(state);
}

/** Leads the current term: opens it with a no-op, because only an entry of its own term may be committed by counting. */
export function becomeLeader(state: CoreState): void {
  invariant(state.role === 'candidate', 'only a candidate becomes leader');
  const { durableState } = state.outbox;
  invariant(
    durableState.term === state.term && durableState.vote === state.id,
    'a leader has voted for itself durably',
  );
  state.role = 'leader';
  state.leader = state.id;
  state.votes.clear();
  const nextIndex = state.log.lastIndex + 1;
  state.leadership = {
    progress: new Map(),
    startedMs: state.nowMs,
    firstIndex: nextIndex,
    flushDue: true,
    heartbeatDueMs: state.nowMs + state.options.heartbeatIntervalMs,
    round: 0,
    roundOpen: false,
    reads: [],
    earlyReads: [],
    transfer: null,
    changeId: null,
    askedChange: null,
    uncommittedBytes: state.log.bytesBetween(state.commitIndex + 1, state.log.lastIndex),
  };
  syncProgress(state);
  appendLocally(state, [noop(state, nextIndex)]);
}

function noop(state: CoreState, index: number): Entry {
  return {
    index,
    term: state.term,
    type: EntryType.noop,
    stampMs: state.log.lastStampMs,
    data: new Uint8Array(0),
  };
}

/** Appends to the log and puts the configurations found there in force. */
export function appendLocally(state: CoreState, entries: readonly Entry[]): void {
  state.log.append(entries);
  let changed = false;
  for (const entry of entries) if (state.configurations.append(entry)) changed = true;
  if (state.leadership !== null) {
    state.leadership.uncommittedBytes += state.log.bytesBetween(
      state.log.lastIndex - entries.length + 1,
      state.log.lastIndex,
    );
    if (changed) syncProgress(state);
  }
}

/** Nobody will tell the one who asked for the membership change how it ends. */
function failChange(state: CoreState): void {
  const asked = state.leadership?.askedChange ?? null;
  if (asked !== null) {
    const reason = 'this node no longer leads; the change was not begun';
    state.outbox.membershipResults.push({ id: asked.change.id, ok: false, code: 'NOT_LEADER', reason });
  }
  const id = state.leadership?.changeId ?? null;
  if (id === null) return;
  const reason = 'this node no longer leads; whether the change happens is for the next leader to say';
  state.outbox.membershipResults.push({ id, ok: false, code: 'LEADERSHIP_LOST', reason });
}

/** One progress per other member of the configuration in force, a new one for a member whose tag has changed. */
function syncProgress(state: CoreState): void {
  const { leadership } = state;
  if (leadership === null) return;
  const { current: configuration, previous } = state.configurations;
  const current = members(configuration);
  for (const id of leadership.progress.keys()) {
    const another = previous !== null && tagOf(previous, id) !== tagOf(configuration, id);
    if (another || !current.includes(id)) leadership.progress.delete(id);
  }
  for (const id of current) {
    if (id === state.id || leadership.progress.has(id)) continue;
    leadership.progress.set(id, new Progress(id, state.log.lastIndex + 1, state.nowMs));
  }
}
