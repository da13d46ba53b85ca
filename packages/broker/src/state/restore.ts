import { ByteReader } from './bytes.ts';
import { InvariantError, invariant } from './invariant.ts';
import type { Message } from './message.ts';
import { MessageQueue } from './queue.ts';
import {
  type ItemRecord,
  RecordKind,
  readCursor,
  readDocumentRecord,
  readItem,
  readMemberRecord,
  readMessage,
  readMeta,
  readNode,
  readSession,
} from './records.ts';
import { Dirty, State } from './state.ts';

/**
 * Builds a state from the records of a state store, fed in key order (`RecordKind` explains the order). Queue items
 * come in their sequence order, and every queue ends where its cursor says, holes included.
 */
export class StateLoader {
  readonly #state = new State();
  readonly #messages = new Map<number, Message>();
  readonly #nextSequences = new Map<number, number>();
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
      default:
        throw new InvariantError(`state record of kind ${key[0]} is not known to this version: upgrade this node`);
    }
  }

  #addSession(reader: ByteReader): void {
    const { session, owner, hasQueue } = readSession(reader);
    const state = this.#state;
    state.addSession(session);
    session.stored = true;
    if (hasQueue) session.queue = new MessageQueue();
    if (owner !== null) state.setOwner(session, owner, session.epoch);
    for (const subscription of session.subscriptions.values()) state.subscriptions.set(session, subscription);
    state.armTimers(session);
  }

  #addCursor(reader: ByteReader): void {
    const cursor = readCursor(reader);
    const session = this.#state.sessionsByNumber.get(cursor.sessionNumber);
    invariant(session !== undefined, `cursor of unknown session ${cursor.sessionNumber}`);
    session.maybeSentBefore = cursor.maybeSentBefore;
    for (const packetId of cursor.incoming) session.incoming.add(packetId);
    if (session.queue === null) return;
    session.queue = new MessageQueue(cursor.headSequence);
    session.storedHead = cursor.headSequence;
    session.storedNext = cursor.nextSequence;
    this.#nextSequences.set(session.number, cursor.nextSequence);
  }

  #addItem(item: ItemRecord): void {
    const session = this.#state.sessionsByNumber.get(item.sessionNumber);
    const message = this.#messages.get(item.messageId);
    invariant(session?.queue != null, `queue item of unknown session ${item.sessionNumber}`);
    invariant(message !== undefined, `queue item of unknown message ${item.messageId}`);
    const { qos, retain, subscriptionIdentifiers, state } = item;
    session.queue.restore(item.sequence, { message, qos, retain, subscriptionIdentifiers, state });
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
      state.sessionsByNumber.get(sessionNumber)?.queue?.padTo(nextSequence);
    }
    for (const _ of this.#restoring()) {
      // In one go.
    }
    state.appliedIndex = appliedIndex;
    state.appliedTerm = appliedTerm;
    state.dirty = new Dirty();
    return state;
  }
}
