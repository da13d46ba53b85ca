import type { ClientPlan, PublishPlan } from './client/plan.ts';
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
  readonly plans: readonly ClientPlan[];
}

const REGISTERS = ['reg/a', 'reg/b'];
const STREAMS = ['t/0', 't/1', 't/2', 'u/0'];
const MANY_IN_FLIGHT = 1_024;
const NO_FAULTS = 0.05;
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
      leaseMs: Math.round(rng.between(Math.max(300, heartbeatIntervalMs * 2.1), 1_200)),
      gracePeriodMs: Math.round(rng.between(500, 4_000)),
      receiveMaximum: rng.pick([2, 10, 100, 1_024]),
      maxInflightMessages,
      checkpointIntervalMs: rng.pick([100, 300, 1_000, 3_000]),
      maxAppendBytes: rng.pick([4 * 1024, 64 * 1024, 1024 * 1024]),
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
    plans: drawClients(rng, maxInflightMessages >= MANY_IN_FLIGHT ? [0, 1] : [0]),
  };
}

const QUIET: ClientPlan = {
  clientId: '',
  version: 4,
  clean: false,
  expirySec: null,
  subscriptions: [],
  publishes: null,
  will: null,
  churns: false,
  reads: [],
  readQos: [0],
  leavesEveryMs: 10_000,
  contends: false,
};

function drawClients(rng: Rng, readQos: readonly (0 | 1)[]): ClientPlan[] {
  const plans: ClientPlan[] = [];
  const add = (clientId: string, plan: Partial<ClientPlan>): void => {
    const version = plan.version ?? rng.pick([4, 5] as const);
    plans.push({ ...QUIET, leavesEveryMs: rng.between(1_500, 15_000), ...plan, version, clientId });
  };
  const streams = (qos: PublishPlan['qos'], everyMs: number): PublishPlan => ({
    topics: STREAMS,
    qos,
    everyMs,
    window: 1 + rng.below(20),
    retain: false,
  });
  add('watcher', { subscriptions: [{ filter: 'will/#', qos: 2 }] });
  add('pub1', { publishes: streams([1, 2], rng.between(20, 200)) });
  add('pub2', {
    publishes: streams([2], rng.between(20, 200)),
    will: { topic: 'will/a', qos: 2, retain: false, delaySec: 0 },
  });
  add('pub3', { clean: true, publishes: streams([0, 1, 2], rng.between(50, 300)) });
  add('pub4', {
    version: 5,
    publishes: {
      topics: ['e/0', 'e/1'],
      qos: [0, 1, 2],
      everyMs: rng.between(50, 300),
      window: 1 + rng.below(20),
      retain: false,
      expirySec: [0, 1, 2, 5],
    },
  });
  add('sub4', { subscriptions: [{ filter: 'e/#', qos: 2 }], leavesEveryMs: rng.between(1_000, 4_000) });
  add('sub1', { subscriptions: [{ filter: 't/#', qos: 2 }] });
  add('sub2', {
    subscriptions: [
      { filter: 't/+', qos: 2 },
      { filter: 'u/0', qos: 1 },
    ],
  });
  add('sub3', { subscriptions: [{ filter: '#', qos: 1 }] });
  add('clean1', {
    clean: true,
    subscriptions: [{ filter: 't/#', qos: 2 }],
    will: { topic: 'will/b', qos: 2, retain: false, delaySec: 0 },
  });
  add('expiring', { version: 5, expirySec: 1 + rng.below(4), subscriptions: [{ filter: 't/1', qos: 2 }] });
  add('delayed', {
    version: 5,
    expirySec: 60,
    will: { topic: 'will/c', qos: 2, retain: false, delaySec: 1 + rng.below(3) },
  });
  for (let i = 0; i < 2; i++) add(`share${i}`, { subscriptions: [{ filter: '$share/kept/t/#', qos: 2 }] });
  for (const clean of [false, true]) {
    add(clean ? 'cleanshare' : 'share2', { clean, subscriptions: [{ filter: '$share/mixed/t/#', qos: 2 }] });
  }
  add('churner', { churns: true, subscriptions: STREAMS.map((filter) => ({ filter, qos: 1 as const })) });
  const register: PublishPlan = { topics: REGISTERS, qos: [1], everyMs: 150, window: 1, retain: true };
  for (let i = 0; i < 2; i++) add(`writer${i}`, { publishes: register });
  for (let i = 0; i < 2; i++) add(`reader${i}`, { clean: true, reads: REGISTERS, readQos });
  const contenders = 2 + rng.below(3);
  const clean = rng.chance(0.3);
  for (let i = 0; i < contenders; i++) {
    add('shared', { clean, contends: true, leavesEveryMs: 4_000, subscriptions: [{ filter: 't/0', qos: 1 }] });
  }
  return plans;
}
