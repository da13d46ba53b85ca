import type { QoS } from '@quorate/protocol';
import type { Session, Subscription } from './session.ts';
import type { ShareGroup } from './share-group.ts';
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

/** Whom a topic concerns: sessions in the order of their numbers, and share groups in the order of theirs. */
export interface Matched {
  readonly targets: readonly Target[];
  readonly groups: readonly ShareGroup[];
}

interface Held {
  readonly session: Session;
  readonly subscription: Subscription;
  /** The target when no other subscription of the session matches; made when it is first needed. */
  alone: Target | null;
}

/** Topics whose targets are remembered; a fleet's hot topics fit, a scan of topics does not grow it. */
const CACHED_TOPICS = 16_384;
/** Targets remembered over all topics: 16,384 topics with 10,000 subscribers each must not be. */
const CACHED_TARGETS = 262_144;
/** In UTF-16 code units. A name may have 65,535 bytes; names of that kind are looked up each time. */
const CACHED_TOPIC_LENGTH = 512;

const NONE: Matched = { targets: [], groups: [] };

/** Every subscription of the cluster, with the matches of recent topics remembered until a subscription changes them. */
export class SubscriptionTable {
  readonly #tree = new FilterTree<Held | ShareGroup>();
  readonly #cache = new Map<string, Matched>();
  #cachedTargets = 0;
  #groups = 0;
  /** Shared subscriptions; a share group is in the tree once for all of its members. */
  sharedCount = 0;

  /** Subscriptions of all sessions. */
  get size(): number {
    return this.#tree.size - this.#groups + this.sharedCount;
  }

  /** How much is remembered. */
  get cached(): { readonly topics: number; readonly targets: number } {
    return { topics: this.#cache.size, targets: this.#cachedTargets };
  }

  set(session: Session, subscription: Subscription): void {
    this.#tree.set(subscription.filter, session.number, { session, subscription, alone: null });
    this.#forget(subscription.filter);
  }

  delete(session: Session, filter: string): boolean {
    const found = this.#tree.delete(filter, session.number);
    if (found) this.#forget(filter);
    return found;
  }

  /** Groups and sessions share the tree's keys, and a group has a number that no session has. */
  addGroup(group: ShareGroup): void {
    this.#tree.set(group.filter, group.number, group);
    this.#groups++;
    this.#forget(group.filter);
  }

  deleteGroup(group: ShareGroup): void {
    if (!this.#tree.delete(group.filter, group.number)) return;
    this.#groups--;
    this.#forget(group.filter);
  }

  /** A filter without wildcards is the only topic that it matches: clients that come and go do not empty the cache. */
  #forget(filter: string): void {
    if (this.#cache.size === 0) return;
    if (filter.includes('+') || filter.includes('#')) {
      this.#clear();
      return;
    }
    const matched = this.#cache.get(filter);
    if (matched === undefined) return;
    this.#cache.delete(filter);
    this.#cachedTargets -= sizeOf(matched);
  }

  #clear(): void {
    this.#cache.clear();
    this.#cachedTargets = 0;
  }

  /** One target per session, in the order of their numbers: the same on a node that was restored and one that was not. */
  match(topic: string): readonly Target[] {
    return this.matchAll(topic).targets;
  }

  /** The same, and the share groups of the topic. */
  matchAll(topic: string): Matched {
    const cached = this.#cache.get(topic);
    if (cached !== undefined) return cached;
    const matched = this.#find(topic);
    if (topic.length > CACHED_TOPIC_LENGTH) return matched;
    const size = sizeOf(matched);
    if (this.#cache.size >= CACHED_TOPICS || this.#cachedTargets + size > CACHED_TARGETS) this.#clear();
    this.#cache.set(topic, matched);
    this.#cachedTargets += size;
    return matched;
  }

  #find(topic: string): Matched {
    const found: Held[] = [];
    let groups: ShareGroup[] | null = null;
    this.#tree.match(topic, (held) => {
      if ('session' in held) found.push(held);
      else {
        groups ??= [];
        groups.push(held);
      }
    });
    if (groups === null) return found.length === 0 ? NONE : { targets: targetsOf(found), groups: NONE.groups };
    return { targets: targetsOf(found), groups: (groups as ShareGroup[]).sort((a, b) => a.number - b.number) };
  }
}

function sizeOf({ targets, groups }: Matched): number {
  return targets.length + groups.length;
}

function targetsOf(found: Held[]): readonly Target[] {
  if (found.length > 1) found.sort((a, b) => a.session.number - b.session.number);
  const targets: Target[] = [];
  for (let at = 0; at < found.length; ) {
    const held = found[at] as Held;
    const { session } = held;
    const first = at++;
    while (at < found.length && (found[at] as Held).session === session) at++;
    if (at - first === 1) {
      held.alone ??= combine(session, [held.subscription]);
      targets.push(held.alone);
    } else {
      const matching = found.slice(first, at);
      targets.push(
        combine(
          session,
          matching.map((each) => each.subscription),
        ),
      );
    }
  }
  return targets;
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
