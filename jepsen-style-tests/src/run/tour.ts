import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probe } from '../client/probe.ts';
import { type BrokerName, openBroker, versionOf } from '../cluster/brokers.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { type DiskKind, diskUnavailable } from '../cluster/disks.ts';
import { watchLeader } from '../cluster/watch-leader.ts';
import { loadHistory } from '../history/reader.ts';
import { NEMESES } from '../nemeses/catalogue.ts';
import { Clocks } from '../nemeses/clocks.ts';
import { LinkBook } from '../nemeses/link-book.ts';
import type { Nemesis, NemesisContext } from '../nemeses/nemesis.ts';
import { describePlan, makePlan, type Plan } from '../nemeses/plan.ts';
import { runPlan } from '../nemeses/run-plan.ts';
import type { Network } from '../network/network.ts';
import { openNetwork } from '../network/open.ts';
import { junitOf } from '../report/junit.ts';
import { pageOf } from '../report/page.ts';
import { reportOf } from '../report/report-of.ts';
import { type RunReport, verdictOf } from '../report/run-report.ts';
import { WORKLOADS, type Workload, workloadOf } from '../workloads/index.ts';
import { type RunResult, runWorkloads } from './run.ts';
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
  /** Names or parts of names; all that can be done here by default. */
  readonly nemeses: readonly string[];
  /** Names; all that the broker can do by default. */
  readonly workloads: readonly string[];
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
const LOG_LINES = 60;
const PROGRESS_MS = 5_000;

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
  const nemeses = chosen(options, context, say);
  const plan = makePlan({ seed, durationMs: seconds * 1_000, nemeses });
  say(describePlan(plan));
  const nodes = cluster.nodes.map(({ id, host, mqttPort }) => ({ id, host: host.address, port: mqttPort }));
  const [first] = nodes;
  if (first === undefined) throw new Error('the cluster has no node');
  const { versions, features: told } = await probe(first);
  const features = both(cluster.features, told);
  const { workloads, skipped } = fitting(options, features);
  const result = await runWorkloads({
    ...{ workloads, nodes, seed, ratePerSec, versions, folder },
    maxQos: features.qos2 ? 2 : 1,
    places: context.clientHosts.map((name) => ({
      name,
      commandPrefix: network.hosts.get(name)?.commandPrefix ?? [],
    })),
    stage: async ({ clock, record, counts }) => {
      const endWatch = watchLeader(cluster, () => clock.beginMs(), record);
      const progress = setInterval(() => {
        const { acknowledged, unacknowledged, deliveries } = counts();
        say(
          `${String(Math.round(clock.beginMs() / 1_000)).padStart(4)} s  ${acknowledged} acknowledged, ${unacknowledged} not, ${deliveries} delivered`,
        );
      }, PROGRESS_MS);
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
        await cluster.ready(READY_TIMEOUT_MS[options.broker]);
        await untilEnd(plan, () => clock.beginMs());
      } finally {
        clearInterval(progress);
        endWatch();
      }
    },
  });
  return await written(options, result, { cluster, skipped, notes });
}

/** The rest of the time without faults. */
async function untilEnd(plan: Plan, nowMs: () => number): Promise<void> {
  const leftMs = plan.durationMs - nowMs();
  if (leftMs > 0) await new Promise((done) => setTimeout(done, leftMs));
}

function chosen({ nemeses }: TourOptions, context: NemesisContext, say: (line: string) => void): Nemesis[] {
  const isExact = (part: string): boolean => NEMESES.some(({ name }) => name === part);
  const isMeant = (name: string, part: string): boolean => (isExact(part) ? name === part : name.includes(part));
  const wanted = NEMESES.filter(({ name }) => nemeses.length === 0 || nemeses.some((part) => isMeant(name, part)));
  if (wanted.length === 0) {
    throw new Error(
      `no fault is called ${nemeses.join(', ')}; there are ${NEMESES.map(({ name }) => name).join(', ')}`,
    );
  }
  const possible = wanted.filter((nemesis) => {
    const why = nemesis.unavailable(context);
    if (why !== null) say(`left out: ${nemesis.name}, ${why}`);
    return why === null;
  });
  if (possible.length === 0) throw new NothingToDo('none of these faults can be done here');
  return possible;
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
  const wanted = workloads.length === 0 ? WORKLOADS : workloads.map(workloadOf);
  const skipped: [string, string][] = [];
  const found = wanted.filter((workload) => {
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
  readonly skipped: readonly (readonly [string, string])[];
  readonly notes: readonly string[];
}

async function written(options: VersionedOptions, result: RunResult, rest: Rest): Promise<TourResult> {
  const { folder, seed, seconds, network, command, version } = options;
  const { cluster, skipped, notes } = rest;
  const { operations, faults, leaders } = await loadHistory(result.historyFiles);
  const { unexplainedEnds } = cluster;
  const anomalous = result.verdict === 'anomalies' || !result.drain.settled || unexplainedEnds.length > 0;
  const report = reportOf(result, seconds * 1_000, {
    title: titleOf(options, result),
    facts: [
      ['Broker', `${cluster.description}, version ${version}`],
      ['Network', network],
      ['Machine', `Node.js ${process.version}, ${process.platform} ${process.arch}`],
      ['Seed', String(seed)],
      ...notes.map((note) => ['Note', note] as const),
    ],
    command,
    logs: anomalous ? new Map(cluster.nodes.map(({ id, logFile }) => [id, tail(logFile)])) : new Map(),
    events: [...operations, ...faults, ...leaders],
    ...{ skipped, unexplainedEnds },
  });
  const files = ['report.html', 'report.json', 'junit.xml'].map((name) => join(folder, name));
  const [page = '', json = '', junit = ''] = files;
  writeFileSync(page, pageOf(report));
  writeFileSync(json, JSON.stringify(summaryJson(report, result, notes), null, 1));
  writeFileSync(junit, junitOf(report));
  return { report, ...verdictOf(report), details: summaryOf(result), files };
}

function titleOf({ broker, nodes }: TourOptions, { workloads }: RunResult): string {
  const names = workloads.map(({ workload }) => workload);
  const what = names.length === WORKLOADS.length ? 'all workloads' : names.join(', ');
  return `${broker}, ${nodes === 1 ? 'one node' : `${nodes} nodes`}, ${what}`;
}

/** What a program wants to know of a run. */
function summaryJson(report: RunReport, result: RunResult, notes: readonly string[]): object {
  const { title, facts, command, durationMs, totals, checks, faults } = report;
  const { faults: gaps, summaries } = result.availability;
  return {
    title,
    facts: Object.fromEntries(facts.filter(([name]) => name !== 'Note')),
    notes,
    command,
    durationMs,
    totals,
    checks,
    faults,
    availability: { faults: gaps, summaries },
    drain: result.drain,
  };
}

function tail(file: string): string[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LOG_LINES);
}

function namesOf(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_none, at) => `${letter}${at + 1}`);
}
