export * from './mqtt/index.ts';
export * from './peer/index.ts';
