import { parentPort, workerData } from 'node:worker_threads';
import { simulate } from './simulation.ts';

/** Which seeds one thread runs: every `step`-th from `first` on. */
export interface Share {
  readonly first: number;
  readonly step: number;
  readonly end: number;
  readonly seconds: number;
  /** Milliseconds after which it begins no further one; the first is run in any case. */
  readonly budgetMs: number;
}

const { first, step, end, seconds, budgetMs } = workerData as Share;
const startedMs = performance.now();
for (let seed = first; seed < end && (seed === first || performance.now() - startedMs < budgetMs); seed += step) {
  parentPort?.postMessage(await simulate({ seed, seconds }));
}
