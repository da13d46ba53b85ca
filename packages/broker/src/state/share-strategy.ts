import type { Limits } from './limits.ts';
import type { Message } from './message.ts';
import type { MessageQueue } from './queue.ts';
import type { Session } from './session.ts';
import { positionAfter, type ShareGroup, type ShareMember } from './share-group.ts';

/** How a share group chooses the member for a message. Their places are stored: add at the end, never change one. */
export const SHARED_STRATEGIES = ['round_robin', 'sticky', 'hash_client_id', 'hash_topic'] as const;
export type SharedStrategy = (typeof SHARED_STRATEGIES)[number];
export const DEFAULT_SHARED_STRATEGY: SharedStrategy = 'round_robin';

/** What a choice goes by: of a `State`. */
export interface ShareRules {
  readonly sharedStrategy: SharedStrategy;
  readonly limits: Limits;
}

/** Which members may be chosen: `queueing` are those above QoS 0, for whom alone a group keeps messages. */
export type Among = 'any' | 'queueing' | 'qos0';

/** FNV-1a over UTF-16 code units, as a signed 32-bit integer. The same on every node. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

/** The finalizer of MurmurHash3: every bit of the input changes every bit of the output with even chances. */
function mixed(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export function isHash(strategy: SharedStrategy): boolean {
  return strategy === 'hash_client_id' || strategy === 'hash_topic';
}

/**
 * The connected member that a message is for, or null when none has room. Changes nothing: `last` is whom the group chose
 * before. A message of QoS 0 needs no room.
 */
export function pick(
  group: ShareGroup,
  rules: ShareRules,
  message: Message,
  last: number,
  among: Among,
): ShareMember | null {
  const strategy = rules.sharedStrategy;
  if (isHash(strategy)) return pickByHash(group, rules, message, among);
  const { connected } = group;
  const after = positionAfter(connected, last);
  if (strategy === 'sticky') {
    const same = connected[after - 1];
    if (same?.session.number === last && takes(same, rules, message, among)) return same;
  }
  for (let count = 0, at = after; count < connected.length; count++, at++) {
    if (at >= connected.length) at = 0;
    const member = connected[at] as ShareMember;
    if (takes(member, rules, message, among)) return member;
  }
  return null;
}

/** Rendezvous hashing: only the part of a member that comes or goes changes hands. A full one is waited for: order. */
function pickByHash(group: ShareGroup, rules: ShareRules, message: Message, among: Among): ShareMember | null {
  const key = rules.sharedStrategy === 'hash_topic' ? hashOf(message.topic) : message.publisherHash;
  let best: ShareMember | null = null;
  let highest = -1;
  for (const member of group.connected) {
    if (!isAmong(member, among)) continue;
    const weight = mixed(member.hash ^ key);
    if (weight <= highest) continue;
    highest = weight;
    best = member;
  }
  return best !== null && takes(best, rules, message, among) ? best : null;
}

function isAmong({ subscription }: ShareMember, among: Among): boolean {
  return among === 'any' || (subscription.qos === 0) === (among === 'qos0');
}

function takes(member: ShareMember, rules: ShareRules, message: Message, among: Among): boolean {
  if (!isAmong(member, among)) return false;
  return message.qos === 0 || member.subscription.qos === 0 || hasRoom(member.session, rules, message);
}

/**
 * Whether a session may be given one more shared message of QoS 1 or 2. With a hash strategy the message is for nobody
 * else, so it waits in the member's own queue, as for an ordinary subscriber; else what the client can not be sent yet is
 * better off where any member can have it.
 */
export function hasRoom(session: Session, { sharedStrategy, limits }: ShareRules, message: Message): boolean {
  const queue = session.tracked;
  if (queue === null || !hasRoomFor(queue, message, limits)) return false;
  if (isHash(sharedStrategy)) return true;
  return session.held < Math.min(session.receiveMaximum, limits.sharedInflightPerSession);
}

/** Whether a session's replicated queue takes one message more. */
export function hasRoomFor(queue: MessageQueue, message: Message, limits: Limits): boolean {
  return (
    queue.count < limits.queuedMessagesPerSession && queue.sizeBytes + message.sizeBytes <= limits.queuedBytesPerSession
  );
}
