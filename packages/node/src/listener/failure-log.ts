/** What is needed of the log. */
export interface ListenerLogger {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

const WINDOW_MS = 10_000;
const LINES_PER_WINDOW = 10;

/** Log lines about what strangers do, at most ten in ten seconds; the next one after that says how many are missing. */
export class FailureLog {
  readonly #logger: ListenerLogger;
  readonly #nowMs: () => number;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #dropped = 0;

  constructor(logger: ListenerLogger, nowMs: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  write(level: 'info' | 'warn', details: object, message: string): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#windowStartMs >= WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#lines = 0;
    }
    if (this.#lines === LINES_PER_WINDOW) {
      this.#dropped++;
      return;
    }
    this.#lines++;
    const more = this.#dropped === 0 ? '' : ` (${String(this.#dropped)} more were not logged before)`;
    this.#dropped = 0;
    this.#logger[level](details, message + more);
  }
}
