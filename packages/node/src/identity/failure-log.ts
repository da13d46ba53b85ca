/** Lines in an interval, however many logins fail. */
const LINES = 10;
const INTERVAL_MS = 10_000;

export interface LoginFailure {
  readonly clientId: string;
  readonly userName: string | null;
  readonly remoteAddress: string;
  readonly method: string;
  readonly outcome: string;
  readonly detail: string;
}

export interface WarningLog {
  warn(details: object, message: string): void;
}

/** Writes of logins that failed, as much as can be read; the metrics count all of them. */
export class FailureLog {
  readonly #log: WarningLog;
  readonly #nowMs: () => number;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #unwritten = 0;

  constructor(log: WarningLog, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  add(failure: LoginFailure): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#sinceMs >= INTERVAL_MS) {
      this.#sinceMs = nowMs;
      this.#lines = 0;
    }
    if (this.#lines >= LINES) {
      this.#unwritten++;
      return;
    }
    this.#lines++;
    const unwritten = this.#unwritten;
    this.#unwritten = 0;
    const user = failure.userName === null ? '' : ` of user '${failure.userName}'`;
    this.#log.warn(
      { ...failure, unwritten },
      `a login${user} from ${failure.remoteAddress} was refused: ${failure.detail}`,
    );
  }
}
