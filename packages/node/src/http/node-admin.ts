/** A node that asks to be let into the cluster. */
export interface JoinRequest {
  readonly id: string;
  /** `HOST:PORT` where it listens for peers; the leader dials it. */
  readonly peer: string;
  /** True: it becomes a voter by itself once it has caught up. False: it stays a learner. */
  readonly voter: boolean;
  /** Id of the member that leaves in the change that makes the new one a voter; null for none, and for learners. */
  readonly replaces: string | null;
}

/** How a change of the cluster ended. */
export interface AdminResult {
  readonly ok: boolean;
  /** Stable name, in capitals; `admin-status.ts` has the HTTP status of each refusal. */
  readonly code: string;
  /** A sentence for people: what happened, and after a refusal what to do. */
  readonly reason: string;
}

/**
 * Changes of the cluster. Any node takes them; what has to be done at the leader is forwarded to it.
 *
 * Refusals are results. A rejection is a fault of the program: the client is told INTERNAL_ERROR, the log why. Each
 * call must end by itself (with TIMEOUT, if need be): the HTTP API sets it no limit.
 */
export interface NodeAdmin {
  /** Resolves when the cluster has taken the node as a learner. */
  join(request: JoinRequest): Promise<AdminResult>;
  /** Resolves when the node is no member any more. */
  remove(nodeId: string): Promise<AdminResult>;
  /**
   * Resolves when leadership has been handed over.
   *
   * @param to the next leader; null for the one with most of the log
   */
  transfer(to: string | null): Promise<AdminResult>;
}
