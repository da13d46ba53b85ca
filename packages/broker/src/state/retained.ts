import { Heap } from './heap.ts';
import { StateLimits } from './limits.ts';
import type { Message } from './message.ts';
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

  get(topic: string): Message | undefined {
    return this.#tree.get(topic);
  }

  /** Whether the limits have room for `message` in place of what its topic has now. */
  hasRoomFor(message: Message): boolean {
    const replaced = this.#tree.get(message.topic);
    if (replaced === undefined && this.#tree.size >= StateLimits.retainedMessages) return false;
    return this.#sizeBytes - (replaced?.sizeBytes ?? 0) + message.sizeBytes <= StateLimits.retainedBytes;
  }

  set(topic: string, message: Message): void {
    this.#sizeBytes += message.sizeBytes - (this.#tree.get(topic)?.sizeBytes ?? 0);
    this.#tree.set(topic, message);
    if (message.expiresAtMs === Number.POSITIVE_INFINITY) return;
    this.#expire(message);
    // A topic that is written often leaves many entries that no longer hold.
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
    return this.#tree.delete(topic);
  }

  /** Takes out one message that expired by `nowMs`; its topic, or null when there is none. */
  popExpired(nowMs: number): string | null {
    for (;;) {
      const { first } = this.#expiries;
      if (first === undefined || first.dueMs > nowMs) return null;
      this.#expiries.pop();
      if (this.#tree.get(first.topic)?.id !== first.messageId) continue;
      this.delete(first.topic);
      return first.topic;
    }
  }

  /** Calls `visit` with every message whose topic `filter` matches, in no particular order. */
  match(filter: string, visit: (message: Message) => void): void {
    this.#tree.match(filter, visit);
  }

  /** Calls `visit` with every message, in no particular order. */
  forEach(visit: (message: Message) => void): void {
    this.#tree.forEach(visit);
  }
}
