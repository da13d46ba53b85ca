import type { Client } from './connection/client.ts';
import { review } from './connection/review.ts';

/** Of a turn: see the efforts of a review. A filter costs one. */
const EFFORT_PER_TURN = 2_000;

/** Reviews of clients, one at a time and as much in a turn as nobody notices. */
export class Reviews {
  readonly #all: ReadonlySet<Client>;
  /** Those that wait for it, in front of everybody. */
  readonly #waiting = new Set<Client>();
  /** Everybody: how far it has come. */
  #sweep: Iterator<Client> | null = null;
  /** The rules changed again since it began. */
  #again = false;
  #current: Iterator<number> | null = null;

  readonly #requestFlush: () => void;

  /**
   * @param all every connection of the node; may change meanwhile
   * @param requestFlush asks for `run` at the end of a turn
   */
  constructor(all: ReadonlySet<Client>, requestFlush: () => void) {
    this.#all = all;
    this.#requestFlush = requestFlush;
  }

  get #pending(): boolean {
    return this.#current !== null || this.#waiting.size > 0 || this.#sweep !== null;
  }

  add(client: Client): void {
    this.#waiting.add(client);
    this.#requestFlush();
  }

  forget(client: Client): void {
    this.#waiting.delete(client);
  }

  /** All clients. One that comes behind the first change finds its end before the next begins: none is left out for ever. */
  addAll(): void {
    if (this.#sweep === null) this.#sweep = this.#all.values();
    else this.#again = true;
    this.#requestFlush();
  }

  /**
   * The work of one turn. None while much is on its way into the log, since reviews put more into it; what is applied then
   * brings the next turn.
   */
  run(congested: boolean): void {
    if (congested || !this.#pending) return;
    this.#work();
    if (this.#pending) this.#requestFlush();
  }

  #work(): void {
    for (let left = EFFORT_PER_TURN; left > 0; ) {
      this.#current ??= this.#next();
      if (this.#current === null) return;
      const step = this.#current.next();
      if (step.done !== true) {
        left -= step.value;
        continue;
      }
      this.#current = null;
      left--;
    }
  }

  #next(): Iterator<number> | null {
    for (const client of this.#waiting) {
      this.#waiting.delete(client);
      return review(client);
    }
    if (this.#sweep === null) return null;
    const next = this.#sweep.next();
    if (next.done !== true) return review(next.value);
    this.#sweep = this.#again ? this.#all.values() : null;
    this.#again = false;
    return this.#sweep === null ? null : this.#next();
  }
}
