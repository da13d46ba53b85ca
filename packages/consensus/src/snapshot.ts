/**
 * Snapshots (thesis chapter 5). Their bytes never pass through the core: a leader asks its driver to stream one, a
 * follower is told when it is installed.
 */
import { invariant } from './assert.ts';
import { followLeader } from './following.ts';
import type { Progress } from './progress.ts';
import { becomeFollower } from './roles.ts';
import type { CoreState } from './state.ts';
import type { Input, NodeId } from './types.ts';

type Installed = Extract<Input, { kind: 'snapshotInstalled' }>;
type Sent = Extract<Input, { kind: 'snapshotSent' }>;

/** On a leader: the log store does not go back as far as this follower needs. */
export function requestSnapshot(state: CoreState, progress: Progress): void {
  const minIndex = Math.max(progress.nextIndex, state.log.compactedIndex);
  progress.needSnapshot(minIndex, state.nowMs);
  state.outbox.sendSnapshot.push({ peer: progress.id, minIndex });
}

/** On a leader: the stream has ended. Where the follower stands now, it says itself. */
export function onSnapshotSent(state: CoreState, input: Sent): void {
  invariant(input.index <= state.handedIndex, `snapshot ${input.index} sent, committed up to ${state.handedIndex}`);
  const { leadership } = state;
  const progress = leadership?.progress.get(input.peer);
  if (leadership === null || progress?.mode !== 'needsSnapshot') return;
  progress.probe(input.ok ? input.index + 1 : progress.nextIndex, state.nowMs);
  // After a failure the next answer to a heartbeat lets the probe go: nothing is sent to the dead meanwhile.
  progress.paused = !input.ok;
  leadership.flushDue = true;
}

/** Whether a snapshot that stands for everything up to `index` would bring this node forward. */
export function acceptsSnapshot(state: CoreState, index: number): boolean {
  return index > state.commitIndex;
}

/** On a follower: counts as hearing from the leader, whose appends have to wait until the snapshot is there. */
export function onSnapshotReceiving(state: CoreState, from: NodeId, term: number): void {
  invariant(Number.isSafeInteger(term) && term >= 0, `${from} sends a snapshot in term ${term}`);
  if (from === state.id || term < state.term) return;
  if (term > state.term) becomeFollower(state, term, from);
  else followLeader(state, from);
}

/**
 * On a follower: state and log durably begin at the snapshot. Moves forward only: of one that is behind the commit index
 * nothing is believed but that it is applied, and one that is behind the applied index changes nothing.
 */
export function onSnapshotInstalled(state: CoreState, input: Installed): void {
  const { index, term } = input;
  invariant(Number.isSafeInteger(index) && Number.isSafeInteger(term), 'snapshot: unsafe integer');
  const held = state.log.termAt(index);
  invariant(
    index > state.commitIndex || held === null || held === term,
    `committed entry ${index} of term ${held} has term ${term} in a snapshot`,
  );
  if (index > state.appliedIndex) install(state, input, held === term);
  acknowledge(state);
}

function install(state: CoreState, input: Installed, agrees: boolean): void {
  const { index, term, stampMs, configuration } = input;
  if (term > state.term || (state.role !== 'follower' && index > state.commitIndex)) {
    // What this node stands for or leads is behind what others have committed.
    becomeFollower(state, Math.max(term, state.term), null);
  }
  state.log.install(index, term, stampMs);
  state.configurations.install(index, configuration, agrees);
  state.commitIndex = Math.max(state.commitIndex, index);
  state.handedIndex = Math.max(state.handedIndex, index);
  state.appliedIndex = index;
}

/** Says how far this log is certain to be the leader's: that is all the leader waits for. */
function acknowledge(state: CoreState): void {
  const { leader, term } = state;
  if (leader === null || leader === state.id) return;
  const matchIndex = Math.min(state.commitIndex, state.log.stableIndex);
  const nothing = { round: 0, hintIndex: 0, hintTerm: 0 } as const;
  state.outbox.sendDurable(leader, { kind: 'appendResponse', term, success: true, matchIndex, ...nothing }, state.log);
}

/** The log store holds nothing up to `index` any more. */
export function onCompacted(state: CoreState, index: number, term: number): void {
  const held = state.log.termAt(index);
  invariant(held === null || held === term, `compacted at ${index} with term ${term}, which is ${held}`);
  state.log.compacted(index);
}
