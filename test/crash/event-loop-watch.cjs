'use strict';

/*
 * Preloaded into a node (`NODE_OPTIONS=--require`): notes each stretch in which its event loop did not turn. With more
 * processes than cores most of such a stretch is waiting for a core, which says nothing about the node: so it also notes how
 * long the main thread computed, from the scheduler's own books (Linux only; elsewhere that is null).
 * One line of JSON each, [wall ms, CPU ms], goes to `<LOOP_WATCH_FOLDER>/<node id>`.
 */

const { Buffer } = require('node:buffer');
const { openSync, readSync, writeSync } = require('node:fs');
const { join } = require('node:path');
const { performance } = require('node:perf_hooks');
const process = require('node:process');
const { setInterval } = require('node:timers');
const { isMainThread } = require('node:worker_threads');

const INTERVAL_MS = 10;
/** Shorter ones are not of interest, and too many. */
const NOTED_MS = 30;

const folder = process.env['LOOP_WATCH_FOLDER'];
const flagAt = process.argv.indexOf('--node-id');
if (folder !== undefined && flagAt > 0 && isMainThread) watch(join(folder, process.argv[flagAt + 1]));

function watch(file) {
  const out = openSync(file, 'a');
  const cpuMs = cpuClock();
  let lastMs = performance.now();
  let lastCpuMs = cpuMs();
  setInterval(() => {
    const nowMs = performance.now();
    const nowCpuMs = cpuMs();
    const wallMs = nowMs - lastMs;
    if (wallMs >= NOTED_MS)
      writeSync(out, `${JSON.stringify([wallMs, nowCpuMs === null ? null : nowCpuMs - lastCpuMs])}\n`);
    lastMs = nowMs;
    lastCpuMs = nowCpuMs;
  }, INTERVAL_MS).unref();
}

/** CPU time of the main thread in milliseconds. */
function cpuClock() {
  let books;
  try {
    books = openSync(`/proc/${process.pid}/task/${process.pid}/schedstat`, 'r');
  } catch {
    return () => null;
  }
  const buffer = Buffer.alloc(128);
  return () => Number(buffer.toString('latin1', 0, readSync(books, buffer, 0, buffer.length, 0)).split(' ')[0]) / 1e6;
}
