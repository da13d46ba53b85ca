/** One node's answer to who leads. */
export interface Leader {
  readonly id: string;
  readonly term: number;
}

/** Whom more than half of the nodes hold for the leader of the same term; null when nobody is. */
export function majorityLeader(answers: readonly (Leader | null)[], nodes: number): Leader | null {
  const votes = new Map<string, { readonly leader: Leader; count: number }>();
  for (const leader of answers) {
    if (leader === null) continue;
    const key = `${String(leader.term)} ${leader.id}`;
    const seen = votes.get(key) ?? { leader, count: 0 };
    seen.count++;
    votes.set(key, seen);
  }
  for (const { leader, count } of votes.values()) if (count * 2 > nodes) return leader;
  return null;
}
