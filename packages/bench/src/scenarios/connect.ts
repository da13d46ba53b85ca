/** Clean-session connects per second: opens up to 5,000 connections, 64 at a time, and holds them until the end. */
import { Connection } from '../client.ts';
import { residentMib, takeSnapshot, usageBetween } from '../cpu.ts';
import { BenchError, type Host } from '../hosts.ts';
import { Run } from '../run.ts';
import type { RunMeasurement, RunOptions, Scenario, Target } from '../types.ts';
import { CONNECT_CONCURRENCY, closeAll, connectSome } from './phases.ts';

/** A run ends here or when its seconds are over. Holds file descriptors and ports within common limits. */
const MAX_CONNECTIONS = 5000;

export const connectScenario: Scenario = {
  name: 'connect',
  title: `Clean-session connects, ${CONNECT_CONCURRENCY} at a time, up to ${MAX_CONNECTIONS} held`,
  run: runConnect,
};

async function runConnect(target: Target, options: RunOptions): Promise<RunMeasurement> {
  const run = new Run(0);
  const connections = Array.from(
    { length: MAX_CONNECTIONS },
    (_, index) =>
      new Connection(run, {
        host: target.hosts[index % target.hosts.length] as Host,
        clientId: `b${run.id}c${index}`,
        cleanSession: true,
        subscription: null,
        keepAliveSeconds: Math.min(65_535, Math.ceil(2 * options.seconds + 120)),
      }),
  );
  try {
    const before = takeSnapshot(target.pids);
    const connected = await connectSome(run, connections, options.seconds * 1000);
    const after = takeSnapshot(target.pids);
    if (connected === 0) throw new BenchError(`No client was connected within ${options.seconds} s.`);
    const seconds = (after.atMs - before.atMs) / 1000;
    const { brokerSeconds, ...cpu } = usageBetween(before, after);
    const { tally } = run;
    return {
      metric: 'connected/s',
      value: connected / seconds,
      measuredSeconds: seconds,
      sentPerSecond: 0,
      ackedPerSecond: 0,
      deliveredPerSecond: 0,
      ackLatency: null,
      e2eLatency: null,
      connectLatency: run.connectLatency.summary(),
      sendLag: null,
      sent: 0,
      acked: 0,
      delivered: 0,
      unackedAtEnd: 0,
      loss: 0,
      duplicates: 0,
      dupFlagged: 0,
      reordered: 0,
      foreign: tally.foreign,
      bad: tally.bad,
      firstBad: tally.firstBad,
      writtenOff: 0,
      cpu: {
        ...cpu,
        brokerSecondsPer100k: brokerSeconds === null ? null : (brokerSeconds / connected) * 100_000,
        brokerResidentMib: residentMib(target.pids),
      },
    };
  } finally {
    await closeAll(run, connections);
  }
}
