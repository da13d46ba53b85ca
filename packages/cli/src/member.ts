import type { ClusterView, MemberView } from '@quorate/node';

/** Whether a member has a vote. */
export function hasVote(member: MemberView): boolean {
  return member.voter ?? (member.role === 'leader' || member.role === 'follower');
}

/** Its role for people: also whether one that has no vote is to have one. */
export function describeRole(member: MemberView): string {
  if (member.state === 'joining') return `${member.role} (joining)`;
  // Of one that can not be reached, the role says only that.
  return member.voter === false && member.role === 'unreachable' ? 'unreachable (learner)' : member.role;
}

/** What a joining node is to become. */
export interface JoinGoal {
  readonly id: string;
  readonly voter: boolean;
  /** Id of the member that leaves for it. */
  readonly replaces: string | undefined;
}

function find(cluster: ClusterView, id: string): MemberView | undefined {
  return cluster.nodes.find((node) => node.id === id);
}

/** Whether a node has become what it was joined for. */
export function hasJoined(cluster: ClusterView, goal: JoinGoal): boolean {
  const member = find(cluster, goal.id);
  if (member === undefined || (goal.replaces !== undefined && find(cluster, goal.replaces) !== undefined)) return false;
  if (goal.voter) return hasVote(member);
  return !hasVote(member) && member.state !== 'joining' && member.role !== 'unreachable';
}

/** How far a node is on its way, to follow its id. */
export function describeProgress(cluster: ClusterView, goal: JoinGoal): string {
  const member = find(cluster, goal.id);
  if (member === undefined) return 'is not yet a member';
  if (hasVote(member)) {
    const still = goal.replaces !== undefined && find(cluster, goal.replaces) !== undefined;
    return still ? `is a voter, ${goal.replaces ?? ''} is still a member` : 'is a voter';
  }
  if (member.role === 'unreachable') return 'is a learner, but cannot be reached';
  return member.state === 'joining' ? 'is a learner and catches up' : 'is a learner';
}
