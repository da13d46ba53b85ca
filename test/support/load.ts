import { Roamer, type RoamerOptions } from './roamer.ts';
import { assert } from './suite.ts';
import { waitFor } from './wait.ts';

/*
 * Load that keeps books: publishers number their messages and know which of them were acknowledged, subscribers know
 * which arrived how often and in which order. `checkDelivery` compares the two.
 */

/**
 * A publisher that loses no connection waits no longer than this for an acknowledgement, whatever happens to a minority.
 * How long it really takes is for benchmarks (docs/benchmarks.md, docs/jepsen.md) to say: here the machine may be busy with
 * anything. A service that does hang waits for a disk, a process or a link to come back, and that takes longer.
 */
export const INTERRUPTED_MS = 5_000;

/** MQTT.js gives a message up, without having sent it, when the connection goes while it resends older ones. */
const GIVEN_UP = 'Connection closed';
/** Reason code of a PUBCOMP: the broker knows nothing of that exchange any more, so it is finished. */
const PACKET_IDENTIFIER_NOT_FOUND = 146;

/** Options of {@link Publisher}. */
export interface PublisherOptions extends RoamerOptions {
  readonly topic: string;
  readonly qos: 1 | 2;
  /** Messages under way at a time; 4 by default. */
  readonly window?: number;
  /** Pause after each acknowledgement; none by default. */
  readonly pauseMs?: number;
  readonly retain?: boolean;
  /** Bytes of spaces behind the number, which are no part of it; none by default. */
  readonly paddingBytes?: number;
}

/** Publishes `1`, `2`, `3`, ... to one topic for as long as it runs. */
export class Publisher extends Roamer {
  readonly topic: string;
  readonly qos: 1 | 2;
  /** The newest number that was published. */
  sent = 0;
  /** Acknowledged for good: PUBACK, or PUBCOMP. */
  readonly acked = new Set<number>();
  /** When each acknowledgement came, in order. */
  readonly ackedAtMs: number[] = [];
  readonly errors: string[] = [];
  private readonly window: number;
  private readonly pauseMs: number;
  private readonly retain: boolean;
  private readonly padding: string;
  private running = true;
  private underWay = 0;

  constructor(options: PublisherOptions) {
    const { topic, qos, window = 4, pauseMs = 0, retain = false, paddingBytes = 0, ...rest } = options;
    super(rest);
    this.topic = topic;
    this.qos = qos;
    this.window = window;
    this.pauseMs = pauseMs;
    this.retain = retain;
    this.padding = ' '.repeat(paddingBytes);
    for (let at = 0; at < window; at++) this.publishNext();
  }

  /** The newest acknowledged number; 0 for none. */
  get newestAcked(): number {
    return Math.max(0, ...this.acked);
  }

  /** Goes on after {@link finish}. */
  resume(): void {
    this.running = true;
    for (let at = 0; at < this.window; at++) this.publishNext();
  }

  /** Forgets what was acknowledged so far, for a load that goes on for long; its subscribers settle too. */
  settle(): void {
    this.acked.clear();
    this.ackedAtMs.splice(0, this.ackedAtMs.length - 1);
  }

  /** Publishes nothing new; resolves when everything sent is acknowledged. */
  async finish(timeoutMs = 40_000): Promise<void> {
    this.running = false;
    const what = `the acknowledgements of all that ${this.topic} got`;
    await waitFor(() => this.underWay === 0, { timeoutMs, what });
  }

  /** Stops publishing and ends the connection. */
  override async end(abrupt = false): Promise<void> {
    this.running = false;
    await super.end(abrupt);
  }

  /** The longest time without an acknowledgement that overlaps the time from `fromMs` to `toMs`, in milliseconds. */
  longestGapMs(fromMs: number, toMs: number): number {
    let longest = 0;
    for (let at = 1; at < this.ackedAtMs.length; at++) {
      const before = this.ackedAtMs[at - 1] as number;
      const after = this.ackedAtMs[at] as number;
      if (after >= fromMs && before <= toMs) longest = Math.max(longest, after - before);
    }
    return longest;
  }

  private publishNext(): void {
    if (!this.running) return;
    const number = ++this.sent;
    this.underWay++;
    this.client.publish(
      this.topic,
      `${String(number)}${this.padding}`,
      { qos: this.qos, retain: this.retain },
      (error) => {
        this.underWay--;
        const { code } = (error ?? {}) as { readonly code?: unknown };
        if (error && code !== PACKET_IDENTIFIER_NOT_FOUND) {
          if (error.message !== GIVEN_UP) this.errors.push(`${String(number)}: ${error.message}`);
        } else {
          this.acked.add(number);
          this.ackedAtMs.push(performance.now());
        }
        if (this.pauseMs === 0) this.publishNext();
        else setTimeout(() => this.publishNext(), this.pauseMs);
      },
    );
  }
}

/** What one subscriber got of one topic. */
interface Book {
  readonly counts: Map<number, number>;
  /** Numbers in the order of their first delivery. */
  readonly firsts: number[];
  /** Everything up to here was checked and forgotten, but for numbers that had not arrived. */
  floor: number;
  readonly unseen: Set<number>;
  /** What arrived again although it was forgotten. */
  readonly again: number[];
}

/** Keeps books about the numbers it receives. */
export class Subscriber extends Roamer {
  readonly books = new Map<string, Book>();

  constructor(options: RoamerOptions) {
    super(options);
    this.client.on('message', (topic, payload) => {
      const book = this.bookOf(topic);
      const number = Number(payload.toString());
      if (number <= book.floor) {
        if (!book.unseen.delete(number)) book.again.push(number);
        return;
      }
      const count = book.counts.get(number) ?? 0;
      book.counts.set(number, count + 1);
      if (count === 0) book.firsts.push(number);
    });
  }

  /** Connects and subscribes; resolves at SUBACK. */
  async subscribe(filter: string, qos: 1 | 2 = 2): Promise<void> {
    await this.connected();
    await this.client.subscribeAsync(filter, { qos });
  }

  /** Forgets what is in the books, after a check; a QoS 2 message that comes a second time still shows. */
  settle(publisher: Publisher): void {
    const book = this.bookOf(publisher.topic);
    for (let number = book.floor + 1; number <= publisher.sent; number++) {
      if (!book.counts.has(number)) book.unseen.add(number);
    }
    book.floor = publisher.sent;
    book.counts.clear();
    book.firsts.length = 0;
  }

  bookOf(topic: string): Book {
    let book = this.books.get(topic);
    if (book === undefined) {
      book = { counts: new Map(), firsts: [], floor: 0, unseen: new Set(), again: [] };
      this.books.set(topic, book);
    }
    return book;
  }
}

/**
 * Demands that every subscriber has everything the publishers know as acknowledged, QoS 2 messages exactly once, and the
 * messages of each publisher in the order in which they were sent. Waits for what is still on its way.
 */
export async function checkDelivery(
  publishers: readonly Publisher[],
  subscribers: readonly Subscriber[],
  timeoutMs = 40_000,
): Promise<void> {
  const lacks = (): string[] => publishers.flatMap((from) => subscribers.flatMap((to) => missing(from, to)));
  await waitFor(() => lacks().length === 0, { timeoutMs, what: 'acknowledged messages to arrive' }).catch(() => {
    assert.unreachable(`acknowledged messages are lost: ${lacks().join('; ')}`);
  });
  for (const publisher of publishers) {
    assert.equal(publisher.errors, [], `refused messages of ${publisher.topic}`);
    for (const subscriber of subscribers) checkBook(publisher, subscriber);
  }
}

function missing(publisher: Publisher, subscriber: Subscriber): string[] {
  const { counts } = subscriber.bookOf(publisher.topic);
  const lost = [...publisher.acked].filter((number) => !counts.has(number));
  if (lost.length === 0) return [];
  const some = lost.slice(0, 10).join(', ');
  return [`${subscriber.name} lacks ${String(lost.length)} of ${publisher.topic}: ${some}`];
}

function checkBook(publisher: Publisher, subscriber: Subscriber): void {
  const { counts, firsts, again } = subscriber.bookOf(publisher.topic);
  const where = `${publisher.topic} at ${subscriber.name}`;
  if (publisher.qos === 2) {
    const twice = [...counts]
      .filter(([, count]) => count > 1)
      .map(([number, count]) => `${String(number)}: ${String(count)} times`);
    assert.equal(twice, [], `QoS 2 messages of ${where} delivered more than once`);
    assert.equal(again, [], `QoS 2 messages of ${where} delivered again, after later ones`);
  }
  const swapped = firsts.filter((number, at) => at > 0 && number < (firsts[at - 1] as number));
  assert.equal(swapped, [], `messages of ${where} that came after later ones`);
}
