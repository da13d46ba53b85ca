import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeAddress } from '../client/packets.ts';
import { probe } from '../client/probe.ts';
import { type BrokerName, openBroker, versionOf } from '../cluster/brokers.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { type DiskKind, diskUnavailable } from '../cluster/disks.ts';
import { LogMarks } from '../cluster/log-marks.ts';
import { watchLeader } from '../cluster/watch-leader.ts';
import { loadHistory } from '../history/reader.ts';
import { Clocks } from '../nemeses/clocks.ts';
import { LinkBook } from '../nemeses/link-book.ts';
import type { Nemesis, NemesisContext } from '../nemeses/nemesis.ts';
import { describePlan, makePlan, type Plan } from '../nemeses/plan.ts';
import { runPlan } from '../nemeses/run-plan.ts';
import type { Network } from '../network/network.ts';
import { openNetwork } from '../network/open.ts';
import { reportOf } from '../report/report-of.ts';
import { type RunReport, verdictOf } from '../report/run-report.ts';
import { writeReport } from '../report/write-report.ts';
import { WORKLOADS, type Workload } from '../workloads/index.ts';
import { type ClientPlace, type RunResult, runWorkloads, type Stage } from './run.ts';
import { summaryOf } from './summary.ts';

/** Options of {@link tour}. */
export interface TourOptions {
  readonly broker: BrokerName;
  /** JavaScript files of Quorate's command, between which a rolling upgrade goes; none: that of this checkout. */
  readonly builds: readonly string[];
  /** As many as the broker can have. */
  readonly nodes: number;
  readonly seconds: number;
  /** An unsigned 32-bit integer. */
  readonly seed: number;
  /** What can not be done here is left out, and the report says so. */
  readonly nemeses: readonly Nemesis[];
  /** What the broker can not do is left out, and the report says so. */
  readonly workloads: readonly Workload[];
  readonly ratePerSec: number;
  /** Where everything goes; made when it is not there. */
  readonly folder: string;
  /** How each host has its place, for the report. */
  readonly network: string;
  /** The command that makes the same plan again. */
  readonly command: string;
  readonly say: (line: string) => void;
}

/** What came of a tour. */
export interface TourResult {
  readonly report: RunReport;
  readonly failed: boolean;
  readonly sentence: string;
  /** What each checker found, in plain text. */
  readonly details: string;
  /** `report.html`, `report.json`, `junit.xml`. */
  readonly files: readonly string[];
}

/** RabbitMQ's nodes boot one after the other, and take a while to come back from a pause. */
const READY_TIMEOUT_MS = { quorate: 60_000, mosquitto: 60_000, nats: 60_000, rabbitmq: 180_000 };
/** None of the faults or workloads that were asked for can be done with this broker on this machine. */
export class NothingToDo extends Error {}

const DISK_MIB = 256;
const PROGRESS_MS = 5_000;
/** How exactly the logs of a moment are found. */
const LOG_MARK_MS = 250;

/** Nodes and clients on hosts of their own, faults from a seed, and what came of it. */
export async function tour(options: TourOptions): Promise<TourResult> {
  const { broker, builds, folder, nodes, seed, say } = options;
  mkdirSync(folder, { recursive: true });
  const members = namesOf('n', nodes);
  const clientHosts = namesOf('c', Math.max(3, nodes));
  const spares = broker === 'quorate' ? [`n${nodes + 1}`] : [];
  const version = versionOf(broker);
  const network = await openNetwork([...members, ...spares], clientHosts, seed);
  try {
    const opened = await Clocks.open(join(folder, 'clocks'));
    const clocks = 'clocks' in opened ? opened.clocks : null;
    const disk: DiskKind = (['ext4', 'tmpfs'] as const).find((kind) => diskUnavailable(kind) === null) ?? 'own';
    const cluster = openBroker(broker, {
      ...{ network, folder: join(folder, 'nodes'), members, spares, builds },
      ...(clocks !== null && { environment: (id: string) => clocks.environmentOf(id) }),
      disk: { kind: disk, sizeMib: DISK_MIB },
    });
    const notes: string[] = [];
    const context: NemesisContext = {
      ...{ network, cluster, clientHosts, clocks, disk },
      links: new LinkBook(network),
      nodeCount: nodes,
      homeOf: (client) => members[(Number(client.slice(1)) - 1) % nodes] as string,
      clocksUnavailable: 'clocks' in opened ? null : opened.unavailable,
      spareHosts: spares.length,
      note: (text) => {
        notes.push(text);
        say(text);
      },
    };
    try {
      say(`starting ${cluster.description}, version ${version}. ${options.network}`);
      await cluster.start();
      await cluster.ready(READY_TIMEOUT_MS[broker]);
      return await withCluster({ ...options, version }, network, cluster, context, notes);
    } finally {
      await context.links.clear();
      // It rejects for processes that ended by themselves, which are in the report.
      await cluster.close().catch((error: unknown) => say(error instanceof Error ? error.message : String(error)));
    }
  } finally {
    await network.close();
  }
}

type VersionedOptions = TourOptions & { readonly version: string };

async function withCluster(
  options: VersionedOptions,
  network: Network,
  cluster: Cluster,
  context: NemesisContext,
  notes: readonly string[],
): Promise<TourResult> {
  const { seconds, seed, ratePerSec, folder, say } = options;
  const { nemeses, leftOut } = possible(options, context);
  for (const [name, why] of leftOut) say(`left out: ${name}, ${why}`);
  if (nemeses.length === 0) throw new NothingToDo('none of these faults can be done here');
  const plan = makePlan({ seed, durationMs: seconds * 1_000, nemeses });
  say(describePlan(plan));
  const nodes = cluster.nodes.map(({ id, host, mqttPort }) => ({ id, host: host.address, port: mqttPort }));
  const [first] = nodes;
  if (first === undefined) throw new Error('the cluster has no node');
  const { versions, features: told } = await probe(first);
  const features = both(cluster.features, told);
  const { workloads, skipped } = fitting(options, features);
  const places = await Promise.all(context.clientHosts.map((name) => placeOf(name, network, nodes)));
  const marks = new LogMarks();
  let unready: string | null = null;
  const result = await runWorkloads({
    ...{ workloads, nodes, seed, ratePerSec, versions, folder, places },
    maxQos: features.qos2 ? 2 : 1,
    stage: async (stage) => {
      const { clock, record } = stage;
      const endWatch = watch(stage, { cluster, marks, say });
      try {
        const { problems } = await runPlan({
          ...{ plan, nemeses, context },
          nowMs: () => clock.beginMs(),
          write: (event) => {
            record(event);
            say(`        ${event.phase === 'begin' ? 'fault' : 'end of'} ${event.name}: ${event.detail}`);
          },
        });
        for (const problem of problems) context.note(problem);
        // A cluster that does not come back is the worst that can be found: the report has to say it.
        unready = await whyUnready(cluster, READY_TIMEOUT_MS[options.broker]);
        if (unready !== null) say(unready);
        await untilEnd(plan, () => clock.beginMs());
      } finally {
        endWatch();
      }
    },
  });
  return await written(options, result, { cluster, skipped, leftOut, notes, marks, unready });
}

/** With proxies each host dials through its own ones, so that its clients can be cut off from nodes. */
async function placeOf(name: string, network: Network, nodes: readonly NodeAddress[]): Promise<ClientPlace> {
  const place = { name, commandPrefix: network.hosts.get(name)?.commandPrefix ?? [] };
  if (network.via === undefined) return place;
  const reached = nodes.map(async ({ id, port }) => ({ id, ...(await network.via?.(name, id, port)) }) as NodeAddress);
  return { ...place, nodes: await Promise.all(reached) };
}

/** Why the cluster is not ready for clients though nothing is broken any more; null when it is. */
async function whyUnready(cluster: Cluster, timeoutMs: number): Promise<string | null> {
  try {
    await cluster.ready(timeoutMs);
    return null;
  } catch (error) {
    const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return `after the last fault the cluster was not ready again: ${first}`;
  }
}

interface Watched {
  readonly cluster: Cluster;
  readonly marks: LogMarks;
  readonly say: (line: string) => void;
}

/** Writes down who leads and how long logs are, and says now and then how far the run is. @returns ends it */
function watch({ clock, record, counts }: Stage, { cluster, marks, say }: Watched): () => void {
  const endWatch = watchLeader(cluster, () => clock.beginMs(), record);
  const marking = setInterval(() => marks.mark(clock.beginMs(), cluster.nodes), LOG_MARK_MS);
  const progress = setInterval(() => {
    const { acknowledged, unacknowledged, deliveries } = counts();
    const seconds = String(Math.round(clock.beginMs() / 1_000)).padStart(4);
    say(`${seconds} s  ${acknowledged} acknowledged, ${unacknowledged} not, ${deliveries} delivered`);
  }, PROGRESS_MS);
  return () => {
    clearInterval(progress);
    clearInterval(marking);
    endWatch();
  };
}

/** The rest of the time without faults. */
async function untilEnd(plan: Plan, nowMs: () => number): Promise<void> {
  const leftMs = plan.durationMs - nowMs();
  if (leftMs > 0) await new Promise((done) => setTimeout(done, leftMs));
}

type LeftOut = readonly (readonly [name: string, why: string])[];

function possible(
  { nemeses, broker }: TourOptions,
  context: NemesisContext,
): { readonly nemeses: Nemesis[]; readonly leftOut: LeftOut } {
  const leftOut: [string, string][] = [];
  const found = nemeses.filter((nemesis) => {
    // Only Quorate's driver tells its nodes to dial through proxies.
    const isPast = context.network.via !== undefined && broker !== 'quorate' && nemesis.touches === 'links';
    const why = isPast ? 'with proxies on loopback its nodes would reach each other past them' : null;
    const reason = why ?? nemesis.unavailable(context);
    if (reason !== null) leftOut.push([nemesis.name, reason]);
    return reason === null;
  });
  return { nemeses: found, leftOut };
}

/** What a broker is known to have and what its CONNACK says. */
function both(known: Cluster['features'], told: Cluster['features']): Cluster['features'] {
  return {
    ...known,
    qos2: known.qos2 && told.qos2,
    retained: known.retained && told.retained,
    sharedSubscriptions: known.sharedSubscriptions && told.sharedSubscriptions,
    messageExpiry: known.messageExpiry && told.messageExpiry,
  };
}

function fitting(
  { workloads }: TourOptions,
  features: Cluster['features'],
): { readonly workloads: Workload[]; readonly skipped: [string, string][] } {
  const skipped: [string, string][] = [];
  const found = workloads.filter((workload) => {
    const why = workload.unsupported(features);
    if (why !== null) skipped.push([workload.name, why]);
    return why === null;
  });
  if (found.length === 0) {
    throw new NothingToDo(skipped.map(([name, why]) => `${name} is left out: ${why}`).join('; '));
  }
  return { workloads: found, skipped };
}

interface Rest {
  readonly cluster: Cluster;
  readonly skipped: LeftOut;
  readonly leftOut: LeftOut;
  readonly notes: readonly string[];
  readonly marks: LogMarks;
  readonly unready: string | null;
}

async function written(options: VersionedOptions, result: RunResult, rest: Rest): Promise<TourResult> {
  const { broker, nodes, folder, seed, seconds, network, command, version } = options;
  const { cluster, skipped, leftOut, notes, marks, unready } = rest;
  const { operations, faults, leaders } = await loadHistory(result.historyFiles);
  const { unexplainedEnds } = cluster;
  const report = reportOf(result, seconds * 1_000, {
    title: titleOf(options, result),
    facts: [
      ['Broker', `${cluster.description}, version ${version}`],
      ['Network', network],
      ['Machine', `Node.js ${process.version}, ${process.platform} ${process.arch}`],
      ['Seed', String(seed)],
      ...leftOut.map(([name, why]) => ['Left out', `${name}: ${why}`] as const),
      ...notes.map((note) => ['Note', note] as const),
    ],
    command,
    logs: marks,
    events: [...operations, ...faults, ...leaders],
    ...{ skipped, unexplainedEnds, unready },
  });
  const more = { broker, nodes, seed, leftOut: Object.fromEntries(leftOut), notes };
  const files = writeReport(folder, report, result, more);
  return { report, ...verdictOf(report), details: summaryOf(result), files };
}

function titleOf({ broker, nodes }: TourOptions, { workloads }: RunResult): string {
  const names = workloads.map(({ workload }) => workload);
  const what = names.length === WORKLOADS.length ? 'all workloads' : names.join(', ');
  return `${broker}, ${nodes === 1 ? 'one node' : `${nodes} nodes`}, ${what}`;
}

function namesOf(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_none, at) => `${letter}${at + 1}`);
}
