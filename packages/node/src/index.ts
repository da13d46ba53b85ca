export * from './config/index.ts';
export * from './http/index.ts';
export * from './logging/index.ts';
export * from './metrics/index.ts';
