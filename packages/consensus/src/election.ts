/** Elections: pre-vote, votes, leader stickiness (thesis sections 3.4, 4.2.3, 9.6; etcd raft). */
import { isVoter, voteOutcome, voters } from './configuration.ts';
import { resetElectionTimer, resetPreVoteTimer } from './election-timer.ts';
import { failReads } from './read-index.ts';
import { becomeFollower, becomeLeader } from './roles.ts';
import type { CoreState } from './state.ts';
import type { NodeId, VoteRequest, VoteResponse } from './types.ts';

/** Starts a pre-vote when no leader was heard for the drawn time. */
export function tickElection(state: CoreState): void {
  if (state.nowMs < state.electionDueMs) return;
  if (state.mayStand) startPreVote(state);
  else resetElectionTimer(state);
}

/** The connection to the leader closed: forget it, and stand soon, at a random moment lest two followers collide. */
export function loseLeader(state: CoreState): void {
  becomeFollower(state, state.term, null);
  const jitterMs = Math.floor(state.options.heartbeatIntervalMs / 2) + 1;
  state.electionDueMs = Math.min(state.electionDueMs, state.nowMs + state.random.below(jitterMs));
}

function startPreVote(state: CoreState): void {
  standFor(state, 'preCandidate');
  const { lastIndex, lastTerm } = state.log;
  for (const id of voters(state.configurations.current)) {
    if (id === state.id) continue;
    const term = state.term + 1;
    state.outbox.sendNow(id, { kind: 'voteRequest', term, preVote: true, transfer: false, lastIndex, lastTerm });
  }
  state.votes.set(state.id, true);
  settle(state);
}

/**
 * Stands for election in the next term. The requests wait for this node's own vote to be durable: a candidate that
 * forgot its term in a crash could stand in the same term again with a shorter log, and be elected by votes that were
 * granted to the longer one.
 */
function campaign(state: CoreState, transfer: boolean): void {
  standFor(state, 'candidate');
  state.term += 1;
  state.vote = state.id;
  state.outbox.markHardState();
  const { term } = state;
  const { lastIndex, lastTerm } = state.log;
  for (const id of voters(state.configurations.current)) {
    if (id === state.id) continue;
    const request = { kind: 'voteRequest', term, preVote: false, transfer, lastIndex, lastTerm } as const;
    state.outbox.sendDurable(id, request, state.log);
  }
}

function standFor(state: CoreState, role: 'preCandidate' | 'candidate'): void {
  failReads(state);
  state.role = role;
  state.leader = null;
  state.votes.clear();
  if (role === 'candidate') resetElectionTimer(state);
  else resetPreVoteTimer(state);
}

/** This node's own vote counts from the moment it is durable. */
export function countOwnVote(state: CoreState): void {
  const { durableState } = state.outbox;
  if (state.role !== 'candidate' || durableState.term !== state.term || durableState.vote !== state.id) return;
  state.votes.set(state.id, true);
  settle(state);
}

function settle(state: CoreState): void {
  const outcome = voteOutcome(state.configurations.current, state.votes);
  if (outcome === 'lost') becomeFollower(state, state.term, null);
  else if (outcome === 'won' && state.role === 'preCandidate') campaign(state, false);
  // Not by the others alone: without its own durable vote this node could vote again in this term after a crash.
  else if (outcome === 'won' && state.votes.get(state.id) === true) becomeLeader(state);
}

export function onVoteRequest(state: CoreState, from: NodeId, request: VoteRequest): void {
  if (request.term > state.term) {
    if (!request.transfer && hearsLeader(state)) return refuse(state, from, request);
    if (!request.preVote) becomeFollower(state, request.term, null);
  }
  if (request.term < state.term || !mayGrant(state, from, request)) return refuse(state, from, request);
  const { term, preVote } = request;
  const response = { kind: 'voteResponse', term, preVote, granted: true } as const;
  if (preVote) {
    // Promises nothing, changes nothing.
    state.outbox.sendNow(from, response);
    if (state.role === 'preCandidate' && isStronger(state, from, request)) becomeFollower(state, state.term, null);
    return;
  }
  if (state.vote !== from) {
    state.vote = from;
    state.outbox.markHardState();
  }
  resetElectionTimer(state);
  state.outbox.sendDurable(from, response, state.log);
}

/** Leader stickiness: a node in contact with a leader helps nobody to depose it, and does not even adopt the term. */
function hearsLeader(state: CoreState): boolean {
  if (state.leader === null) return false;
  return state.role === 'leader' || state.nowMs - state.leaderHeardMs < state.options.electionTimeoutMs;
}

function mayGrant(state: CoreState, from: NodeId, request: VoteRequest): boolean {
  const free = state.vote === from || (state.vote === null && state.leader === null);
  if (!free && !(request.preVote && request.term > state.term)) return false;
  return state.log.isUpToDate(request.lastIndex, request.lastTerm);
}

/** Of two pre-candidates that meet, the one with the better log, or else the greater id, goes on: else they split the vote. */
function isStronger(state: CoreState, from: NodeId, request: VoteRequest): boolean {
  const even = request.lastIndex === state.log.lastIndex && request.lastTerm === state.log.lastTerm;
  return !even || from > state.id;
}

function refuse(state: CoreState, from: NodeId, request: VoteRequest): void {
  const { preVote } = request;
  state.outbox.sendNow(from, { kind: 'voteResponse', term: state.term, preVote, granted: false });
}

export function onVoteResponse(state: CoreState, from: NodeId, response: VoteResponse): void {
  if (!response.granted && response.term > state.term) {
    becomeFollower(state, response.term, null);
    return;
  }
  if (response.preVote) {
    if (state.role !== 'preCandidate') return;
    if (response.granted && response.term !== state.term + 1) return;
  } else if (state.role !== 'candidate' || response.term !== state.term) {
    return;
  }
  if (!isVoter(state.configurations.current, from)) return;
  state.votes.set(from, response.granted);
  settle(state);
}

/** The leader wants this node to take over: no pre-vote, and the others are to ignore their stickiness. */
export function onTimeoutNow(state: CoreState, from: NodeId): void {
  if (state.role !== 'follower' || state.leader !== from || !state.mayVote) return;
  campaign(state, true);
}
