import { Heap } from './heap.ts';
import type { Limits } from './limits.ts';
import type { Message } from './message.ts';
import { type LogCursor, MessageLog } from './message-log.ts';
import { NameTree } from './topic-tree.ts';

interface Expiry {
  readonly dueMs: number;
  readonly messageId: number;
  readonly topic: string;
}

/** Entries of the expiry heap that no longer hold, in excess of which it is built anew. */
const STALE_EXPIRIES = 1024;

/** The retained message of every topic that has one (MQTT 5.0 section 3.3.1.3). */
export class RetainedMessages {
  readonly #tree = new NameTree<Message>();
  /** Not the messages themselves: one that was replaced must not live on here. */
  readonly #expiries = new Heap<Expiry>(
    (a, b) => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.messageId < b.messageId),
  );
  /** The same messages in the order of the log. */
  readonly #log = new MessageLog();
  #sizeBytes = 0;

  get size(): number {
    return this.#tree.size;
  }

  /** What all of them weigh. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Entries of the expiry heap, stale ones included. */
  get pendingExpiries(): number {
    return this.#expiries.size;
  }

  /** When the first message expires, one that was replaced included; Infinity without any. */
  get firstExpiryMs(): number {
    return this.#expiries.first?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  get(topic: string): Message | undefined {
    return this.#tree.get(topic);
  }

  /**
   * Whether the limits have room for `message` in place of what its topic has now.
   * @param replaced that, as `get` says
   */
  hasRoomFor(message: Message, replaced: Message | undefined, limits: Limits): boolean {
    if (replaced === undefined && this.#tree.size >= limits.retainedMessages) return false;
    const growth = message.sizeBytes - (replaced?.sizeBytes ?? 0);
    // More may be held than a limit that was lowered allows: what makes it no more is not refused.
    return (replaced !== undefined && growth <= 0) || this.#sizeBytes + growth <= limits.retainedBytes;
  }

  set(topic: string, message: Message): void {
    const replaced = this.#put(topic, message);
    if (replaced !== undefined) this.#log.remove(replaced);
    this.#log.add(message);
  }

  /** Takes messages of a state that is restored, in any order; `restoring` ends them. */
  restore(topic: string, message: Message): void {
    this.#log.restore(message);
    this.#put(topic, message);
  }

  /** Pauses between steps of a few milliseconds. */
  restoring(): Generator<void, void> {
    return this.#log.restoring();
  }

  /** @returns what the topic had before */
  #put(topic: string, message: Message): Message | undefined {
    const replaced = this.#tree.set(topic, message);
    this.#sizeBytes += message.sizeBytes - (replaced?.sizeBytes ?? 0);
    if (message.expiresAtMs !== Number.POSITIVE_INFINITY) {
      this.#expire(message);
      this.#dropStaleExpiries();
    }
    return replaced;
  }

  /** A topic that is written often leaves many entries that no longer hold. */
  #dropStaleExpiries(): void {
    if (this.#expiries.size <= 4 * this.#tree.size + STALE_EXPIRIES) return;
    this.#expiries.clear();
    this.#tree.forEach((each) => {
      if (each.expiresAtMs !== Number.POSITIVE_INFINITY) this.#expire(each);
    });
  }

  #expire(message: Message): void {
    this.#expiries.push({ dueMs: message.expiresAtMs, messageId: message.id, topic: message.topic });
  }

  delete(topic: string): boolean {
    const message = this.#tree.get(topic);
    if (message === undefined) return false;
    this.#sizeBytes -= message.sizeBytes;
    this.#log.remove(message);
    return this.#tree.delete(topic);
  }

  /** The topic of the message that expired first, if any did by `nowMs`; the caller deletes it. */
  firstExpired(nowMs: number): string | null {
    for (;;) {
      const { first } = this.#expiries;
      if (first === undefined || first.dueMs > nowMs) return null;
      this.#expiries.pop();
      if (this.#tree.get(first.topic)?.id === first.messageId) return first.topic;
    }
  }

  /**
   * Calls `visit` with every message whose topic `filter` matches, in no particular order.
   * @param maxNodes gives up when more topic levels than this would have to be looked at
   * @returns false when it gave up: `visit` has seen some of the messages
   */
  match(filter: string, visit: (message: Message) => void, maxNodes?: number): boolean {
    return this.#tree.match(filter, visit, maxNodes);
  }

  /** The first message behind the cursor, in the order of their ids; null at the end. */
  next(cursor: LogCursor): Message | null {
    return this.#log.next(cursor);
  }

  /** Calls `visit` with every message, in no particular order. */
  forEach(visit: (message: Message) => void): void {
    this.#tree.forEach(visit);
  }
}
