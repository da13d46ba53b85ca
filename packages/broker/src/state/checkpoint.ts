import { type TakenGroup, takeGroup } from './checkpoint-group.ts';
import { type TakenQueue, takeQueue } from './checkpoint-queue.ts';
import type { Message } from './message.ts';
import {
  documentKey,
  documentRecord,
  groupItemKey,
  groupItemRecord,
  itemKey,
  itemRecord,
  memberRecord,
  messageRecord,
  metaRecord,
  nameKey,
  nodeRecord,
  numberKey,
  RecordKind,
  retainedRecord,
  type StateRecord,
  sessionRecord,
  settingsKey,
  settingsRecord,
  sharedStrategyKey,
  sharedStrategyRecord,
} from './records.ts';
import type { Session } from './session.ts';
import { changedSettings } from './settings.ts';
import type { ShareGroup } from './share-group.ts';
import { DEFAULT_SHARED_STRATEGY } from './share-strategy.ts';
import { Dirty, type PendingCheckpoint, type State } from './state.ts';

/** The records that bring the state store from the last checkpoint to this one, to be written in one atomic batch. */
export interface CheckpointRecords {
  readonly appliedIndex: number;
  readonly appliedTerm: number;
  readonly puts: StateRecord[];
  readonly deletes: Uint8Array[];
}

/** A queue with no more records than this is encoded at once when it is about to change; a longer one waits its turn. */
const SMALL_QUEUE = 32;

/**
 * Gathers what changed since the last checkpoint and forgets that it did. Create it between entries: the records are
 * those of that place in the log, whatever is applied while `next` gathers them, because the state says what it is
 * about to change (`State.changingSession` and its like) and that is kept first. What was queued and settled since the
 * last checkpoint never shows up here: that is why the state trails the log.
 *
 * Which records there are is a function of the log. Their order is not, unless they are gathered in one go.
 */
export class CheckpointTaker implements CheckpointRecords, PendingCheckpoint {
  readonly appliedIndex: number;
  readonly appliedTerm: number;
  readonly #state: State;
  readonly #smallQueue: number;
  readonly #changed: Dirty;
  readonly #puts: StateRecord[] = [];
  readonly #deletes: Uint8Array[] = [];
  /** Taken before they changed, and still to be encoded. */
  readonly #keptQueues: TakenQueue[] = [];
  readonly #keptRetained: Message[] = [];
  readonly #keptGroups: TakenGroup[] = [];
  readonly #steps: Iterator<void>;
  #done = false;

  /**
   * Another checkpoint of this state that is not gathered to its end is finished first, in this call.
   * @param smallQueue records of a queue that are encoded at once when it is about to change
   */
  constructor(state: State, smallQueue = SMALL_QUEUE) {
    state.pending?.finish();
    this.#state = state;
    this.#smallQueue = smallQueue;
    this.#changed = state.dirty;
    this.appliedIndex = state.appliedIndex;
    this.appliedTerm = state.appliedTerm;
    state.dirty = new Dirty();
    state.pending = this;
    this.#takeFew();
    this.#steps = this.#gather();
  }

  /** Records gathered so far. */
  get size(): number {
    return this.#puts.length + this.#deletes.length;
  }

  /** Every record is gathered. */
  get done(): boolean {
    return this.#done;
  }

  /**
   * Gathers about `maxRecords` records more (1 to 10 us each), and says whether there are any left. What makes a step
   * longer is a single session with a very long queue: half a microsecond a message, once.
   */
  next(maxRecords: number): boolean {
    const until = this.size + maxRecords;
    while (!this.#done && this.size < until) {
      if (this.#steps.next().done === true) {
        this.#done = true;
        this.#state.pending = null;
      }
    }
    return !this.#done;
  }

  /** Gathers the rest in one go. */
  finish(): void {
    this.next(Number.POSITIVE_INFINITY);
  }

  /** All records; those that `next` was not asked for are gathered now. */
  records(): CheckpointRecords {
    const { appliedIndex, appliedTerm, puts, deletes } = this;
    return { appliedIndex, appliedTerm, puts, deletes };
  }

  /** As `records`. */
  get puts(): StateRecord[] {
    this.finish();
    return this.#puts;
  }

  /** As `records`. */
  get deletes(): Uint8Array[] {
    this.finish();
    return this.#deletes;
  }

  /** What changes with every entry and is little. */
  #takeFew(): void {
    const state = this.#state;
    this.#puts.push(metaRecord(state));
    for (const nodeId of this.#changed.nodes) {
      const node = state.nodes.get(nodeId);
      if (node !== undefined) this.#puts.push(nodeRecord(node));
    }
    for (const nodeId of this.#changed.members) {
      const member = state.members.get(nodeId);
      if (member === undefined) this.#deletes.push(nameKey(RecordKind.member, nodeId));
      else this.#puts.push(memberRecord(member));
    }
    this.#takeSettings();
  }

  #takeSettings(): void {
    const state = this.#state;
    if (this.#changed.settings) {
      const changed = changedSettings(state);
      if (changed === null) this.#deletes.push(settingsKey());
      else this.#puts.push(settingsRecord(changed));
    }
    if (!this.#changed.sharedStrategy) return;
    const { sharedStrategy } = state;
    if (sharedStrategy === DEFAULT_SHARED_STRATEGY) this.#deletes.push(sharedStrategyKey());
    else this.#puts.push(sharedStrategyRecord(sharedStrategy));
  }

  /** Pauses behind every record. What is kept meanwhile is out of the sets by the time they come to it. */
  *#gather(): Generator<void, void> {
    const { sessions, queues, removedSessions, retained, deletedMessages, documents } = this.#changed;
    const { groups, removedGroups } = this.#changed;
    const deletes = this.#deletes;
    for (const { collection, name, document } of documents.values()) {
      if (document === null) deletes.push(documentKey(collection, name));
      else this.#puts.push(documentRecord(document));
      yield;
    }
    for (const { number, storedHead, storedNext } of removedSessions) {
      deletes.push(numberKey(RecordKind.session, number), numberKey(RecordKind.cursor, number));
      yield;
      for (let sequence = storedHead; sequence < storedNext; sequence++) {
        deletes.push(itemKey(number, sequence));
        yield;
      }
    }
    for (const { number, ids } of removedGroups) {
      deletes.push(numberKey(RecordKind.group, number));
      yield;
      for (const id of ids) {
        deletes.push(groupItemKey(number, id));
        yield;
      }
    }
    for (const session of sessions) {
      this.keepSession(session);
      yield;
    }
    for (const session of queues) {
      yield* this.#encodeQueue(this.#takeQueue(session));
    }
    for (const group of groups) {
      groups.delete(group);
      yield* this.#encodeGroup(takeGroup(group, deletedMessages));
    }
    for (const topic of retained) {
      this.keepRetained(topic);
      yield* this.#encodeKept();
    }
    yield* this.#encodeKept();
    // Last: a message that was let go of and queued again is stored after all, which its queue finds out.
    for (const id of deletedMessages) {
      deletes.push(numberKey(RecordKind.message, id));
      yield;
    }
  }

  /** What had to be taken early. More may come while this is under way. */
  *#encodeKept(): Generator<void, void> {
    for (let message = this.#keptRetained.pop(); message !== undefined; message = this.#keptRetained.pop()) {
      message.detach();
      this.#puts.push(retainedRecord(message));
      yield;
    }
    for (let queue = this.#keptQueues.pop(); queue !== undefined; queue = this.#keptQueues.pop()) {
      yield* this.#encodeQueue(queue);
    }
    for (let group = this.#keptGroups.pop(); group !== undefined; group = this.#keptGroups.pop()) {
      yield* this.#encodeGroup(group);
    }
  }

  *#encodeGroup({ number, record, gone, fresh, messages }: TakenGroup): Generator<void, void> {
    this.#puts.push(record);
    yield;
    for (const id of gone) {
      this.#deletes.push(groupItemKey(number, id));
      yield;
    }
    for (const message of messages) {
      message.detach();
      this.#puts.push(messageRecord(message));
      yield;
    }
    for (const { id } of fresh) {
      this.#puts.push(groupItemRecord(number, id));
      yield;
    }
  }

  #takeQueue(session: Session): TakenQueue {
    const { queues, deletedMessages } = this.#changed;
    queues.delete(session);
    return takeQueue(session, deletedMessages);
  }

  *#encodeQueue(queue: TakenQueue): Generator<void, void> {
    const { number, cursor, messages, items } = queue;
    this.#puts.push(cursor);
    yield;
    for (let sequence = queue.deleteFrom; sequence < queue.deleteTo; sequence++) {
      this.#deletes.push(itemKey(number, sequence));
      yield;
    }
    for (const sequence of queue.holes) {
      this.#deletes.push(itemKey(number, sequence));
      yield;
    }
    for (const message of messages) {
      message.detach();
      this.#puts.push(messageRecord(message));
      yield;
    }
    for (let at = 0; at < items.length; at++) {
      const item = items[at];
      if (item !== undefined) this.#puts.push(itemRecord(number, queue.sequences[at] as number, item));
      yield;
    }
  }

  // What the state is about to change.

  keepSession(session: Session): void {
    if (!this.#changed.sessions.delete(session)) return;
    this.#puts.push(sessionRecord(session));
    session.stored = true;
  }

  keepQueue(session: Session): void {
    if (!this.#changed.queues.has(session)) return;
    const taken = this.#takeQueue(session);
    if (taken.size > this.#smallQueue) {
      this.#keptQueues.push(taken);
      return;
    }
    const steps = this.#encodeQueue(taken);
    while (steps.next().done !== true);
  }

  keepQueueEnd(session: Session): void {
    const queue = session.tracked;
    if (session.endAtCheckpoint >= 0 || queue === null || !this.#changed.queues.has(session)) return;
    session.endAtCheckpoint = queue.nextSequence;
  }

  keepGroup(group: ShareGroup): void {
    if (!this.#changed.groups.delete(group)) return;
    const taken = takeGroup(group, this.#changed.deletedMessages);
    if (taken.size > this.#smallQueue) {
      this.#keptGroups.push(taken);
      return;
    }
    const steps = this.#encodeGroup(taken);
    while (steps.next().done !== true);
  }

  keepRetained(topic: string): void {
    if (!this.#changed.retained.delete(topic)) return;
    const message = this.#state.retained.get(topic);
    if (message === undefined) this.#deletes.push(nameKey(RecordKind.retained, topic));
    else this.#keptRetained.push(message);
  }
}

/** A whole checkpoint in one step. */
export function takeCheckpoint(state: State): CheckpointRecords {
  return new CheckpointTaker(state).records();
}
