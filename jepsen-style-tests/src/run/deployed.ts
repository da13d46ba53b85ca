import { randomInt } from 'node:crypto';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeAddress } from '../client/packets.ts';
import type { PoolCounts } from '../client/pool.ts';
import { probe } from '../client/probe.ts';
import { loadHistory } from '../history/reader.ts';
import { reportOf } from '../report/report-of.ts';
import { writeReport } from '../report/write-report.ts';
import { WORKLOADS, type Workload, workloadOf } from '../workloads/index.ts';
import { type RunResult, runWorkloads } from './run.ts';

/** Options of {@link checkDeployment}. */
export interface DeploymentOptions {
  /** Where the nodes take clients, without TLS: HOST:PORT. Their names in the report are the addresses. */
  readonly nodes: readonly string[];
  readonly seconds: number;
  /** All that the broker can do by default. */
  readonly workloads?: readonly string[];
  readonly ratePerSec?: number;
  /** Drawn by default. */
  readonly seed?: number;
  readonly username?: string;
  readonly password?: string;
  /** Where histories and report go; a new folder for temporary files by default. */
  readonly folder?: string;
  readonly onProgress?: (counts: PoolCounts) => void;
}

/** A run against somebody's own cluster. */
export interface DeploymentResult extends RunResult {
  readonly seed: number;
  readonly folder: string;
  /** The page and what programs read; in the folder. */
  readonly files: readonly string[];
  /** Workloads that were left out, and why. */
  readonly skipped: readonly (readonly [workload: string, why: string])[];
}

const PROGRESS_MS = 1_000;
const DEFAULT_RATE_PER_SEC = 200;

/** @throws when it is not HOST:PORT */
export function addressOf(text: string): NodeAddress {
  const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text.trim());
  const port = Number(parts?.[3]);
  if (parts === null || port < 1 || port > 65_535) throw new Error(`a node is HOST:PORT, but here is '${text}'`);
  return { id: text.trim(), host: parts[1] ?? parts[2] ?? '', port };
}

/**
 * Puts the workloads to a cluster that is there, and does nothing else to it: faults are its operator's. Topics and client ids begin
 * with a name of the run; sessions and retained messages are removed in the end.
 *
 * @throws when an address is none, a node takes no clients, or the clients can not begin
 */
export async function checkDeployment(options: DeploymentOptions): Promise<DeploymentResult> {
  const { seconds, username, password, ratePerSec = DEFAULT_RATE_PER_SEC, onProgress } = options;
  const nodes = options.nodes.map(addressOf);
  const [first] = nodes;
  if (first === undefined) throw new Error('no node is given');
  const credentials = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
  const { features, versions } = await probe(first, credentials);
  const wanted = options.workloads?.map(workloadOf) ?? WORKLOADS;
  const skipped: [string, string][] = [];
  const workloads: Workload[] = [];
  for (const workload of wanted) {
    const why = workload.unsupported(features);
    if (why === null) workloads.push(workload);
    else skipped.push([workload.name, why]);
  }
  const seed = options.seed ?? randomInt(2 ** 32);
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'jepsen-style-')));
  await mkdir(folder, { recursive: true });
  const result = await runWorkloads({
    ...{ workloads, nodes, folder, seed, ratePerSec, versions, ...credentials },
    ...{ maxQos: features.qos2 ? 2 : 1, cleanUp: true },
    // Another run with the same seed meets nothing of this one.
    run: `jepsen-${seed.toString(36)}-${randomInt(2 ** 32).toString(36)}`,
    places: [{ name: 'local', commandPrefix: [] }],
    stage: ({ counts }) =>
      new Promise((done) => {
        const progress = setInterval(() => onProgress?.(counts()), PROGRESS_MS);
        setTimeout(() => {
          clearInterval(progress);
          done();
        }, seconds * 1_000);
      }),
  });
  const { operations } = await loadHistory(result.historyFiles);
  const names = nodes.map(({ id }) => id).join(',');
  const report = reportOf(result, seconds * 1_000, {
    title: `${names}: ${workloads.length === WORKLOADS.length ? 'all workloads' : workloads.map(({ name }) => name).join(', ')}`,
    facts: [
      ['Nodes', `A cluster that was there, at ${names}. Nothing was done to it.`],
      ['Clients', `One process, Node.js ${process.version}, ${process.platform} ${process.arch}`],
      ['Seed', String(seed)],
    ],
    command: [
      `node jepsen-style-tests/dist/deployed-main.js --nodes ${names} --seconds ${seconds} --rate ${ratePerSec} --seed ${seed}`,
      ...(options.workloads === undefined ? [] : [`--workloads ${options.workloads.join(',')}`]),
      ...(username === undefined ? [] : [`--username ${username}`]),
    ].join(' '),
    events: operations,
    ...{ skipped, unexplainedEnds: [], unready: null },
  });
  const files = writeReport(folder, report, result, { seed });
  return { ...result, seed, folder, files, skipped };
}
