import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { SeedRequest, SeedResult } from './seed-runner.ts';

export interface HuntOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  /** Virtual seconds with faults per seed. */
  readonly seconds: number;
  /** Processes. */
  readonly workers: number;
}

/** The first seed that broke a promise, and how many were run to get there. */
export interface Found {
  readonly seed: number;
  readonly invariant: string;
  readonly message: string;
}

/** A seed that takes longer than this in real time will not end at all. */
const SEED_LIMIT_MS = 240_000;

/**
 * Runs seed after seed out of a copy of the packages, until one fails. The answer does not depend on the number of
 * processes: it is the lowest seed that fails.
 *
 * @returns null when all seeds keep every promise
 */
export async function hunt(copy: string, options: HuntOptions): Promise<Found | null> {
  const { firstSeed, seeds, workers } = options;
  const search = { next: firstSeed, end: firstSeed + seeds, found: null as Found | null };
  await Promise.all(Array.from({ length: Math.min(workers, seeds) }, () => runSeeds(copy, options, search)));
  return search.found;
}

interface Search {
  next: number;
  /** No seed from here on is of interest. */
  end: number;
  found: Found | null;
}

async function runSeeds(copy: string, { seconds }: HuntOptions, search: Search): Promise<void> {
  // Not the conditions and loaders of this process: the copy is compiled.
  let child: ChildProcess | null = null;
  while (search.next < search.end) {
    const seed = search.next++;
    child ??= fork(join(copy, 'seed-runner.js'), [], { execArgv: ['--max-semi-space-size=64'] });
    const { violation } = await runSeed(child, { seed, seconds });
    if (violation === null) continue;
    if (seed < search.end) {
      search.end = seed;
      search.found = { seed, invariant: violation.invariant, message: violation.message };
    }
    // It may be gone, or in a loop without end.
    child.kill('SIGKILL');
    child = null;
  }
  child?.kill('SIGKILL');
}

function runSeed(child: ChildProcess, request: SeedRequest): Promise<SeedResult> {
  return new Promise((resolve) => {
    const end = (result: SeedResult): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      resolve(result);
    };
    const fail = (invariant: string, message: string): void => {
      end({ seed: request.seed, violation: { invariant, message, atMs: 0 } });
    };
    const timer = setTimeout(() => fail('no-end', `${SEED_LIMIT_MS / 1000} s were not enough`), SEED_LIMIT_MS);
    child.on('message', (result) => end(result as SeedResult));
    child.on('exit', (code, signal) => fail('the simulator itself', `it ended with ${code ?? signal ?? 'nothing'}`));
    child.on('error', (error) => fail('the simulator itself', error.message));
    child.send(request);
  });
}
