import { setTimeout as delay } from 'node:timers/promises';

/** Something that goes on while a fault lasts. */
export interface Background {
  /** Asks it to end, and waits for it; rejects as it did. */
  end(): Promise<void>;
}

/** Runs a task until it ends or is asked to: by its signal. */
export function inBackground(task: (signal: AbortSignal) => Promise<void>): Background {
  const asked = new AbortController();
  const done = task(asked.signal).then(
    () => null,
    (thrown: unknown) => {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      return asked.signal.aborted && error.name === 'AbortError' ? null : error;
    },
  );
  return {
    end: async () => {
      asked.abort();
      const error = await done;
      if (error !== null) throw error;
    },
  };
}

/** Waits; rejects with an AbortError as soon as the signal comes. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal });
}
