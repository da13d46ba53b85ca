import type { QoS } from '@quorate/protocol';
import type { Session, Subscription } from './session.ts';
import { FilterTree } from './topic-tree.ts';

/** All subscriptions of one session that match a topic, taken together: it gets one copy (MQTT 5.0 section 3.3.4). */
export interface Target {
  readonly session: Session;
  /** The highest granted QoS among the matching subscriptions. */
  readonly qos: QoS;
  readonly retainAsPublished: boolean;
  readonly subscriptionIdentifiers: readonly number[] | null;
  /** Some matching subscription has No Local: ask `withoutNoLocal` when the client itself published. */
  readonly noLocal: boolean;
  readonly subscriptions: readonly Subscription[];
}

interface Held {
  readonly session: Session;
  readonly subscription: Subscription;
}

/** Topics whose targets are remembered; a fleet's hot topics fit, a scan of topics does not grow it. */
const CACHED_TOPICS = 16_384;

/** Every subscription of the cluster, with the matches of recent topics remembered until a subscription changes. */
export class SubscriptionTable {
  readonly #tree = new FilterTree<Held>();
  readonly #cache = new Map<string, readonly Target[]>();

  get size(): number {
    return this.#tree.size;
  }

  set(session: Session, subscription: Subscription): void {
    this.#tree.set(subscription.filter, session.number, { session, subscription });
    this.#forget();
  }

  delete(session: Session, filter: string): boolean {
    const found = this.#tree.delete(filter, session.number);
    if (found) this.#forget();
    return found;
  }

  #forget(): void {
    if (this.#cache.size > 0) this.#cache.clear();
  }

  match(topic: string): readonly Target[] {
    const cached = this.#cache.get(topic);
    if (cached !== undefined) return cached;
    const bySession = new Map<Session, Subscription[]>();
    this.#tree.match(topic, ({ session, subscription }) => {
      const held = bySession.get(session);
      if (held === undefined) bySession.set(session, [subscription]);
      else held.push(subscription);
    });
    const targets: Target[] = [];
    for (const [session, subscriptions] of bySession) targets.push(combine(session, subscriptions));
    if (this.#cache.size >= CACHED_TOPICS) this.#cache.clear();
    this.#cache.set(topic, targets);
    return targets;
  }
}

function combine(session: Session, subscriptions: readonly Subscription[]): Target {
  let qos: QoS = 0;
  let retainAsPublished = false;
  let noLocal = false;
  const identifiers: number[] = [];
  for (const subscription of subscriptions) {
    if (subscription.qos > qos) qos = subscription.qos;
    if (subscription.retainAsPublished) retainAsPublished = true;
    if (subscription.noLocal) noLocal = true;
    if (subscription.identifier !== null) identifiers.push(subscription.identifier);
  }
  identifiers.sort((a, b) => a - b);
  return {
    session,
    qos,
    retainAsPublished,
    subscriptionIdentifiers: identifiers.length > 0 ? identifiers : null,
    noLocal,
    subscriptions,
  };
}

/** The target when the session's own client published: No Local subscriptions do not count [MQTT-3.8.3-3]. */
export function withoutNoLocal(target: Target): Target | null {
  const others = target.subscriptions.filter((subscription) => !subscription.noLocal);
  return others.length === 0 ? null : combine(target.session, others);
}
