import { demand } from '../world/violation.ts';
import type { RegisterWrite } from './reference.ts';

/** Where the order of writes is known from: the log. */
export interface RegisterLog {
  readonly registers: ReadonlyMap<string, readonly RegisterWrite[]>;
}

/**
 * P3 for retained messages: each topic is a register, linearizable by itself. The log gives the writes one order; a read must return
 * a value that the register had at or after everything that was complete before the read began.
 */
export class RegisterChecker {
  readonly #log: RegisterLog;
  readonly #nowMs: () => number;
  /** By topic: moments from which on reads may not see anything older than a place in the order. */
  readonly #bounds = new Map<string, { readonly fromMs: number; readonly position: number }[]>();
  reads = 0;

  constructor(log: RegisterLog, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** A write is acknowledged. `askedMs`: when it was sent first. */
  written(topic: string, value: string | null, askedMs: number): void {
    const found = this.#writes(topic).find((write) => write.value === value && write.atMs >= askedMs);
    if (found !== undefined) this.#bound(topic, found.position);
  }

  /** A read that began at `askedMs` has brought `value`. */
  read(who: string, topic: string, value: string | null, askedMs: number): void {
    this.reads++;
    const atLeast = this.#boundAt(topic, askedMs);
    const writes = this.#writes(topic);
    if (value === null && atLeast === 0) return;
    const valid = writes.find((write) => write.value === value && write.position >= atLeast);
    demand(
      valid !== undefined,
      'P3-stale-read',
      () =>
        `${who} read ${value ?? 'nothing'} from ${topic}, but ${describe(writes, atLeast)} was complete before; ` +
        `the log has ${writes
          .slice(-5)
          .map((write) => `${write.position}:${write.value ?? 'nothing'}`)
          .join(' ')}`,
    );
    this.#bound(topic, Math.max(atLeast, valid.position));
  }

  #writes(topic: string): readonly RegisterWrite[] {
    return this.#log.registers.get(topic) ?? [];
  }

  #bound(topic: string, position: number): void {
    let bounds = this.#bounds.get(topic);
    if (bounds === undefined) {
      bounds = [];
      this.#bounds.set(topic, bounds);
    }
    const last = bounds.at(-1);
    if (last === undefined || position > last.position) bounds.push({ fromMs: this.#nowMs(), position });
  }

  /** What had to be visible to a read that began at `askedMs`; 0 for nothing. */
  #boundAt(topic: string, askedMs: number): number {
    return (this.#bounds.get(topic) ?? []).findLast((bound) => bound.fromMs < askedMs)?.position ?? 0;
  }
}

function describe(writes: readonly RegisterWrite[], position: number): string {
  return `${position}:${writes.find((write) => write.position === position)?.value ?? 'nothing'}`;
}
