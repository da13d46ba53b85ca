export * from './address.ts';
export { configWarnings } from './checks.ts';
export { ConfigError, type ConfigErrorCode } from './error.ts';
export { KEYS, KEYS_BY_FLAG, type KeyEntry } from './keys.ts';
export type { ListenerConfig, TlsConfig, Transport } from './listeners.ts';
export { type ConfigSources, loadConfig } from './load.ts';
export { configHelp, configMarkdown } from './reference.ts';
export type { NodeConfig } from './schema.ts';
export { nearest } from './suggest.ts';
