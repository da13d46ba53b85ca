/** One timer for all clients of a process: timeouts need no better resolution than its interval. */
export class Ticker {
  private readonly timer: NodeJS.Timeout;
  private readonly listeners = new Set<(nowMs: number) => void>();

  constructor(intervalMs = 25) {
    this.timer = setInterval(() => {
      const nowMs = performance.now();
      for (const listener of this.listeners) listener(nowMs);
    }, intervalMs);
  }

  /** @param listener gets `performance.now()` at each tick; @returns ends it */
  on(listener: (nowMs: number) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  close(): void {
    clearInterval(this.timer);
    this.listeners.clear();
  }
}
