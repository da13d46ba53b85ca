import { Worker } from 'node:worker_threads';

/** Far beyond what any input or script takes, also on a busy machine. */
const SILENCE_MS = 180_000;
const TEXT_BYTES = 256;

/*
 * In plain JavaScript, on a thread of its own: what it watches may hang without ever giving up the event loop. It ends
 * the process, as nothing else can.
 */
const WATCHER = `
const { workerData } = require('node:worker_threads');
const { writeSync } = require('node:fs');
const beats = new Int32Array(workerData.shared, 0, 2);
const text = new Uint8Array(workerData.shared, 8);
let last = -1;
let sinceMs = Date.now();
setInterval(() => {
  const now = Atomics.load(beats, 0);
  if (now !== last) { last = now; sinceMs = Date.now(); return; }
  if (Date.now() - sinceMs < workerData.silenceMs) return;
  const what = Buffer.from(text).subarray(0, Atomics.load(beats, 1)).toString();
  writeSync(2, '\\nHANGS: no end for ' + workerData.silenceMs + ' ms at ' + what + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, Math.min(1000, workerData.silenceMs / 4));
`;

/** Ends the process, saying where it was, when `alive` is not called for a long time: an input that never ends. */
export class Watchdog {
  readonly #shared = new SharedArrayBuffer(8 + TEXT_BYTES);
  readonly #beats = new Int32Array(this.#shared, 0, 2);
  readonly #text = new Uint8Array(this.#shared, 8);
  readonly #worker: Worker;

  constructor(silenceMs = SILENCE_MS) {
    this.#worker = new Worker(WATCHER, { eval: true, execArgv: [], workerData: { shared: this.#shared, silenceMs } });
    this.#worker.unref();
  }

  /** @param where what comes next; written before it, so that it can be read when it does not end */
  alive(where: string): void {
    const { written } = new TextEncoder().encodeInto(where, this.#text);
    Atomics.store(this.#beats, 1, written);
    Atomics.add(this.#beats, 0, 1);
  }

  stop(): void {
    void this.#worker.terminate();
  }
}
