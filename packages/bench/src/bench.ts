/** The course of a benchmark: targets up, runs interleaved, results judged, targets down. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type BenchOptions, HELP, parseCommandLine } from './args.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { describeMachine, isMemoryFilesystem } from './cpu.ts';
import { BenchError } from './hosts.ts';
import { type Report, renderJson, renderMarkdown, renderText } from './report.ts';
import { scenarioQos } from './scenarios/catalog.ts';
import type { RunMeasurement, RunOptions, RunResult, Scenario, Target } from './types.ts';
import { findFault } from './verify.ts';

/** What all bounded steps of a run but warm-up and window may take together. */
const RUN_OVERHEAD_MS = 150_000;

/** Where text goes. */
export interface Output {
  print(line: string): void;
  /** Progress and errors: kept apart so that tables can be redirected into a file. */
  note(line: string): void;
}

/**
 * Runs a benchmark from its command line (without the first two words of `process.argv`).
 * @returns the exit code: 0 only when every run was complete and correct
 */
export async function runBench(argv: readonly string[], output: Output): Promise<number> {
  const clusters: Cluster[] = [];
  const stopClusters = (): Promise<unknown> => Promise.all(clusters.map((cluster) => cluster.stop()));
  const interrupted = (): void => {
    output.note('Interrupted.');
    void stopClusters().finally(() => process.exit(130));
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  try {
    const options = parseCommandLine(argv);
    if (options.help) {
      output.print(HELP);
      return 0;
    }
    const targets = await startTargets(options, clusters, output);
    return await measureAll(options, targets, output);
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    output.note(error.message);
    return 1;
  } finally {
    await stopClusters();
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
}

async function startTargets(options: BenchOptions, clusters: Cluster[], output: Output): Promise<Target[]> {
  const targets: Target[] = [];
  for (const { name, hosts, pids } of options.targets) {
    if (hosts !== null) {
      targets.push({ name, hosts, pids });
      continue;
    }
    output.note(`Starting a three-node cluster (${name}) ...`);
    const cluster = await startCluster(name, options.dataDir);
    clusters.push(cluster);
    targets.push(cluster.target);
    if (isMemoryFilesystem(options.dataDir ?? tmpdir())) {
      output.note('WARNING the data directory lies in memory: fsync costs nothing there; use --data-dir.');
    }
  }
  return targets;
}

async function measureAll(options: BenchOptions, targets: readonly Target[], output: Output): Promise<number> {
  const results: RunResult[] = [];
  const startedAt = new Date().toISOString();
  for (const scenario of options.scenarios) {
    for (let run = 1; run <= options.runs; run++) {
      for (const target of targets) {
        const result = await runOnce(scenario, target, run, options);
        results.push(result);
        output.note(progressLine(result));
      }
    }
  }
  const { seconds, warmupSeconds, payloadBytes, ratePerSecond, drainIdleMs, runs, label } = options;
  const report: Report = {
    label,
    startedAt,
    machine: describeMachine(),
    options: { seconds, warmupSeconds, payloadBytes, ratePerSecond, drainIdleMs, runs },
    results,
  };
  output.print((options.markdown ? renderMarkdown : renderText)(report, options.scenarios));
  if (options.jsonFile !== null) writeReport(options.jsonFile, renderJson(report));
  return results.every((result) => result.fault === null) ? 0 : 1;
}

function writeReport(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new BenchError(`Cannot write ${file}: ${(error as Error).message}.`);
  }
}

/** One run, never longer than its hard limit, and its verdict. */
async function runOnce(scenario: Scenario, target: Target, run: number, options: RunOptions): Promise<RunResult> {
  const base = { scenario: scenario.name, target: target.name, run };
  try {
    const measurement = await withinLimit(scenario, target, options);
    return { ...base, measurement, fault: judge(scenario.name, measurement) };
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    return { ...base, measurement: null, fault: error.message };
  }
}

async function withinLimit(scenario: Scenario, target: Target, options: RunOptions): Promise<RunMeasurement> {
  const limitMs = (options.seconds + options.warmupSeconds) * 1000 + RUN_OVERHEAD_MS;
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    const error = new BenchError(`The run was not over after its hard limit of ${Math.round(limitMs / 1000)} s.`);
    timer = setTimeout(() => reject(error), limitMs);
  });
  try {
    return await Promise.race([scenario.run(target, options), limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Why a measurement does not count as correct, or null. */
export function judge(scenario: string, measurement: RunMeasurement): string | null {
  const { unackedAtEnd, firstBad } = measurement;
  const faults = [findFault({ ...measurement, qos: scenarioQos(scenario) })];
  if (firstBad !== null) faults.push(`first: ${firstBad}`);
  if (unackedAtEnd > 0) faults.push(`${unackedAtEnd} messages not acknowledged at the end`);
  const found = faults.filter((fault) => fault !== null);
  return found.length === 0 ? null : found.join(', ');
}

function progressLine(result: RunResult): string {
  const { scenario, target, run, measurement, fault } = result;
  const value = measurement === null ? '' : ` ${formatNumber(measurement.value)} ${measurement.metric}`;
  return `${scenario} on ${target}, run ${run}:${value}${fault === null ? '' : ` FAILED: ${fault}`}`;
}

function formatNumber(value: number): string {
  return value < 100 ? value.toFixed(3) : Math.round(value).toLocaleString('en-US');
}
