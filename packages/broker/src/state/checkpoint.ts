import type { Message } from './message.ts';
import {
  cursorRecord,
  itemKey,
  itemRecord,
  messageRecord,
  metaRecord,
  nameKey,
  nodeRecord,
  numberKey,
  RecordKind,
  retainedRecord,
  type StateRecord,
  sessionRecord,
} from './records.ts';
import type { Session } from './session.ts';
import type { RemovedSession, State } from './state.ts';

/** The records that bring the state store from the last checkpoint to this one, to be written in one atomic batch. */
export interface CheckpointRecords {
  readonly appliedIndex: number;
  readonly appliedTerm: number;
  readonly puts: StateRecord[];
  readonly deletes: Uint8Array[];
}

/**
 * Gathers what changed since the last checkpoint and forgets that it did. Call between entries. What was queued and
 * settled since then never shows up here: that is why the state trails the log.
 */
export function takeCheckpoint(state: State): CheckpointRecords {
  const { dirty } = state;
  const puts: StateRecord[] = [metaRecord(state)];
  const deletes: Uint8Array[] = [];
  for (const nodeId of dirty.nodes) {
    const node = state.nodes.get(nodeId);
    if (node !== undefined) puts.push(nodeRecord(node));
  }
  for (const removed of dirty.removedSessions) removeSession(removed, deletes);
  for (const session of dirty.sessions) {
    puts.push(sessionRecord(session));
    session.stored = true;
  }
  for (const session of dirty.queues) {
    puts.push(cursorRecord(session));
    takeQueue(state, session, puts, deletes);
  }
  for (const topic of dirty.retained) {
    const message = state.retained.get(topic);
    if (message === undefined) deletes.push(nameKey(RecordKind.retained, topic));
    else {
      message.detach();
      puts.push(retainedRecord(message));
    }
  }
  for (const id of dirty.deletedMessages) deletes.push(numberKey(RecordKind.message, id));
  dirty.clear();
  return { appliedIndex: state.appliedIndex, appliedTerm: state.appliedTerm, puts, deletes };
}

function removeSession(removed: RemovedSession, deletes: Uint8Array[]): void {
  const { number, storedHead, storedNext } = removed;
  deletes.push(numberKey(RecordKind.session, number), numberKey(RecordKind.cursor, number));
  for (let sequence = storedHead; sequence < storedNext; sequence++) {
    deletes.push(itemKey(number, sequence));
  }
}

function takeQueue(state: State, session: Session, puts: StateRecord[], deletes: Uint8Array[]): void {
  const { queue, storedHead, storedNext } = session;
  if (queue === null) return;
  const { headSequence, nextSequence } = queue;
  for (let sequence = storedHead; sequence < Math.min(headSequence, storedNext); sequence++) {
    deletes.push(itemKey(session.number, sequence));
  }
  for (const sequence of session.changedItems) {
    if (sequence < headSequence) continue;
    const item = queue.get(sequence);
    if (item === null) deletes.push(itemKey(session.number, sequence));
    else puts.push(itemRecord(session, sequence, item));
  }
  session.changedItems.clear();
  for (let sequence = Math.max(headSequence, storedNext); sequence < nextSequence; sequence++) {
    const item = queue.get(sequence);
    if (item === null) continue;
    takeMessage(state, item.message, puts);
    puts.push(itemRecord(session, sequence, item));
  }
  session.storedHead = headSequence;
  session.storedNext = nextSequence;
}

function takeMessage(state: State, message: Message, puts: StateRecord[]): void {
  if (message.stored) return;
  message.stored = true;
  state.dirty.deletedMessages.delete(message.id);
  message.detach();
  puts.push(messageRecord(message));
}
