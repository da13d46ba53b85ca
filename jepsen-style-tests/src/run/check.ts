import { type AvailabilityResult, checkAvailability } from '../checkers/availability.ts';
import type { CheckResult } from '../checkers/checker.ts';
import type { Operation } from '../history/operation.ts';
import type { History } from '../history/reader.ts';
import type { Workload } from '../workloads/workload.ts';

/** What the checkers of one workload found. */
export interface WorkloadResult {
  readonly workload: string;
  readonly description: string;
  readonly operations: number;
  readonly checks: readonly CheckResult[];
}

/** What all checkers found. */
export interface CheckedHistory {
  readonly workloads: readonly WorkloadResult[];
  readonly availability: AvailabilityResult;
  /** `anomalies` if anything has; else `undecided` if anything is. */
  readonly verdict: CheckResult['verdict'];
}

/**
 * Puts a history to the checkers of these workloads.
 *
 * @param nodes ids of all nodes with a vote
 */
export function checkHistory(
  history: History,
  workloads: readonly Workload[],
  nodes: readonly string[],
): CheckedHistory {
  const byWorkload = new Map<string, Operation[]>(workloads.map(({ name }) => [name, []]));
  for (const operation of history.operations) {
    const name = operation.client.slice(0, operation.client.indexOf('.'));
    byWorkload.get(name)?.push(operation);
  }
  const results = workloads.map(({ name, description, checkers }): WorkloadResult => {
    const operations = byWorkload.get(name) ?? [];
    const checks = checkers.map((checker) => checker({ ...history, operations }));
    return { workload: name, description, operations: operations.length, checks };
  });
  const availability = checkAvailability(history, { nodes });
  const verdicts = [...results.flatMap(({ checks }) => checks), availability].map(({ verdict }) => verdict);
  const worst = (['anomalies', 'undecided'] as const).find((verdict) => verdicts.includes(verdict));
  return { workloads: results, availability, verdict: worst ?? 'ok' };
}
