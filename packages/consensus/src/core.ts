import { invariant } from './assert.ts';
import { isJoint, members } from './configuration.ts';
import { countOwnVote, loseLeader, onTimeoutNow, onVoteRequest, onVoteResponse, tickElection } from './election.ts';
import { onAppendRequest, onHeartbeat } from './following.ts';
import { changeMembership } from './membership.ts';
import { onReadIndexRequest, onReadIndexResponse, readIndex, termCommitted, tickReads } from './read-index.ts';
import {
  advanceCommit,
  flush,
  losePeer,
  onAppendResponse,
  onHeartbeatResponse,
  onLogRead,
  suspendPeer,
  tickReplication,
} from './replication.ts';
import { appendLocally, becomeFollower } from './roles.ts';
import { acceptsSnapshot, onCompacted, onSnapshotInstalled, onSnapshotReceiving, onSnapshotSent } from './snapshot.ts';
import { CoreState } from './state.ts';
import { onStorageStalled, tickTransfer, transferLeadership } from './transfer.ts';
import {
  type Configuration,
  type CoreOptions,
  type Entry,
  EntryType,
  type FollowerStatus,
  type InitialState,
  type Input,
  type Message,
  type NodeId,
  type Role,
  type Status,
  type TakenOutputs,
} from './types.ts';

const DEFAULT_COMMITTED_BYTES_PER_TAKE = 4 * 1024 * 1024;

/** How outputs are wanted. */
export interface TakeOptions {
  /** A write is in flight: gather the next one inside, with the messages that depend on it. Group commit falls out. */
  readonly holdWrite: boolean;
  /** The state machine has enough to do: committed entries stay inside for now. */
  readonly holdCommitted?: boolean;
}

/**
 * One member of one Raft group, as a pure state machine: inputs in by `step`, effects out by `takeOutputs`.
 *
 * The driver steps all inputs that wait, takes the outputs once, sends `send`, applies `committed`, hands `write` to the
 * storage queue, and sends each of `sendAfterWrite` when its write is durable (at once if it already is). It reports
 * every write in order by `writeDone` and answers every `readLog` by `logRead`.
 *
 * A call that throws has found a violated invariant. The core must not be used after that.
 */
export class RaftCore {
  readonly #state: CoreState;
  /** As it is since the last step: asked for several times in between. */
  #status: Status | null = null;
  /** The configuration whose members were counted last. */
  #counted: Configuration | null = null;
  #count = 0;
  #published = {
    role: '',
    term: -1,
    leader: '' as NodeId | null,
    termCommitted: false,
    configurationIndex: -1,
    configurationCommitted: false,
    /** Tells a bootstrap, which leaves the index at 0. */
    members: -1,
  };

  constructor(options: CoreOptions, initial: InitialState) {
    this.#state = new CoreState(options, initial);
  }

  /** Takes one input. Effects gather until `takeOutputs`. */
  step(input: Input): void {
    const state = this.#state;
    this.#status = null;
    switch (input.kind) {
      case 'tick':
        return tick(state, input.nowMs);
      case 'message':
        return stepMessage(state, input.from, input.message);
      case 'propose':
        return propose(state, input.data, input.stampMs);
      case 'readIndex':
        return readIndex(state, input.id);
      case 'writeDone':
        return writeDone(state, input.seq);
      case 'logRead':
        return onLogRead(state, input);
      case 'applied':
        return applied(state, input.index);
      case 'peerLost':
        losePeer(state, input.peer);
        if (state.leader === input.peer && state.role === 'follower') loseLeader(state);
        return;
      case 'peerUnreachable':
        return suspendPeer(state, input.peer);
      case 'transferLeadership':
        return transferLeadership(state, input.to);
      case 'storageStalled':
        return onStorageStalled(state);
      case 'snapshotSent':
        return onSnapshotSent(state, input);
      case 'snapshotReceiving':
        return onSnapshotReceiving(state, input.from, input.term);
      case 'snapshotInstalled':
        return onSnapshotInstalled(state, input);
      case 'compacted':
        return onCompacted(state, input.index, input.term);
      case 'bootstrap':
        state.configurations.bootstrap(input.configuration);
        return;
      case 'changeMembership':
        return changeMembership(state, input);
    }
  }

  /** Hands over everything gathered since the last call. Arrays and messages belong to the caller. */
  takeOutputs(options: TakeOptions = { holdWrite: false }): TakenOutputs {
    const state = this.#state;
    this.#status = null;
    flush(state);
    const status = this.#statusIfChanged();
    const committed = options.holdCommitted === true ? [] : takeCommitted(state);
    state.handedIndex += committed.length;
    const hardState = { term: state.term, vote: state.vote };
    return state.outbox.take({ log: state.log, hardState, committed, status }, options.holdWrite);
  }

  /**
   * Whether `takeOutputs` with the same option may hand over anything. A leader may say yes and then have nothing to
   * send; no is certain.
   */
  hasOutputs(options: TakeOptions = { holdWrite: false }): boolean {
    const state = this.#state;
    if (!state.outbox.isEmpty || state.leadership?.flushDue === true) return true;
    if (!options.holdWrite && state.outbox.hasWrite(state.log)) return true;
    if (options.holdCommitted !== true && handableIndex(state) > state.handedIndex) return true;
    return this.#changed();
  }

  status(): Status {
    this.#status ??= this.#currentStatus();
    return this.#status;
  }

  #currentStatus(): Status {
    const state = this.#state;
    const followers: FollowerStatus[] = [];
    for (const progress of state.leadership?.progress.values() ?? []) {
      followers.push(progress.status(state.originMs ?? 0, state.nowMs, state.options.electionTimeoutMs));
    }
    return {
      id: state.id,
      role: roleOf(state),
      term: state.term,
      leader: state.leader,
      commitIndex: state.commitIndex,
      lastIndex: state.log.lastIndex,
      termCommitted: termCommitted(state),
      configuration: state.configurations.current,
      configurationIndex: state.configurations.currentIndex,
      configurationCommitted: configurationCommitted(state),
      joint: isJoint(state.configurations.current),
      followers,
    };
  }

  /** Whether a snapshot up to `index` would bring this node forward. Ask before receiving it, and before installing it. */
  acceptsSnapshot(index: number): boolean {
    return acceptsSnapshot(this.#state, index);
  }

  /** The configuration in force at `index`, for a snapshot there. Known from the applied index on. */
  configurationAt(index: number): Configuration {
    return this.#state.configurations.at(index);
  }

  /** Whether a proposal would be taken now: this node leads, is not handing over, and has room for uncommitted bytes. */
  canPropose(): boolean {
    return mayPropose(this.#state);
  }

  /** How many proposals were dropped because `canPropose` did not hold. */
  get rejectedProposals(): number {
    return this.#state.rejectedProposals;
  }

  #statusIfChanged(): Status | null {
    if (!this.#changed()) return null;
    const state = this.#state;
    this.#published = {
      role: roleOf(state),
      term: state.term,
      leader: state.leader,
      termCommitted: termCommitted(state),
      configurationIndex: state.configurations.currentIndex,
      configurationCommitted: configurationCommitted(state),
      members: this.#memberCount(),
    };
    return this.status();
  }

  #changed(): boolean {
    const state = this.#state;
    const published = this.#published;
    return (
      published.term !== state.term ||
      published.leader !== state.leader ||
      published.role !== roleOf(state) ||
      published.termCommitted !== termCommitted(state) ||
      published.configurationIndex !== state.configurations.currentIndex ||
      published.configurationCommitted !== configurationCommitted(state) ||
      published.members !== this.#memberCount()
    );
  }

  /** Asked for after every step, of a configuration that hardly ever changes. */
  #memberCount(): number {
    const { current } = this.#state.configurations;
    if (this.#counted !== current) {
      this.#counted = current;
      this.#count = members(current).length;
    }
    return this.#count;
  }
}

function roleOf(state: CoreState): Role {
  return state.role === 'follower' && !state.mayVote ? 'learner' : state.role;
}

/** What is committed and durable here. Durable, so that applied state on disk never runs ahead of this node's own log. */
function handableIndex(state: CoreState): number {
  return Math.max(state.handedIndex, Math.min(state.commitIndex, state.log.stableIndex));
}

/** The next committed entries, no more than a take's worth of bytes: a long replay must not come out as one array. */
function takeCommitted(state: CoreState): Entry[] {
  const lastIndex = handableIndex(state);
  if (lastIndex === state.handedIndex) return [];
  const maxBytes = state.options.maxCommittedBytesPerTake ?? DEFAULT_COMMITTED_BYTES_PER_TAKE;
  return state.log.sliceBytes(state.handedIndex + 1, maxBytes, lastIndex);
}

function configurationCommitted(state: CoreState): boolean {
  return state.configurations.currentIndex <= state.commitIndex;
}

function tick(state: CoreState, nowMs: number): void {
  state.originMs ??= nowMs;
  invariant(nowMs - state.originMs >= state.nowMs, `time runs backwards: ${nowMs}`);
  state.nowMs = nowMs - state.originMs;
  tickReads(state);
  if (state.leadership === null) return tickElection(state);
  tickTransfer(state, state.leadership);
  if (state.leadership !== null) tickReplication(state, state.leadership);
}

function mayPropose(state: CoreState): boolean {
  const { leadership, options } = state;
  return (
    leadership !== null && leadership.transfer === null && leadership.uncommittedBytes <= options.maxUncommittedBytes
  );
}

function propose(state: CoreState, data: Uint8Array, stampMs: number): void {
  if (!mayPropose(state) || state.leadership === null) {
    state.rejectedProposals++;
    return;
  }
  const { log, term } = state;
  const entry: Entry = {
    index: log.lastIndex + 1,
    term,
    type: EntryType.data,
    stampMs: Math.max(stampMs, log.lastStampMs),
    data,
  };
  appendLocally(state, [entry]);
  state.leadership.flushDue = true;
}

function writeDone(state: CoreState, seq: number): void {
  state.outbox.writeDone(seq);
  state.log.written(seq);
  countOwnVote(state);
  advanceCommit(state);
}

function applied(state: CoreState, index: number): void {
  invariant(index <= state.handedIndex, `applied ${index}, handed out only up to ${state.handedIndex}`);
  if (index <= state.appliedIndex) return;
  state.appliedIndex = index;
  state.log.applied(index, state.options.recentLogBytes);
  state.configurations.compact(index);
}

function stepMessage(state: CoreState, from: NodeId, message: Message): void {
  invariant(Number.isSafeInteger(message.term) && message.term >= 0, `${from} sends term ${message.term}`);
  if (from === state.id) return;
  if (message.kind === 'voteRequest') return onVoteRequest(state, from, message);
  if (message.kind === 'voteResponse') return onVoteResponse(state, from, message);
  if (message.term < state.term) return answerStale(state, from, message);
  if (message.term > state.term) {
    const leads = message.kind === 'appendRequest' || message.kind === 'heartbeat' || message.kind === 'timeoutNow';
    becomeFollower(state, message.term, leads ? from : null);
  }
  switch (message.kind) {
    case 'appendRequest':
      return onAppendRequest(state, from, message);
    case 'appendResponse':
      return onAppendResponse(state, from, message);
    case 'heartbeat':
      return onHeartbeat(state, from, message);
    case 'heartbeatResponse':
      return onHeartbeatResponse(state, from, message);
    case 'readIndexRequest':
      return onReadIndexRequest(state, from, message);
    case 'readIndexResponse':
      return onReadIndexResponse(state, from, message);
    case 'timeoutNow':
      return onTimeoutNow(state, from);
  }
}

/**
 * A leader of an older term must learn of the newer one, else it and its sticky followers would ignore this node for
 * ever. Round and index are not echoed: the sender may lead this very term when the answer arrives, and would take them
 * for answers to rounds and probes of its new term.
 */
function answerStale(state: CoreState, from: NodeId, message: Message): void {
  const { term } = state;
  const nothing = { round: 0, success: false, matchIndex: 0, hintIndex: 0, hintTerm: 0 } as const;
  if (message.kind === 'heartbeat') {
    state.outbox.sendNow(from, { kind: 'heartbeatResponse', term, round: 0 });
  } else if (message.kind === 'appendRequest') {
    state.outbox.sendNow(from, { kind: 'appendResponse', term, ...nothing });
  }
}
