/**
 * Membership changes by joint consensus (thesis section 4.3): a change of voters goes through a configuration in which
 * decisions take a majority of the old and of the new voters; when that is committed, the leader leaves it by itself. A
 * configuration is in force from the moment it is appended (section 4.1).
 */
import { InvariantError, invariant } from './assert.ts';
import { addressOf, hasQuorum, isJoint, isVoter, members, tagOf, withTexts } from './configuration.ts';
import { encodeConfiguration } from './configuration-codec.ts';
import { beginRound, confirmReads, termCommitted } from './read-index.ts';
import { appendLocally } from './roles.ts';
import type { CoreState, Leadership } from './state.ts';
import { retire } from './transfer.ts';
import { type Configuration, EntryType, type MembershipChange, type MembershipCode, type NodeId } from './types.ts';

interface Refusal {
  readonly code: MembershipCode;
  readonly reason: string;
}

/**
 * Begins a change, or says why not. A change of voters begins when majorities of the old and of the new ones have answered
 * since it was asked for. Who was only heard before may have lost its disk since: then the configuration, in force here as
 * soon as it is appended, could need the vote of a node that gets none before there is a leader.
 */
export function changeMembership(state: CoreState, change: MembershipChange): void {
  const { current } = state.configurations;
  const wanted = finalConfiguration(current, change);
  const refusal = refuseNow(state) ?? refuseWanted(state, wanted);
  if (refusal !== null) return refuse(state, change, refusal);
  if (isSame(current, wanted)) {
    state.outbox.membershipResults.push({ id: change.id, ok: true, code: 'UNCHANGED' });
    return;
  }
  const { leadership } = state;
  invariant(leadership !== null, 'only a leader changes the membership');
  if (isSameSet(current.voters, wanted.voters)) {
    // Learners are in no quorum: as long as the voters stay the same every two quorums meet anyway.
    leadership.changeId = change.id;
    append(state, leadership, wanted);
    return;
  }
  const deadlineMs = state.nowMs + state.options.electionTimeoutMs;
  leadership.askedChange = { change, round: beginRound(leadership), deadlineMs };
  beginAskedChange(state, leadership);
}

/** On a leader, when somebody has answered: begins the change that waits for that, if it need not wait any longer. */
export function beginAskedChange(state: CoreState, leadership: Leadership): void {
  if (leadership.askedChange === null) return;
  const { change, round } = leadership.askedChange;
  const { current } = state.configurations;
  const between = joint(current, finalConfiguration(current, change));
  const answered = (id: NodeId): boolean => (leadership.progress.get(id)?.answeredRound ?? 0) >= round;
  if (!hasQuorum(between, (id) => id === state.id || answered(id))) return;
  leadership.askedChange = null;
  const refusal = refuseNow(state);
  if (refusal !== null) return refuse(state, change, refusal);
  leadership.changeId = change.id;
  append(state, leadership, between);
}

export function tickAskedChange(state: CoreState, leadership: Leadership): void {
  const { askedChange } = leadership;
  if (askedChange === null || state.nowMs < askedChange.deadlineMs) return;
  leadership.askedChange = null;
  refuse(state, askedChange.change, {
    code: 'QUORUM_UNREACHABLE',
    reason: 'the leader does not hear a majority of the voters wanted',
  });
}

function refuse(state: CoreState, { id }: MembershipChange, refusal: Refusal): void {
  state.outbox.membershipResults.push({ id, ok: false, ...refusal });
}

/** On a leader, when the commit index has moved: what the configuration in force, if it is committed, asks for next. */
export function afterCommit(state: CoreState, leadership: Leadership): void {
  const { currentIndex, current } = state.configurations;
  if (currentIndex > state.commitIndex) return;
  if (isJoint(current)) return leaveJoint(state, leadership);
  if (leadership.changeId !== null) {
    state.outbox.membershipResults.push({ id: leadership.changeId, ok: true, code: 'COMMITTED' });
    leadership.changeId = null;
  }
  if (!isVoter(current, state.id)) retire(state, leadership);
}

/** Appends the final configuration when the joint one is committed. Not during a transfer, whose target must catch up. */
export function leaveJoint(state: CoreState, leadership: Leadership): void {
  const { currentIndex, current } = state.configurations;
  if (!isJoint(current) || currentIndex > state.commitIndex || leadership.transfer !== null) return;
  if (termCommitted(state)) append(state, leadership, withThose({ ...current, outgoing: [] }, current, {}));
}

function append(state: CoreState, leadership: Leadership, configuration: Configuration): void {
  const { log, term } = state;
  const data = encodeConfiguration(configuration);
  const entry = { index: log.lastIndex + 1, term, type: EntryType.config, stampMs: log.lastStampMs, data } as const;
  appendLocally(state, [entry]);
  leadership.flushDue = true;
  // Who is gone is no longer waited for.
  confirmReads(state);
}

/** Why no change at all can begin, or null. */
function refuseNow(state: CoreState): Refusal | null {
  const { leadership, leader } = state;
  if (leadership === null) {
    return { code: 'NOT_LEADER', reason: leader === null ? 'there is no leader' : `the leader is ${leader}` };
  }
  if (leadership.transfer !== null) return { code: 'NOT_READY', reason: 'the leader is handing over' };
  // A change before that could meet an older one that is still uncommitted somewhere, without a common quorum.
  if (!termCommitted(state)) return { code: 'NOT_READY', reason: 'the leader has not committed in its term yet' };
  const { current, currentIndex } = state.configurations;
  if (leadership.askedChange !== null) {
    return { code: 'CHANGE_IN_PROGRESS', reason: 'another change waits for the voters it wants to answer' };
  }
  if (!isJoint(current) && currentIndex <= state.commitIndex) return null;
  return { code: 'CHANGE_IN_PROGRESS', reason: `the configuration at ${currentIndex} is not final and committed` };
}

/** Why this configuration can not be had, or null. */
function refuseWanted(state: CoreState, wanted: Configuration): Refusal | null {
  const { current } = state.configurations;
  const invalid = findFault(current, wanted);
  if (invalid !== null) return { code: 'INVALID', reason: invalid };
  for (const id of wanted.voters) {
    if (isVoter(current, id)) continue;
    if (!current.learners.includes(id)) {
      return { code: 'NOT_A_LEARNER', reason: `${id} must be a learner before it can vote` };
    }
    if (!isCaughtUp(state, id)) {
      return { code: 'LEARNER_NOT_CAUGHT_UP', reason: `${id} is more than an election timeout behind` };
    }
  }
  return null;
}

function findFault(current: Configuration, wanted: Configuration): string | null {
  if (wanted.voters.length === 0) return 'there must be a voter';
  for (const id of members(wanted)) {
    if (tagOf(current, id) === tagOf(wanted, id)) continue;
    // In the joint configuration the other node would have the vote that this one has in the outgoing half.
    if (isVoter(current, id)) return `${id} has a vote, which no other node of this name can have: take it back first`;
    if (!wanted.voters.includes(id) || !current.learners.includes(id)) continue;
    return `${id} is another node than the one of this name that is a member: make it a learner first`;
  }
  try {
    encodeConfiguration(wanted);
    encodeConfiguration(joint(current, wanted));
    return null;
  } catch (error) {
    if (error instanceof InvariantError) return error.message;
    throw error;
  }
}

function isCaughtUp(state: CoreState, id: NodeId): boolean {
  const progress = state.leadership?.progress.get(id);
  return progress?.isCaughtUp(state.nowMs, state.options.electionTimeoutMs) ?? false;
}

function finalConfiguration(current: Configuration, change: MembershipChange): Configuration {
  const lists = { voters: [...change.voters], learners: [...change.learners], outgoing: [] };
  return withThose(lists, current, change);
}

function joint(current: Configuration, wanted: Configuration): Configuration {
  const { voters, learners, memberAddresses = {} } = wanted;
  // Also of those that are to have none.
  const memberTags = Object.fromEntries(members(wanted).map((id) => [id, tagOf(wanted, id)]));
  return withThose({ voters, learners, outgoing: current.voters }, current, { memberTags, memberAddresses });
}

/** Gives every member the tag and the address that it is given, or else had. Those of nobody are kept, to be found invalid. */
function withThose(
  lists: Configuration,
  current: Configuration,
  given: Pick<Configuration, 'memberTags' | 'memberAddresses'>,
): Configuration {
  const ids = members(lists);
  const texts = (of: typeof tagOf, theirs: Readonly<Record<NodeId, string>> = {}): Record<NodeId, string> => {
    const all = [...ids.map((id): [NodeId, string] => [id, of(current, id)]), ...Object.entries(theirs)];
    return Object.fromEntries([...new Map(all)].filter(([, text]) => text !== ''));
  };
  return withTexts(lists, texts(tagOf, given.memberTags), texts(addressOf, given.memberAddresses));
}

/** Addresses alone are no change: who moves tells the others where to. */
function isSame(one: Configuration, other: Configuration): boolean {
  const ids = [...members(one), ...members(other)];
  return (
    isSameSet(one.voters, other.voters) &&
    isSameSet(one.learners, other.learners) &&
    ids.every((id) => tagOf(one, id) === tagOf(other, id))
  );
}

function isSameSet(one: readonly NodeId[], other: readonly NodeId[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id));
}
