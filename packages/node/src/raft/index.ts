export * from './clock.ts';
export { ClusterClock } from './cluster-clock.ts';
export { RaftDriver } from './driver.ts';
export { joinBatches, splitBatches } from './entry-batches.ts';
export { realClock } from './real-clock.ts';
export * from './types.ts';
