import type { InjectedFault } from './faults/injector.ts';
import { type SimulationOptions, type SimulationResult, simulate } from './simulation.ts';

export interface Minimised {
  /** With the faults that are needed. */
  readonly result: SimulationResult;
  /** Numbers of the faults that are left out. */
  readonly leftOut: readonly number[];
  readonly runs: number;
}

export interface MinimiseOptions extends Omit<SimulationOptions, 'trace' | 'leftOut'> {
  /** No run begins later than so long after the first. */
  readonly budgetMs: number;
  readonly nowMs: () => number;
}

/**
 * Looks for fewer faults that break the same promise (delta debugging, Zeller and Hildebrandt 2002): leaves out half of them, then
 * quarters and so on. What is left is not always the least there is: the search is cut off, and every fault has an effect on all
 * that comes later.
 *
 * @returns null when the seed breaks nothing
 */
export async function minimise({ budgetMs, nowMs, ...options }: MinimiseOptions): Promise<Minimised | null> {
  const startedMs = nowMs();
  let best = await simulate(options);
  let runs = 1;
  if (best.violation === null) return null;
  const { invariant } = best.violation;
  const leftOut = new Set<number>();
  let pieces = 2;
  while (nowMs() - startedMs < budgetMs && best.faults.length > 0) {
    const found = await firstThatFails(best.faults, pieces);
    if (found !== null) pieces = Math.max(2, pieces - 1);
    else if (pieces >= best.faults.length) break;
    else pieces = Math.min(best.faults.length, pieces * 2);
  }
  // Once more, for its trace.
  const result = await simulate({ ...options, leftOut, trace: true });
  return { result, leftOut: [...leftOut].sort((a, b) => a - b), runs };

  async function firstThatFails(faults: readonly InjectedFault[], parts: number): Promise<SimulationResult | null> {
    const size = Math.ceil(faults.length / parts);
    for (let from = 0; from < faults.length && nowMs() - startedMs < budgetMs; from += size) {
      const without = faults.slice(from, from + size).map(({ number }) => number);
      const result = await simulate({ ...options, leftOut: new Set([...leftOut, ...without]) });
      runs++;
      if (result.violation?.invariant !== invariant) continue;
      for (const number of without) leftOut.add(number);
      best = result;
      return result;
    }
    return null;
  }
}
