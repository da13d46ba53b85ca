import { drawClients } from './client/crowd.ts';
import type { ClientPlan } from './client/plan.ts';
import type { DiskProfile } from './cluster/disk.ts';
import type { NetworkProfile } from './cluster/network.ts';
import type { NodeTuning } from './cluster/node-config.ts';
import type { WireProfile } from './cluster/wire.ts';
import type { Rng } from './world/random.ts';

/** What one seed makes of the cluster, its surroundings and its clients. */
export interface Profile {
  readonly size: number;
  /** Machines beside the founders. */
  readonly spares: number;
  readonly tuning: NodeTuning;
  readonly network: NetworkProfile;
  readonly disk: DiskProfile;
  readonly wire: WireProfile;
  readonly drift: number;
  /** Between two faults, on average; infinite for a seed without faults. */
  readonly faultEveryMs: number;
  /** Before the first fault; 0 where the cluster is founded amid faults. */
  readonly calmMs: number;
  readonly plans: readonly ClientPlan[];
}

const MANY_IN_FLIGHT = 1_024;
/** As configured by default. Heartbeats come late by up to a tick. */
const FINEST_TICK_MS = 10;
const NO_FAULTS = 0.05;
const FOUNDED_AMID_FAULTS = 0.3;
/** Within what the serving lease allows for (1.1 and a margin). */
const DRIFT = 0.03;

export function drawProfile(rng: Rng): Profile {
  const electionTimeoutMs = Math.round(rng.between(150, 700));
  const heartbeatIntervalMs = Math.round(electionTimeoutMs / rng.between(3, 8));
  const maxInflightMessages = rng.pick([1, 3, 20, MANY_IN_FLIGHT]);
  return {
    size: rng.chance(0.75) ? 3 : 5,
    spares: 2,
    tuning: {
      electionTimeoutMs,
      heartbeatIntervalMs,
      tickIntervalMs: Math.max(
        FINEST_TICK_MS,
        Math.min(rng.pick([10, 20, 50, 100]), Math.floor(heartbeatIntervalMs / 2)),
      ),
      leaseMs: Math.round(rng.between(Math.max(300, heartbeatIntervalMs * 2.1), 1_200)),
      gracePeriodMs: Math.round(rng.between(500, 4_000)),
      receiveMaximum: rng.pick([2, 10, 100, 1_024]),
      maxInflightMessages,
      checkpointIntervalMs: rng.pick([100, 300, 1_000, 3_000]),
      maxAppendBytes: rng.pick([128, 512, 4 * 1024, 64 * 1024, 1024 * 1024]),
      maxInflightAppends: rng.pick([1, 4, 64]),
      compactEntries: rng.pick([1, 16, 128, 4_096]),
      recentLogBytes: rng.pick([0, 2 * 1024, 64 * 1024]),
      keepLogBytes: rng.pick([0, 4 * 1024, 64 * 1024, 64 * 1024 * 1024]),
    },
    network: { fastestMs: 0.1, slowestMs: rng.pick([1, 5, 40]) },
    disk: { fastestMs: 0.2, slowestMs: rng.pick([1, 4, 30]) },
    wire: { fastestMs: 0.1, slowestMs: rng.pick([1, 5, 60]), kernelBytes: rng.pick([1_024, 64 * 1024]) },
    drift: rng.chance(0.7) ? DRIFT : 0,
    faultEveryMs: rng.chance(NO_FAULTS) ? Number.POSITIVE_INFINITY : rng.pick([300, 800, 1_500, 3_000]),
    calmMs: rng.chance(FOUNDED_AMID_FAULTS) ? 0 : rng.between(1_000, 4_000),
    plans: drawClients(rng, maxInflightMessages >= MANY_IN_FLIGHT ? [0, 1] : [0]),
  };
}
