import { parseSharedFilter } from '@quorate/protocol';
import { type Limits, StateLimits } from './limits.ts';
import type { Message } from './message.ts';
import { ItemState, MessageQueue } from './queue.ts';
import type { Session, Subscription } from './session.ts';
import { ShareGroup, type ShareMember } from './share-group.ts';
import { hashOf, hasRoom, isHash, pick, type SharedStrategy } from './share-strategy.ts';
import type { StateSink } from './sink.ts';
import type { State } from './state.ts';

const DOLLAR = 0x24;

/** Shared subscriptions: members come and go, messages are given out and taken back (DESIGN.md, "Shared subscriptions"). */

/** Whether a subscription to this filter is a shared one. */
export function isShared(filter: string): boolean {
  return filter.charCodeAt(0) === DOLLAR && parseSharedFilter(filter) !== null;
}

// Messages.

/** A message for a share group: to one of its connected members, or into its queue. */
export function offer(state: State, sink: StateSink, group: ShareGroup, message: Message, publisher: Session): void {
  const { queue } = group;
  if (state.handing.has(group)) dispatch(state, sink, group, endOfStep(state));
  // Behind what waits: no member above QoS 0 has room, and one of QoS 0 takes no part in the queue.
  const waits = message.qos > 0 && queue.count > 0;
  if (!waits || group.queueing < group.members.size) {
    const member = pick(group, state, message, group.last, waits ? 'qos0' : 'any');
    if (member !== null) return give(state, sink, group, member, message);
  }
  if (message.qos === 0 || group.queueing === 0) return;
  const { first } = queue;
  if (!hasRoomInQueue(group, message, state.limits)) makeRoom(state, sink, group, message, publisher);
  if (hasRoomInQueue(group, message, state.limits)) {
    state.changingGroup(group);
    queue.push(message);
    message.references++;
  } else sink.dropped(publisher, 'shareQueueFull');
  // What was given up may be all that another member with room waited behind.
  if (queue.first !== first && first !== null) dispatch(state, sink, group, endOfStep(state));
}

function hasRoomInQueue({ queue }: ShareGroup, message: Message, limits: Limits): boolean {
  return (
    queue.count < limits.queuedMessagesPerGroup && queue.sizeBytes + message.sizeBytes <= limits.queuedBytesPerGroup
  );
}

/** As with a session's full queue: only from the front, so that a message costs no scan of the queue. */
function makeRoom(state: State, sink: StateSink, group: ShareGroup, message: Message, publisher: Session): void {
  const { queue } = group;
  const { limits, fullQueuePolicy } = state;
  const givesUpOldest = fullQueuePolicy === 'drop_oldest' && message.sizeBytes <= limits.queuedBytesPerGroup;
  for (let { first } = queue; first !== null; { first } = queue) {
    const hasExpired = first.expiresAtMs <= state.nowMs;
    if (!hasExpired && (!givesUpOldest || hasRoomInQueue(group, message, limits))) return;
    state.changingGroup(group);
    state.release(queue.shift());
    state.effort++;
    sink.dropped(publisher, hasExpired ? 'expired' : 'shareQueueFull');
  }
}

function give(state: State, sink: StateSink, group: ShareGroup, member: ShareMember, message: Message): void {
  const { session, subscription, identifiers } = member;
  if (group.last !== session.number && !isHash(state.sharedStrategy)) {
    state.changingGroup(group);
    group.last = session.number;
  }
  state.effort++;
  const qos = message.qos < subscription.qos ? message.qos : subscription.qos;
  const retain = message.retain && subscription.retainAsPublished;
  const queue = session.tracked;
  if (qos === 0 || queue === null) {
    sink.deliver(session, message, qos, retain, identifiers);
    return;
  }
  state.changingQueueEnd(session);
  queue.push({
    message,
    qos,
    retain,
    subscriptionIdentifiers: identifiers,
    state: ItemState.queued,
    share: group.number,
  });
  message.references++;
  session.held++;
  sink.queued(session);
}

/** Gives out the oldest of the queue to a member that has room for it. */
function giveFirst(state: State, sink: StateSink, group: ShareGroup, member: ShareMember): void {
  state.changingGroup(group);
  const message = group.queue.shift();
  // [MQTT-3.3.2-5]
  if (message.expiresAtMs <= state.nowMs) {
    state.effort++;
    sink.dropped(member.session, 'expired');
  } else give(state, sink, group, member, message);
  state.release(message);
}

/** How far the effort of one step may go from here. */
export function endOfStep(state: State): number {
  return state.effort + StateLimits.effortPerTick;
}

/**
 * Gives out of the queue what members have room for: with a hash strategy that may be all of it. As long as the effort is
 * below `end`; the next Tick goes on with the rest.
 */
export function dispatch(state: State, sink: StateSink, group: ShareGroup, end: number): void {
  const { queue } = group;
  for (let message = queue.first; message !== null; message = queue.first) {
    if (state.effort >= end) {
      state.handing.add(group);
      return;
    }
    const member = pick(group, state, message, group.last, 'queueing');
    if (member === null) break;
    giveFirst(state, sink, group, member);
  }
  state.handing.delete(group);
}

/** Goes on with what steps before did not get to, in the same order on every node. */
export function handOut(state: State, sink: StateSink, end: number): void {
  if (state.handing.size === 0) return;
  const groups = [...state.handing].sort((a, b) => a.number - b.number);
  for (const group of groups) dispatch(state, sink, group, end);
}

/** While a state is restored. */
export function findHanding(state: State): void {
  for (const group of state.groups.values()) {
    const { first } = group.queue;
    if (first !== null && pick(group, state, first, group.last, 'queueing') !== null) state.handing.add(group);
  }
}

/**
 * A connected session may have room: it gets of what its groups keep, oldest first. Nobody else had room for that, but
 * others may have for a smaller one behind it.
 */
export function refill(state: State, sink: StateSink, session: Session): void {
  const { shares } = session;
  if (shares === null) return;
  const end = endOfStep(state);
  if (isHash(state.sharedStrategy)) {
    for (const group of shares) dispatch(state, sink, group, end);
    return;
  }
  for (let group = neediest(state, session, shares); group !== null; group = neediest(state, session, shares)) {
    const { sizeBytes } = group.queue.first as Message;
    giveFirst(state, sink, group, group.members.get(session.number) as ShareMember);
    const { first } = group.queue;
    if (first !== null && first.sizeBytes < sizeBytes) dispatch(state, sink, group, end);
  }
}

/** Of a session's groups the one with the oldest message that the session has room for. */
function neediest(state: State, session: Session, shares: readonly ShareGroup[]): ShareGroup | null {
  let found: ShareGroup | null = null;
  let oldest = Number.POSITIVE_INFINITY;
  for (const group of shares) {
    const { first } = group.queue;
    if (first === null || first.id >= oldest || group.members.get(session.number)?.subscription.qos === 0) continue;
    if (!hasRoom(session, state, first)) continue;
    found = group;
    oldest = first.id;
  }
  return found;
}

// Members.

/** A connected session subscribes to `$share/...`, or changes its subscription. Its own record is about to be written. */
export function join(state: State, session: Session, subscription: Subscription): void {
  const { filter, qos } = subscription;
  let group = state.groupsByName.get(filter);
  if (group === undefined) {
    group = new ShareGroup(state.nextSessionNumber++, filter);
    state.addGroup(group);
  }
  if (qos > 0 && session.queue === null) session.ledger ??= new MessageQueue();
  addMember(state, group, session, subscription);
  keepNothingForNobody(state, group);
}

/** Also while a state is restored, when the group is known. */
export function addMember(state: State, group: ShareGroup, session: Session, subscription: Subscription): void {
  const { identifier } = subscription;
  if (!group.members.has(session.number)) {
    state.subscriptions.sharedCount++;
    const shares = session.shares ?? [];
    session.shares = [...shares, group].sort((a, b) => a.number - b.number);
  }
  const identifiers = identifier === null ? null : [identifier];
  group.set({ session, subscription, identifiers, hash: hashOf(session.clientId) });
}

/** A session has one of its shared subscriptions no longer. */
export function leave(state: State, session: Session, name: string): void {
  const group = state.groupsByName.get(name);
  if (group === undefined || !group.members.has(session.number)) return;
  state.subscriptions.sharedCount--;
  group.delete(session.number);
  const shares = session.shares?.filter((other) => other !== group) ?? [];
  session.shares = shares.length > 0 ? shares : null;
  keepNothingForNobody(state, group);
  if (group.members.size === 0) state.removeGroup(group);
}

/** What a group keeps is for its members above QoS 0, and goes with the last of them. */
function keepNothingForNobody(state: State, group: ShareGroup): void {
  const { queue } = group;
  if (group.queueing > 0 || queue.count === 0) return;
  state.changingGroup(group);
  while (queue.count > 0) {
    state.release(queue.shift());
    state.effort++;
  }
}

/** A session has an owner. */
export function connected(state: State, sink: StateSink, session: Session): void {
  const { shares } = session;
  if (shares === null) return;
  for (const group of shares) group.connect(group.members.get(session.number) as ShareMember);
  refill(state, sink, session);
}

/**
 * Connections of these sessions are about to end, all at once. What their clients had not acknowledged goes to others,
 * except a QoS 2 message whose delivery may have begun [MQTT-4.8.2-4].
 * @param keeps the session goes on at once under a new connection of its client, with what it has
 */
export function disconnecting(state: State, sink: StateSink, sessions: readonly Session[], keeps: boolean): void {
  const affected = new Set<ShareGroup>();
  const returned = new Map<ShareGroup, Message[]>();
  for (const session of sessions) {
    for (const group of session.shares ?? []) {
      group.disconnect(session.number);
      affected.add(group);
    }
    if (!keeps && session.held > 0) takeBack(state, session, returned);
  }
  for (const [group, messages] of returned) {
    affected.add(group);
    if (group.queueing > 0) {
      state.changingGroup(group);
      group.queue.putBack(messages);
    } else for (const message of messages) state.release(message);
  }
  // Not earlier: nothing is to be given to a member that goes in the same moment.
  const end = endOfStep(state);
  for (const group of affected) dispatch(state, sink, group, end);
}

/** Takes out of a session's queue what may go to others; the references go with the messages. */
function takeBack(state: State, session: Session, returned: Map<ShareGroup, Message[]>): void {
  const queue = session.tracked;
  if (queue === null) return;
  state.changingQueue(session);
  const { nextSequence } = queue;
  for (let sequence = queue.headSequence; sequence < nextSequence; sequence++) {
    const item = queue.get(sequence);
    if (item === null || (item.qos === 2 && item.state !== ItemState.queued)) continue;
    const group = state.groups.get(item.share);
    if (group === undefined) continue;
    session.settle(queue, sequence);
    state.effort++;
    const messages = returned.get(group);
    if (messages === undefined) returned.set(group, [item.message]);
    else messages.push(item.message);
  }
}

/** Any member may have room. */
export function dispatchAll(state: State, sink: StateSink): void {
  const end = endOfStep(state);
  for (const group of state.groups.values()) if (group.queue.count > 0) dispatch(state, sink, group, end);
}

/** The cluster shares by another strategy from here on. What waits is given out by it; what was given stays. */
export function setSharedStrategy(state: State, sink: StateSink, strategy: SharedStrategy): void {
  if (state.sharedStrategy === strategy) return;
  state.dirty.sharedStrategy = true;
  state.sharedStrategy = strategy;
  dispatchAll(state, sink);
}
