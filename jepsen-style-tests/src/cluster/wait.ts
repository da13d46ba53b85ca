import { setTimeout as delay } from 'node:timers/promises';

/** Looks again and again until the condition holds; rejects with what was waited for when it does not in time. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  options: {
    readonly what: string;
    readonly timeoutMs: number;
    readonly intervalMs?: number;
    readonly signal?: AbortSignal;
  },
): Promise<void> {
  const { what, timeoutMs, intervalMs = 50, signal } = options;
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() >= deadlineMs) throw new Error(`waited ${String(timeoutMs)} ms in vain for ${what}`);
    await delay(intervalMs, undefined, signal === undefined ? {} : { signal });
  }
}
