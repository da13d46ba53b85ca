/** A virtual clock with the events that are due on it: everything in one thread, in one order, from one seed. */
export class Scheduler {
  nowMs = 0;
  readonly random: () => number;
  readonly #heap: Event[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = mulberry32(seed);
  }

  /** Runs `task` after `delayMs`, behind everything that is due at that moment already. */
  after(delayMs: number, task: () => void): void {
    this.#push({ atMs: this.nowMs + delayMs, order: this.#order++, task });
  }

  every(intervalMs: number, task: () => void): void {
    this.after(intervalMs, () => {
      task();
      this.every(intervalMs, task);
    });
  }

  /** Runs everything that is due within `durationMs`, and lets that time pass. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= endMs; first = this.#heap[0]) {
      this.#pop();
      this.nowMs = first.atMs;
      first.task();
    }
    this.nowMs = endMs;
  }

  /** From `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return probability > 0 && this.random() < probability;
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.integer(0, from.length - 1)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Event;
      if (!before(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = at * 2 + 1) {
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as Event)) child++;
      const smallest = heap[child] as Event;
      if (!before(smallest, last)) break;
      heap[at] = smallest;
      at = child;
    }
    heap[at] = last;
  }
}

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly task: () => void;
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** A small generator with 32 bits of state; good enough to spread test cases. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
