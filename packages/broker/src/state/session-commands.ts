import { ReasonCode, topicMatches } from '@quorate/protocol';
import type { Begin, Publish, Pubrel, Settle, Subscribe, Unsubscribe } from './commands.ts';
import { StateLimits } from './limits.ts';
import type { Message } from './message.ts';
import { newCursor } from './message-log.ts';
import { ItemState } from './queue.ts';
import { handOver, route } from './routing.ts';
import type { Session, Subscription } from './session.ts';
import { dispatch, endOfStep, isShared, join, leave, refill } from './sharing.ts';
import type { CommandResult, StateSink } from './sink.ts';
import type { State } from './state.ts';

const OK: CommandResult = { kind: 'ok' };
const STALE: CommandResult = { kind: 'stale' };
const MATCHED: CommandResult = { kind: 'published', matched: true };
const NO_MATCH: CommandResult = { kind: 'published', matched: false };
const QUOTA_EXCEEDED: CommandResult = { kind: 'reasonCodes', reasonCodes: [ReasonCode.quotaExceeded] };

export function publish(state: State, sink: StateSink, command: Publish): CommandResult {
  const session = state.live.get(command.epoch);
  if (session === undefined) return STALE;
  const { packetId } = command;
  if (packetId !== 0) {
    // A repeated QoS 2 PUBLISH is acknowledged again and delivered no second time [MQTT-4.3.3-10].
    if (session.incoming.has(packetId)) return MATCHED;
    state.changingQueue(session);
    session.incoming.add(packetId);
  }
  const routed = route(state, sink, session, command);
  if (routed === 'retainedQuotaExceeded') {
    // A PUBREC with an error ends the exchange: the Packet Identifier is free again (MQTT 5.0 section 4.3.3).
    if (packetId !== 0) session.incoming.delete(packetId);
    return QUOTA_EXCEEDED;
  }
  return routed === 'matched' ? MATCHED : NO_MATCH;
}

export function pubrel(state: State, command: Pubrel): CommandResult {
  const session = state.live.get(command.epoch);
  if (session === undefined) return STALE;
  const found = session.incoming.has(command.packetId);
  if (found) {
    state.changingQueue(session);
    session.incoming.delete(command.packetId);
  }
  return { kind: 'released', found };
}

/** What the client acknowledged leaves its queue; PUBREC only marks the message. */
export function settle(state: State, sink: StateSink, command: Settle): CommandResult {
  const session = state.live.get(command.epoch);
  if (session === undefined) return STALE;
  const queue = session.tracked;
  if (queue === null) return OK;
  state.changingQueue(session);
  const { ranges, received } = command;
  for (let at = 0; at < ranges.length; at += 2) {
    const first = ranges[at] as number;
    // What lies outside of the queue is settled already or was never sent: no range makes more work than the queue has.
    const end = Math.min(first + (ranges[at + 1] as number), queue.nextSequence);
    for (let sequence = Math.max(first, queue.headSequence); sequence < end; sequence++) {
      if (received) {
        const item = queue.get(sequence);
        if (item === null || item.qos !== 2 || item.state === ItemState.received) continue;
        queue.mark(sequence, ItemState.received);
        session.noteChanged(sequence);
      } else {
        const item = session.settle(queue, sequence);
        if (item !== null) state.release(item.message);
      }
    }
  }
  if (session.shares !== null) refill(state, sink, session);
  return OK;
}

/** Shared messages of QoS 2 that the owner is about to send: from here on they are this client's [MQTT-4.8.2-4]. */
export function begin(state: State, sink: StateSink, command: Begin): CommandResult {
  const session = state.live.get(command.epoch);
  if (session === undefined) return STALE;
  const queue = session.tracked;
  if (queue === null) return OK;
  state.changingQueue(session);
  const { ranges } = command;
  for (let at = 0; at < ranges.length; at += 2) {
    const first = ranges[at] as number;
    const end = Math.min(first + (ranges[at + 1] as number), queue.nextSequence);
    for (let sequence = Math.max(first, queue.headSequence); sequence < end; sequence++) {
      const item = queue.get(sequence);
      if (item === null || item.qos !== 2 || item.share === 0 || item.state !== ItemState.queued) continue;
      queue.mark(sequence, ItemState.begun);
      session.noteChanged(sequence);
    }
  }
  sink.queued(session);
  return OK;
}

/** SUBSCRIBE has this place in the log: the retained messages it brings are the state exactly here. */
export function subscribe(state: State, sink: StateSink, command: Subscribe): CommandResult {
  const session = state.live.get(command.epoch);
  if (session === undefined) return STALE;
  state.changingSession(session);
  const reasonCodes: number[] = [];
  for (const request of command.subscriptions) {
    const { filter, qos, noLocal, retainAsPublished, retainHandling } = request;
    const isNew = !session.subscriptions.has(filter);
    const identifier = command.subscriptionIdentifier;
    const subscription: Subscription = { filter, qos, noLocal, retainAsPublished, retainHandling, identifier };
    session.subscriptions.set(filter, subscription);
    reasonCodes.push(qos);
    if (isShared(filter)) {
      // No retained messages (MQTT 5.0 section 4.8.2).
      join(state, session, subscription);
      refill(state, sink, session);
      continue;
    }
    state.subscriptions.set(session, subscription);
    if (retainHandling === 0 || (retainHandling === 1 && isNew)) sendRetained(state, sink, session, subscription);
  }
  return { kind: 'reasonCodes', reasonCodes };
}

function sendRetained(state: State, sink: StateSink, session: Session, subscription: Subscription): void {
  const { filter } = subscription;
  const found: Message[] = [];
  const all = state.retained.match(filter, (message) => found.push(message), StateLimits.retainedWalk);
  const identifiers = subscription.identifier === null ? null : [subscription.identifier];
  if (!all) return requestRetained(state, sink, session, subscription, identifiers);
  // The tree's order depends on how it grew; a restored one grew differently. The log's order is the same everywhere.
  found.sort((a, b) => a.id - b.id);
  for (const message of found) {
    // Expired since the last Tick, which will take it out.
    if (message.expiresAtMs <= state.nowMs) continue;
    const qos = message.qos < subscription.qos ? message.qos : subscription.qos;
    handOver(state, sink, session, message, qos, true, identifiers);
  }
}

/**
 * So many that no node may stand still for them. What goes through the replicated queue has to be there when the entry
 * is applied, oldest first; the first one that the queue has no room for ends it, and is counted for all behind it. The
 * rest concerns the session's owner alone.
 */
function requestRetained(
  state: State,
  sink: StateSink,
  session: Session,
  { filter, qos: maximumQoS }: Subscription,
  identifiers: readonly number[] | null,
): void {
  const { queue } = session;
  const cursor = newCursor();
  if (queue !== null && maximumQoS > 0) {
    for (let message = state.retained.next(cursor); message !== null; message = state.retained.next(cursor)) {
      if (message.qos === 0 || message.expiresAtMs <= state.nowMs || !topicMatches(filter, message.topic)) continue;
      const { count } = queue;
      const qos = message.qos < maximumQoS ? message.qos : maximumQoS;
      handOver(state, sink, session, message, qos, true, identifiers);
      if (queue.count === count) break;
    }
  }
  sink.retainedRequested?.(session, { filter, qos: maximumQoS, identifiers, endId: state.nextMessageId });
}

export function unsubscribe(state: State, sink: StateSink, command: Unsubscribe): CommandResult {
  const session = state.live.get(command.epoch);
  if (session === undefined) return STALE;
  state.changingSession(session);
  const reasonCodes = command.filters.map((filter) => {
    if (!session.subscriptions.delete(filter)) return ReasonCode.noSubscriptionExisted;
    if (isShared(filter)) {
      leave(state, session, filter);
      // With a hash strategy, what waited for this member is another's now.
      const group = state.groupsByName.get(filter);
      if (group !== undefined) dispatch(state, sink, group, endOfStep(state));
    } else state.subscriptions.delete(session, filter);
    return ReasonCode.success;
  });
  return { kind: 'reasonCodes', reasonCodes };
}
