export type { Cluster, Features, NodeHandle } from './cluster/cluster.ts';
export type * from './history/operation.ts';
export type { Host, Network, Shape } from './network/network.ts';
