import { simulate } from '@quorate/simulator';

/* Runs in a process of its own, out of a copy of the packages: gets seeds, tells what became of each. */

/** What a process is asked for. */
export interface SeedRequest {
  readonly seed: number;
  readonly seconds: number;
}

/** What it answers. */
export interface SeedResult {
  readonly seed: number;
  /** The promise that was broken and how, or null. */
  readonly violation: { readonly invariant: string; readonly message: string; readonly atMs: number } | null;
}

let current = 0;

process.on('message', ({ seed, seconds }: SeedRequest) => {
  current = seed;
  void simulate({ seed, seconds }).then(({ violation }) => {
    process.send?.({ seed, violation } satisfies SeedResult);
  }, crashed);
});
process.on('uncaughtException', crashed);
// Nobody is left to be told.
process.on('disconnect', () => process.exit());

function crashed(error: unknown): void {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const violation = { invariant: 'the simulator itself', message, atMs: 0 };
  process.send?.({ seed: current, violation } satisfies SeedResult, () => process.exit(1));
}
