import { parseSharedFilter, topicMatches } from '@quorate/protocol';
import type { Client } from '../client/client.ts';
import type { Received } from '../client/receiving.ts';
import { demand } from '../world/violation.ts';

/** A message that may come to share groups. */
interface Publication {
  readonly payload: string;
  readonly topic: string;
  readonly qos: 1 | 2;
  readonly sentMs: number;
  /** Its publisher's session lasts: what is sent again is known to be the same. */
  readonly once: boolean;
  acknowledged: boolean;
}

/** One share group, as its members know it. */
interface Group {
  readonly filter: string;
  /** Since a member of a session that lasts has subscribed; nothing that is acknowledged later may be lost. */
  sinceMs: number;
  /** One of its members has sessions that end with their connections: what QoS 2 had begun there ends with them. */
  losesQoS2: boolean;
  /** Deliveries by payload, over all members. */
  readonly counts: Map<string, number>;
  /** How many publications, from the first on, need not be looked at again: they came, or it need not get them. */
  settled: number;
}

/** Shared subscriptions: each message to one member, QoS 2 once, and nothing acknowledged is stranded. */
export class ShareChecker {
  readonly #nowMs: () => number;
  readonly #publications = new Map<string, Publication>();
  /** The same in their order. */
  readonly #ordered: Publication[] = [];
  readonly #groups = new Map<string, Group>();
  delivered = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** The share group that a client is in for all it does, or null. */
  static nameOf({ plan }: Client): string | null {
    const [first] = plan.subscriptions;
    return first !== undefined && parseSharedFilter(first.filter) !== null ? first.filter : null;
  }

  publishing({ plan }: Client, topic: string, payload: string, qos: 0 | 1 | 2, expires: boolean): void {
    if (payload === '' || qos === 0 || expires || this.#publications.has(payload)) return;
    const once = qos === 2 && !plan.clean && plan.expirySec === null;
    const publication = { payload, topic, qos, once, sentMs: this.#nowMs(), acknowledged: false };
    this.#publications.set(payload, publication);
    this.#ordered.push(publication);
  }

  acknowledged(payload: string): void {
    const publication = this.#publications.get(payload);
    if (publication !== undefined) publication.acknowledged = true;
  }

  subscribed(client: Client, filter: string): void {
    const parsed = parseSharedFilter(filter);
    if (parsed === null) return;
    const group = this.#groupOf(filter, parsed.filter);
    if (client.plan.clean) group.losesQoS2 = true;
    else group.sinceMs = Math.min(group.sinceMs, this.#nowMs());
  }

  #groupOf(name: string, filter: string): Group {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { filter, sinceMs: Number.POSITIVE_INFINITY, losesQoS2: false, counts: new Map(), settled: 0 };
      this.#groups.set(name, group);
    }
    return group;
  }

  delivery(client: Client, name: string, { payload, qos }: Received): void {
    this.delivered++;
    const group = this.#groups.get(name);
    const publication = this.#publications.get(payload);
    // A message of QoS 0, or one that comes with the first SUBACK.
    if (publication === undefined || group === undefined) return;
    const count = (group.counts.get(payload) ?? 0) + 1;
    group.counts.set(payload, count);
    demand(
      qos !== 2 || !publication.once || count === 1,
      'shared-once',
      () => `${client.name} got ${payload} at QoS 2, which is delivery ${count} in ${name}`,
    );
  }

  /** Acknowledged messages that no member of a group has got yet: at most `limit` of them, as sentences. */
  missing(limit: number): string[] {
    const missing: string[] = [];
    for (const [name, group] of this.#groups) {
      let unbroken = true;
      for (let at = group.settled; at < this.#ordered.length; at++) {
        if (missing.length >= limit) return missing;
        const publication = this.#ordered[at] as Publication;
        const due = isDue(group, publication);
        if (unbroken && !due) group.settled = at + 1;
        else unbroken = false;
        const { payload, topic, qos, acknowledged } = publication;
        if (due && acknowledged) missing.push(`nobody of ${name} has got ${payload} (${topic}, QoS ${qos})`);
      }
    }
    return missing;
  }
}

/** Whether a group has yet to get a message once that is acknowledged. */
function isDue({ filter, sinceMs, losesQoS2, counts }: Group, { payload, topic, qos, sentMs }: Publication): boolean {
  if (sentMs <= sinceMs || (qos === 2 && losesQoS2) || counts.has(payload)) return false;
  return topicMatches(filter, topic);
}
