import type { BrokerLog } from './environment.ts';
import type { DropReason } from './state/index.ts';

const INTERVAL_MS = 10_000;

const SENTENCES: Partial<Record<DropReason, string>> = {
  queueFull: 'the queue of its session is full: the newest message is dropped, its publisher has its acknowledgement',
  retainedQuotaExceeded: 'the cluster has as many retained messages as it may: a further one is refused',
};

/** Lines about messages that a limit of the cluster dropped: one in ten seconds at most, with how many there were. */
export class DropLog {
  readonly #log: BrokerLog;
  readonly #nowMs: () => number;
  #writtenAtMs = Number.NEGATIVE_INFINITY;
  #unwritten = 0;

  constructor(log: BrokerLog, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** @param clientId of the session whose queue is full, or of the publisher of a retained message */
  note(clientId: string, reason: DropReason): void {
    const sentence = SENTENCES[reason];
    if (sentence === undefined) return;
    this.#unwritten++;
    const nowMs = this.#nowMs();
    if (nowMs - this.#writtenAtMs < INTERVAL_MS) return;
    this.#log.warn({ clientId, code: reason, dropped: this.#unwritten }, `client '${clientId}': ${sentence}`);
    this.#writtenAtMs = nowMs;
    this.#unwritten = 0;
  }
}
