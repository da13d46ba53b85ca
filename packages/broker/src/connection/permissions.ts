import { parseSharedFilter, type QoS, topicMatches, type Will } from '@quorate/protocol';
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

/** Whether the will of a client that is live may be published at the end of its connection: it need not be so any more. */
export function mayPublishWill({ grant, session }: Client, will: Will | null = session?.will ?? null): boolean {
  if (grant === null || will === null) return true;
  return grant.revoked() === null && grant.mayPublish(will.topic, will.qos, will.retain);
}
