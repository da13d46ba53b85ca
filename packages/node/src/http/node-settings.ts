import type { FullQueuePolicy, Limits, SharedStrategy } from '@quorate/broker';
import type { AdminResult } from './node-admin.ts';

/** What can be set while the cluster runs, the same on all nodes. */
export interface ClusterSettings extends Readonly<Limits> {
  /** How the members of a shared subscription take turns. */
  readonly sharedSubscriptionStrategy: SharedStrategy;
  /** What a full queue of a session without a client, or of a share group, gives up. */
  readonly fullQueuePolicy: FullQueuePolicy;
}

/** The settings of the cluster. Any node takes a change; refusals are results, as with `NodeAdmin`. */
export interface NodeSettings {
  /** As this node knows them. */
  current(): ClusterSettings;
  /** Resolves when the change is committed and applied on this node. */
  change(changes: Partial<ClusterSettings>): Promise<AdminResult>;
}
