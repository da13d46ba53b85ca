import { type Configuration, decodeConfiguration, hasQuorum, members, tagOf, voters } from '@quorate/consensus';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import { demand } from '../world/violation.ts';

interface Committed {
  readonly index: number;
  readonly configuration: Configuration;
}

/** A node and its data directory: what a member is. */
function keyOf(configuration: Configuration, id: string): string {
  return `${id}@${tagOf(configuration, id)}`;
}

/** The configurations of the one cluster there may be, and what their quorums have. */
export class Configurations {
  readonly #machines: readonly SimulatedNode[];
  /** The first one, from no entry, and those of the log. */
  readonly #committed: Committed[] = [];
  #founding: string | null = null;
  #clusterId: string | null = null;

  constructor(machines: readonly SimulatedNode[]) {
    this.#machines = machines;
  }

  /** Committed, or the first one; null while there is no cluster. */
  get current(): Configuration | null {
    return this.#committed.at(-1)?.configuration ?? null;
  }

  get changes(): number {
    return Math.max(0, this.#committed.length - 1);
  }

  /** There is one cluster, for ever. */
  clusterNamed(nodeId: string, clusterId: string): void {
    this.#clusterId ??= clusterId;
    demand(
      this.#clusterId === clusterId,
      'one-cluster',
      () => `${nodeId} belongs to cluster ${clusterId}, but there is ${this.#clusterId} already`,
    );
  }

  founded(nodeId: string, bytes: Uint8Array): void {
    const text = Buffer.from(bytes).toString('hex');
    const configuration = decodeConfiguration(bytes);
    // What nobody holds any more and nothing was committed by is as if it had never been.
    const held = this.#machines.some(({ founding }) => founding !== null && hexOf(founding) === this.#founding);
    if (this.#founding !== text && !held && this.#committed.length <= 1) {
      this.#founding = text;
      this.#committed.splice(0, 1, { index: 0, configuration });
    }
    demand(
      this.#founding === text,
      'one-cluster',
      () => `${nodeId} founds a second cluster: ${describe(configuration)}`,
    );
  }

  /** A configuration entry was committed. */
  committed(index: number, configuration: Configuration): void {
    const before = this.current;
    this.#committed.push({ index, configuration });
    if (before === null) return;
    demand(
      quorumsMeet(before, configuration),
      'configuration-safety',
      () => `entry ${index}: ${describe(configuration)} follows ${describe(before)}, with quorums that do not meet`,
    );
  }

  /** In force at `index`. */
  at(index: number): Configuration | null {
    return this.#committed.findLast((each) => each.index <= index)?.configuration ?? null;
  }

  /** Those that somebody may act by: the newest committed one, and whatever comes after it on any disk. */
  inForce(): Configuration[] {
    const last = this.#committed.at(-1);
    if (last === undefined) return [];
    return [last.configuration, ...this.after(last.index)];
  }

  /** Behind `index` on some disk, or in the log of some process on its way there. */
  after(index: number): Configuration[] {
    const found: Configuration[] = [];
    for (const { disk, replica } of this.#machines) {
      const status = replica?.driver.status();
      if (status !== undefined && (status.configurationIndex ?? 0) > index) found.push(status.configuration);
      for (const entry of disk.durableConfigurations())
        if (entry.index > index) found.push(decodeConfiguration(entry.data));
    }
    return found;
  }

  /** Whether those who hold something, each with the data directory that is the member, are a quorum. */
  isQuorum(configuration: Configuration, holds: (id: string, directoryId: string) => boolean): boolean {
    return hasQuorum(configuration, (id) => holds(id, tagOf(configuration, id)));
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Every quorum of one has a member in common with every quorum of the other. */
function quorumsMeet(one: Configuration, other: Configuration): boolean {
  const keys = [
    ...new Set([...voters(one).map((id) => keyOf(one, id)), ...voters(other).map((id) => keyOf(other, id))]),
  ];
  for (let set = 0; set < 2 ** keys.length; set++) {
    const inside = (configuration: Configuration, id: string): boolean =>
      (set & (1 << keys.indexOf(keyOf(configuration, id)))) !== 0;
    if (hasQuorum(one, (id) => inside(one, id)) && hasQuorum(other, (id) => !inside(other, id))) return false;
  }
  return true;
}

export function describe(configuration: Configuration): string {
  const { voters: incoming, outgoing, learners } = configuration;
  const name = (id: string): string => `${id}@${tagOf(configuration, id).slice(0, 4)}`;
  const halves = [incoming.map(name).join()];
  if (outgoing.length > 0) halves.push(`from ${outgoing.map(name).join()}`);
  if (learners.length > 0) halves.push(`learners ${learners.map(name).join()}`);
  return members(configuration).length === 0 ? 'nobody' : halves.join(' ');
}
