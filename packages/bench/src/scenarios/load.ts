/** Scenarios that publish: from the number of clients, QoS and windows to one measured and verified run. */
import type { ConnectionOptions } from '../client.ts';
import { Connection } from '../client.ts';
import type { Qos } from '../codec.ts';
import { type CpuSnapshot, residentMib, takeSnapshot, usageBetween } from '../cpu.ts';
import { BenchError, type Host } from '../hosts.ts';
import { startPacer } from '../pacer.ts';
import { Publisher } from '../publisher.ts';
import { Run } from '../run.ts';
import { Subscriber } from '../subscriber.ts';
import type { Metric, RunMeasurement, RunOptions, Scenario, Target } from '../types.ts';
import { closeAll, connectAll } from './phases.ts';

/** A publishing workload. */
export interface LoadPlan {
  readonly name: string;
  readonly title: string;
  readonly metric: Metric;
  readonly qos: Qos;
  readonly publishers: number;
  /** Subscribers of each publisher's topic. Each sits on a node after its publisher's. */
  readonly receivers: number;
  /** Unacknowledged messages per publisher (QoS 1 and 2). */
  readonly window: number;
  /** Messages per publisher sent and not yet delivered; 0 for no limit. */
  readonly e2eWindow: number;
  /** Subscribers keep their session (clean session off). */
  readonly persistent: boolean;
  /** Send at the rate of the options instead of as fast as the windows allow. */
  readonly openLoop: boolean;
}

const SETTLE_MS = 300;
const DRAIN_TIMEOUT_MS = 15_000;
/** A QoS 0 window that saw no delivery for this long gives up on what is outstanding. */
const STALL_MS = 500;

/** Counters at the start or the end of the measured window. */
interface Reading {
  readonly cpu: CpuSnapshot;
  readonly sent: number;
  readonly acked: number;
  readonly delivered: number;
}

/** Makes a scenario of a plan. */
export function loadScenario(plan: LoadPlan): Scenario {
  return { name: plan.name, title: plan.title, run: (target, options) => runLoad(plan, target, options) };
}

async function runLoad(plan: LoadPlan, target: Target, options: RunOptions): Promise<RunMeasurement> {
  const run = new Run(plan.qos);
  const { publishers, subscribers } = makeClients(run, plan, target, options);
  const all = [...subscribers, ...publishers];
  try {
    await connectAll(run, subscribers);
    await connectAll(run, publishers);
    await run.loop.until(() => false, { timeoutMs: SETTLE_MS });
    const { before, after, residentMib: memory } = await publish(run, plan, target, options, publishers);
    await drain(run, plan, options.drainIdleMs);
    return measure(run, plan, subscribers, before, after, memory);
  } finally {
    await closeAll(run, all);
    // A broker that fails here has failed before, and that error is the one to show; sessions have unique names.
    if (plan.persistent) await removeSessions(subscribers).catch(() => {});
  }
}

function makeClients(run: Run, plan: LoadPlan, target: Target, options: RunOptions) {
  const publishers: Publisher[] = [];
  const subscribers: Subscriber[] = [];
  const keepAliveSeconds = Math.min(65_535, Math.ceil(2 * (options.seconds + options.warmupSeconds) + 120));
  const intervalMs = (plan.publishers / options.ratePerSecond) * 1000;
  for (let index = 0; index < plan.publishers; index++) {
    const topic = `bench/${run.id}/${index}`;
    const base = { cleanSession: true, subscription: null, keepAliveSeconds };
    const publisher = new Publisher(
      run,
      { ...base, host: hostAt(target, index), clientId: `b${run.id}p${index}` },
      {
        index,
        topic,
        payloadBytes: options.payloadBytes,
        window: plan.window,
        e2eWindow: plan.e2eWindow,
        receivers: Math.max(1, plan.receivers),
        pace: plan.openLoop ? { intervalMs, offsetMs: (index / options.ratePerSecond) * 1000 } : null,
      },
    );
    publishers.push(publisher);
    run.sources.push(publisher);
    for (let i = 0; i < plan.receivers; i++) {
      const connection: ConnectionOptions = {
        host: hostAt(target, index + 1 + i),
        clientId: `b${run.id}s${subscribers.length}`,
        cleanSession: !plan.persistent,
        subscription: { filter: topic, qos: plan.qos },
        keepAliveSeconds,
      };
      subscribers.push(new Subscriber(run, connection, index, topic));
    }
  }
  return { publishers, subscribers };
}

function hostAt(target: Target, index: number): Host {
  return target.hosts[index % target.hosts.length] as Host;
}

/** Publishes through warm-up and measured window. */
async function publish(
  run: Run,
  plan: LoadPlan,
  target: Target,
  options: RunOptions,
  publishers: readonly Publisher[],
): Promise<{ before: Reading; after: Reading; residentMib: number | null }> {
  const kick = (): void => {
    for (const publisher of publishers) run.loop.mark(publisher);
  };
  // The first message is due a little later, so that the metronome's start-up time is not taken for latency.
  run.startMs = performance.now() + (plan.openLoop ? 200 : 0);
  run.publishing = true;
  const pacer = plan.openLoop ? startPacer(run.startMs, 1000 / options.ratePerSecond, kick) : null;
  const stalls = plan.qos === 0 && plan.e2eWindow > 0 ? watchStalls(publishers) : null;
  try {
    kick();
    await run.loop.until(() => false, { timeoutMs: options.warmupSeconds * 1000 + run.startMs - performance.now() });
    const before = read(run, target);
    run.measureFromMs = before.cpu.atMs;
    await run.loop.until(() => false, { timeoutMs: options.seconds * 1000 });
    return { before, after: read(run, target), residentMib: residentMib(target.pids) };
  } finally {
    run.publishing = false;
    if (stalls !== null) clearInterval(stalls);
    await pacer?.stop();
  }
}

function watchStalls(publishers: readonly Publisher[]): NodeJS.Timeout {
  return setInterval(() => {
    for (const publisher of publishers) publisher.writeOffIfStalled();
  }, STALL_MS);
}

function read(run: Run, target: Target): Reading {
  const { sent, acked, delivered } = run.tally;
  return { cpu: takeSnapshot(target.pids), sent, acked, delivered };
}

/** Waits for acks and deliveries that are on their way; what has not come by then is lost. */
async function drain(run: Run, plan: LoadPlan, idleMs: number): Promise<void> {
  const { tally } = run;
  await run.loop.until(() => run.inflight === 0 && tally.delivered >= tally.sent * plan.receivers, {
    timeoutMs: DRAIN_TIMEOUT_MS,
    idleMs,
    progress: () => tally.delivered + tally.acked,
  });
}

function measure(
  run: Run,
  plan: LoadPlan,
  subscribers: readonly Subscriber[],
  before: Reading,
  after: Reading,
  memoryMib: number | null,
): RunMeasurement {
  const { tally } = run;
  const seconds = (after.cpu.atMs - before.cpu.atMs) / 1000;
  const acked = after.acked - before.acked;
  const delivered = after.delivered - before.delivered;
  const counted = plan.receivers > 0 ? delivered : acked;
  if (counted === 0) {
    const what = plan.receivers > 0 ? 'delivered' : 'acknowledged';
    throw new BenchError(`No message was ${what} within the measured ${seconds.toFixed(1)} s.`);
  }
  const usage = usageBetween(before.cpu, after.cpu);
  const { brokerSeconds, ...cpu } = usage;
  const ackLatency = run.ackLatency.summary();
  return {
    metric: plan.metric,
    value: plan.metric === 'ack p50 ms' ? (ackLatency?.p50Ms ?? 0) : counted / seconds,
    measuredSeconds: seconds,
    sentPerSecond: (after.sent - before.sent) / seconds,
    ackedPerSecond: acked / seconds,
    deliveredPerSecond: delivered / seconds,
    ackLatency,
    e2eLatency: run.e2eLatency.summary(),
    connectLatency: run.connectLatency.summary(),
    sendLag: run.sendLag.summary(),
    sent: tally.sent,
    acked: tally.acked,
    delivered: tally.delivered,
    unackedAtEnd: run.inflight,
    loss: subscribers.reduce((sum, subscriber) => sum + subscriber.countLost(), 0),
    duplicates: tally.duplicates,
    dupFlagged: tally.dupFlagged,
    reordered: tally.reordered,
    foreign: tally.foreign,
    bad: tally.bad,
    firstBad: tally.firstBad,
    writtenOff: run.writtenOff,
    cpu: {
      ...cpu,
      brokerSecondsPer100k: brokerSeconds === null ? null : (brokerSeconds / counted) * 100_000,
      brokerResidentMib: memoryMib,
    },
  };
}

/** Connecting once with clean session on removes what the broker keeps [MQTT-3.1.2-6]. */
async function removeSessions(subscribers: readonly Subscriber[]): Promise<void> {
  const run = new Run(0);
  const connections = subscribers.map(
    ({ options }) => new Connection(run, { ...options, cleanSession: true, subscription: null }),
  );
  try {
    await connectAll(run, connections);
  } finally {
    await closeAll(run, connections);
  }
}
