import { ByteReader } from './bytes.ts';
import { invariant, NewerVersionError } from './invariant.ts';
import type { Message } from './message.ts';
import { MessageQueue } from './queue.ts';
import {
  type ItemRecord,
  RecordKind,
  readCursor,
  readDocumentRecord,
  readGroup,
  readGroupItem,
  readItem,
  readMemberRecord,
  readMessage,
  readMeta,
  readNode,
  readSession,
  readSettingsRecord,
  readSharedStrategyRecord,
} from './records.ts';
import type { Session } from './session.ts';
import { restoreSettings } from './settings.ts';
import { ShareGroup } from './share-group.ts';
import { addMember, findHanding, isShared } from './sharing.ts';
import { Dirty, State } from './state.ts';

/**
 * Builds a state from the records of a state store, fed in key order (`RecordKind` explains the order). Queue items
 * come in their sequence order, and every queue ends where its cursor says, holes included.
 */
export class StateLoader {
  readonly #state = new State();
  readonly #messages = new Map<number, Message>();
  readonly #nextSequences = new Map<number, number>();
  /** Sessions by the filter of a shared subscription whose group has not come yet. */
  readonly #sharing = new Map<string, Session[]>();
  #steps: Generator<void, void> | null = null;

  add(key: Uint8Array, value: Uint8Array): void {
    const reader = new ByteReader(value);
    switch (key[0]) {
      case RecordKind.meta:
        return readMeta(this.#state, reader);
      case RecordKind.node: {
        const node = readNode(reader);
        this.#state.nodes.set(node.nodeId, node);
        return;
      }
      case RecordKind.message: {
        const message = readMessage(reader);
        message.stored = true;
        this.#messages.set(message.id, message);
        return;
      }
      case RecordKind.session:
        return this.#addSession(reader);
      case RecordKind.cursor:
        return this.#addCursor(reader);
      case RecordKind.queueItem:
        return this.#addItem(readItem(reader));
      case RecordKind.retained: {
        const message = readMessage(reader);
        // One object per message, also when it is retained and queued: whoever lets go last deletes its record.
        this.#state.retained.restore(message.topic, this.#messages.get(message.id) ?? message);
        return;
      }
      case RecordKind.member: {
        const member = readMemberRecord(reader);
        this.#state.members.set(member.nodeId, member);
        return;
      }
      case RecordKind.document:
        return this.#state.documents.set(readDocumentRecord(reader));
      case RecordKind.group:
        return this.#addGroup(reader);
      case RecordKind.groupItem:
        return this.#addGroupItem(reader);
      case RecordKind.sharedStrategy:
        this.#state.sharedStrategy = readSharedStrategyRecord(reader);
        return;
      case RecordKind.settings:
        return restoreSettings(this.#state, readSettingsRecord(reader));
      default:
        throw new NewerVersionError(`state record of kind ${key[0]}`);
    }
  }

  #addSession(reader: ByteReader): void {
    const { session, owner, hasQueue, hasLedger } = readSession(reader);
    const state = this.#state;
    state.addSession(session);
    session.stored = true;
    if (hasQueue) session.queue = new MessageQueue();
    if (hasLedger) session.ledger = new MessageQueue();
    if (owner !== null) state.setOwner(session, owner, session.epoch);
    for (const subscription of session.subscriptions.values()) {
      if (isShared(subscription.filter)) this.#awaitGroup(session, subscription.filter);
      else state.subscriptions.set(session, subscription);
    }
    state.armTimers(session);
  }

  #awaitGroup(session: Session, name: string): void {
    const others = this.#sharing.get(name);
    if (others === undefined) this.#sharing.set(name, [session]);
    else others.push(session);
  }

  #addGroup(reader: ByteReader): void {
    const { number, name, last } = readGroup(reader);
    const state = this.#state;
    const group = new ShareGroup(number, name);
    group.last = last;
    group.stored = true;
    state.addGroup(group);
    const sessions = this.#sharing.get(name);
    invariant(sessions !== undefined, `share group ${name} without members`);
    for (const session of sessions) {
      const subscription = session.subscriptions.get(name);
      if (subscription !== undefined) addMember(state, group, session, subscription);
    }
    this.#sharing.delete(name);
  }

  #addGroupItem(reader: ByteReader): void {
    const { groupNumber, messageId } = readGroupItem(reader);
    const group = this.#state.groups.get(groupNumber);
    const message = this.#messages.get(messageId);
    invariant(group !== undefined, `message of unknown share group ${groupNumber}`);
    invariant(message !== undefined, `share group ${groupNumber} keeps unknown message ${messageId}`);
    group.queue.restore(message);
    message.references++;
  }

  #addCursor(reader: ByteReader): void {
    const cursor = readCursor(reader);
    const session = this.#state.sessionsByNumber.get(cursor.sessionNumber);
    invariant(session !== undefined, `cursor of unknown session ${cursor.sessionNumber}`);
    session.maybeSentBefore = cursor.maybeSentBefore;
    for (const packetId of cursor.incoming) session.incoming.add(packetId);
    if (session.tracked === null) return;
    if (session.queue === null) session.ledger = new MessageQueue(cursor.headSequence);
    else session.queue = new MessageQueue(cursor.headSequence);
    session.storedHead = cursor.headSequence;
    session.storedNext = cursor.nextSequence;
    this.#nextSequences.set(session.number, cursor.nextSequence);
  }

  #addItem(item: ItemRecord): void {
    const session = this.#state.sessionsByNumber.get(item.sessionNumber);
    const message = this.#messages.get(item.messageId);
    const queue = session?.tracked;
    invariant(session !== undefined && queue != null, `queue item of unknown session ${item.sessionNumber}`);
    invariant(message !== undefined, `queue item of unknown message ${item.messageId}`);
    const { qos, retain, subscriptionIdentifiers, state, share } = item;
    queue.restore(item.sequence, { message, qos, retain, subscriptionIdentifiers, state, share });
    if (share !== 0) session.held++;
    message.references++;
  }

  /**
   * Takes a part of the work of `finish`, a few milliseconds: for a caller whose event loop has other work. After the
   * last record.
   * @returns whether there is more
   */
  next(): boolean {
    return this.#restoring().next().done !== true;
  }

  #restoring(): Generator<void, void> {
    this.#steps ??= this.#state.retained.restoring();
    return this.#steps;
  }

  /** The state at `appliedIndex`, where the store says it stands. */
  finish(appliedIndex: number, appliedTerm: number): State {
    const state = this.#state;
    for (const [sessionNumber, nextSequence] of this.#nextSequences) {
      state.sessionsByNumber.get(sessionNumber)?.tracked?.padTo(nextSequence);
    }
    invariant(this.#sharing.size === 0, `no record of share group ${[...this.#sharing.keys()].join(', ')}`);
    for (const _ of this.#restoring()) {
      // In one go.
    }
    findHanding(state);
    state.appliedIndex = appliedIndex;
    state.appliedTerm = appliedTerm;
    state.dirty = new Dirty();
    return state;
  }
}
