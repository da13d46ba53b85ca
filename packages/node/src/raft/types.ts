import type {
  Configuration,
  Entry,
  Input,
  MembershipResult,
  Message,
  NodeId,
  Outputs,
  SnapshotRequest,
  Status,
} from '@quorate/consensus';
import type { LogStore } from '@quorate/storage';
import type { Clock } from './clock.ts';

/** What the driver needs of a `RaftCore`. */
export interface DrivenCore {
  step(input: Input): void;
  takeOutputs(options: { readonly holdWrite: boolean }): Outputs;
  /** May say yes when there is nothing; a no is certain. */
  hasOutputs(options: { readonly holdWrite: boolean }): boolean;
  status(): Status;
  canPropose(): boolean;
  acceptsSnapshot(index: number): boolean;
  configurationAt(index: number): Configuration;
}

/** What an installed snapshot says of itself, and who sent it. */
export interface InstalledFacts {
  readonly index: number;
  readonly term: number;
  readonly stampMs: number;
  /** In force at `index`. */
  readonly configuration: Configuration;
  readonly from: NodeId;
  /** Term in which it was sent. */
  readonly leaderTerm: number;
}

/** A snapshot that is ready to take the place of log and state. */
export interface Installation {
  readonly facts: InstalledFacts;
  /**
   * Makes it the state on disk, and the log begin at it. Called with no storage operation in flight.
   * @returns false, and nothing is changed, when the core does not want it any more
   */
  commit(): Promise<boolean>;
  /** In the same turn in which the core hears of it, and before anything else is applied. */
  done(installed: boolean): void;
}

/** All called synchronously, from one of the driver's own turns unless it says otherwise. */
export interface RaftDriverHandlers {
  /** Committed entries, in log order, each exactly once. An error thrown here is fatal. */
  onCommitted(entries: readonly Entry[]): void;
  /** Role, term, leader or configuration changed. Proposals not yet in the log are gone when leadership is. */
  onStatus(status: Status): void;
  /** The read that was asked for as `id` is linearizable once the state machine stands at `index` or later. */
  onRead(id: number, index: number): void;
  /** The read can not be answered; ask again, which takes a new id. */
  onReadFailed(id: number): void;
  /** Storage failed or an invariant is broken. Once; from then on the driver does nothing any more. */
  onFatal(error: unknown): void;
  /** A write takes long: once per write, while it is in flight if it stalls, else at its end. */
  onSlowWrite(durationMs: number, sizeBytes: number): void;
  onWriteDone(durationMs: number, sizeBytes: number, entryCount: number): void;
  /** On a leader: a follower needs a snapshot; answered by `snapshotSent`. */
  onSendSnapshot?(request: SnapshotRequest): void;
  onMembershipResult?(result: MembershipResult): void;
}

export interface RaftDriverOptions {
  readonly core: DrivenCore;
  /** Open. The driver does all its writing; it does not close it. */
  readonly log: LogStore;
  readonly send: (to: NodeId, message: Message) => void;
  /** Called when everything that one pump sends has been given to `send`. */
  readonly flush?: () => void;
  readonly clock: Clock;
  readonly handlers: RaftDriverHandlers;
  /** Stamp of the last entry that the log or the state machine knows; 0 for a new cluster. */
  readonly lastStampMs: number;
  /**
   * The ids of reads rise from here; 0 by default. Different at each start of a node: an answer to the process before,
   * late on its way, must not pass for one to this process.
   */
  readonly firstReadId?: number;
  readonly limits?: Partial<RaftDriverLimits>;
}

export interface RaftDriverLimits {
  readonly tickIntervalMs: number;
  /** Soft bound on the data of one entry: batches are gathered up to it. */
  readonly maxEntryBytes: number;
  /** Bound on batches that wait to become entries. */
  readonly maxPendingProposalBytes: number;
  /** Bound on committed entries that wait for the state machine: beyond it a leader takes no proposals. */
  readonly maxBacklogBytes: number;
  /** Reads that wait at one time. */
  readonly maxPendingReads: number;
  /** Committed entries are handed over in slices of at most so many bytes of data ... */
  readonly applySliceBytes: number;
  /** ... and entries; */
  readonly applySliceEntries: number;
  /** after so long the rest waits for the next turn. */
  readonly applySliceMs: number;
  /** A write is reported as slow from this duration on. */
  readonly slowWriteMs: number;
  /** A write in flight for so long is a stall: a leader hands over. */
  readonly stallAfterMs: number;
}

export const DEFAULT_RAFT_DRIVER_LIMITS: RaftDriverLimits = {
  tickIntervalMs: 10,
  maxEntryBytes: 64 * 1024,
  maxPendingProposalBytes: 8 * 1024 * 1024,
  maxBacklogBytes: 64 * 1024 * 1024,
  maxPendingReads: 65_536,
  applySliceBytes: 64 * 1024,
  applySliceEntries: 256,
  applySliceMs: 8,
  slowWriteMs: 100,
  stallAfterMs: 1_000,
};
