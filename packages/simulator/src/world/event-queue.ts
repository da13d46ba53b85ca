/** Something that happens at a moment of virtual time. */
export interface Event {
  readonly atMs: number;
  /** Breaks ties: of two events at one moment the one scheduled first comes first. */
  readonly order: number;
  readonly task: () => void;
}

/** A binary heap by (time, order). */
export class EventQueue {
  readonly #heap: Event[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** @returns the event's place in the order of all events */
  push(atMs: number, task: () => void): number {
    const heap = this.#heap;
    const event = { atMs, order: this.#order++, task };
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
    return event.order;
  }

  peekMs(): number {
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as Event)) child++;
      const smallest = heap[child] as Event;
      if (!before(smallest, last)) break;
      heap[at] = smallest;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
