import { type DocumentRecord, Documents } from './documents.ts';
import { InvariantError, invariant } from './invariant.ts';
import { DEFAULT_FULL_QUEUE_POLICY, defaultLimits, type FullQueuePolicy, type Limits } from './limits.ts';
import type { MemberRecord } from './member-commands.ts';
import type { Message } from './message.ts';
import { RetainedMessages } from './retained.ts';
import type { Session } from './session.ts';
import type { ShareGroup } from './share-group.ts';
import { DEFAULT_SHARED_STRATEGY, type SharedStrategy } from './share-strategy.ts';
import { SubscriptionTable } from './subscription-table.ts';
import { TimerHeap, TimerKind } from './timers.ts';

/** One member as the log knows it. */
export interface NodeRecord {
  readonly nodeId: string;
  readonly incarnation: number;
  /** Sequence number of the last batch applied from this incarnation. */
  lastSequence: number;
  /** False from NodeDown until the node returns under a new incarnation. */
  up: boolean;
  readonly mqtt: string;
  readonly http: string;
  readonly peer: string;
  readonly version: string;
  readonly leaseMs: number;
}

/** A session that is gone, with what the state store still holds of it: queue items [storedHead, storedNext). */
export interface RemovedSession {
  readonly number: number;
  readonly storedHead: number;
  readonly storedNext: number;
}

/** A share group that is gone, with the ids of the messages in its queue that the state store still holds. */
export interface RemovedGroup {
  readonly number: number;
  readonly ids: readonly number[];
}

/**
 * A checkpoint whose records are still being gathered. They are those of its place in the log, so it is told before
 * what it has not come to yet is changed.
 */
export interface PendingCheckpoint {
  /** Before a change of what the session's own record says. */
  keepSession(session: Session): void;
  /** Before a change of the session's cursor or queue, other than a message behind its end. */
  keepQueue(session: Session): void;
  /** Before a message goes behind the end of the session's queue. */
  keepQueueEnd(session: Session): void;
  /** Before the topic gets another retained message or none. */
  keepRetained(topic: string): void;
  /** Before a change of a share group or its queue, other than of its members. */
  keepGroup(group: ShareGroup): void;
  /** Gathers the rest. */
  finish(): void;
}

/** A document that changed: null when it is gone. */
export interface ChangedDocument {
  readonly collection: number;
  readonly name: string;
  readonly document: DocumentRecord | null;
}

/** What has changed since the last checkpoint. */
export class Dirty {
  readonly sessions = new Set<Session>();
  readonly queues = new Set<Session>();
  /** Only those that the state store knows: one that came and went between two checkpoints leaves nothing. */
  readonly removedSessions: RemovedSession[] = [];
  readonly retained = new Set<string>();
  readonly nodes = new Set<string>();
  readonly members = new Set<string>();
  /**
   * What each document that changed is now, null for one that is gone, by collection and name. Documents never change in
   * place, so a checkpoint that is still being gathered needs no word of later changes.
   */
  readonly documents = new Map<string, ChangedDocument>();
  readonly groups = new Set<ShareGroup>();
  /** As with sessions. */
  readonly removedGroups: RemovedGroup[] = [];
  sharedStrategy = false;
  settings = false;
  /** Messages whose record no queue needs any more. */
  readonly deletedMessages = new Set<number>();
}

/** Everything that all nodes agree on. Changed only by the functions of this folder, only while an entry is applied. */
export class State {
  /** Cluster clock: the largest stamp seen. Never runs backwards. */
  nowMs = 0;
  appliedIndex = 0;
  appliedTerm = 0;
  clusterId: string | null = null;
  nextEpoch = 1;
  nextSessionNumber = 1;
  nextMessageId = 1;
  readonly nodes = new Map<string, NodeRecord>();
  /** What the members are to be; the Raft configuration says what they are. */
  readonly members = new Map<string, MemberRecord>();
  readonly sessions = new Map<string, Session>();
  readonly sessionsByNumber = new Map<number, Session>();
  /** Sessions with a connected client, by the epoch of that connection. */
  readonly live = new Map<number, Session>();
  /** The same by owner. */
  readonly owned = new Map<string, Set<Session>>();
  readonly subscriptions = new SubscriptionTable();
  /** Share groups by number, in that order. */
  readonly groups = new Map<number, ShareGroup>();
  /** The same by their whole filter. */
  readonly groupsByName = new Map<string, ShareGroup>();
  /**
   * Share groups with messages that a member has room for, and that one step did not get to; others may be in it, too.
   * Not replicated: it follows from the rest.
   */
  readonly handing = new Set<ShareGroup>();
  sharedStrategy: SharedStrategy = DEFAULT_SHARED_STRATEGY;
  readonly limits: Limits = defaultLimits();
  /** What a full queue gives up while its client is away. */
  fullQueuePolicy: FullQueuePolicy = DEFAULT_FULL_QUEUE_POLICY;
  readonly retained = new RetainedMessages();
  readonly timers = new TimerHeap();
  readonly documents = new Documents();
  /** What has changed since the last checkpoint began. Additions are made before the change: see `changing...`. */
  dirty = new Dirty();
  /** The last checkpoint, until all of its records are gathered. */
  pending: PendingCheckpoint | null = null;

  /** Grows by what entries cost. Not replicated: only what one entry adds to it is the same on every node. */
  effort = 0;

  /**
   * Whether something is due at the cluster clock, or to be given out, that the last Tick did not come to. The leader asks, to propose the
   * next one; the state does not depend on the answer, which may be true a Tick too long.
   */
  get hasDue(): boolean {
    const { nowMs } = this;
    return (
      this.handing.size > 0 ||
      this.timers.firstDueMs <= nowMs ||
      this.retained.firstExpiryMs <= nowMs ||
      this.documents.firstExpiryMs <= nowMs
    );
  }

  /** Whether anything will fall due for which the cluster clock has to move on. The leader asks. */
  get hasTimers(): boolean {
    return this.timers.size > 0 || this.documents.expiring > 0;
  }

  /** Call before a change of what a session's own record says. */
  changingSession(session: Session): void {
    if (this.pending !== null) this.pending.keepSession(session);
    this.dirty.sessions.add(session);
  }

  /** Call before a change of a session's cursor or queue; `changingQueueEnd` is the cheaper one for a new message. */
  changingQueue(session: Session): void {
    if (this.pending !== null) this.pending.keepQueue(session);
    this.dirty.queues.add(session);
  }

  /** Call before a message goes behind the end of the session's queue. */
  changingQueueEnd(session: Session): void {
    if (this.pending !== null) this.pending.keepQueueEnd(session);
    this.dirty.queues.add(session);
  }

  /** Call before a session is taken out of the state. */
  removingSession(session: Session): void {
    if (this.pending !== null) {
      this.pending.keepSession(session);
      this.pending.keepQueue(session);
    }
    this.dirty.sessions.delete(session);
    this.dirty.queues.delete(session);
    const { number, stored, storedHead, storedNext } = session;
    if (stored) this.dirty.removedSessions.push({ number, storedHead, storedNext });
  }

  /** Call before a topic gets another retained message, or none. */
  changingRetained(topic: string): void {
    if (this.pending !== null) this.pending.keepRetained(topic);
    this.dirty.retained.add(topic);
  }

  /** Call before a document is put or, with null, taken out. */
  changingDocument(collection: number, name: string, document: DocumentRecord | null): void {
    this.dirty.documents.set(`${collection}/${name}`, { collection, name, document });
  }

  /** Call before a change of what a share group's records say: whom it picked last, and its queue. */
  changingGroup(group: ShareGroup): void {
    if (this.pending !== null) this.pending.keepGroup(group);
    this.dirty.groups.add(group);
  }

  addGroup(group: ShareGroup): void {
    invariant(!this.groupsByName.has(group.name), `two share groups of ${group.name}`);
    this.dirty.groups.add(group);
    this.groups.set(group.number, group);
    this.groupsByName.set(group.name, group);
    this.subscriptions.addGroup(group);
  }

  /** Its last member has left, and its queue is empty. */
  removeGroup(group: ShareGroup): void {
    invariant(group.members.size === 0 && group.queue.count === 0, `share group ${group.name} is in use`);
    if (this.pending !== null) this.pending.keepGroup(group);
    this.dirty.groups.delete(group);
    this.groups.delete(group.number);
    this.handing.delete(group);
    this.groupsByName.delete(group.name);
    this.subscriptions.deleteGroup(group);
    if (group.stored) this.dirty.removedGroups.push({ number: group.number, ids: [...group.queue.gone] });
  }

  addSession(session: Session): void {
    invariant(!this.sessions.has(session.clientId), `two sessions of ${session.clientId}`);
    this.sessions.set(session.clientId, session);
    this.sessionsByNumber.set(session.number, session);
  }

  setOwner(session: Session, nodeId: string, epoch: number): void {
    invariant(session.owner === null, `session ${session.number} has an owner already`);
    this.changingSession(session);
    session.owner = nodeId;
    session.epoch = epoch;
    this.live.set(epoch, session);
    let owned = this.owned.get(nodeId);
    if (owned === undefined) {
      owned = new Set();
      this.owned.set(nodeId, owned);
    }
    owned.add(session);
  }

  clearOwner(session: Session): void {
    invariant(session.owner !== null, `session ${session.number} has no owner`);
    this.changingSession(session);
    this.live.delete(session.epoch);
    this.owned.get(session.owner)?.delete(session);
    session.owner = null;
  }

  /** Starts the timers that the session's due times ask for. */
  armTimers(session: Session): void {
    this.#pushTimers(session);
    // Clients that come and go leave timers that no longer hold: start over from those that do.
    if (this.timers.size <= 4 * this.sessions.size + 1024) return;
    this.timers.clear();
    for (const other of this.sessions.values()) this.#pushTimers(other);
  }

  #pushTimers(session: Session): void {
    const { number: sessionNumber, willAtMs, expiresAtMs } = session;
    if (willAtMs !== Number.POSITIVE_INFINITY)
      this.timers.push({ dueMs: willAtMs, sessionNumber, kind: TimerKind.will });
    if (expiresAtMs !== Number.POSITIVE_INFINITY) {
      this.timers.push({ dueMs: expiresAtMs, sessionNumber, kind: TimerKind.sessionExpiry });
    }
  }

  /** A queue let go of a message: forget its record when it was the last. */
  release(message: Message): void {
    message.references--;
    if (message.references < 0) throw new InvariantError(`message ${message.id} released too often`);
    if (message.references > 0 || !message.stored) return;
    // A retained message may be queued again later: it is then stored again.
    message.stored = false;
    this.dirty.deletedMessages.add(message.id);
  }
}
