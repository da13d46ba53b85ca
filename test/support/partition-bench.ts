import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  Clocks,
  type Cluster,
  type DiskKind,
  diskUnavailable,
  type Host,
  LinkBook,
  type NemesisContext,
  type Network,
  openNetwork,
  QuorateCluster,
} from '@quorate/jepsen-style-tests';
import { waitFor } from './wait.ts';

const PUBLISHER = fileURLToPath(new URL('./steady-publisher.mjs', import.meta.url));
const MEMBERS = ['n1', 'n2', 'n3'];
const SPARES = ['n4'];
const CLIENT_HOSTS = ['c1', 'c2', 'c3'];
const DISK_MIB = 160;

/** Publishes to one node from a host of its own. */
class Publisher {
  readonly node: string;
  acked = 0;
  private readonly child: ChildProcess;

  constructor(host: Host, node: string, target: { readonly host: string; readonly port: number }) {
    this.node = node;
    const args = [PUBLISHER, target.host, String(target.port), `publisher-${host.name}`];
    const [command = '', ...rest] = [...host.commandPrefix, process.execPath, ...args];
    this.child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.acked += chunk.toString().split('\n').length - 1;
    });
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** Three nodes on hosts of their own, each with a client beside it that publishes to it, and what faults are done with. */
export class PartitionBench {
  readonly network: Network;
  readonly cluster: QuorateCluster;
  readonly context: NemesisContext;
  readonly notes: string[] = [];
  private readonly publishers: Publisher[] = [];
  private readonly folder: string;

  private constructor(folder: string, network: Network, cluster: QuorateCluster, tools: Tools) {
    this.folder = folder;
    this.network = network;
    this.cluster = cluster;
    const { clocks, clocksUnavailable, disk } = tools;
    this.context = {
      network,
      cluster,
      links: new LinkBook(network),
      nodeCount: MEMBERS.length,
      clientHosts: CLIENT_HOSTS,
      homeOf: (client) => client.replace('c', 'n'),
      clocks,
      clocksUnavailable,
      disk,
      spareHosts: SPARES.length,
      note: (text) => this.notes.push(text),
    };
  }

  /** @param builds of a rolling upgrade */
  static async open(basePort: number, builds?: readonly string[]): Promise<PartitionBench> {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-partitions-'));
    const network = await openNetwork([...MEMBERS, ...SPARES], CLIENT_HOSTS);
    const opened = await Clocks.open(join(folder, 'clocks'));
    const clocks = 'clocks' in opened ? opened.clocks : null;
    const clocksUnavailable = 'clocks' in opened ? null : opened.unavailable;
    const disk: DiskKind = (['ext4', 'tmpfs'] as const).find((kind) => diskUnavailable(kind) === null) ?? 'own';
    const cluster = new QuorateCluster({
      ...{ network, folder, basePort, members: MEMBERS, spares: SPARES },
      ...(builds && { builds }),
      ...(clocks && { environment: (id: string) => clocks.environmentOf(id) }),
      disk: { kind: disk, sizeMib: DISK_MIB },
      // The lease is the usual one: a shorter one runs out while its question crosses the slowest links of `delay`.
      config: { serving: { gracePeriodMs: 500 } },
    });
    const bench = new PartitionBench(folder, network, cluster, { clocks, clocksUnavailable, disk });
    try {
      await cluster.start();
      await cluster.ready(30_000);
      for (const name of CLIENT_HOSTS) await bench.publish(name);
    } catch (error) {
      const logs = bench.logTails();
      await bench.close();
      throw new Error(`the cluster did not come up: ${(error as Error).message}\n${logs}`, { cause: error });
    }
    return bench;
  }

  /** Who acknowledges something within this time. */
  async acknowledging(forMs: number): Promise<string[]> {
    const before = this.publishers.map((each) => each.acked);
    await new Promise((done) => setTimeout(done, forMs));
    return this.publishers.filter((each, at) => each.acked > (before[at] as number)).map((each) => each.node);
  }

  /** Waits until these and no others have acknowledged anything for a while. */
  async onlyAcknowledging(ids: readonly string[], what: string, timeoutMs = 15_000): Promise<void> {
    const wanted = [...ids].sort().join(',');
    let seen = '';
    const look = async (): Promise<boolean> => {
      seen = (await this.acknowledging(700)).sort().join(',');
      return seen === wanted;
    };
    await waitFor(look, { what, timeoutMs, intervalMs: 1 }).catch((error: Error) => {
      throw new Error(
        `${error.message}: wanted acknowledgements of ${wanted}, last seen of ${seen}\n${this.logTails()}`,
      );
    });
  }

  /** Does this; an error of it says also what the fault was and what the nodes wrote last. */
  async explained(what: string, body: () => Promise<void>): Promise<void> {
    await body().catch((error: Error) => {
      throw new Error(`${error.message} (${what})\n${this.logTails()}`, { cause: error });
    });
  }

  logTails(): string {
    return this.cluster.nodes.map((node) => `--- ${node.id}:\n${tail(node.logFile)}`).join('\n');
  }

  async close(): Promise<void> {
    for (const each of this.publishers) each.kill();
    await this.context.links.clear();
    try {
      await this.cluster.close();
    } finally {
      await this.network.close();
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  private async publish(name: string): Promise<void> {
    const id = this.context.homeOf(name);
    const node = (this.cluster as Cluster).nodes.find((each) => each.id === id);
    const host = this.network.hosts.get(name);
    if (node === undefined || host === undefined) throw new Error(`no ${name} or ${id}`);
    const via = await this.network.via?.(name, id, node.mqttPort);
    const target = via ?? { host: node.host.address, port: node.mqttPort };
    this.publishers.push(new Publisher(host, id, target));
  }
}

type Tools = Pick<NemesisContext, 'clocks' | 'clocksUnavailable' | 'disk'>;

function tail(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-12).join('\n');
}
