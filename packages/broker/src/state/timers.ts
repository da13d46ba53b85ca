/** What falls due. The order of the values breaks ties between timers of one session and one moment. */
export const TimerKind = { will: 0, sessionExpiry: 1 } as const;
export type TimerKind = (typeof TimerKind)[keyof typeof TimerKind];

export interface Timer {
  readonly dueMs: number;
  readonly sessionNumber: number;
  readonly kind: TimerKind;
}

/** A total order, so that every node fires timers in the same one. */
function before(a: Timer, b: Timer): boolean {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs;
  if (a.sessionNumber !== b.sessionNumber) return a.sessionNumber < b.sessionNumber;
  return a.kind < b.kind;
}

/**
 * A binary heap of moments in cluster time. Timers are not cancelled: whoever pops one checks the session's own due
 * time, so that a heap rebuilt from the sessions behaves like one that grew with them.
 */
export class TimerHeap {
  readonly #heap: Timer[] = [];

  get size(): number {
    return this.#heap.length;
  }

  clear(): void {
    this.#heap.length = 0;
  }

  push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Timer;
      if (!before(timer, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  /** Takes the first timer that is due at `nowMs`, or null. */
  popDue(nowMs: number): Timer | null {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.dueMs > nowMs) return null;
    const last = heap.pop() as Timer;
    if (heap.length > 0) this.#sink(last);
    return first;
  }

  #sink(timer: Timer): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as Timer)) child++;
      const smallest = heap[child] as Timer;
      if (!before(smallest, timer)) break;
      heap[at] = smallest;
      at = child;
    }
    heap[at] = timer;
  }
}
