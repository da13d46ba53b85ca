import { type Configuration, hasQuorum, tagOf } from '@quorate/consensus';
import type { Cluster } from '../cluster/cluster.ts';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import { demand } from '../world/violation.ts';
import type { Configurations } from './configurations.ts';

/** Elections with some bad luck, and connections that come back after their longest delay. */
const LIMIT_MS = 5_000;

export interface ProgressCheckerOptions {
  readonly cluster: Cluster;
  readonly configurations: Configurations;
  /** Entries that some node has applied. */
  readonly committed: () => number;
  readonly nowMs: () => number;
}

/**
 * While nothing is wrong with a majority and the connections between its members, it goes on, whatever the others do:
 * nodes that hear only some of it, or are heard only, can not keep it from electing a leader and committing.
 */
export class ProgressChecker {
  readonly #options: ProgressCheckerOptions;
  /** Who has been well, since when, and how much was committed then. */
  #well = { names: '', sinceMs: 0, committed: 0 };
  /** Stretches of time that were looked at. */
  stretches = 0;

  constructor(options: ProgressCheckerOptions) {
    this.#options = options;
  }

  /** To be called several times a second. */
  look(): void {
    const { nowMs, committed } = this.#options;
    const names = this.#healthyMajority();
    const { sinceMs, committed: before } = this.#well;
    if (names === '' || names !== this.#well.names) {
      this.#well = { names, sinceMs: nowMs(), committed: committed() };
      return;
    }
    if (nowMs() - sinceMs < LIMIT_MS) return;
    this.stretches++;
    demand(
      committed() > before,
      'majority-goes-on',
      () => `${names} are well and connected for ${LIMIT_MS / 1000} s, and nothing was committed since entry ${before}`,
    );
    this.#well = { names, sinceMs: nowMs(), committed: committed() };
  }

  /** Nodes that are well and all hear each other, if they are a quorum of every configuration that may count; or nothing. */
  #healthyMajority(): string {
    const { cluster, configurations } = this.#options;
    const inForce = configurations.inForce();
    if (inForce.length === 0 || !cluster.networkIsNormal) return '';
    const well: SimulatedNode[] = [];
    for (const node of cluster.nodes) {
      if (isWell(node) && well.every((other) => hear(cluster, node, other))) well.push(node);
    }
    const ids = new Set(well.map(({ id }) => id));
    const isMember = (configuration: Configuration, id: string): boolean =>
      ids.has(id) && cluster.node(id).directoryId === tagOf(configuration, id);
    const enough = inForce.every((configuration) => hasQuorum(configuration, (id) => isMember(configuration, id)));
    return enough ? [...ids].join() : '';
  }
}

function isWell(node: SimulatedNode): boolean {
  const { replica, disk, paused, standsIn, draining } = node;
  return replica !== null && !paused && !standsIn && !draining && !disk.troubled;
}

function hear({ network }: Cluster, a: SimulatedNode, b: SimulatedNode): boolean {
  return !network.isBlocked(a.id, b.id) && !network.isBlocked(b.id, a.id);
}
