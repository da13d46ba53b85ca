/** Time and turns, as the driver sees them. The simulator has its own. */
export interface Clock {
  /** Monotonic, in milliseconds, may have a fraction. Its zero means nothing. */
  nowMs(): number;
  /** Runs `task` once, later in this turn: after the events that wait already. Tasks run in the order given. */
  defer(task: () => void): void;
  /**
   * Runs `task` once, as soon as the callback that runs now has returned: before any other event. What is done in a
   * deferred task would otherwise wait for a whole turn. Without it `defer` is used.
   */
  soon?(task: () => void): void;
  /** Runs `task` again and again until the function returned is called. */
  every(intervalMs: number, task: () => void): () => void;
}
