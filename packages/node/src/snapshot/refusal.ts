import type { SnapshotOffer } from '@quorate/protocol';
import { StorageError } from '@quorate/storage';

/** Why a snapshot was not taken. */
export interface Refusal {
  /** Stable. Those of the store go as they are: SNAPSHOT_CORRUPTED, SNAPSHOT_REFUSED, SNAPSHOT_TOO_NEW. */
  readonly code: RefusalCode;
  /** One sentence. */
  readonly reason: string;
}

const OF_STORE = ['SNAPSHOT_CORRUPTED', 'SNAPSHOT_REFUSED', 'SNAPSHOT_TOO_NEW'] as const;

export type RefusalCode =
  | 'SNAPSHOT_NOT_NEEDED'
  | 'SNAPSHOT_OTHER_CLUSTER'
  | 'SNAPSHOT_MACHINE_TOO_NEW'
  | (typeof OF_STORE)[number];

/** This node has everything up to `index` already. */
export function refuseNotNeeded(index: number): Refusal {
  const reason = `The snapshot at entry ${index} would not bring this node forward: it has committed that entry already.`;
  return { code: 'SNAPSHOT_NOT_NEEDED', reason };
}

/** `clusterId` is this node's; null when it has none yet. Null: the offer is of this cluster. */
export function refuseForeign(offer: SnapshotOffer, clusterId: string | null): Refusal | null {
  if (clusterId === null || offer.clusterId === clusterId) return null;
  const reason = `The snapshot belongs to cluster ${offer.clusterId}, this node to cluster ${clusterId}.`;
  return { code: 'SNAPSHOT_OTHER_CLUSTER', reason };
}

/** Null when this release reads records of the offer's version. */
export function refuseUnreadable(offer: SnapshotOffer, maxMachineVersion: number): Refusal | null {
  if (offer.machineVersion <= maxMachineVersion) return null;
  const reason =
    `The snapshot has records of version ${offer.machineVersion}, written by a newer release; this node reads up to ` +
    `${maxMachineVersion}. Upgrade this node.`;
  return { code: 'SNAPSHOT_MACHINE_TOO_NEW', reason };
}

/** An error of the store that concerns this snapshot only; null for any other. */
export function refusalOfStore(error: unknown): Refusal | null {
  if (!(error instanceof StorageError)) return null;
  const code = OF_STORE.find((each) => each === error.code);
  return code === undefined ? null : { code, reason: error.message };
}
