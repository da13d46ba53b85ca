import type { Configurations } from '../check/configurations.ts';
import type { Client } from '../client/client.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';
import type { Operators } from './operators.ts';

/** What one fault has to work with. */
export interface FaultContext {
  readonly world: World;
  /** Of this fault alone: leaving another one out changes nothing here. */
  readonly rng: Rng;
  readonly cluster: Cluster;
  readonly clients: readonly Client[];
  readonly configurations: Configurations;
  readonly operators: Operators;
  /** Ends a fault after a while, mostly a short one, unless everything was healed before. */
  readonly later: (lowMs: number, highMs: number, end: () => void) => void;
}

/** What may go wrong. `weight`: how often, as against the others. */
export interface Fault {
  readonly weight: number;
  readonly inject: (context: FaultContext) => void;
}

export type Faults = Readonly<Record<string, Fault>>;

/** A machine that is part of the cluster, or was, or waits to be. */
export function anyNode({ rng, cluster }: FaultContext): SimulatedNode {
  return rng.pick(cluster.nodes);
}
