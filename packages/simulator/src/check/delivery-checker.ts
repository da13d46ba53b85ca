import { topicMatches } from '@quorate/protocol';
import type { Client } from '../client/client.ts';
import type { Received } from '../client/receiving.ts';
import { demand } from '../world/violation.ts';

/** A message that a client has published, as far as that client knows. */
interface Publication {
  readonly publisher: Client;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly number: number;
  readonly sentMs: number;
  acknowledged: boolean;
  /** QoS 1, and sent again on another connection: it may stand in the log twice, with others in between. */
  repeated: boolean;
}

/** A subscription that was acknowledged and never ended. */
interface Standing {
  readonly filter: string;
  readonly qos: number;
  readonly sinceMs: number;
}

/** What somebody got: a client id whose session persists, or one connection of a client whose session does not. */
interface Inbox {
  /** By payload: how often. */
  readonly counts: Map<string, number>;
  /** By publisher and topic: the number of its newest message. */
  readonly newest: Map<string, number>;
}

/** P1, P4 and P5 as the clients see them: nothing acknowledged is lost, QoS 2 comes once, publishers' messages keep their order. */
export class DeliveryChecker {
  readonly #nowMs: () => number;
  readonly #publications = new Map<string, Publication>();
  readonly #inboxes = new Map<string, Inbox>();
  readonly #standing = new Map<string, Standing[]>();
  delivered = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get published(): number {
    return this.#publications.size;
  }

  publishing(publisher: Client, topic: string, payload: string, qos: 0 | 1 | 2): void {
    if (payload === '') return;
    const known = this.#publications.get(payload);
    if (known !== undefined) {
      known.repeated = qos === 1;
      return;
    }
    const number = Number(payload.slice(payload.lastIndexOf('/') + 1));
    const sentMs = this.#nowMs();
    this.#publications.set(payload, { publisher, topic, qos, number, sentMs, acknowledged: false, repeated: false });
  }

  acknowledged(payload: string): void {
    const publication = this.#publications.get(payload);
    if (publication !== undefined) publication.acknowledged = true;
  }

  subscribed(client: Client, filter: string, qos: number): void {
    const { clientId, clean, expirySec, churns, reads } = client.plan;
    if (clean || expirySec !== null || churns || reads.length > 0) return;
    const standing = this.#standing.get(clientId) ?? [];
    this.#standing.set(clientId, standing);
    if (!standing.some((other) => other.filter === filter)) standing.push({ filter, qos, sinceMs: this.#nowMs() });
  }

  delivery(client: Client, message: Received): void {
    this.delivered++;
    const publication = this.#publications.get(message.payload);
    demand(
      publication?.topic === message.topic,
      'phantom',
      () => `${client.name} got ${message.payload} on ${message.topic}, which nobody published there`,
    );
    if (message.qos === 0 || message.retain) return;
    const inbox = this.#inboxOf(client);
    const count = (inbox.counts.get(message.payload) ?? 0) + 1;
    inbox.counts.set(message.payload, count);
    const once =
      message.qos === 2 && !publication.publisher.plan.clean && publication.publisher.plan.expirySec === null;
    demand(
      !once || count === 1 || client.plan.contends,
      'P4-exactly-once',
      () => `${client.name} got ${message.payload} ${count} times at QoS 2`,
    );
    if (count === 1 && !client.plan.contends && !publication.repeated)
      this.#checkOrder(client, inbox, publication, message);
  }

  #checkOrder(client: Client, inbox: Inbox, publication: Publication, message: Received): void {
    const key = `${publication.publisher.name} ${message.topic}`;
    const newest = inbox.newest.get(key) ?? 0;
    demand(
      publication.number > newest,
      'P5-publisher-order',
      () => `${client.name} got ${message.payload} after number ${newest} of the same publisher on ${message.topic}`,
    );
    inbox.newest.set(key, publication.number);
  }

  #inboxOf(client: Client): Inbox {
    const key = client.plan.clean ? `${client.name}#${client.connections}` : client.plan.clientId;
    let inbox = this.#inboxes.get(key);
    if (inbox === undefined) {
      inbox = { counts: new Map(), newest: new Map() };
      this.#inboxes.set(key, inbox);
    }
    return inbox;
  }

  /** Acknowledged messages that a standing subscription has not got yet: at most `limit` of them, as sentences. */
  missing(limit: number): string[] {
    const missing: string[] = [];
    for (const [clientId, standing] of this.#standing) {
      const counts = this.#inboxes.get(clientId)?.counts;
      for (const [payload, { topic, qos, sentMs, acknowledged }] of this.#publications) {
        if (!acknowledged || qos === 0 || (counts?.get(payload) ?? 0) > 0) continue;
        const matches = standing.some(
          (other) => other.qos > 0 && other.sinceMs < sentMs && topicMatches(other.filter, topic),
        );
        if (matches)
          missing.push(`${clientId} has not got ${payload} (${topic}, QoS ${qos}, sent at ${Math.round(sentMs)})`);
        if (missing.length >= limit) return missing;
      }
    }
    return missing;
  }
}
