/** When a node stands for election (thesis sections 3.4 and 9.3). */
import { invariant } from './assert.ts';
import type { CoreState } from './state.ts';

/** Successors of a silent leader stand within this part of the election timeout after it, one after the other. */
const SPREAD = 1 / 2;

/**
 * The next moment to stand, from now. While a leader is known its voters have turns: the one after it in the
 * configuration stands soon after the election timeout, the next one a slot later. Two would otherwise often stand at
 * the same moment, and a random time that makes that rare makes every failover slow. Nothing depends on the turns but
 * time: whoever cannot win, because its log is behind or it is down itself, is followed by the next, and where no
 * leader is known the whole time is random, as in the paper.
 */
export function resetElectionTimer(state: CoreState): void {
  const timeoutMs = state.options.electionTimeoutMs;
  state.electionDueMs = state.nowMs + timeoutMs + (turnMs(state) ?? state.random.below(timeoutMs));
}

/**
 * The same for a pre-candidate: it asks again soon. A pre-vote changes nothing anywhere, and a voter that heard the
 * leader a moment later than this node did refuses it only for that moment.
 */
export function resetPreVoteTimer(state: CoreState): void {
  const quarterMs = Math.ceil(state.options.electionTimeoutMs / 4);
  state.electionDueMs = state.nowMs + quarterMs + state.random.below(quarterMs);
}

function turnMs(state: CoreState): number | null {
  const { voters } = state.configurations.current;
  const own = voters.indexOf(state.id);
  const leader = state.leader === null ? -1 : voters.indexOf(state.leader);
  if (own < 0 || leader < 0) return null;
  invariant(own !== leader, 'a leader does not wait for an election');
  const slotMs = (state.options.electionTimeoutMs * SPREAD) / (voters.length - 1);
  const turn = (own - leader + voters.length) % voters.length;
  // In the middle half of its slot, so that neighbours differ by half a slot at least.
  return Math.floor(slotMs * (turn - 1 + 1 / 4)) + state.random.below(Math.ceil(slotMs / 2));
}
