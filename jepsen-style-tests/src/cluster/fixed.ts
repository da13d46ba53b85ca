import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Network } from '../network/network.ts';
import type { Cluster, Features, NodeHandle } from './cluster.ts';
import { type DiskKind, mountDisk, unmountDisk } from './disks.ts';
import { probe } from './probe.ts';
import { ManagedProcess } from './process.ts';
import { waitUntil } from './wait.ts';

/** What every driver is given. */
export interface FixedOptions {
  readonly network: Network;
  /** Hosts; a node is named as its host. */
  readonly members: readonly string[];
  /** Data directories, configuration and logs go below it. */
  readonly folder: string;
  readonly environment?: (id: string) => Readonly<Record<string, string>>;
  readonly disk?: { readonly kind: DiskKind; readonly sizeMib: number };
}

/** Where one node is. */
export interface FixedPlace {
  readonly id: string;
  readonly at: number;
  readonly address: string;
  /** For configuration and the like. */
  readonly folder: string;
  readonly dataDir: string;
}

/** What tells one broker from another. */
export interface FixedBroker {
  readonly description: string;
  readonly features: Features;
  readonly mqttPort: number;
  /** Milliseconds that one node may take before the next one is started; 0: all at once. */
  readonly oneByOneMs: number;
  /** Writes the configuration of a node. @returns how it is started */
  configure(
    place: FixedPlace,
    all: readonly FixedPlace[],
  ): { command: readonly string[]; environment?: Record<string, string> };
  leader?(all: readonly FixedPlace[]): Promise<{ readonly id: string; readonly term: number } | null>;
}

/** A cluster of other brokers, with the members that it was started with. */
export class FixedCluster implements Cluster {
  readonly description: string;
  readonly features: Features;
  readonly nodes: readonly NodeHandle[];
  private readonly broker: FixedBroker;
  private readonly places: readonly FixedPlace[];
  private readonly processes: readonly ManagedProcess[];
  private readonly options: FixedOptions;

  constructor(broker: FixedBroker, options: FixedOptions) {
    const { network, members, folder, environment } = options;
    this.broker = broker;
    this.options = options;
    this.description = broker.description;
    this.features = broker.features;
    this.places = members.map((id, at) => {
      const host = network.hosts.get(id);
      if (host === undefined) throw new Error(`the network has no host ${id}`);
      const own = join(folder, id);
      mkdirSync(join(own, 'data'), { recursive: true });
      return { id, at, address: host.address, folder: own, dataDir: join(own, 'data') };
    });
    this.processes = this.places.map((place) => {
      const how = broker.configure(place, this.places);
      const host = network.hosts.get(place.id);
      if (host === undefined) throw new Error(`the network has no host ${place.id}`);
      return new ManagedProcess({
        id: place.id,
        host,
        mqttPort: broker.mqttPort,
        dataDir: place.dataDir,
        logFile: join(place.folder, 'log'),
        command: () => how.command,
        environment: () => ({ ...how.environment, ...environment?.(place.id) }),
      });
    });
    this.nodes = this.processes;
  }

  get unexplainedEnds(): readonly string[] {
    return this.processes.flatMap((node) => node.unexplainedEnds);
  }

  async start(): Promise<void> {
    const { disk } = this.options;
    for (const [at, node] of this.processes.entries()) {
      const image = join(this.places[at]?.folder ?? '', 'disk.img');
      if (disk !== undefined) await mountDisk(disk.kind, node.dataDir, image, disk.sizeMib);
      await node.start();
      if (this.broker.oneByOneMs > 0) await this.answers([node], this.broker.oneByOneMs);
    }
  }

  async ready(timeoutMs: number): Promise<void> {
    await this.answers(
      this.processes.filter((node) => node.running),
      timeoutMs,
    );
  }

  async leader(): Promise<{ readonly id: string; readonly term: number } | null> {
    return (await this.broker.leader?.(this.places)) ?? null;
  }

  excuse(id: string, why: string): void {
    const node = this.processes.find((each) => each.id === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    node.excuse = why;
  }

  async close(): Promise<void> {
    const faults = this.unexplainedEnds;
    for (const node of this.processes) node.resume();
    await Promise.all(this.processes.map((node) => node.kill()));
    const { disk } = this.options;
    if (disk !== undefined && disk.kind !== 'own') {
      await Promise.all(this.processes.map((node) => unmountDisk(node.dataDir).catch(() => {})));
    }
    if (faults.length > 0) throw new Error(faults.join('\n'));
  }

  private async answers(nodes: readonly ManagedProcess[], timeoutMs: number): Promise<void> {
    const look = async (): Promise<boolean> => {
      const dead = nodes.find((node) => !node.running && node.unexplainedEnds.length > 0);
      if (dead !== undefined) throw new Error(dead.lastWords());
      const answers = await Promise.all(nodes.map((node) => probe(node.host.address, node.mqttPort, 4)));
      return answers.every((answer) => answer?.reasonCode === 0);
    };
    const what = `${nodes.map((node) => node.id).join(', ')} to take clients`;
    await waitUntil(look, { what, timeoutMs, intervalMs: 200 });
  }
}
