/** What a part of the simulation says about itself. Numbers and short texts only. */
export type TraceValue = string | number | boolean | null;

const KEPT_LINES = 4_000;

/**
 * Everything notable that happened, as a hash for comparing runs and, when asked for, as text. The hash takes in every
 * event with its time, so that two runs with equal hashes did the same things at the same moments.
 */
export class Trace {
  readonly #keep: boolean;
  readonly #lines: string[] = [];
  #hash = 0x811c9dc5;
  #count = 0;

  /** @param keep whether the newest lines are kept as text */
  constructor(keep: boolean) {
    this.#keep = keep;
  }

  get keeps(): boolean {
    return this.#keep;
  }

  /** Eight hex digits over everything noted so far. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  get count(): number {
    return this.#count;
  }

  note(atMs: number, where: string, what: string, ...values: TraceValue[]): void {
    this.#count++;
    this.#number(atMs);
    this.#text(where);
    this.#text(what);
    for (const value of values) {
      if (typeof value === 'number') this.#number(value);
      else this.#text(String(value));
    }
    if (this.#keep) this.text(atMs, where, `${what} ${values.join(' ')}`);
  }

  /** A line that is kept but not part of the hash. */
  text(atMs: number, where: string, text: string): void {
    if (!this.#keep) return;
    if (this.#lines.length >= KEPT_LINES * 2) this.#lines.splice(0, KEPT_LINES);
    this.#lines.push(`${(atMs / 1000).toFixed(6).padStart(11)}  ${where.padEnd(10)} ${text}`.trimEnd());
  }

  #number(value: number): void {
    // Microseconds are exact enough to tell two moments apart; the high part matters for large numbers only.
    const scaled = Math.round(value * 1000);
    this.#hash = Math.imul(this.#hash ^ (scaled | 0), 0x01000193);
    this.#hash = Math.imul(this.#hash ^ (Math.floor(scaled / 0x1_0000_0000) | 0), 0x01000193);
  }

  #text(text: string): void {
    for (let at = 0; at < text.length; at++) this.#hash = Math.imul(this.#hash ^ text.charCodeAt(at), 0x01000193);
    this.#hash = Math.imul(this.#hash ^ 0xff, 0x01000193);
  }

  /** The newest `count` lines. */
  last(count: number): readonly string[] {
    return this.#lines.slice(-count);
  }
}
