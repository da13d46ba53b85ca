import { type Configuration, hasQuorum, members } from '@quorate/consensus';
import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { type DiskMutation, type DiskProfile, SimulatedDisk } from './disk.ts';
import { Network, type NetworkProfile } from './network.ts';
import { type NodeTuning, nodeConfig, peerAddressOf } from './node-config.ts';
import { type NodeWatcher, SimulatedNode } from './simulated-node.ts';
import type { WireProfile } from './wire.ts';

export interface ClusterOptions {
  readonly world: World;
  readonly rng: Rng;
  /** Nodes that found the cluster. */
  readonly size: number;
  /** Machines beside them, which may be joined. */
  readonly spares: number;
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
  /** All there are. */
  readonly machines: readonly SimulatedNode[];
  readonly network: Network;
  readonly #options: ClusterOptions;
  /** Names of the first members. */
  readonly founders: readonly string[];
  readonly #inUse = new Set<SimulatedNode>();
  /** Also those that are not in use any more. */
  readonly #used = new Set<SimulatedNode>();
  /** By node: the configuration that it acts by, as last seen. */
  readonly #believed = new Map<string, Configuration>();
  #changeBegun: ((leader: SimulatedNode) => void)[] = [];

  constructor(options: ClusterOptions) {
    const { world, rng, size, spares, tuning, drift, wire } = options;
    this.#options = options;
    const ids = Array.from({ length: size + spares }, (_, at) => `n${at + 1}`);
    const founders = ids.slice(0, size);
    this.founders = founders;
    this.network = new Network(world, rng.fork(), ids, options.network);
    const newDisk = (): SimulatedDisk => new SimulatedDisk(world, rng.fork(), options.disk, options.diskMutation);
    this.machines = ids.map(
      (id) =>
        new SimulatedNode({
          id,
          config: nodeConfig(id, founders, tuning),
          world,
          rng: rng.fork(),
          network: this.network,
          disk: newDisk(),
          newDisk,
          addressOf: peerAddressOf,
          watcher: this.#watcher(),
          clockRate: rng.between(1 - drift, 1 + drift),
          wireProfile: wire,
        }),
    );
    for (const node of this.machines.slice(0, size)) {
      this.#inUse.add(node);
      this.#used.add(node);
    }
  }

  /** Machines that are part of the cluster, were, or wait to become one. */
  get nodes(): readonly SimulatedNode[] {
    return [...this.#inUse];
  }

  node(id: string): SimulatedNode {
    const node = this.machines.find((each) => each.id === id);
    if (node === undefined) throw new Error(`there is no ${id}`);
    return node;
  }

  /** A machine is switched on, to be joined. */
  use(node: SimulatedNode): void {
    this.#inUse.add(node);
    this.#used.add(node);
    node.start();
  }

  /** A machine is switched off for good, until somebody uses it again. */
  retire(node: SimulatedNode): void {
    this.#inUse.delete(node);
    node.crash(0);
  }

  /** It was part of the cluster at some time, and may have what it had then. */
  wasUsed(node: SimulatedNode): boolean {
    return this.#used.has(node);
  }

  /**
   * No other of the first members knows any more that there is a cluster. Without what it has they would all be as new and,
   * started with the same list of members as ever, found a second cluster when those who joined later are not heard.
   */
  isLastToKnow(node: SimulatedNode): boolean {
    const knowing = this.machines.filter(
      (each) => this.founders.includes(each.id) && each.clusterId !== null && !each.mayDoubt,
    );
    return knowing.length === 1 && knowing[0] === node;
  }

  /** Tells once of the next leader that has appended a configuration, before anybody else can have heard of it. */
  onChangeBegun(listener: (leader: SimulatedNode) => void): void {
    this.#changeBegun.push(listener);
  }

  #beginsChange(leader: SimulatedNode): void {
    const listeners = this.#changeBegun;
    this.#changeBegun = [];
    for (const listener of listeners) listener(leader);
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
    for (const { id } of this.machines) {
      for (const other of this.machines) if (other.id !== id) this.network.unblock(id, other.id);
    }
    this.#reach();
  }

  get networkIsNormal(): boolean {
    return this.network.profile === this.#options.network;
  }

  normalNetwork(): void {
    this.network.setProfile(this.#options.network);
  }

  normalDisk(node: SimulatedNode): void {
    node.disk.setProfile(this.#options.disk);
  }

  heal(): void {
    this.#changeBegun = [];
    this.normalNetwork();
    for (const node of this.nodes) {
      this.normalDisk(node);
      node.disk.makeRoom();
      node.disk.proceed();
      node.resume();
      node.start();
    }
    this.unblockAll();
  }

  #watcher(): NodeWatcher {
    const { watcher } = this.#options;
    return {
      ...watcher,
      started: (node, replica, recovered) => {
        this.#believed.set(node.id, replica.status.configuration);
        this.#reach();
        watcher.started(node, replica, recovered);
      },
      stepped: (node, replica) => {
        const { configuration, configurationCommitted, role } = replica.status;
        const changed = this.#believed.get(node.id) !== configuration;
        if (changed) {
          this.#believed.set(node.id, configuration);
          this.#reach();
        }
        watcher.stepped(node, replica);
        if (changed && role === 'leader' && configurationCommitted === false) this.#beginsChange(node);
      },
      ended: (node) => {
        this.#reach();
        watcher.ended(node);
      },
    };
  }

  /**
   * A node can serve when it reaches, in both directions, one that reaches a majority by its own configuration: that one may
   * lead.
   */
  #reach(): void {
    const { machines, network } = this;
    const reaches = (a: SimulatedNode, b: SimulatedNode): boolean =>
      a === b || (b.running && !network.isBlocked(a.id, b.id) && !network.isBlocked(b.id, a.id));
    const mayLead = (node: SimulatedNode): boolean => {
      const configuration = this.#believed.get(node.id);
      if (!node.running || configuration === undefined || members(configuration).length === 0) return false;
      return hasQuorum(configuration, (id) => reaches(node, this.node(id)));
    };
    const leaders = machines.filter(mayLead);
    for (const node of machines) {
      this.#options.onReach(
        node.id,
        leaders.some((other) => reaches(node, other)),
      );
    }
  }
}
