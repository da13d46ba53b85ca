/**
 * The vocabulary of the Raft core: what goes in, what comes out, what stands in the log.
 * Names follow the Raft paper (Ongaro and Ousterhout 2014) and the thesis (Ongaro 2014).
 */

/** A node's name, unique in the cluster, for example `n1`. Compared byte for byte, never by locale. */
export type NodeId = string;

/** What an entry carries. The values are stored on disk and sent on the wire: never reuse one. */
export const EntryType = {
  /** Opens a leader's term (thesis section 6.4); carries nothing. */
  noop: 0,
  /** One append batch: opaque bytes to the core. */
  data: 1,
  /** A cluster configuration, in force from the moment it is appended. */
  config: 2,
} as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** One entry of the replicated log. Treated as immutable once made. */
export interface Entry {
  /** Position in the log, from 1. A safe integer. */
  readonly index: number;
  /** Term of the leader that appended it. A safe integer. */
  readonly term: number;
  readonly type: EntryType;
  /** Cluster clock in milliseconds, stamped by the leader; never less than the previous entry's. */
  readonly stampMs: number;
  readonly data: Uint8Array;
}

/** What must be durable before a vote or an acknowledgement leaves (Raft paper, figure 2). */
export interface HardState {
  readonly term: number;
  /** Whom this node voted for in `term`, or null. */
  readonly vote: NodeId | null;
}

/** The members of a group. `outgoing` is not empty only during a joint configuration (thesis section 4.3). */
export interface Configuration {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  readonly outgoing: readonly NodeId[];
  /**
   * What a member is known by beside its name, for example the incarnation of its data directory: opaque to the core,
   * at most 1024 bytes of UTF-8 each. A member whose tag changes is another one that has the same name: what the leader
   * knew of its log is void, and it has no vote until it has caught up as a learner.
   */
  readonly memberTags?: Readonly<Record<NodeId, string>>;
  /**
   * Where a member was to be reached when the configuration was made: opaque to the core, at most 1024 bytes of UTF-8
   * each. Whoever goes by a configuration must find those it needs, also when it has applied nothing that tells of them.
   */
  readonly memberAddresses?: Readonly<Record<NodeId, string>>;
}

/** Messages between cores. Every one carries the sender's term. */
export type Message =
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendResponse
  | Heartbeat
  | HeartbeatResponse
  | ReadIndexRequest
  | ReadIndexResponse
  | TimeoutNow;

export interface VoteRequest {
  readonly kind: 'voteRequest';
  readonly term: number;
  /** True for a pre-vote: `term` is the term that the candidate would enter (thesis section 9.6). */
  readonly preVote: boolean;
  /** True when the leader itself asked for this election: leader stickiness does not apply (thesis section 4.2.3). */
  readonly transfer: boolean;
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface VoteResponse {
  readonly kind: 'voteResponse';
  readonly term: number;
  readonly preVote: boolean;
  readonly granted: boolean;
}

export interface AppendRequest {
  readonly kind: 'appendRequest';
  readonly term: number;
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly commitIndex: number;
  /** The leader's newest read round: an answer confirms leadership for every read of this round or an earlier one. */
  readonly round: number;
  readonly entries: readonly Entry[];
}

export interface AppendResponse {
  readonly kind: 'appendResponse';
  readonly term: number;
  readonly round: number;
  readonly success: boolean;
  /** On success: the highest index known to be durable and equal to the leader's log. On failure: the rejected `prevIndex`. */
  readonly matchIndex: number;
  /** On failure: where the leader should look next, and the term found there (thesis section 3.5, conflict hints). */
  readonly hintIndex: number;
  readonly hintTerm: number;
}

export interface Heartbeat {
  readonly kind: 'heartbeat';
  readonly term: number;
  /** Never beyond what this follower is known to hold. */
  readonly commitIndex: number;
  readonly round: number;
}

export interface HeartbeatResponse {
  readonly kind: 'heartbeatResponse';
  readonly term: number;
  readonly round: number;
}

/** A follower asks the leader for a read index (thesis section 6.4). */
export interface ReadIndexRequest {
  readonly kind: 'readIndexRequest';
  readonly term: number;
  /** Unique per attempt: a retry takes a new one, else a delayed answer could confirm the wrong round. */
  readonly id: number;
}

export interface ReadIndexResponse {
  readonly kind: 'readIndexResponse';
  readonly term: number;
  readonly id: number;
  readonly index: number;
}

/** The leader tells a caught-up follower to stand for election at once (thesis section 3.10). */
export interface TimeoutNow {
  readonly kind: 'timeoutNow';
  readonly term: number;
}

/** Everything that can happen to a core. The driver feeds these one at a time, in one order. */
export type Input =
  /** Monotonic time of this process. Never runs backwards; the only clock the core knows. */
  | { readonly kind: 'tick'; readonly nowMs: number }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: Message }
  /** Append one entry. Only a leader takes it; else it is dropped and `rejected` counts it. */
  | { readonly kind: 'propose'; readonly data: Uint8Array; readonly stampMs: number }
  /** Ask for an index at which a read is linearizable. `id` is unique per attempt in this process. */
  | { readonly kind: 'readIndex'; readonly id: number }
  /** The write with this sequence number is durable. Reported in order. */
  | { readonly kind: 'writeDone'; readonly seq: number }
  /** Entries that `readLog` asked for, in order, or empty if they are gone. */
  | {
      readonly kind: 'logRead';
      readonly peer: NodeId;
      readonly prevIndex: number;
      readonly prevTerm: number;
      readonly entries: readonly Entry[];
    }
  /** The state machine has applied all entries up to `index`: the core may drop them from memory. */
  | { readonly kind: 'applied'; readonly index: number }
  /** The connection to `peer` closed: if it leads, do not wait for the election timeout. */
  | { readonly kind: 'peerLost'; readonly peer: NodeId }
  /** Nothing reaches `peer` for now: stop streaming to it and probe. */
  | { readonly kind: 'peerUnreachable'; readonly peer: NodeId }
  | { readonly kind: 'transferLeadership'; readonly to: NodeId | null }
  /** The write in flight exceeds its bound: a leader hands over or steps down. */
  | { readonly kind: 'storageStalled' }
  /**
   * The stream that `sendSnapshot` asked for has ended. `ok`: `peer` has installed the snapshot at (index, term), which
   * this node has applied. Else it is asked for again when the follower answers and is still in need.
   */
  | {
      readonly kind: 'snapshotSent';
      readonly peer: NodeId;
      readonly index: number;
      readonly term: number;
      readonly ok: boolean;
    }
  /** Part of a snapshot has come from the leader of `term`. Step it with every chunk: no election begins meanwhile. */
  | { readonly kind: 'snapshotReceiving'; readonly from: NodeId; readonly term: number }
  /**
   * State store and log store durably begin at (index, term): the log after it is kept if it held that entry, and else
   * is empty. Only after `acceptsSnapshot` said yes with no write in flight, and before the next outputs are taken.
   */
  | {
      readonly kind: 'snapshotInstalled';
      readonly index: number;
      readonly term: number;
      /** Stamp of the entry at `index`. */
      readonly stampMs: number;
      /** The configuration in force at `index`. */
      readonly configuration: Configuration;
    }
  /** The log store no longer holds anything up to `index`, which is applied. `term` is that of the entry there. */
  | { readonly kind: 'compacted'; readonly index: number; readonly term: number }
  /**
   * The first configuration of a new cluster, durable by now, has reached a node that started with an empty one. Changes
   * nothing when the log or a snapshot has brought a configuration already.
   */
  | { readonly kind: 'bootstrap'; readonly configuration: Configuration }
  | MembershipChange;

/**
 * The members that are wanted (thesis chapter 4). Answered by one of `membershipResults`, a refusal at once and the rest
 * when the change has come to its end. A node becomes a voter only from a learner that has caught up.
 */
export interface MembershipChange {
  readonly kind: 'changeMembership';
  /** Chosen by the caller; echoed in the result. */
  readonly id: number;
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Replaces the tags of the members named; others keep theirs. A voter's tag can not change, nor in the change that takes its vote. */
  readonly memberTags?: Readonly<Record<NodeId, string>>;
  /** Likewise, of any member. Other addresses alone are no change. */
  readonly memberAddresses?: Readonly<Record<NodeId, string>>;
}

/** What became of a membership change. Stable: callers may depend on it. */
export type MembershipCode =
  /** Done: the final configuration is committed. */
  | 'COMMITTED'
  /** Done: the configuration was like this already. */
  | 'UNCHANGED'
  | 'NOT_LEADER'
  /** No entry of this leader's term is committed yet, or it is handing over. */
  | 'NOT_READY'
  /** The configuration in force is joint or not committed yet. */
  | 'CHANGE_IN_PROGRESS'
  | 'INVALID'
  /** A new voter is not a learner yet. */
  | 'NOT_A_LEARNER'
  /** A new voter is a learner that is too far behind (thesis section 4.2.1). */
  | 'LEARNER_NOT_CAUGHT_UP'
  /** The leader does not hear a majority of the voters that are wanted: nothing could be committed any more. */
  | 'QUORUM_UNREACHABLE'
  /** Leadership was lost before the end: whether the change happens is for the next leader's log to say. */
  | 'LEADERSHIP_LOST';

export interface MembershipResult {
  readonly id: number;
  readonly ok: boolean;
  readonly code?: MembershipCode;
  /** A sentence for people, when not ok. */
  readonly reason?: string;
}

/** A follower needs a snapshot: nothing before `minIndex` helps, because the log goes on only behind it. */
export interface SnapshotRequest {
  readonly peer: NodeId;
  readonly minIndex: number;
}

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader' | 'learner';

/** One durable write. Entries replace everything from `entries[0].index` on. */
export interface Write {
  /** Increasing by one per write. */
  readonly seq: number;
  /** Entries to store, contiguous; may be empty. Whatever the log holds from the first index on is replaced. */
  readonly entries: readonly Entry[];
  /** Present when term or vote changed: durable no later than the entries of the same write. */
  readonly hardState: HardState | null;
}

export interface Send {
  readonly to: NodeId;
  readonly message: Message;
}

/** What a core wants done after a step, gathered until the driver takes it. */
export interface Outputs {
  /** May leave now, before any write (appends, heartbeats, vote requests). */
  readonly send: Send[];
  /** Hand this to the storage queue, or null. At most one write is handed out per `takeOutputs`. */
  readonly write: Write | null;
  /** Leave once the write with this or a later sequence number is durable (granted votes, append answers). */
  readonly sendAfterWrite: readonly { readonly seq: number; readonly send: Send }[];
  /** Newly committed entries in log order, each handed out once. Bounded: there may be more for the next take. */
  readonly committed: readonly Entry[];
  /** Reads whose index is known: serve once `index` is applied. */
  readonly reads: readonly { readonly id: number; readonly index: number }[];
  /** Reads that can not be answered (no leader, leader changed): ask again with a new id. */
  readonly failedReads: readonly number[];
  /** Older entries to fetch from the log store for a follower; answered by `logRead`. */
  readonly readLog: readonly { readonly peer: NodeId; readonly fromIndex: number; readonly maxBytes: number }[];
  /** Present when role, term, leader or configuration changed. */
  readonly status: Status | null;
  /**
   * Followers to stream a snapshot to, once per need; answered by `snapshotSent`. A stream to the same peer that is under
   * way and goes far enough will do: a need may be reported again after a timeout or a lost connection.
   */
  readonly sendSnapshot?: readonly SnapshotRequest[];
  readonly membershipResults?: readonly MembershipResult[];
}

/** What `takeOutputs` gives: nothing is left out. */
export type TakenOutputs = Required<Outputs>;

/** What a core knows of itself. */
export interface Status {
  readonly id: NodeId;
  readonly role: Role;
  readonly term: number;
  /** The leader of `term` as far as this node knows. */
  readonly leader: NodeId | null;
  readonly commitIndex: number;
  readonly lastIndex: number;
  /** True on a leader once an entry of its own term is committed. */
  readonly termCommitted: boolean;
  /** In force: the newest in the log, committed or not. */
  readonly configuration: Configuration;
  /** Index of the entry that brought the configuration, or of the snapshot it came with. */
  readonly configurationIndex?: number;
  /** Whether that entry is committed as far as this node knows. */
  readonly configurationCommitted?: boolean;
  /** Between two sets of voters: decisions take a majority of each. */
  readonly joint?: boolean;
  /** On a leader: replication state of every other member. */
  readonly followers: readonly FollowerStatus[];
}

export interface FollowerStatus {
  readonly id: NodeId;
  readonly matchIndex: number;
  readonly nextIndex: number;
  /** probe: finding where the logs agree. needsSnapshot: the log no longer goes back far enough. */
  readonly mode: 'probe' | 'replicate' | 'readingLog' | 'needsSnapshot';
  /** It lags no more than an election timeout behind: as a learner it may become a voter (thesis section 4.2.1). */
  readonly caughtUp?: boolean;
  /** Tick time at which this follower last answered, or null in this term. */
  readonly lastHeardMs: number | null;
}

/** Options of a core. All times in milliseconds of the tick clock. */
export interface CoreOptions {
  readonly id: NodeId;
  readonly group: number;
  /** Seed of the election timeouts: the core draws nothing from outside. */
  readonly seed: number;
  /** Least election timeout; the drawn one lies in [this, 2 x this). */
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** Bounds on one append request and on what may be unanswered per follower. */
  readonly maxAppendBytes: number;
  readonly maxInflightAppends: number;
  readonly maxInflightBytes: number;
  /** Entries kept in memory for followers, in bytes of data, beyond what is not yet applied. */
  readonly recentLogBytes: number;
  /** Proposals are refused while more than this is appended but not committed. */
  readonly maxUncommittedBytes: number;
  /** Committed entries handed out by one `takeOutputs`, in bytes; at least one entry. 4 MiB by default. */
  readonly maxCommittedBytesPerTake?: number;
  /** A follower that waits for a snapshot is probed again after this time without `snapshotSent`. A minute by default. */
  readonly snapshotTimeoutMs?: number;
}

/** What the log store found on disk: where a core starts from. */
export interface InitialState {
  readonly hardState: HardState;
  /**
   * Configuration in force at `snapshotIndex` or at any later index up to `appliedIndex`. For a new log: the bootstrap
   * membership, or an empty one on a node that is to join or that gets it by `bootstrap`.
   */
  readonly configuration: Configuration;
  /** The log begins after this entry; 0 and 0 for a new log. */
  readonly snapshotIndex: number;
  readonly snapshotTerm: number;
  /** Stamp of the entry at `snapshotIndex`: a leader whose log holds nothing else continues from it. 0 by default. */
  readonly snapshotStampMs?: number;
  /** Entries after the snapshot that are durable, all of them, oldest first. */
  readonly entries: readonly Entry[];
  /** The state machine already holds everything up to here. */
  readonly appliedIndex: number;
}
