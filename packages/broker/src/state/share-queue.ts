import { InvariantError, invariant } from './invariant.ts';
import type { Message } from './message.ts';

/** What a share group keeps until a member has room, in the order of message ids. */
export class ShareQueue {
  #messages: Message[] = [];
  #offset = 0;
  #sizeBytes = 0;
  /** Messages in the queue that the state store has no record for. */
  fresh = new Set<Message>();
  /** Ids of messages that have left the queue and still have a record. */
  gone = new Set<number>();

  get count(): number {
    return this.#messages.length - this.#offset;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The oldest. */
  get first(): Message | null {
    return this.#messages[this.#offset] ?? null;
  }

  *[Symbol.iterator](): Generator<Message, void> {
    for (let at = this.#offset; at < this.#messages.length; at++) yield this.#messages[at] as Message;
  }

  /** Adds a message newer than all others. */
  push(message: Message): void {
    this.#append(message);
    this.#came(message);
  }

  /** Restores a message, which has a record, behind those before it. */
  restore(message: Message): void {
    this.#append(message);
  }

  #append(message: Message): void {
    const last = this.count === 0 ? null : (this.#messages.at(-1) ?? null);
    if (last !== null && last.id >= message.id) {
      throw new InvariantError(`message ${message.id} is queued behind ${last.id}`);
    }
    this.#messages.push(message);
    this.#sizeBytes += message.sizeBytes;
  }

  /** Takes the oldest one out. */
  shift(): Message {
    const message = this.#messages[this.#offset];
    invariant(message !== undefined, 'nothing to take out of a share group');
    this.#offset++;
    this.#sizeBytes -= message.sizeBytes;
    if (!this.fresh.delete(message)) this.gone.add(message.id);
    if (this.#offset === this.#messages.length) {
      this.#messages = [];
      this.#offset = 0;
    } else if (this.#offset > 1024 && this.#offset * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#offset);
      this.#offset = 0;
    }
    return message;
  }

  /** Messages that were given out come back, each to its place. */
  putBack(messages: readonly Message[]): void {
    const merged = [...messages, ...this].sort((a, b) => a.id - b.id);
    for (let at = 1; at < merged.length; at++) {
      const { id } = merged[at] as Message;
      if ((merged[at - 1] as Message).id === id) throw new InvariantError(`message ${id} is twice in a share group`);
    }
    this.#messages = merged;
    this.#offset = 0;
    for (const message of messages) {
      this.#sizeBytes += message.sizeBytes;
      this.#came(message);
    }
  }

  #came(message: Message): void {
    if (!this.gone.delete(message.id)) this.fresh.add(message);
  }
}
