/** When it is full the newest is dropped, as by a router: without a limit a slow link would hold all that is ever sent. */
const MAX_WAITING = 10_000;

interface Waiting {
  readonly dueMs: number;
  readonly order: number;
  readonly act: () => void;
}

/** Where a delay queue has its time from. */
export interface Timer {
  nowMs(): number;
  /** Runs `task` after a time, at most once. */
  after(ms: number, task: () => void): void;
}

const realTimer: Timer = {
  nowMs: () => performance.now(),
  after: (ms, task) => {
    setTimeout(task, ms).unref();
  },
};

/** Acts in the order in which they are due, those due at the same time in the order in which they came. */
export class DelayQueue {
  /** A heap. */
  private readonly heap: Waiting[] = [];
  private readonly timer: Timer;
  private order = 0;
  private wakeAtMs = Number.POSITIVE_INFINITY;

  constructor(timer: Timer = realTimer) {
    this.timer = timer;
  }

  get size(): number {
    return this.heap.length;
  }

  /** @returns false when there is no room left */
  add(delayMs: number, act: () => void): boolean {
    if (this.heap.length >= MAX_WAITING) return false;
    const entry = { dueMs: this.timer.nowMs() + delayMs, order: this.order++, act };
    this.heap.push(entry);
    this.rise(this.heap.length - 1);
    this.wake();
    return true;
  }

  clear(): void {
    this.heap.length = 0;
  }

  private wake(): void {
    const first = this.heap[0];
    if (first === undefined || first.dueMs >= this.wakeAtMs) return;
    this.wakeAtMs = first.dueMs;
    const due = first.dueMs;
    this.timer.after(Math.max(0, due - this.timer.nowMs()), () => {
      // A timer that was set before an earlier one.
      if (this.wakeAtMs === due) this.wakeAtMs = Number.POSITIVE_INFINITY;
      this.runDue();
    });
  }

  private runDue(): void {
    const nowMs = this.timer.nowMs();
    for (let first = this.heap[0]; first !== undefined && first.dueMs <= nowMs; first = this.heap[0]) {
      const last = this.heap.pop() as Waiting;
      if (this.heap.length > 0) {
        this.heap[0] = last;
        this.sink();
      }
      first.act();
    }
    this.wake();
  }

  private rise(from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.swapIfEarlier(at, above)) return;
      at = above;
    }
  }

  private sink(): void {
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.heap.length) return;
      const right = left + 1;
      const child = right < this.heap.length && this.isEarlier(right, left) ? right : left;
      if (!this.swapIfEarlier(child, at)) return;
      at = child;
    }
  }

  private isEarlier(a: number, b: number): boolean {
    const [one, other] = [this.heap[a] as Waiting, this.heap[b] as Waiting];
    return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
  }

  private swapIfEarlier(child: number, parent: number): boolean {
    if (!this.isEarlier(child, parent)) return false;
    const moved = this.heap[child] as Waiting;
    this.heap[child] = this.heap[parent] as Waiting;
    this.heap[parent] = moved;
    return true;
  }
}
