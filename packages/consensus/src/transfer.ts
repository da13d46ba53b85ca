/** Leadership transfer (thesis section 3.10): bring the target up to date, then tell it to stand at once. */
import { voters } from './configuration.ts';
import { becomeFollower } from './roles.ts';
import type { CoreState, Leadership } from './state.ts';
import type { NodeId } from './types.ts';

/** Begins a transfer, or does nothing when this node does not lead or there is nobody fit. Proposals stop meanwhile. */
export function transferLeadership(state: CoreState, to: NodeId | null): void {
  const { leadership } = state;
  if (leadership === null) return;
  const target = to ?? bestTarget(state, leadership);
  if (target !== null) begin(state, leadership, target, false);
}

/** The write in flight does not end: hand over, or at least stop leading, so that others can. */
export function onStorageStalled(state: CoreState): void {
  const { leadership } = state;
  if (leadership === null || leadership.transfer?.stepDown === true) return;
  const target = bestTarget(state, leadership);
  if (target === null) becomeFollower(state, state.term, null);
  else begin(state, leadership, target, true);
}

/** The configuration that this leader has just committed no longer gives it a vote: somebody else is to lead. */
export function retire(state: CoreState, leadership: Leadership): void {
  if (leadership.transfer?.stepDown === true) return;
  const target = bestTarget(state, leadership);
  if (target === null) becomeFollower(state, state.term, null);
  else begin(state, leadership, target, true);
}

function begin(state: CoreState, leadership: Leadership, to: NodeId, stepDown: boolean): void {
  if (to === state.id || !voters(state.configurations.current).includes(to) || !leadership.progress.has(to)) return;
  if (leadership.transfer?.to === to && !stepDown) return;
  const deadlineMs = state.nowMs + state.options.electionTimeoutMs;
  leadership.transfer = { to, deadlineMs, stepDown, sent: false };
  leadership.flushDue = true;
}

/** The voter that holds most of the log, among those heard within an election timeout. */
function bestTarget(state: CoreState, leadership: Leadership): NodeId | null {
  let best: NodeId | null = null;
  let bestMatch = -1;
  for (const id of voters(state.configurations.current)) {
    const progress = leadership.progress.get(id);
    if (progress === undefined || progress.heardMs === null) continue;
    if (state.nowMs - progress.heardMs >= state.options.electionTimeoutMs || progress.matchIndex <= bestMatch) continue;
    best = id;
    bestMatch = progress.matchIndex;
  }
  return best;
}

/** A transfer that took an election timeout has failed: lead on, unless storage stands still. */
export function tickTransfer(state: CoreState, leadership: Leadership): void {
  const { transfer } = leadership;
  if (transfer === null || state.nowMs < transfer.deadlineMs) return;
  leadership.transfer = null;
  if (transfer.stepDown) becomeFollower(state, state.term, null);
}

/** Tells the target to stand once it holds the whole log. */
export function sendTimeoutNow(state: CoreState, leadership: Leadership): void {
  const { transfer } = leadership;
  if (transfer === null || transfer.sent) return;
  if (leadership.progress.get(transfer.to)?.matchIndex !== state.log.lastIndex) return;
  transfer.sent = true;
  state.outbox.sendNow(transfer.to, { kind: 'timeoutNow', term: state.term });
}
