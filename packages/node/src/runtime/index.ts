/*
 * The part of a node that knows no socket, file or process: entry `@quorate/node/runtime`, for simulations. It loads
 * neither the HTTP server nor the logger.
 */
export { loadConfig } from '../config/load.ts';
export type { NodeConfig } from '../config/schema.ts';
export type { Clock } from '../raft/clock.ts';
export { checkHello } from '../transport/admission.ts';
export { DirectoryMemory } from '../transport/directories.ts';
export type { PeerHandlers, TransportLogger } from '../transport/types.ts';
export { type Identity, Readmitted, type SelfDescription } from './identity.ts';
export { memoryStores } from './memory-stores.ts';
export { type Recovered, recover, type Stores } from './recovery.ts';
export { Replica } from './replica.ts';
export type { ReplicaObserver, ReplicaOptions, Transport } from './replica-options.ts';
export type { SnapshotHome } from './snapshots.ts';
export { StateDiverged } from './state-comparison.ts';
