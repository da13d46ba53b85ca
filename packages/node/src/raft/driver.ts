import type {
  Configuration,
  Entry,
  Input,
  MembershipChange,
  Message,
  NodeId,
  Outputs,
  Send,
  Status,
  Write,
} from '@quorate/consensus';
import { ClusterClock } from './cluster-clock.ts';
import { CommittedBacklog } from './committed-backlog.ts';
import { sizeInEntry } from './entry-batches.ts';
import { ProposalQueue } from './proposal-queue.ts';
import { ReadRounds } from './read-rounds.ts';
import {
  DEFAULT_RAFT_DRIVER_LIMITS,
  type Installation,
  type InstalledFacts,
  type RaftDriverLimits,
  type RaftDriverOptions,
} from './types.ts';

const [WRITE_HELD, WRITE_TAKEN] = [{ holdWrite: true }, { holdWrite: false }] as const;

/** The one append or compaction in flight. */
interface StorageTask {
  /** Null for a compaction. */
  readonly write: Write | null;
  readonly sizeBytes: number;
  readonly startedMs: number;
  reported: boolean;
}

/**
 * Runs a Raft core: feeds it what happens, and does what it asks for, in the order that keeps the promises.
 *
 * Everything that happens in an event-loop turn is stepped as it comes and its effects are carried out by one pump at
 * the end of the turn. One write is in flight at a time; what comes meanwhile makes the next (group commit).
 */
export class RaftDriver {
  private readonly options: RaftDriverOptions;
  private readonly limits: RaftDriverLimits;
  private readonly clusterClock: ClusterClock;
  private readonly proposals = new ProposalQueue();
  private readonly backlog = new CommittedBacklog();
  private readonly reads: ReadRounds;
  private refusedReads: number[] = [];
  private afterWrite: { readonly seq: number; readonly send: Send }[] = [];
  /** Peers reported unreachable since the last tick, and whether that happened again since. */
  private readonly unreachable = new Map<NodeId, boolean>();
  private storage: StorageTask | null = null;
  private compaction: { readonly index: number; readonly term: number } | null = null;
  private installation: Installation | null = null;
  /** A snapshot is taking the place of log and state: nothing is taken from the core meanwhile. */
  private installing: InstalledFacts | null = null;
  private durableSeq = 0;
  /** The term that this node leads, as far as it has been told by `status`. */
  private leadsTerm: number | null = null;
  private live = false;
  private failed = false;
  private pumping = false;
  private pumpDeferred = false;
  private tickDue = false;
  private cancelTicks: (() => void) | null = null;
  private ioInFlight = 0;
  private onIdle: (() => void) | null = null;

  constructor(options: RaftDriverOptions) {
    this.options = options;
    this.limits = { ...DEFAULT_RAFT_DRIVER_LIMITS, ...options.limits };
    this.clusterClock = new ClusterClock(options.lastStampMs);
    this.reads = new ReadRounds(options.firstReadId);
  }

  start(): void {
    if (this.cancelTicks !== null || this.failed) throw new Error('the driver was started before');
    this.live = true;
    this.cancelTicks = this.options.clock.every(this.limits.tickIntervalMs, this.onTickDue);
    this.onTickDue();
  }

  /** Ends all activity. Resolves when no storage operation is in flight; the log store may be closed then. */
  async stop(): Promise<void> {
    this.halt();
    if (this.ioInFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.onIdle = resolve;
    });
  }

  /** A message from a peer has arrived. */
  receive(from: NodeId, message: Message): void {
    this.input({ kind: 'message', from, message });
  }

  /** A connection of the peer closed: if it led, this node stands for election at once. */
  peerLost(peer: NodeId): void {
    this.input({ kind: 'peerLost', peer });
  }

  /** A message to the peer was dropped. May be called from within `send`. */
  peerUnreachable(peer: NodeId): void {
    // Once per tick is enough, and ends the circle of send, drop, step, send.
    const again = this.unreachable.has(peer);
    this.unreachable.set(peer, again);
    if (!again) this.input({ kind: 'peerUnreachable', peer });
  }

  /** Hands leadership over to `to`, or to whoever is furthest. Does nothing on a node that does not lead. */
  transferLeadership(to: NodeId | null): void {
    this.input({ kind: 'transferLeadership', to });
  }

  /**
   * Queues a batch for the log. It must not change any more.
   *
   * @returns false when it was not taken: this node does not lead, or is at its bound. True is no promise: the batch
   *   is lost if leadership is lost first, and the outcome is seen only in `onCommitted`
   */
  propose(batch: Uint8Array): boolean {
    if (!this.live || this.leadsTerm === null || !this.options.core.canPropose()) return false;
    const { maxPendingProposalBytes, maxBacklogBytes } = this.limits;
    const pendingBytes = this.proposals.sizeBytes;
    // One batch is taken in any case: a bound smaller than it would block for ever.
    if (pendingBytes > 0 && pendingBytes + sizeInEntry(batch) > maxPendingProposalBytes) return false;
    if (this.backlog.sizeBytes > maxBacklogBytes) return false;
    this.proposals.push(batch);
    if (this.storage === null || this.proposals.sizeBytes >= this.limits.maxEntryBytes) this.deferPump();
    return true;
  }

  /** Batches that are not entries yet, in bytes. */
  get pendingProposalBytes(): number {
    return this.proposals.sizeBytes;
  }

  /** Committed entries that the state machine has not been given yet, in bytes of data. */
  get backlogBytes(): number {
    return this.backlog.sizeBytes;
  }

  /** Asks for a linearizable read. @returns the id that `onRead` or `onReadFailed` will name, in a later turn */
  readIndex(): number {
    this.deferPump();
    if (this.live && this.reads.size < this.limits.maxPendingReads) return this.reads.ask();
    const id = this.reads.refuse();
    if (this.live) this.refusedReads.push(id);
    return id;
  }

  /** Drops the log up to `index`, which the state store holds durably. `term` is that of the entry there. */
  compact(index: number, term: number): void {
    if (this.compaction !== null && this.compaction.index >= index) return;
    this.compaction = { index, term };
    this.deferPump();
  }

  status(): Status {
    return this.options.core.status();
  }

  /** The first configuration of a new cluster; it is durable. */
  bootstrap(configuration: Configuration): void {
    this.input({ kind: 'bootstrap', configuration });
  }

  /** Asks for other members; `onMembershipResult` names the change's id. */
  changeMembership(change: Omit<MembershipChange, 'kind'>): void {
    this.input({ ...change, kind: 'changeMembership' });
  }

  /** The configuration in force at `index`, which is applied and not behind a later checkpoint. */
  configurationAt(index: number): Configuration {
    return this.options.core.configurationAt(index);
  }

  /** Whether a snapshot up to `index` would bring this node forward. */
  acceptsSnapshot(index: number): boolean {
    return this.live && this.options.core.acceptsSnapshot(index);
  }

  /** Part of a snapshot has come from the leader of `term`. */
  snapshotReceiving(from: NodeId, term: number): void {
    this.input({ kind: 'snapshotReceiving', from, term });
  }

  /** The stream that `onSendSnapshot` asked for has ended. */
  snapshotSent(peer: NodeId, index: number, term: number, ok: boolean): void {
    this.input({ kind: 'snapshotSent', peer, index, term, ok });
  }

  /**
   * Puts a snapshot in the place of log and state: when no storage operation is in flight, and with nothing written, sent
   * or applied until it is done. One at a time.
   */
  install(installation: Installation): void {
    if (this.installation !== null || this.installing !== null) throw new Error('two installations at once');
    this.installation = installation;
    this.deferPump();
  }

  /**
   * Does now what would be done at the end of the turn. For callers that are at the end of theirs: from within a
   * deferred task, the end of the turn is a whole turn away.
   */
  pump(): void {
    if (!this.live) return;
    if (this.pumping) {
      this.deferPump();
      return;
    }
    this.pumping = true;
    try {
      this.startInstallation();
      if (this.installing !== null) return;
      this.proposeQueued();
      this.beginReads();
      this.startCompaction();
      this.carryOut();
      this.apply();
    } catch (error) {
      this.fail(error);
    } finally {
      this.pumping = false;
    }
  }

  private readonly onTickDue = (): void => {
    // Stepped after the events that wait in this turn: a leader's heartbeat that is there already counts.
    this.tickDue = true;
    this.deferPump();
  };

  private deferPump(): void {
    if (this.pumpDeferred || !this.live) return;
    this.pumpDeferred = true;
    this.options.clock.defer(this.deferredPump);
  }

  private readonly deferredPump = (): void => {
    this.pumpDeferred = false;
    // While a snapshot is installed this node hears from its leader, whatever it does not answer.
    if (this.tickDue && this.live && this.installing !== null) this.hearSender(this.installing);
    if (this.tickDue && this.live) this.tick();
    this.pump();
  };

  private tick(): void {
    this.tickDue = false;
    for (const [peer, again] of this.unreachable) {
      if (again) {
        this.unreachable.set(peer, false);
        this.step({ kind: 'peerUnreachable', peer });
      } else {
        this.unreachable.delete(peer);
      }
    }
    const nowMs = this.options.clock.nowMs();
    this.step({ kind: 'tick', nowMs: Math.floor(nowMs) });
    const { storage } = this;
    if (storage === null || storage.reported || nowMs - storage.startedMs < this.limits.stallAfterMs) return;
    storage.reported = true;
    this.step({ kind: 'storageStalled' });
    if (storage.write !== null) this.options.handlers.onSlowWrite(nowMs - storage.startedMs, storage.sizeBytes);
  }

  private input(input: Input): void {
    if (!this.live) return;
    this.step(input);
    this.deferPump();
  }

  private step(input: Input): void {
    try {
      this.options.core.step(input);
    } catch (error) {
      this.fail(error);
    }
  }

  private proposeQueued(): void {
    const { core, clock } = this.options;
    if (this.leadsTerm === null || this.proposals.sizeBytes === 0) return;
    this.proposals.drain(this.limits.maxEntryBytes, this.storage !== null, (data) => {
      if (!core.canPropose()) return false;
      core.step({ kind: 'propose', data, stampMs: this.clusterClock.stamp(clock.nowMs()) });
      return true;
    });
  }

  private beginReads(): void {
    const coreId = this.reads.begin();
    if (coreId !== null) this.options.core.step({ kind: 'readIndex', id: coreId });
    if (this.refusedReads.length === 0) return;
    for (const id of this.refusedReads.splice(0)) this.options.handlers.onReadFailed(id);
  }

  /** Takes the core's outputs once and carries them out: messages first, so that they travel during the write. */
  private carryOut(): void {
    const { core, handlers } = this.options;
    const how = this.storage !== null ? WRITE_HELD : WRITE_TAKEN;
    const outputs = core.hasOutputs(how) ? core.takeOutputs(how) : null;
    this.releaseDurable();
    if (outputs !== null) this.sendAll(outputs);
    if (this.live) this.options.flush?.();
    if (outputs === null || !this.live) return;
    if (outputs.write !== null) this.startWrite(outputs.write);
    this.backlog.push(outputs.committed);
    // The core hands a long backlog out in pages.
    if (outputs.committed.length > 0 && core.hasOutputs(this.storage !== null ? WRITE_HELD : WRITE_TAKEN))
      this.deferPump();
    for (const request of outputs.readLog) this.startRead(request);
    for (const request of outputs.sendSnapshot ?? []) handlers.onSendSnapshot?.(request);
    for (const result of outputs.membershipResults ?? []) handlers.onMembershipResult?.(result);
    if (outputs.status !== null) this.statusChanged(outputs.status);
    for (const read of outputs.reads) for (const id of this.reads.end(read.id)) handlers.onRead(id, read.index);
    for (const coreId of outputs.failedReads) for (const id of this.reads.end(coreId)) handlers.onReadFailed(id);
  }

  private sendAll(outputs: Outputs): void {
    for (const each of outputs.send) this.send(each);
    for (const deferred of outputs.sendAfterWrite) this.afterWrite.push(deferred);
    this.releaseDurable();
  }

  private send({ to, message }: Send): void {
    // `send` may report a drop, and the step of that may fail.
    if (this.live) this.options.send(to, message);
  }

  /** Sends what waited for the writes that are durable by now. */
  private releaseDurable(): void {
    let released = 0;
    for (const { seq, send } of this.afterWrite) {
      if (seq > this.durableSeq) break;
      this.send(send);
      released++;
    }
    if (released > 0) this.afterWrite.splice(0, released);
  }

  private startWrite(write: Write): void {
    let sizeBytes = 0;
    for (const entry of write.entries) sizeBytes += entry.data.length;
    const last = write.entries.at(-1);
    if (last !== undefined) this.clusterClock.observe(last.stampMs);
    this.begin({ write, sizeBytes, startedMs: this.options.clock.nowMs(), reported: false });
    this.options.log
      .append({ entries: write.entries, hardState: write.hardState })
      .then(this.onWriteDone, this.onIoError);
  }

  private readonly onWriteDone = (): void => {
    const { write, startedMs, sizeBytes, reported } = this.endStorage();
    if (!this.live || write === null) return;
    const { handlers, clock } = this.options;
    const durationMs = clock.nowMs() - startedMs;
    this.durableSeq = write.seq;
    this.step({ kind: 'writeDone', seq: write.seq });
    this.pump();
    if (this.failed) return;
    handlers.onWriteDone(durationMs, sizeBytes, write.entries.length);
    if (durationMs >= this.limits.slowWriteMs && !reported) handlers.onSlowWrite(durationMs, sizeBytes);
  };

  /** Storage takes one operation at a time, so a compaction goes in between two writes. */
  private startCompaction(): void {
    const { compaction } = this;
    if (compaction === null || this.storage !== null) return;
    this.compaction = null;
    this.begin({ write: null, sizeBytes: 0, startedMs: this.options.clock.nowMs(), reported: false });
    const { index, term } = compaction;
    this.options.log.compact(index, term).then(() => {
      this.endStorage();
      if (this.live) this.step({ kind: 'compacted', index, term });
      this.pump();
    }, this.onIoError);
  }

  private startInstallation(): void {
    const { installation } = this;
    if (installation === null || this.storage !== null) return;
    this.installation = null;
    this.installing = installation.facts;
    this.begin({ write: null, sizeBytes: 0, startedMs: this.options.clock.nowMs(), reported: true });
    const { index, term, stampMs, configuration } = installation.facts;
    installation.commit().then((installed) => {
      this.endStorage();
      this.installing = null;
      if (this.live && installed) {
        // Entries that were handed out and not applied lie before the snapshot, which nothing handed out reaches.
        this.backlog.clear();
        this.compaction = null;
        this.clusterClock.observe(stampMs);
        this.hearSender(installation.facts);
        if (this.live) this.step({ kind: 'snapshotInstalled', index, term, stampMs, configuration });
      }
      installation.done(installed && this.live);
      this.pump();
    }, this.onIoError);
  }

  private hearSender({ from, leaderTerm }: InstalledFacts): void {
    this.step({ kind: 'snapshotReceiving', from, term: leaderTerm });
  }

  private begin(task: StorageTask): void {
    this.storage = task;
    this.ioInFlight++;
  }

  private endStorage(): StorageTask {
    const task = this.storage;
    if (task === null) throw new Error('no storage operation is in flight');
    this.storage = null;
    this.endIo();
    return task;
  }

  private startRead(request: Outputs['readLog'][number]): void {
    this.ioInFlight++;
    this.readEntries(request).then((input) => {
      this.endIo();
      this.input(input);
    }, this.onIoError);
  }

  private async readEntries({ peer, fromIndex, maxBytes }: Outputs['readLog'][number]): Promise<Input> {
    const entries = await this.options.log.read(fromIndex, maxBytes);
    const prevIndex = fromIndex - 1;
    const prevTerm = await this.options.log.termAt(prevIndex);
    // Compacted in between: the same as gone.
    if (prevTerm === null) return { kind: 'logRead', peer, prevIndex, prevTerm: 0, entries: [] };
    return { kind: 'logRead', peer, prevIndex, prevTerm, entries };
  }

  private readonly onIoError = (error: unknown): void => {
    this.endIo();
    this.fail(error);
  };

  private endIo(): void {
    this.ioInFlight--;
    if (this.ioInFlight === 0) this.onIdle?.();
  }

  private statusChanged(status: Status): void {
    const leadsTerm = status.role === 'leader' ? status.term : null;
    if (leadsTerm !== this.leadsTerm) {
      // What was queued for another term: its proposers see the change and propose again what they must.
      this.proposals.clear();
      this.leadsTerm = leadsTerm;
      if (leadsTerm === null) this.clusterClock.follow();
      else this.clusterClock.lead(this.options.clock.nowMs());
    }
    this.options.handlers.onStatus(status);
  }

  /** Hands committed entries over for a bounded time; what is left goes on in the next turn. */
  private apply(): void {
    if (this.backlog.isEmpty) return;
    const { clock, handlers, core } = this.options;
    const { applySliceBytes, applySliceEntries, applySliceMs } = this.limits;
    const startedMs = clock.nowMs();
    while (!this.backlog.isEmpty && this.live) {
      const entries = this.backlog.take(applySliceBytes, applySliceEntries);
      handlers.onCommitted(entries);
      core.step({ kind: 'applied', index: lastIndex(entries) });
      if (clock.nowMs() - startedMs >= applySliceMs) break;
    }
    if (!this.backlog.isEmpty) this.deferPump();
  }

  private fail(error: unknown): void {
    if (this.failed) return;
    this.failed = true;
    this.halt();
    this.options.handlers.onFatal(error);
  }

  private halt(): void {
    this.live = false;
    this.cancelTicks?.();
    this.proposals.clear();
    this.backlog.clear();
    this.afterWrite = [];
    this.refusedReads = [];
    this.compaction = null;
    this.installation = null;
  }
}

function lastIndex(entries: readonly Entry[]): number {
  const last = entries.at(-1);
  if (last === undefined) throw new Error('an empty slice of committed entries');
  return last.index;
}
