import { join } from 'node:path';
import type { NodeAddress } from '../client/packets.ts';
import type { ClientPlan, WorkloadShare } from '../client/plan.ts';
import { ClientPool, type DrainResult, type PoolCounts } from '../client/pool.ts';
import type { ProtocolVersion } from '../client/wire.ts';
import { RunClock } from '../history/clock.ts';
import type { LeaderEvent, NemesisEvent } from '../history/operation.ts';
import { loadHistory } from '../history/reader.ts';
import { HistoryWriter } from '../history/writer.ts';
import type { Workload } from '../workloads/workload.ts';
import { type CheckedHistory, checkHistory } from './check.ts';

/** Where clients run: a host of the network without the rest. */
export interface ClientPlace {
  readonly name: string;
  readonly commandPrefix: readonly string[];
  /** The nodes as clients reach them from here, where that differs from place to place. */
  readonly nodes?: readonly NodeAddress[];
}

/** What happens to the cluster while clients work. */
export interface Stage {
  /** The clock of the run; nemeses stamp with it. */
  readonly clock: RunClock;
  readonly record: (event: NemesisEvent | LeaderEvent) => void;
  readonly counts: () => PoolCounts;
}

/** Options of {@link runWorkloads}. */
export interface RunOptions {
  readonly workloads: readonly Workload[];
  /** The nodes as clients reach them. */
  readonly nodes: readonly NodeAddress[];
  /** One client process for each; actors take turns. */
  readonly places: readonly ClientPlace[];
  /** Where the histories go; empty, or without those of another run. */
  readonly folder: string;
  /** An unsigned 32-bit integer. */
  readonly seed: number;
  /** About how many publications a second all workloads together make; 1,000 by default. */
  readonly ratePerSec?: number;
  /** How many times the usual number of actors; 1 by default. */
  readonly scale?: number;
  readonly versions?: readonly ProtocolVersion[];
  /** The highest QoS that the broker has; 2 by default. */
  readonly maxQos?: 1 | 2;
  readonly username?: string;
  readonly password?: string;
  /** Different between runs against one cluster; from the seed by default. */
  readonly run?: string;
  readonly cleanUp?: boolean;
  readonly readyTimeoutMs?: number;
  /** How long what is outstanding may take once no fault is left; 60 s by default. */
  readonly drainTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  readonly ackTimeoutMs?: number;
  readonly maxHistoryBytes?: number;
  /** The time in which clients work: ends when this resolves, with all faults ended. */
  readonly stage: (stage: Stage) => Promise<void>;
}

/** How a run went. */
export interface RunResult extends CheckedHistory {
  readonly counts: PoolCounts;
  readonly drain: DrainResult;
  readonly historyFiles: readonly string[];
}

/** Which actors run where. */
function sharesOf(options: Omit<RunOptions, 'stage'>, place: number): WorkloadShare[] {
  const { workloads, places, scale = 1, ratePerSec = 1_000 } = options;
  const sizes = workloads.map(({ actors, step }) => Math.max(step, Math.round((actors * scale) / step) * step));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return workloads.map(({ name }, at) => {
    const actors = sizes[at] as number;
    const indices = Array.from({ length: actors }, (_none, index) => index).filter(
      (index) => index % places.length === place,
    );
    // About half of the actors publish.
    return { workload: name, actors, indices, ratePerSec: Math.max(1, (2 * ratePerSec) / total) };
  });
}

/** What each client process is told; in the order of the places. */
export function plansOf(options: Omit<RunOptions, 'stage'>, zeroNs: bigint): ClientPlan[] {
  const { seed, folder, username, password } = options;
  return options.places.map((place, at) => ({
    ...{
      name: place.name,
      nodes: place.nodes ?? options.nodes,
      seed,
      zeroNs: String(zeroNs),
      shares: sharesOf(options, at),
    },
    run: options.run ?? `jepsen-${seed.toString(36)}`,
    historyFile: join(folder, `clients-${place.name}.jsonl`),
    maxHistoryBytes: options.maxHistoryBytes ?? 2 ** 30,
    connectTimeoutMs: options.connectTimeoutMs ?? 2_000,
    ackTimeoutMs: options.ackTimeoutMs ?? 5_000,
    versions: options.versions ?? [5, 4],
    maxQos: options.maxQos ?? 2,
    cleanUp: options.cleanUp ?? false,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  }));
}

/**
 * Lets clients work while something happens, waits until all is received that has to be, and checks what they wrote down.
 *
 * @throws when clients can not begin, a client process fails, or the stage does
 */
export async function runWorkloads(options: RunOptions): Promise<RunResult> {
  const zeroNs = process.hrtime.bigint();
  const clock = new RunClock(zeroNs);
  const events = new HistoryWriter(join(options.folder, 'events.jsonl'));
  const plans = plansOf(options, zeroNs);
  const pool = new ClientPool(
    plans.map((plan, at) => ({ plan, commandPrefix: options.places[at]?.commandPrefix ?? [] })),
  );
  let drain: DrainResult;
  try {
    await pool.ready(options.readyTimeoutMs ?? 30_000);
    await options.stage({ clock, record: (event) => events.append(event), counts: () => pool.counts });
    drain = await pool.drain(options.drainTimeoutMs ?? 60_000);
    await pool.stop();
  } catch (error) {
    pool.kill();
    throw error;
  } finally {
    await events.close();
  }
  const historyFiles = [...pool.historyFiles, events.path];
  const history = await loadHistory(historyFiles);
  const checked = checkHistory(
    history,
    options.workloads,
    options.nodes.map(({ id }) => id),
  );
  return { ...checked, counts: pool.counts, drain, historyFiles };
}
