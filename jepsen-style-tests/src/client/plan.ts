import type { NodeAddress } from './packets.ts';
import type { ProtocolVersion } from './wire.ts';

/** The actors of one workload that a client process runs. */
export interface WorkloadShare {
  readonly workload: string;
  /** How many the workload has in all processes. */
  readonly actors: number;
  /** Numbers of those that run here. */
  readonly indices: readonly number[];
  /** Publications a second of each actor that publishes. */
  readonly ratePerSec: number;
}

/** What a client process is to do; the first line on its standard input, as JSON. */
export interface ClientPlan {
  /** Of the process, for messages. */
  readonly name: string;
  /** Short and different between runs on one cluster: topics and client ids begin with it. */
  readonly run: string;
  readonly shares: readonly WorkloadShare[];
  /** The clients try them in this order, each from a place of its own. */
  readonly nodes: readonly NodeAddress[];
  /** An unsigned 32-bit integer. */
  readonly seed: number;
  readonly historyFile: string;
  readonly maxHistoryBytes: number;
  /** `process.hrtime.bigint()` when the run began, in decimal. */
  readonly zeroNs: string;
  readonly connectTimeoutMs: number;
  readonly ackTimeoutMs: number;
  /** Which versions the broker speaks; actors take turns. */
  readonly versions: readonly ProtocolVersion[];
  /** The highest QoS that the broker has: workloads that do not need QoS 2 do with 1. */
  readonly maxQos: 1 | 2;
  readonly username?: string;
  readonly password?: string;
  /** At the end, remove sessions and retained messages: for a cluster that lives on. */
  readonly cleanUp: boolean;
}

/** What a client process is told after its plan, a line each. */
export type ClientCommand = 'drain' | 'stop';

/** How a client process fares. */
export interface ClientCounts {
  readonly event: 'counts';
  /** Since the beginning: publications acknowledged, and those that ended otherwise. */
  readonly acknowledged: number;
  readonly unacknowledged: number;
  readonly deliveries: number;
  readonly actors: number;
  readonly ready: number;
  readonly settled: number;
  /** Names of some that are not ready, or after `drain` not settled. */
  readonly waitingFor: readonly string[];
  /** How long nothing was delivered, in milliseconds. */
  readonly quietMs: number;
  readonly historyBytes: number;
  /** Whether it has stopped to begin operations because its history is as large as it may be. */
  readonly historyFull: boolean;
}

/** What a client process tells, a JSON line each. `ready` comes once, `counts` each second, `stopped` last. */
export type ClientReport = { readonly event: 'ready' } | ClientCounts | { readonly event: 'stopped' };
