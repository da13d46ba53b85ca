import { type Configuration, hasQuorum, tagOf } from '@quorate/consensus';
import type { Cluster } from '../cluster/cluster.ts';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import { demand } from '../world/violation.ts';
import type { Configurations } from './configurations.ts';

/** Elections with some bad luck, and connections that come back after their longest delay. */
const LIMIT_MS = 5_000;
/** A batch that did not reach its leader is sent again every second. */
const OWN_LIMIT_MS = 4_000;
/** Entries behind all that was in the log before: what a leader takes from others meanwhile. */
const ENTRIES_AFTER = 5;

/** A leader whose own batches wait to be applied. */
interface Waiting {
  /** Term, incarnation, and the last of its batches that was applied. */
  readonly place: string;
  readonly sinceMs: number;
  /** The end of its log then. */
  readonly lastIndex: number;
}

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
  readonly #waiting = new Map<string, Waiting>();
  /** Stretches of time that were looked at. */
  stretches = 0;

  constructor(options: ProgressCheckerOptions) {
    this.#options = options;
  }

  /** To be called several times a second while clients have work to do. */
  look(): void {
    this.lookAtLeaders();
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

  /** To be called several times a second. */
  lookAtLeaders(): void {
    for (const node of this.#options.cluster.nodes) this.#checkLeader(node);
  }

  /**
   * While the log goes on, so does what its leader proposes itself: its batches have no way to go. A leader that takes them for
   * old ones leads others to the end of their patience, who then find a node that works.
   */
  #checkLeader(node: SimulatedNode): void {
    const { replica, id } = node;
    const before = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (replica === null || replica.status.role !== 'leader' || !isWell(node)) return;
    const { proposer, machine, registered } = replica.broker;
    if (!registered || proposer.unappliedBytes === 0) return;
    const { appliedIndex, nodes } = machine.state;
    const place = `${replica.status.term} ${proposer.incarnation} ${nodes.get(id)?.lastSequence}`;
    const { nowMs } = this.#options;
    if (before?.place !== place) {
      this.#waiting.set(id, { place, sinceMs: nowMs(), lastIndex: replica.driver.status().lastIndex });
      return;
    }
    this.#waiting.set(id, before);
    demand(
      nowMs() - before.sinceMs < OWN_LIMIT_MS || appliedIndex < before.lastIndex + ENTRIES_AFTER,
      'leader-takes-its-own',
      () =>
        `${id} leads and has applied ${appliedIndex - before.lastIndex} entries more than it had ` +
        `${Math.round(nowMs() - before.sinceMs)} ms ago, none of them its own, which waits`,
    );
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
