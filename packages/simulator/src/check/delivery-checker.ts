import { topicMatches } from '@quorate/protocol';
import type { Client } from '../client/client.ts';
import type { Received } from '../client/receiving.ts';
import { demand } from '../world/violation.ts';

/** A message that a client has published, as far as that client knows. */
interface Publication {
  readonly publisher: Client;
  /** Those of this publisher on this topic, in the order of first sending. */
  readonly stream: readonly Publication[];
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly payload: string;
  /** Its place among the messages of this publisher on this topic, in the order of first sending. */
  readonly place: number;
  readonly sentMs: number;
  acknowledged: boolean;
  /** It may vanish on its way. */
  readonly expires: boolean;
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
  /** By publisher and topic, that is by stream: the place of its newest message. */
  readonly newest: Map<readonly Publication[], number>;
}

/** P1, P4 and P5 as the clients see them: nothing acknowledged is lost, QoS 2 comes once, publishers' messages keep their order. */
export class DeliveryChecker {
  readonly #nowMs: () => number;
  readonly #isInLog: (payload: string) => boolean;
  readonly #publications = new Map<string, Publication>();
  /** By publisher and topic, in the order of first sending. */
  readonly #streams = new Map<string, Publication[]>();
  readonly #inboxes = new Map<string, Inbox>();
  readonly #standing = new Map<string, Standing[]>();
  /** Those of `#publications` that somebody may have to get, in their order. */
  readonly #lasting: Publication[] = [];
  /** By client id: how many of `#lasting`, from the first on, need not be looked at again. */
  readonly #settled = new Map<string, number>();
  delivered = 0;

  constructor(nowMs: () => number, isInLog: (payload: string) => boolean) {
    this.#nowMs = nowMs;
    this.#isInLog = isInLog;
  }

  get published(): number {
    return this.#publications.size;
  }

  publishing(publisher: Client, topic: string, payload: string, qos: 0 | 1 | 2, expires: boolean): void {
    if (payload === '') return;
    const known = this.#publications.get(payload);
    if (known !== undefined) {
      known.repeated = qos === 1;
      return;
    }
    const stream = this.#stream(publisher, topic);
    const sentMs = this.#nowMs();
    const place = stream.length;
    const state = { acknowledged: false, repeated: false };
    const publication = { publisher, stream, topic, payload, qos, place, sentMs, expires, ...state };
    stream.push(publication);
    this.#publications.set(payload, publication);
    if (qos > 0 && !expires) this.#lasting.push(publication);
  }

  #stream(publisher: Client, topic: string): Publication[] {
    const key = `${publisher.name} ${topic}`;
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = [];
      this.#streams.set(key, stream);
    }
    return stream;
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
    // One that expired was left out by one node, and is sent as a repetition by the next, which can not know.
    const leftOutBefore = publication.expires && message.dup;
    const ordered = count === 1 && !client.plan.contends && !publication.repeated && !leftOutBefore;
    if (ordered) this.#checkOrder(client, inbox, publication);
  }

  /** In the order of the publisher, and since the first one that came without leaving out what is in the log. */
  #checkOrder(client: Client, inbox: Inbox, publication: Publication): void {
    const { stream, topic, place, payload } = publication;
    const newest = inbox.newest.get(stream);
    inbox.newest.set(stream, place);
    if (newest === undefined) return;
    demand(
      place > newest,
      'P5-publisher-order',
      () => `${client.name} got ${payload} after ${stream[newest]?.payload} of the same publisher on ${topic}`,
    );
    const { churns, reads, expirySec } = client.plan;
    if (churns || reads.length > 0 || expirySec !== null) return;
    for (let at = newest + 1; at < place; at++) {
      const { payload: between, qos, repeated, expires } = stream[at] as Publication;
      demand(
        qos === 0 || repeated || expires || !this.#isInLog(between) || inbox.counts.has(between),
        'P5-gap',
        () => `${client.name} got ${payload} on ${topic} without ${between}, which is in the log before it`,
      );
    }
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
      // What it has got it has for ever, and of what was sent too early for it nothing is asked later.
      let settled = this.#settled.get(clientId) ?? 0;
      let unbroken = true;
      for (let at = settled; at < this.#lasting.length; at++) {
        const publication = this.#lasting[at] as Publication;
        const { payload, topic, qos, sentMs, acknowledged } = publication;
        const due = counts?.has(payload) !== true && isFor(standing, publication);
        if (unbroken && !due) settled = at + 1;
        else unbroken = false;
        if (!due || !acknowledged) continue;
        missing.push(`${clientId} has not got ${payload} (${topic}, QoS ${qos}, sent at ${Math.round(sentMs)})`);
        if (missing.length >= limit) break;
      }
      this.#settled.set(clientId, settled);
      if (missing.length >= limit) return missing;
    }
    return missing;
  }
}

/** Whether one of the subscriptions, of which none began later than now, must bring it. */
function isFor(standing: readonly Standing[], { sentMs, topic }: Publication): boolean {
  return standing.some(({ filter, qos, sinceMs }) => qos > 0 && sinceMs < sentMs && topicMatches(filter, topic));
}
