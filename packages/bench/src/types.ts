/** What the parts of the generator tell each other: targets in, results out. */
import type { LatencySummary } from './histogram.ts';
import type { Host } from './hosts.ts';

/** A broker under test. */
export interface Target {
  readonly name: string;
  /** Its listeners; clients are spread over them round robin. */
  readonly hosts: readonly Host[];
  /** Its processes, for CPU and memory; empty for unknown. */
  readonly pids: readonly number[];
}

/** What a scenario counts per second, or for `latency` measures. */
export type Metric = 'acked/s' | 'delivered/s' | 'connected/s' | 'ack p50 ms';

/** How long, how big, how fast. */
export interface RunOptions {
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly payloadBytes: number;
  /** Messages per second of the open-loop scenario. */
  readonly ratePerSecond: number;
  /** After publishing: what has not come when nothing came for this long counts as lost. */
  readonly drainIdleMs: number;
}

/** CPU and memory during the measured window. */
export interface RunCpu {
  readonly generatorCores: number;
  readonly eventLoopBusy: number;
  readonly machineBusy: number | null;
  readonly brokerCores: number | null;
  /** CPU seconds of the broker's processes per 100,000 of what the scenario counts. */
  readonly brokerSecondsPer100k: number | null;
  readonly brokerResidentMib: number | null;
}

/** What one run measured. Rates are over the measured window, totals over the whole run. */
export interface RunMeasurement {
  readonly metric: Metric;
  /** The scenario's figure, in the unit of `metric`. */
  readonly value: number;
  readonly measuredSeconds: number;
  readonly sentPerSecond: number;
  readonly ackedPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly ackLatency: LatencySummary | null;
  readonly e2eLatency: LatencySummary | null;
  readonly connectLatency: LatencySummary | null;
  /** Open loop: how late the generator itself was. */
  readonly sendLag: LatencySummary | null;
  readonly sent: number;
  readonly acked: number;
  readonly delivered: number;
  readonly unackedAtEnd: number;
  readonly loss: number;
  readonly duplicates: number;
  readonly dupFlagged: number;
  readonly reordered: number;
  readonly foreign: number;
  readonly bad: number;
  readonly firstBad: string | null;
  /** Messages whose delivery a QoS 0 window gave up waiting for. */
  readonly writtenOff: number;
  readonly cpu: RunCpu;
}

/** One run of one scenario against one target. */
export interface RunResult {
  readonly scenario: string;
  readonly target: string;
  /** From 1. */
  readonly run: number;
  /** Null when the run broke off before it had measured anything. */
  readonly measurement: RunMeasurement | null;
  /** Why the run does not count as correct; null when it does. */
  readonly fault: string | null;
}

/** A workload that can be run against a target, once per call. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** @throws BenchError when the run breaks off */
  run(target: Target, options: RunOptions): Promise<RunMeasurement>;
}
