/**
 * Calls back at a fixed rate, accurate to some tens of microseconds. Event-loop timers tick in whole milliseconds, too
 * coarse for latencies of tenths of one, and spinning would take a core from the broker; so a thread of its own sleeps
 * in `Atomics.wait`, which has the kernel's resolution.
 */
import type * as threads from 'node:worker_threads';
import { Worker } from 'node:worker_threads';

/** What the metronome thread is told. */
interface PacerData {
  /** One 32-bit word; anything but 0 stops the thread. */
  readonly control: SharedArrayBuffer;
  /** First tick, in milliseconds of `process.hrtime`: the clock that has the same zero point in all threads. */
  readonly startMs: number;
  readonly intervalMs: number;
}

/** A running metronome. */
export interface Pacer {
  /** Stops it; resolves when its thread has ended. */
  stop(): Promise<void>;
}

/**
 * Starts ticking.
 * @param startMs first tick, in milliseconds of this thread's `performance.now()`
 * @param onTick called once per tick, or once for several when this thread was busy
 */
export function startPacer(startMs: number, intervalMs: number, onTick: () => void): Pacer {
  const control = new SharedArrayBuffer(4);
  const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  const workerData: PacerData = { control, startMs: startMs + offsetMs, intervalMs };
  const worker = new Worker(`(${metronome.toString()})(require('node:worker_threads'))`, { eval: true, workerData });
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
  });
  worker.on('message', onTick);
  return {
    async stop() {
      const word = new Int32Array(control);
      Atomics.store(word, 0, 1);
      Atomics.notify(word, 0);
      await ended;
    },
  };
}

/**
 * Runs on the thread. Its source text is all that gets there, so it may use nothing but its argument and globals: that
 * way it needs no file that exists both as source and compiled. No function inside: transpilers add helpers to those.
 */
function metronome({ parentPort, workerData }: typeof threads): void {
  const { control, startMs, intervalMs } = workerData as PacerData;
  const stopped = new Int32Array(control);
  let tick = 0;
  while (Atomics.load(stopped, 0) === 0) {
    const elapsedMs = Number(process.hrtime.bigint()) / 1e6 - startMs;
    const waitMs = tick * intervalMs - elapsedMs;
    if (waitMs > 0) Atomics.wait(stopped, 0, 0, waitMs);
    else {
      parentPort?.postMessage(0);
      // Ticks that were slept through are one tick: the receiver sends all that is due.
      tick = Math.max(tick, Math.floor(elapsedMs / intervalMs)) + 1;
    }
  }
}
