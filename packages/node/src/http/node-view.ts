/** What a node does in its cluster, as this node sees it. */
export type NodeRole = 'leader' | 'follower' | 'learner' | 'unreachable';

/** Whether clients should be sent to this node. */
export interface Readiness {
  /** In a quorum, caught up, listening, not draining. */
  readonly ready: boolean;
  /** READY, or why not, in capitals: NO_QUORUM, CATCHING_UP, DRAINING. */
  readonly code: string;
  /** The same as a sentence for people. */
  readonly reason: string;
}

/** The leader and how to reach it. */
export interface LeaderView {
  readonly id: string;
  readonly term: number;
  /** `HOST:PORT`; null while the node has not yet told the cluster. */
  readonly http: string | null;
  readonly mqtt: string | null;
  readonly peer: string | null;
}

/** `joining`: a learner that is to become a voter once it has caught up. A learner that stays one is a `member`. */
export type MemberState = 'member' | 'joining';

/** One member of the cluster. */
export interface MemberView {
  readonly id: string;
  readonly role: NodeRole;
  /** Whether it has a vote, also while it can not be reached. */
  readonly voter?: boolean;
  readonly state?: MemberState;
  /** `HOST:PORT`; null while the node has not yet told the cluster. */
  readonly mqtt: string | null;
  readonly http: string | null;
  readonly peer: string | null;
  /** True for the node that answers. */
  readonly self: boolean;
}

/** Something about the node that answers that somebody should look at; it goes on serving. */
export interface Warning {
  /** Stable name in capitals: MEMORY_HIGH. */
  readonly code: string;
  /** The same as a sentence for people. */
  readonly reason: string;
}

/** The cluster as one node sees it. */
export interface ClusterView {
  /** Null until the first configuration is known. */
  readonly clusterId: string | null;
  readonly term: number;
  /** Node id, or null when there is none. */
  readonly leader: string | null;
  /** Of the node that answers. */
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly nodes: readonly MemberView[];
  /** Absent when there is nothing to say. */
  readonly warnings?: readonly Warning[];
}

/** What the HTTP API may see of a node. Everything is in memory: no call waits for a peer or a disk. */
export interface NodeView {
  readonly nodeId: string;
  readiness(): Readiness;
  /** Null when no leader is known. */
  leader(): LeaderView | null;
  cluster(): ClusterView;
  /** Prometheus text. */
  metrics(): Promise<string>;
}
