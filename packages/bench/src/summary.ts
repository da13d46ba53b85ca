/** From single runs to what a table shows: median and range over the runs. */
import type { Metric, RunMeasurement, RunResult } from './types.ts';

/** One scenario on one target, over its runs. */
export interface Summary {
  readonly scenario: string;
  readonly target: string;
  readonly runs: number;
  readonly metric: Metric;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Against the first target's median; null for the first target itself or when it has none. */
  readonly ratio: number | null;
  /** Of acks, deliveries or connects, whichever the scenario is about. Medians over the runs. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** The worst of all runs. */
  readonly maxMs: number | null;
  readonly brokerSecondsPer100k: number | null;
  readonly brokerCores: number | null;
  readonly generatorCores: number;
  readonly machineBusy: number | null;
  readonly loss: number;
  readonly duplicates: number;
  readonly reordered: number;
  /** What was wrong, over all runs; empty when nothing was. */
  readonly faults: readonly string[];
}

/** The middle value; the mean of the two middle ones for an even number. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Summaries in the order in which scenarios and targets first appear. Targets without a measurement are kept. */
export function summarize(results: readonly RunResult[]): Summary[] {
  const groups = new Map<string, RunResult[]>();
  for (const result of results) {
    const key = JSON.stringify([result.scenario, result.target]);
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  const firstTarget = results[0]?.target;
  const medians = new Map<string, number>();
  return [...groups.values()].map((group) => {
    const { scenario, target } = group[0] as RunResult;
    const value = median(measurements(group).map((run) => run.value));
    if (target === firstTarget) medians.set(scenario, value);
    const base = medians.get(scenario);
    const ratio = target === firstTarget || base === undefined ? Number.NaN : value / base;
    return summarizeGroup(scenario, target, group, Number.isFinite(ratio) ? ratio : null);
  });
}

function summarizeGroup(scenario: string, target: string, group: readonly RunResult[], ratio: number | null): Summary {
  const runs = measurements(group);
  const values = runs.map((run) => run.value);
  const latencies = runs.map((run) => run.e2eLatency ?? run.ackLatency ?? run.connectLatency).filter((l) => l !== null);
  const total = (pick: (run: RunMeasurement) => number): number => runs.reduce((sum, run) => sum + pick(run), 0);
  return {
    scenario,
    target,
    runs: runs.length,
    metric: runs[0]?.metric ?? 'delivered/s',
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    ratio,
    p50Ms: medianOrNull(latencies.map((latency) => latency.p50Ms)),
    p99Ms: medianOrNull(latencies.map((latency) => latency.p99Ms)),
    maxMs: latencies.length === 0 ? null : Math.max(...latencies.map((latency) => latency.maxMs)),
    brokerSecondsPer100k: medianOrNull(runs.map((run) => run.cpu.brokerSecondsPer100k)),
    brokerCores: medianOrNull(runs.map((run) => run.cpu.brokerCores)),
    generatorCores: median(runs.map((run) => run.cpu.generatorCores)),
    machineBusy: medianOrNull(runs.map((run) => run.cpu.machineBusy)),
    loss: total((run) => run.loss),
    duplicates: total((run) => run.duplicates),
    reordered: total((run) => run.reordered),
    faults: group.filter((result) => result.fault !== null).map((result) => `run ${result.run}: ${result.fault}`),
  };
}

function measurements(group: readonly RunResult[]): RunMeasurement[] {
  return group.map((result) => result.measurement).filter((measurement) => measurement !== null);
}

function medianOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : median(known);
}
