import type { Message } from './message.ts';
import { groupRecord, type StateRecord } from './records.ts';
import type { ShareGroup } from './share-group.ts';

/** What a checkpoint has to say about one share group. Holds only what never changes: it may be encoded later. */
export interface TakenGroup {
  readonly number: number;
  readonly record: StateRecord;
  /** Ids of messages that have left the queue. */
  readonly gone: ReadonlySet<number>;
  /** What is new in the queue. */
  readonly fresh: ReadonlySet<Message>;
  /** Of these, those that no other queue has handed to the state store. */
  readonly messages: readonly Message[];
  /** How many records all of this is. */
  readonly size: number;
}

/**
 * Takes what changed in a share group since the last checkpoint and marks it as stored, as `takeQueue` does.
 * @param deletedMessages loses those that are stored after all
 */
export function takeGroup(group: ShareGroup, deletedMessages: Set<number>): TakenGroup {
  const { queue, number } = group;
  const { fresh, gone } = queue;
  const messages: Message[] = [];
  for (const message of fresh) {
    if (message.stored) continue;
    message.stored = true;
    deletedMessages.delete(message.id);
    messages.push(message);
  }
  queue.fresh = new Set();
  queue.gone = new Set();
  group.stored = true;
  const size = 1 + gone.size + fresh.size + messages.length;
  return { number, record: groupRecord(group), gone, fresh, messages, size };
}
