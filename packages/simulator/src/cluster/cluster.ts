import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { type DiskMutation, type DiskProfile, SimulatedDisk } from './disk.ts';
import { Network, type NetworkProfile } from './network.ts';
import { type NodeTuning, nodeConfig } from './node-config.ts';
import { type NodeWatcher, SimulatedNode } from './simulated-node.ts';
import type { WireProfile } from './wire.ts';

export interface ClusterOptions {
  readonly world: World;
  readonly rng: Rng;
  readonly size: number;
  readonly tuning: NodeTuning;
  readonly network: NetworkProfile;
  readonly disk: DiskProfile;
  readonly wire: WireProfile;
  /** Clocks run up to this much too fast or too slow: 0.04 is four percent. */
  readonly drift: number;
  readonly watcher: NodeWatcher;
  readonly diskMutation: DiskMutation;
  /** Tells who has a majority in reach, whenever that may have changed. */
  readonly onReach: (nodeId: string, majority: boolean) => void;
}

/** The machines and what joins them. */
export class Cluster {
  readonly nodes: readonly SimulatedNode[];
  readonly network: Network;
  readonly #options: ClusterOptions;

  constructor(options: ClusterOptions) {
    const { world, rng, size, tuning, watcher, drift, wire } = options;
    this.#options = options;
    const ids = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    this.network = new Network(world, rng.fork(), ids, options.network);
    this.nodes = ids.map(
      (id) =>
        new SimulatedNode({
          id,
          config: nodeConfig(id, ids, tuning),
          world,
          rng: rng.fork(),
          network: this.network,
          disk: new SimulatedDisk(world, rng.fork(), options.disk, options.diskMutation),
          watcher: {
            started: (node, replica, recovered) => {
              this.#reach();
              watcher.started(node, replica, recovered);
            },
            stepped: (node, replica) => {
              watcher.stepped(node, replica);
            },
            wrote: (node, wire, bytes) => {
              watcher.wrote(node, wire, bytes);
            },
            ended: (node) => {
              this.#reach();
              watcher.ended(node);
            },
          },
          clockRate: rng.between(1 - drift, 1 + drift),
          wireProfile: wire,
        }),
    );
  }

  start(): void {
    for (const node of this.nodes) this.#options.world.after(this.#options.rng.between(0, 500), () => node.start());
  }

  block(from: string, to: string): void {
    this.network.block(from, to);
    this.#reach();
  }

  unblock(from: string, to: string): void {
    this.network.unblock(from, to);
    this.#reach();
  }

  unblockAll(): void {
    for (const { id } of this.nodes) {
      for (const other of this.nodes) if (other.id !== id) this.network.unblock(id, other.id);
    }
    this.#reach();
  }

  normalNetwork(): void {
    this.network.setProfile(this.#options.network);
  }

  normalDisk(node: SimulatedNode): void {
    node.disk.setProfile(this.#options.disk);
  }

  heal(): void {
    this.normalNetwork();
    for (const node of this.nodes) {
      this.normalDisk(node);
      node.disk.proceed();
      node.resume();
      node.start();
    }
    this.unblockAll();
  }

  /** A node can serve when it reaches, in both directions, one that reaches a majority: that one may lead. */
  #reach(): void {
    const { nodes, network } = this;
    const reaches = (a: SimulatedNode, b: SimulatedNode): boolean =>
      a === b || (b.running && !network.isBlocked(a.id, b.id) && !network.isBlocked(b.id, a.id));
    const mayLead = (node: SimulatedNode): boolean =>
      node.running && nodes.filter((other) => reaches(node, other)).length * 2 > nodes.length;
    for (const node of nodes) {
      const majority = nodes.some((other) => reaches(node, other) && mayLead(other));
      this.#options.onReach(node.id, majority);
    }
  }
}
