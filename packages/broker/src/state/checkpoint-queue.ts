import type { Message } from './message.ts';
import type { QueueItem } from './queue.ts';
import { cursorRecord, type StateRecord } from './records.ts';
import type { Session } from './session.ts';

/** What a checkpoint has to say about one session's queue. Holds only what never changes: it may be encoded later. */
export interface TakenQueue {
  /** Of the session. */
  readonly number: number;
  readonly cursor: StateRecord;
  /** Sequence numbers [deleteFrom, deleteTo) have left the queue. */
  readonly deleteFrom: number;
  readonly deleteTo: number;
  /** Sequence numbers of items that were settled behind the queue's head. */
  readonly holes: readonly number[];
  /** Those that no other queue has handed to the state store. */
  readonly messages: readonly Message[];
  /** Items that are new or changed, and their sequence numbers. */
  readonly items: readonly QueueItem[];
  readonly sequences: readonly number[];
  /** How many records all of this is. */
  readonly size: number;
}

/**
 * Takes what changed in a session's queue since the last checkpoint and marks it as stored: at once, because what is
 * settled from here on must find out that its record exists.
 * @param deletedMessages loses those that are stored after all
 */
export function takeQueue(session: Session, deletedMessages: Set<number>): TakenQueue {
  const { tracked: queue, number, storedHead, storedNext, changedItems } = session;
  const end = session.endAtCheckpoint >= 0 ? session.endAtCheckpoint : (queue?.nextSequence ?? 0);
  session.endAtCheckpoint = -1;
  const holes: number[] = [];
  const messages: Message[] = [];
  const items: QueueItem[] = [];
  const sequences: number[] = [];
  const cursor = cursorRecord(session, end);
  if (queue === null) return { number, cursor, deleteFrom: 0, deleteTo: 0, holes, messages, items, sequences, size: 1 };
  const { headSequence } = queue;
  const deleteTo = Math.min(headSequence, storedNext);
  if (changedItems.size > 0) {
    for (const sequence of changedItems) {
      if (sequence < headSequence) continue;
      const item = queue.get(sequence);
      if (item === null) holes.push(sequence);
      else {
        items.push(item);
        sequences.push(sequence);
      }
    }
    session.changedItems = new Set();
  }
  for (let sequence = Math.max(headSequence, storedNext); sequence < end; sequence++) {
    const item = queue.get(sequence);
    if (item === null) continue;
    const { message } = item;
    if (!message.stored) {
      message.stored = true;
      deletedMessages.delete(message.id);
      messages.push(message);
    }
    items.push(item);
    sequences.push(sequence);
  }
  session.storedHead = headSequence;
  session.storedNext = end;
  const size = 1 + Math.max(0, deleteTo - storedHead) + holes.length + messages.length + items.length;
  return { number, cursor, deleteFrom: storedHead, deleteTo, holes, messages, items, sequences, size };
}
