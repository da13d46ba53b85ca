export * from './config/index.ts';
export * from './http/index.ts';
export * from './logging/index.ts';
export * from './metrics/index.ts';
export { type RunningNode, startNode, VERSION } from './node.ts';
export * from './raft/index.ts';
export { runNode, type SupervisedNode } from './supervise.ts';
export * from './transport/index.ts';
