import type { Identity } from '@quorate/node/runtime';
import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';

/** What somebody who watches all identities is told. */
export interface IdentityWatcher {
  clusterNamed(nodeId: string, clusterId: string): void;
  founded(nodeId: string, configuration: Uint8Array): void;
}

/** Wall clock at the beginning of virtual time; the clock that a fresh directory's incarnations begin by may be wrong. */
const EPOCH_MS = 1_700_000_000_000;
const WALL_CLOCK_ERROR_MS = 100_000;
const HEX = '0123456789abcdef';

/** The identity file of a data directory: every change is durable at once. */
export class DurableIdentity {
  readonly directoryId: string;
  incarnation: number;
  clusterId: string | null = null;
  founding: Uint8Array | null = null;
  doubts: string[] = [];
  /** Data of an earlier time is kept beside it. */
  hasSetAside = false;

  constructor(directoryId: string, incarnation: number) {
    this.directoryId = directoryId;
    this.incarnation = incarnation;
  }

  /** A directory that was formatted this moment. */
  static format(world: World, rng: Rng): DurableIdentity {
    const errorMs = rng.between(-WALL_CLOCK_ERROR_MS, WALL_CLOCK_ERROR_MS);
    return new DurableIdentity(randomId(rng), Math.round(EPOCH_MS + world.nowMs + errorMs));
  }

  /** As `setAside` of the storage package leaves it. */
  anew(directoryId: string): DurableIdentity {
    const fresh = new DurableIdentity(directoryId, this.incarnation + 1);
    fresh.clusterId = this.clusterId;
    fresh.hasSetAside = true;
    return fresh;
  }
}

/** An identity as the replica sees it. */
export function openIdentity(
  durable: DurableIdentity,
  nodeId: string,
  world: World,
  watcher: IdentityWatcher,
): Identity {
  return {
    get incarnation() {
      return durable.incarnation;
    },
    directoryId: durable.directoryId,
    get clusterId() {
      return durable.clusterId;
    },
    get hasSetAside() {
      return durable.hasSetAside;
    },
    nextIncarnation: async (atLeast = 0) => {
      world.settle();
      durable.incarnation = Math.max(durable.incarnation + 1, atLeast);
      return await Promise.resolve(durable.incarnation);
    },
    setClusterId: async (clusterId) => {
      world.settle();
      watcher.clusterNamed(nodeId, clusterId);
      durable.clusterId = clusterId;
      await Promise.resolve();
    },
    setFounding: async (configuration) => {
      world.settle();
      watcher.founded(nodeId, configuration);
      durable.founding = Uint8Array.from(configuration);
      await Promise.resolve();
    },
    doubt: async (reason) => {
      world.settle();
      durable.doubts.push(reason);
      await Promise.resolve();
    },
    dropSetAside: async () => {
      world.settle();
      durable.hasSetAside = false;
      await Promise.resolve();
    },
  };
}

/** 32 hex digits that no other call returns. */
export function randomId(rng: Rng): string {
  let id = '';
  for (let i = 0; i < 32; i++) id += HEX[rng.below(16)];
  return id;
}
