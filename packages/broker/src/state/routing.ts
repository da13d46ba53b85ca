import type { MessageProperties, QoS } from '@quorate/protocol';
import { Message } from './message.ts';
import { ItemState } from './queue.ts';
import type { Session } from './session.ts';
import { hashOf, hasRoomFor } from './share-strategy.ts';
import { offer } from './sharing.ts';
import type { StateSink } from './sink.ts';
import type { State } from './state.ts';
import { withoutNoLocal } from './subscription-table.ts';

export interface Publication {
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: MessageProperties | null;
  readonly payload: Uint8Array;
}

/** What became of a publication. */
export type Routed = 'matched' | 'noMatch' | 'retainedQuotaExceeded';

/** Gives a message its place in the order of all messages, retains it if asked, and hands it to every subscriber. */
export function route(state: State, sink: StateSink, publisher: Session, publication: Publication): Routed {
  const { topic, qos, retain, properties, payload } = publication;
  const { targets, groups } = state.subscriptions.matchAll(topic);
  const matched = targets.length > 0 || groups.length > 0;
  if (!matched && !retain) return 'noMatch';
  const expiry = properties?.messageExpiryIntervalSec;
  const expiresAtMs = expiry === undefined ? Number.POSITIVE_INFINITY : state.nowMs + expiry * 1000;
  const message = new Message(state.nextMessageId++, topic, qos, retain, properties, expiresAtMs, payload);
  if (retain && !keepRetained(state, sink, message)) {
    // A will and a QoS 0 message have nobody who could be told.
    sink.dropped(publisher, 'retainedQuotaExceeded');
    return 'retainedQuotaExceeded';
  }
  state.effort += targets.length;
  for (let target of targets) {
    if (target.noLocal && target.session === publisher) {
      const others = withoutNoLocal(target);
      if (others === null) continue;
      target = others;
    }
    const grantedQoS = qos < target.qos ? qos : target.qos;
    handOver(
      state,
      sink,
      target.session,
      message,
      grantedQoS,
      retain && target.retainAsPublished,
      target.subscriptionIdentifiers,
    );
  }
  if (groups.length > 0) {
    message.publisherHash = hashOf(publisher.clientId);
    for (const group of groups) offer(state, sink, group, message, publisher);
  }
  return matched ? 'matched' : 'noMatch';
}

/** [MQTT-3.3.1-5] to [MQTT-3.3.1-7]: the newest retained message of a topic replaces the older, an empty payload removes it. */
function keepRetained(state: State, sink: StateSink, message: Message): boolean {
  if (message.payload.length === 0) {
    const removed = state.retained.get(message.topic);
    if (removed !== undefined) {
      sink.retainedChanging?.(removed);
      state.changingRetained(message.topic);
      state.retained.delete(message.topic);
    }
    return true;
  }
  // A walk through a large tree misses the cache at each level: two for each message, this one and that of `set`.
  const replaced = state.retained.get(message.topic);
  if (!state.retained.hasRoomFor(message, replaced, state.limits)) return false;
  if (replaced !== undefined) sink.retainedChanging?.(replaced);
  state.changingRetained(message.topic);
  state.retained.set(message.topic, message);
  return true;
}

/** One message for one session: into its replicated queue, or to its connection if it has one. */
export function handOver(
  state: State,
  sink: StateSink,
  session: Session,
  message: Message,
  qos: QoS,
  retain: boolean,
  subscriptionIdentifiers: readonly number[] | null,
): void {
  const { queue } = session;
  if (qos === 0 || queue === null) {
    if (session.owner !== null) sink.deliver(session, message, qos, retain, subscriptionIdentifiers);
    return;
  }
  if (!hasRoomFor(queue, message, state.limits)) makeRoom(state, sink, session, message);
  if (!hasRoomFor(queue, message, state.limits)) {
    sink.dropped(session, 'queueFull');
    return;
  }
  state.changingQueueEnd(session);
  queue.push({ message, qos, retain, subscriptionIdentifiers, state: ItemState.queued, share: 0 });
  message.references++;
  if (session.owner !== null) sink.queued(session);
}

/**
 * A full queue without a client gives up what expired at its front [MQTT-3.3.2-5] and, if that is the policy, the oldest
 * message. Only there, so that a message costs no scan of the queue and leaves no holes, and nothing that the client may
 * have been sent: that exchange has to be finished.
 */
function makeRoom(state: State, sink: StateSink, session: Session, message: Message): void {
  const { queue } = session;
  if (session.owner !== null || queue === null) return;
  const { limits, fullQueuePolicy } = state;
  // One that is larger than a whole queue finds no room however much is given up for it.
  const givesUpOldest = fullQueuePolicy === 'drop_oldest' && message.sizeBytes <= limits.queuedBytesPerSession;
  while (queue.headSequence >= session.maybeSentBefore) {
    const item = queue.get(queue.headSequence);
    if (item === null) return;
    const hasExpired = item.message.expiresAtMs <= state.nowMs;
    if (!hasExpired && (!givesUpOldest || hasRoomFor(queue, message, limits))) return;
    state.changingQueue(session);
    session.settle(queue, queue.headSequence);
    state.release(item.message);
    state.effort++;
    sink.dropped(session, hasExpired ? 'expired' : 'queueFull');
  }
}
