import type { Clock } from './clock.ts';

/** The clock of a running process. No wall-clock jump moves it. */
export const realClock: Clock = {
  nowMs: () => performance.now(),
  defer: (task) => {
    setImmediate(task);
  },
  soon: (task) => {
    queueMicrotask(task);
  },
  every: (intervalMs, task) => {
    const timer = setInterval(task, intervalMs);
    return () => {
      clearInterval(timer);
    };
  },
};
