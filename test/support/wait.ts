/** Options of {@link waitFor}. */
export interface WaitOptions {
  /** When to give up; 30 s by default, long for a busy machine: it is no bound of what is tested. */
  readonly timeoutMs?: number;
  /** Pause between two looks; 25 ms by default. */
  readonly intervalMs?: number;
  /** What is waited for, for the error message. */
  readonly what: string;
}

/**
 * Polls until the condition yields something other than false, null or undefined, and returns that.
 *
 * A condition that throws counts as not yet true; its last error is the cause when time runs out.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions,
): Promise<Exclude<T, false | null | undefined>> {
  const { timeoutMs = 30_000, intervalMs = 25, what } = options;
  const deadlineMs = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== false && value !== null && value !== undefined) {
        return value as Exclude<T, false | null | undefined>;
      }
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadlineMs) {
      const last = cause instanceof Error ? `; last error: ${cause.message}` : '';
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}${last}`, { cause });
    }
    await new Promise((resume) => setTimeout(resume, intervalMs));
  }
}
