import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type Arguments, parseArguments, UsageError } from './args.ts';
import { FAULT_KINDS } from './faults/injector.ts';
import { minimise } from './minimise.ts';
import { describeFailure, describeMinimised, summary, Totals, traceOf } from './report.ts';
import { type SimulationResult, simulate } from './simulation.ts';
import type { Share } from './worker.ts';

/** Failures that are shown one by one; of more only the number. */
const SHOWN_FAILURES = 5;
/** Of each thread. Nearly all that an event makes dies with it: the seldomer V8 looks, the less it finds alive. */
const YOUNG_GENERATION_MB = 96;
/** How often a long run says how far it is. */
const PROGRESS_MS = 30_000;

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(argv: readonly string[]): Promise<number> {
  const args = parseArguments(argv, availableParallelism(), () => randomInt(2 ** 32));
  return args.replay === null ? await runMany(args) : await replay(args.replay, args);
}

async function replay(seed: number, args: Arguments): Promise<number> {
  const { seconds, trace, leftOut } = args;
  const result = await simulate({ seed, seconds, trace: true, leftOut: new Set(leftOut) });
  if (trace || result.violation !== null) print(traceOf(result, trace));
  print(describeFailure(result, seconds, leftOut));
  if (result.violation !== null && !trace && leftOut.length === 0) await printMinimised(seed, args);
  print(`trace hash ${result.traceHash}, ${result.events} events`);
  return result.violation === null ? 0 : 1;
}

async function runMany(args: Arguments): Promise<number> {
  const { seeds, base, seconds, budgetSec } = args;
  const workers = Math.min(args.workers, seeds);
  print(`seeds ${base} to ${base + seeds - 1}, ${seconds} s each, ${workers} threads`);
  const totals = new Totals();
  const startedMs = performance.now();
  let saidMs = startedMs;
  const add = (result: SimulationResult): void => {
    totals.add(result);
    const nowMs = performance.now();
    if (nowMs - saidMs >= PROGRESS_MS) {
      saidMs = nowMs;
      print(`${totals.seeds} seeds in ${Math.round((nowMs - startedMs) / 1000)} s, ${totals.failed.length} failed`);
    }
    if (result.violation !== null && totals.failed.length <= SHOWN_FAILURES) print(describeFailure(result, seconds));
  };
  const shares = Array.from({ length: workers }, (_, at) => ({
    first: base + at,
    step: workers,
    end: base + seeds,
    seconds,
    budgetMs: budgetSec * 1000,
  }));
  await Promise.all(shares.map((share) => runShare(share, add)));
  print(summary(totals, (performance.now() - startedMs) / 1000, FAULT_KINDS));
  const [failed] = totals.failed;
  if (failed === undefined) return 0;
  // The same seed does the same again: now with its trace.
  const again = await simulate({ seed: failed.seed, seconds, trace: true });
  print(`the end of seed ${failed.seed}:\n${traceOf(again, args.trace)}\n${describeFailure(again, seconds)}`);
  await printMinimised(failed.seed, args);
  return 1;
}

/** The same failure from fewer faults, as far as these are found in the time there is. */
async function printMinimised(seed: number, { seconds, minimiseSec }: Arguments): Promise<void> {
  if (minimiseSec === 0) return;
  const nowMs = (): number => performance.now();
  const minimised = await minimise({ seed, seconds, budgetMs: minimiseSec * 1000, nowMs });
  if (minimised !== null) print(describeMinimised(minimised, seconds));
}

function runShare(share: Share, add: (result: SimulationResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), {
      workerData: share,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    worker.on('message', add);
    worker.once('error', reject);
    worker.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`a thread ended with code ${code}`));
    });
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
