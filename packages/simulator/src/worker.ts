import { parentPort, workerData } from 'node:worker_threads';
import { simulate } from './simulation.ts';

/** Which seeds one thread runs: every `step`-th from `first` on. */
export interface Share {
  readonly first: number;
  readonly step: number;
  readonly end: number;
  readonly seconds: number;
}

const { first, step, end, seconds } = workerData as Share;
for (let seed = first; seed < end; seed += step) {
  parentPort?.postMessage(await simulate({ seed, seconds }));
}
