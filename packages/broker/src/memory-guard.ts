import type { BrokerEnvironment } from './environment.ts';

const LOOK_INTERVAL_MS = 250;
/** Share of the mark below which memory is enough again: a node at its mark would else change its mind all the time. */
const ENOUGH = 0.95;

/** Whether the memory of this process is above its high-water mark (`BrokerEnvironment.memoryShare`). */
export class MemoryGuard {
  /** Times that the mark was reached. */
  reachedTotal = 0;
  isShort = false;
  /** At the last look. */
  share = 0;
  readonly #environment: BrokerEnvironment;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(environment: BrokerEnvironment) {
    this.#environment = environment;
  }

  /** Looks a few times a second, however often it is called. */
  tick(nowMs: number): void {
    if (nowMs - this.#lookedAtMs < LOOK_INTERVAL_MS) return;
    this.#lookedAtMs = nowMs;
    const { memoryShare, log } = this.#environment;
    const share = memoryShare?.() ?? 0;
    this.share = share;
    const isShort = share >= (this.isShort ? ENOUGH : 1);
    if (isShort === this.isShort) return;
    this.isShort = isShort;
    const percent = Math.round(share * 100);
    if (isShort) {
      this.reachedTotal++;
      log.warn(
        { code: 'MEMORY_HIGH', percent },
        'memory is at its high-water mark: no client is accepted and those that publish are slowed down until there is less',
      );
    } else log.info({ code: 'MEMORY_OK', percent }, 'memory is below its high-water mark again: clients are accepted');
  }
}
