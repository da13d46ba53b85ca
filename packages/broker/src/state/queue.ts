import { invariant } from './invariant.ts';
import type { Message } from './message.ts';

/**
 * Progress of one queued message. `begun`: a shared message of QoS 2 that may have been sent. Stored: never reuse a value.
 */
export const ItemState = { queued: 0, received: 1, begun: 2 } as const;
export type ItemState = (typeof ItemState)[keyof typeof ItemState];

export interface QueueItem {
  readonly message: Message;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[] | null;
  /** `received` once the PUBREC of a QoS 2 message is known: from then on only PUBREL is sent. */
  readonly state: ItemState;
  /** Number of the share group that gave it, also when that is gone; 0 for none. */
  readonly share: number;
}

/**
 * Messages on their way to one client, in order, under sequence numbers of their own. A settled message leaves a hole
 * until everything before it is settled too. The Packet Identifier of a message is a function of its sequence number,
 * so that whoever owns the session next sends it under the same one.
 */
export class MessageQueue {
  #items: (QueueItem | null)[] = [];
  #offset = 0;
  #head: number;
  #sizeBytes = 0;
  #count = 0;

  constructor(headSequence = 0) {
    this.#head = headSequence;
  }

  /** Sequence number of the oldest message that is not settled; `nextSequence` when there is none. */
  get headSequence(): number {
    return this.#head;
  }

  /** The number that the next message gets. */
  get nextSequence(): number {
    return this.#head + this.#items.length - this.#offset;
  }

  /** Messages not settled. */
  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The sequence number after the first `count` unsettled messages: where a client's window of that size ends. */
  endOfWindow(count: number): number {
    let at = this.#offset;
    for (let left = count; at < this.#items.length; at++) {
      if (this.#items[at] === null) continue;
      if (left === 0) break;
      left--;
    }
    return this.#head + at - this.#offset;
  }

  push(item: QueueItem): number {
    const sequence = this.nextSequence;
    this.#items.push(item);
    this.#count++;
    this.#sizeBytes += item.message.sizeBytes;
    return sequence;
  }

  /** Restores an item at its place; numbers between the end and `sequence` become holes. */
  restore(sequence: number, item: QueueItem): void {
    invariant(sequence >= this.nextSequence, `queue item ${sequence} restored behind ${this.nextSequence}`);
    this.padTo(sequence);
    this.push(item);
  }

  /** Makes `sequence` the next number, leaving holes where nothing is queued. */
  padTo(sequence: number): void {
    if (this.#items.length === this.#offset) {
      this.#head = Math.max(this.#head, sequence);
      return;
    }
    while (this.nextSequence < sequence) this.#items.push(null);
  }

  get(sequence: number): QueueItem | null {
    if (sequence < this.#head) return null;
    return this.#items[this.#offset + sequence - this.#head] ?? null;
  }

  /** Notes progress, a PUBREC for one. In a new item: a checkpoint that is being gathered may still hold the old one. */
  mark(sequence: number, state: ItemState): void {
    const item = this.get(sequence);
    if (item === null) return;
    this.#items[this.#offset + sequence - this.#head] = {
      message: item.message,
      qos: item.qos,
      retain: item.retain,
      subscriptionIdentifiers: item.subscriptionIdentifiers,
      state,
      share: item.share,
    };
  }

  /** Takes a message out; returns it, or null when it was settled already or never was. */
  settle(sequence: number): QueueItem | null {
    const item = this.get(sequence);
    if (item === null) return null;
    this.#items[this.#offset + sequence - this.#head] = null;
    this.#count--;
    this.#sizeBytes -= item.message.sizeBytes;
    this.#trim();
    return item;
  }

  #trim(): void {
    while (this.#offset < this.#items.length && this.#items[this.#offset] === null) {
      this.#offset++;
      this.#head++;
    }
    if (this.#offset === this.#items.length) {
      this.#items.length = 0;
      this.#offset = 0;
    } else if (this.#offset > 1024 && this.#offset * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#offset);
      this.#offset = 0;
    }
  }
}

/** 65,535 Packet Identifiers, 1 to 65,535 ([MQTT-2.2.1-3]); the window of unsettled messages is never wider. */
export const PACKET_ID_SPAN = 65_535;

export function packetIdOf(sequence: number): number {
  return (sequence % PACKET_ID_SPAN) + 1;
}

/** The sequence number at or after `headSequence` that travels under `packetId`. */
export function sequenceOf(packetId: number, headSequence: number): number {
  const base = headSequence % PACKET_ID_SPAN;
  return headSequence + ((packetId - 1 - base + PACKET_ID_SPAN) % PACKET_ID_SPAN);
}
