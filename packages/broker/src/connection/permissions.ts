import { parseSharedFilter, type QoS, topicMatches } from '@quorate/protocol';
import type { Grant } from '../access.ts';
import type { Session } from '../state/index.ts';
import type { Client } from './client.ts';

/** Whether a filter may be subscribed to; a shared one is asked for without its group. */
export function maySubscribe(grant: Grant, filter: string, qos: QoS): boolean {
  return grant.maySubscribe(parseSharedFilter(filter)?.filter ?? filter, qos);
}

/**
 * Whether a message that is on its way to the client may reach it, whatever subscription it came by: the client may
 * subscribe to its very topic, or has a subscription that it may have and that matches.
 */
export function mayReceive(grant: Grant, session: Session | null, topic: string, qos: QoS): boolean {
  if (grant.maySubscribe(topic, qos)) return true;
  if (session === null) return false;
  for (const subscription of session.subscriptions.values()) {
    const filter = parseSharedFilter(subscription.filter)?.filter ?? subscription.filter;
    if (topicMatches(filter, topic) && grant.maySubscribe(filter, subscription.qos)) return true;
  }
  return false;
}

/**
 * Whether the will counts at the end of a connection: not when the client never had its CONNACK, and not when it may not
 * publish it any more.
 */
export function willCounts(client: Client): boolean {
  const { phase, grant, session, broker } = client;
  if (phase !== 'live') return false;
  const will = session?.will ?? null;
  if (grant === null || will === null) return true;
  if (grant.revoked() === null && grant.mayPublish(will.topic, will.qos, will.retain)) return true;
  broker.denials.add(client, 'will', will.topic);
  return false;
}

/** Whether the time of its credentials is over. A client that leaves is let go by itself. */
export function hasExpired({ grant, phase }: Client, nowMs: number): boolean {
  return grant !== null && nowMs >= grant.expiresAtMs && phase !== 'leaving';
}
