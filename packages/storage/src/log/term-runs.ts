/**
 * The terms of a log, as runs: terms only rise along a log, so a few numbers answer for any length.
 * Covers the compacted entry and everything after it.
 */
export class TermRuns {
  /** First index of each run, rising; terms of the same places. */
  #firsts: number[];
  #terms: number[];
  #lastIndex: number;

  constructor(compactedIndex: number, compactedTerm: number) {
    this.#firsts = [compactedIndex];
    this.#terms = [compactedTerm];
    this.#lastIndex = compactedIndex;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  get lastTerm(): number {
    return this.#terms.at(-1) as number;
  }

  /** The next entry's term. */
  push(term: number): void {
    this.#lastIndex += 1;
    if (term === this.lastTerm) return;
    this.#firsts.push(this.#lastIndex);
    this.#terms.push(term);
  }

  /** Forgets everything after `index`, which is held. */
  truncateAfter(index: number): void {
    while ((this.#firsts.at(-1) as number) > index) {
      this.#firsts.pop();
      this.#terms.pop();
    }
    this.#lastIndex = index;
  }

  /** Forgets everything before `index`, which is held and stays. */
  compactTo(index: number): void {
    let drop = 0;
    while (drop + 1 < this.#firsts.length && (this.#firsts[drop + 1] as number) <= index) drop += 1;
    if (drop > 0) {
      this.#firsts = this.#firsts.slice(drop);
      this.#terms = this.#terms.slice(drop);
    }
    this.#firsts[0] = index;
  }

  /** Term at `index`, or null if it is not held. */
  termAt(index: number): number | null {
    if (index > this.#lastIndex || index < (this.#firsts[0] as number)) return null;
    let low = 0;
    let high = this.#firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#firsts[middle] as number) <= index) low = middle;
      else high = middle - 1;
    }
    return this.#terms[low] as number;
  }
}
