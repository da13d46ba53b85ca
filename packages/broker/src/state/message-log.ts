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

/**
 * Messages in the order of their ids, which is the log's and the same on every node, to be read a few at a time while
 * others come and go: one that goes leaves a hole, and the holes are taken out when they are the larger half.
 */
export class MessageLog {
  #items: (Message | null)[] = [];
  #holes = 0;
  /** Grows when messages change their places. */
  #generation = 0;
  /** While a state is restored: sorted runs, each at most half as long as the one before it. */
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

  /** Messages of a restored state come in the order of their topics; `restored` ends them. */
  restore(message: Message): void {
    this.#run.push(message);
    if (this.#run.length >= RUN) this.#endRun();
  }

  #endRun(): void {
    // Sorted as they come, in runs that double: the last step is a merge, and not the sort of a million.
    let run = this.#run.sort((a, b) => a.id - b.id);
    this.#run = [];
    for (let last = this.#runs.at(-1); last !== undefined && last.length <= run.length; last = this.#runs.at(-1)) {
      this.#runs.pop();
      run = merge(last, run);
    }
    this.#runs.push(run);
  }

  restored(): void {
    this.#endRun();
    let all: Message[] = [];
    for (let run = this.#runs.pop(); run !== undefined; run = this.#runs.pop()) all = merge(run, all);
    this.#place(all);
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

function merge(a: readonly Message[], b: readonly Message[]): Message[] {
  const merged: Message[] = [];
  let inA = 0;
  let inB = 0;
  while (inA < a.length && inB < b.length) {
    const fromA = a[inA] as Message;
    const fromB = b[inB] as Message;
    if (fromA.id <= fromB.id) {
      merged.push(fromA);
      inA++;
    } else {
      merged.push(fromB);
      inB++;
    }
  }
  while (inA < a.length) merged.push(a[inA++] as Message);
  while (inB < b.length) merged.push(b[inB++] as Message);
  return merged;
}
