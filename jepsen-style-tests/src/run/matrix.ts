import { type BrokerName, sizesOf } from '../cluster/brokers.ts';
import { NEMESES } from '../nemeses/catalogue.ts';
import type { Touches } from '../nemeses/nemesis.ts';
import { WORKLOADS } from '../workloads/index.ts';

/** One run of a matrix. */
export interface MatrixRun {
  /** Unique in its matrix, and a name for a folder. */
  readonly name: string;
  readonly nodes: number;
  /** Names; never empty. */
  readonly nemeses: readonly string[];
  /** Names; empty: all. */
  readonly workloads: readonly string[];
  /** An unsigned 32-bit integer. */
  readonly seed: number;
}

/** Faults that are put together with one workload at a time. */
const FAMILIES: Readonly<Record<string, readonly Touches[]>> = {
  links: ['links', 'shapes'],
  nodes: ['processes', 'clocks', 'space'],
  changes: ['data', 'members', 'settings'],
};

/**
 * Each fault by itself with all workloads at once, and each workload by itself with each family of faults, for each size.
 * What can not be done where it runs is left out there.
 *
 * @param sizes numbers of nodes; those that the broker can have by default
 * @param base the first seed
 */
export function matrixOf(broker: BrokerName, sizes: readonly number[] = sizesOf(broker), base = 1): MatrixRun[] {
  const runs: Omit<MatrixRun, 'seed'>[] = [];
  for (const nodes of sizes) {
    for (const { name } of NEMESES) {
      runs.push({ name: `${nodes}-${name.replaceAll(' ', '-')}`, nodes, nemeses: [name], workloads: [] });
    }
    for (const [family, touches] of Object.entries(FAMILIES)) {
      const nemeses = NEMESES.filter((nemesis) => touches.includes(nemesis.touches)).map(({ name }) => name);
      for (const { name } of WORKLOADS) {
        runs.push({ name: `${nodes}-${family}-${name}`, nodes, nemeses, workloads: [name] });
      }
    }
  }
  return runs.map((run, at) => ({ ...run, seed: base + at }));
}
