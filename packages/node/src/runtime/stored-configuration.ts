import { type Configuration, decodeConfiguration, members } from '@quorate/consensus';

/**
 * Key of the record in the state store that holds the configuration in force at the applied index. The state machine
 * knows nothing of it; its own kinds of records begin with small numbers.
 */
export const CONFIGURATION_KEY = Uint8Array.of(0xff);

export function isConfigurationKey(key: Uint8Array): boolean {
  return key.length === 1 && key[0] === 0xff;
}

/** Null for an empty one, which a node stores that is to get one by other ways. */
export function readStoredConfiguration(value: Uint8Array): Configuration | null {
  const configuration = decodeConfiguration(value);
  return members(configuration).length === 0 ? null : configuration;
}
