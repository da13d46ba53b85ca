/** Quorum arithmetic over a configuration, joint ones included (thesis section 4.3). */
import type { Configuration, NodeId } from './types.ts';

export type VoteOutcome = 'won' | 'lost' | 'pending';

/** The least number of nodes that is a majority of `size`. */
export function majority(size: number): number {
  return Math.floor(size / 2) + 1;
}

/** Whether `id` votes: in the incoming or in the outgoing half. */
export function isVoter(configuration: Configuration, id: NodeId): boolean {
  return configuration.voters.includes(id) || configuration.outgoing.includes(id);
}

/** Whether `id` belongs to the configuration in any role. */
export function isMember(configuration: Configuration, id: NodeId): boolean {
  return isVoter(configuration, id) || configuration.learners.includes(id);
}

/** All members, each once, voters first, in the order of the configuration. */
export function members(configuration: Configuration): NodeId[] {
  const { voters: incoming, outgoing, learners } = configuration;
  const ids: NodeId[] = [];
  addEach(ids, incoming);
  addEach(ids, outgoing);
  addEach(ids, learners);
  return ids;
}

/** Few: looking through a list is cheaper than making a set. */
function addEach(ids: NodeId[], more: readonly NodeId[]): void {
  for (const id of more) if (!ids.includes(id)) ids.push(id);
}

/** Whether two sets of voters decide together, on the way from one to the other. */
export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

/** The tag of a member, or the empty string. */
export function tagOf(configuration: Configuration, id: NodeId): string {
  return textOf(configuration.memberTags, id);
}

/** The address of a member, or the empty string. */
export function addressOf(configuration: Configuration, id: NodeId): string {
  return textOf(configuration.memberAddresses, id);
}

function textOf(texts: Readonly<Record<NodeId, string>> | undefined, id: NodeId): string {
  return texts !== undefined && Object.hasOwn(texts, id) ? (texts[id] as string) : '';
}

/** The lists with these tags and addresses, without the fields of which there is none. */
export function withTexts(
  { voters, learners, outgoing }: Configuration,
  memberTags: Readonly<Record<NodeId, string>>,
  memberAddresses: Readonly<Record<NodeId, string>>,
): Configuration {
  return {
    ...{ voters, learners, outgoing },
    ...(Object.keys(memberTags).length > 0 && { memberTags }),
    ...(Object.keys(memberAddresses).length > 0 && { memberAddresses }),
  };
}

/** All voters of both halves, each once. */
export function voters(configuration: Configuration): NodeId[] {
  const ids: NodeId[] = [];
  addEach(ids, configuration.voters);
  addEach(ids, configuration.outgoing);
  return ids;
}

/** Whether the nodes that satisfy `holds` are a majority of each half. A configuration without voters has no quorum. */
export function hasQuorum(configuration: Configuration, holds: (id: NodeId) => boolean): boolean {
  if (!majorityHolds(configuration.voters, holds)) return false;
  return configuration.outgoing.length === 0 || majorityHolds(configuration.outgoing, holds);
}

function majorityHolds(half: readonly NodeId[], holds: (id: NodeId) => boolean): boolean {
  let count = 0;
  for (const id of half) if (holds(id)) count++;
  return count >= majority(half.length);
}

/**
 * The greatest value that a quorum has reached: the commit index when `valueOf` is the match index, the confirmed
 * round when it is the answered round. 0 without voters.
 */
export function quorumValue(configuration: Configuration, valueOf: (id: NodeId) => number): number {
  const incoming = majorityValue(configuration.voters, valueOf);
  if (configuration.outgoing.length === 0) return incoming;
  return Math.min(incoming, majorityValue(configuration.outgoing, valueOf));
}

function majorityValue(half: readonly NodeId[], valueOf: (id: NodeId) => number): number {
  if (half.length === 0) return 0;
  // Sorted as they come, the greatest first: there are few, and this runs for every answer that a leader gets.
  const values: number[] = [];
  for (const id of half) {
    const value = valueOf(id);
    let at = values.length;
    for (; at > 0 && (values[at - 1] as number) < value; at--) values[at] = values[at - 1] as number;
    values[at] = value;
  }
  return values[majority(half.length) - 1] as number;
}

/** The state of an election, given the answers so far. Answers of nodes that do not vote are not counted. */
export function voteOutcome(configuration: Configuration, answers: ReadonlyMap<NodeId, boolean>): VoteOutcome {
  const incoming = majorityOutcome(configuration.voters, answers);
  if (configuration.outgoing.length === 0) return incoming;
  const outgoing = majorityOutcome(configuration.outgoing, answers);
  if (incoming === 'lost' || outgoing === 'lost') return 'lost';
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending';
}

function majorityOutcome(half: readonly NodeId[], answers: ReadonlyMap<NodeId, boolean>): VoteOutcome {
  let granted = 0;
  let refused = 0;
  for (const id of half) {
    const answer = answers.get(id);
    if (answer === true) granted++;
    else if (answer === false) refused++;
  }
  const needed = majority(half.length);
  if (granted >= needed) return 'won';
  return refused > half.length - needed ? 'lost' : 'pending';
}
