import { Heap } from './heap.ts';

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
 * Moments in cluster time. Timers are not cancelled: whoever pops one checks the session's own due time, so that a heap
 * rebuilt from the sessions behaves like one that grew with them.
 */
export class TimerHeap {
  readonly #heap = new Heap<Timer>(before);

  get size(): number {
    return this.#heap.size;
  }

  /** When the first timer is due, one that no longer holds included; Infinity without any. */
  get firstDueMs(): number {
    return this.#heap.first?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  clear(): void {
    this.#heap.clear();
  }

  push(timer: Timer): void {
    this.#heap.push(timer);
  }

  /** Takes the first timer that is due at `nowMs`, or null. */
  popDue(nowMs: number): Timer | null {
    const { first } = this.#heap;
    if (first === undefined || first.dueMs > nowMs) return null;
    this.#heap.pop();
    return first;
  }
}
