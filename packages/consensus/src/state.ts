import { invariant } from './assert.ts';
import { isVoter } from './configuration.ts';
import { ConfigurationHistory } from './configuration-history.ts';
import { RaftLog } from './log.ts';
import { Outbox } from './outbox.ts';
import type { Progress } from './progress.ts';
import { Random } from './random.ts';
import type { CoreOptions, InitialState, MembershipChange, NodeId } from './types.ts';

/** A read on a leader that waits for a quorum to answer `round`. */
export interface PendingRead {
  /** The follower that asked, or null for a read of this node. */
  readonly from: NodeId | null;
  readonly id: number;
  readonly index: number;
  readonly round: number;
}

export interface Transfer {
  readonly to: NodeId;
  readonly deadlineMs: number;
  /** Step down at the deadline, because this node's storage stands still. */
  readonly stepDown: boolean;
  sent: boolean;
}

/** A change of voters that waits to hear from those who are to decide. */
export interface AskedChange {
  readonly change: MembershipChange;
  /** Answers to this round or a later one count. */
  readonly round: number;
  readonly deadlineMs: number;
}

/** What exists only while this node leads. */
export interface Leadership {
  readonly progress: Map<NodeId, Progress>;
  readonly startedMs: number;
  /** Index of the no-op that opened the term. */
  readonly firstIndex: number;
  /** Something happened that may let appends or heartbeats leave. */
  flushDue: boolean;
  heartbeatDueMs: number;
  /** The newest read round. */
  round: number;
  /** `round` was begun since the last flush: reads that come now still belong to it. */
  roundOpen: boolean;
  readonly reads: PendingRead[];
  /** Reads that wait for the first commit of the term. */
  readonly earlyReads: { readonly from: NodeId | null; readonly id: number }[];
  transfer: Transfer | null;
  /** Id of the membership change under way that this leader was asked for, or null. */
  changeId: number | null;
  /** Asked for, and not in the log yet; or null. */
  askedChange: AskedChange | null;
  /** Weight of the entries in (commitIndex, lastIndex]. */
  uncommittedBytes: number;
}

/** All that a core knows. The files beside this one hold the rules that change it. */
export class CoreState {
  readonly options: CoreOptions;
  readonly id: NodeId;
  readonly random: Random;
  readonly log: RaftLog;
  readonly configurations: ConfigurationHistory;
  readonly outbox: Outbox;
  role: 'follower' | 'preCandidate' | 'candidate' | 'leader' = 'follower';
  term: number;
  vote: NodeId | null;
  leader: NodeId | null = null;
  commitIndex: number;
  /** The last index handed out in `committed`. */
  handedIndex: number;
  appliedIndex: number;
  /** Time since the first tick. */
  nowMs = 0;
  /** Tick time of the first tick, or null before it. */
  originMs: number | null = null;
  electionDueMs = 0;
  /** When the leader was last heard. */
  leaderHeardMs = 0;
  /** The last heartbeat answered, to answer a burst of them once. */
  answered = { term: 0, round: 0, atMs: 0 };
  /** Answers in the election or pre-vote under way. */
  readonly votes = new Map<NodeId, boolean>();
  leadership: Leadership | null = null;
  /** Reads sent to the leader: id to the time at which they fail. */
  readonly forwardedReads = new Map<number, number>();
  lastReadId = -1;
  /** Reads of the log store that are unanswered. Outlive a leadership: an answer to an old one must be told apart. */
  readonly logReads = new Map<NodeId, { readonly term: number; readonly fromIndex: number }>();
  rejectedProposals = 0;

  constructor(options: CoreOptions, initial: InitialState) {
    checkOptions(options);
    this.options = options;
    this.id = options.id;
    this.random = new Random(options.seed);
    this.term = initial.hardState.term;
    this.vote = initial.hardState.vote;
    this.outbox = new Outbox(initial.hardState);
    if (initial.snapshotTerm > this.term) {
      // A crash came between the installation of a snapshot and the write of the term in which it was sent.
      this.term = initial.snapshotTerm;
      this.vote = null;
      this.outbox.markHardState();
    }
    this.log = new RaftLog(initial);
    this.configurations = new ConfigurationHistory(initial.snapshotIndex, initial.configuration);
    for (const entry of initial.entries) this.configurations.append(entry);
    invariant(Number.isSafeInteger(this.term) && this.term >= this.log.lastTerm, 'term below that of the log');
    invariant(initial.appliedIndex >= initial.snapshotIndex, 'applied index before the snapshot');
    invariant(initial.appliedIndex <= this.log.lastIndex, 'applied index beyond the log');
    this.appliedIndex = initial.appliedIndex;
    this.commitIndex = initial.appliedIndex;
    this.handedIndex = initial.appliedIndex;
    this.log.applied(initial.appliedIndex, options.recentLogBytes);
    this.configurations.compact(initial.appliedIndex);
    this.electionDueMs = this.nowMs + options.electionTimeoutMs + this.random.below(options.electionTimeoutMs);
  }

  /** Whether this node votes in its current configuration. */
  get mayVote(): boolean {
    return isVoter(this.configurations.current, this.id);
  }

  /**
   * Whether this node stands for election: as a voter, and also while the configuration that removes it is not known to
   * be committed. Its log may be the only one that reaches so far, and then nobody else can be elected (thesis section
   * 4.2.2, figure 4.6).
   */
  get mayStand(): boolean {
    if (this.mayVote) return true;
    const { currentIndex, previous } = this.configurations;
    return currentIndex > this.commitIndex && previous !== null && isVoter(previous, this.id);
  }
}

function checkOptions(options: CoreOptions): void {
  invariant(options.id.length > 0, 'option id is empty');
  const positive = [
    'electionTimeoutMs',
    'heartbeatIntervalMs',
    'maxAppendBytes',
    'maxInflightAppends',
    'maxInflightBytes',
    'maxUncommittedBytes',
    'maxCommittedBytesPerTake',
    'snapshotTimeoutMs',
  ] as const;
  for (const name of positive) {
    const value = options[name] ?? 1;
    invariant(Number.isSafeInteger(value) && value > 0, `option ${name} must be a positive integer`);
  }
  invariant(options.recentLogBytes >= 0, 'option recentLogBytes must not be negative');
  invariant(options.heartbeatIntervalMs < options.electionTimeoutMs, 'heartbeatIntervalMs below electionTimeoutMs');
}
