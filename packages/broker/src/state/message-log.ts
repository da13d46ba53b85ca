import { Heap } from './heap.ts';
import type { Message } from './message.ts';

/** How far somebody has read in a {@link MessageLog}. */
export interface LogCursor {
  /** Id of the last message that was read; -1 before the first. */
  afterId: number;
  /** Where the next one is, as long as `generation` is the log's. */
  at: number;
  generation: number;
}

export function newCursor(): LogCursor {
  return { afterId: -1, at: 0, generation: -1 };
}

/** Fewer holes are not worth the pass that takes them out. */
const HOLES = 1024;
/** Messages of a restored state that are sorted at once. */
const RUN = 1024;
/** And that are put in their places at once. */
const SLICE = 4096;

/** The first message of a sorted run that is not placed yet. */
interface Head {
  readonly message: Message;
  readonly run: readonly Message[];
  readonly at: number;
}

/**
 * Messages in the order of their ids, which is the log's and the same on every node, to be read a few at a time while
 * others come and go: one that goes leaves a hole, and the holes are taken out when they are the larger half.
 */
export class MessageLog {
  #items: (Message | null)[] = [];
  #holes = 0;
  /** Grows when messages change their places. */
  #generation = 0;
  /** While a state is restored: sorted runs. */
  readonly #runs: Message[][] = [];
  #run: Message[] = [];

  /** Places, holes included. */
  get length(): number {
    return this.#items.length;
  }

  /** Its id is greater than that of any message before. */
  add(message: Message): void {
    message.retainedAt = this.#items.length;
    this.#items.push(message);
  }

  remove(message: Message): void {
    const at = message.retainedAt;
    if (at < 0) return;
    message.retainedAt = -1;
    this.#items[at] = null;
    this.#holes++;
    if (this.#holes > HOLES && this.#holes * 2 > this.#items.length) {
      this.#place(this.#items.filter((item) => item !== null));
    }
  }

  #place(items: Message[]): void {
    for (let at = 0; at < items.length; at++) (items[at] as Message).retainedAt = at;
    this.#items = items;
    this.#holes = 0;
    this.#generation++;
  }

  /** Messages of a restored state come in the order of their topics; `restoring` ends them. */
  restore(message: Message): void {
    this.#run.push(message);
    if (this.#run.length >= RUN) this.#endRun();
  }

  #endRun(): void {
    if (this.#run.length === 0) return;
    this.#runs.push(this.#run.sort((a, b) => a.id - b.id));
    this.#run = [];
  }

  /**
   * Puts what `restore` was given in order, some thousand at a time: pauses in between, so that a caller whose event loop
   * has other work can let it go on.
   */
  *restoring(): Generator<void, void> {
    this.#endRun();
    const heads = new Heap<Head>((a, b) => a.message.id < b.message.id);
    for (const run of this.#runs.splice(0)) heads.push({ message: run[0] as Message, run, at: 0 });
    for (let head = heads.pop(); head !== undefined; head = heads.pop()) {
      this.add(head.message);
      const at = head.at + 1;
      const message = head.run[at];
      if (message !== undefined) heads.push({ message, run: head.run, at });
      if (this.#items.length % SLICE === 0) yield;
    }
    this.#generation++;
  }

  /** The first message behind the cursor, which is moved onto it; null at the end. */
  next(cursor: LogCursor): Message | null {
    const items = this.#items;
    if (cursor.generation !== this.#generation) {
      cursor.at = this.#firstBehind(cursor.afterId);
      cursor.generation = this.#generation;
    }
    while (cursor.at < items.length) {
      const message = items[cursor.at++];
      if (message == null) continue;
      cursor.afterId = message.id;
      return message;
    }
    return null;
  }

  /** Where the messages with greater ids than `id` begin. */
  #firstBehind(id: number): number {
    const items = this.#items;
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      let probe = middle;
      while (probe < high && items[probe] === null) probe++;
      if (probe === high) high = middle;
      else if ((items[probe] as Message).id <= id) low = probe + 1;
      else high = middle;
    }
    return low;
  }
}
