const LEAST_MS = 2;
const MOST_MS = 12;
/** Of the time since its last turn: a third of all time, as long as turns are not too long. */
const SHARE = 1 / 2;

/**
 * How long a long task may run in each turn of the event loop. A fixed number of steps a turn starves it on a busy node,
 * where one turn takes as long as twenty do on an idle one: so the longer the others took, the longer it may. Never so
 * long that it holds them up.
 */
export class TurnShare {
  readonly #nowMs: () => number;
  #endedMs: number;
  #untilMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#endedMs = nowMs();
  }

  /** A turn of the task begins. */
  begin(): void {
    const nowMs = this.#nowMs();
    this.#untilMs = nowMs + Math.min(MOST_MS, Math.max(LEAST_MS, (nowMs - this.#endedMs) * SHARE));
  }

  /** Whether the task is to let others run. On a clock that stands still it never is. */
  get isSpent(): boolean {
    return this.#nowMs() >= this.#untilMs;
  }

  /** The turn ends: what comes until `begin` is the others'. */
  end(): void {
    this.#endedMs = this.#nowMs();
  }
}
