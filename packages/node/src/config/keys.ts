import { type Group, isKey, type Key } from './key-types.ts';
import { SCHEMA } from './schema.ts';

/** A key of the table with its place and its names. */
export interface KeyEntry {
  /** As in the file, levels joined by dots: `limits.maxConnections`. */
  readonly path: string;
  /** Its environment variable: `QUORATE_LIMITS__MAX_CONNECTIONS`. */
  readonly env: string;
  readonly key: Key<unknown>;
}

const ENV_PREFIX = 'QUORATE_';

function envName(path: string): string {
  const levels = path.split('.').map((level) => level.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return ENV_PREFIX + levels.join('__');
}

function flatten(group: Group, prefix: string): KeyEntry[] {
  return Object.entries(group).flatMap(([name, entry]) => {
    const path = prefix + name;
    return isKey(entry) ? [{ path, env: envName(path), key: entry }] : flatten(entry, `${path}.`);
  });
}

/** Every key, in the order of the table. */
export const KEYS: readonly KeyEntry[] = flatten(SCHEMA, '');

/** The keys that have a flag of `quorate start`, by flag name without dashes. */
export const KEYS_BY_FLAG: ReadonlyMap<string, KeyEntry> = new Map(
  KEYS.flatMap((entry) => (entry.key.flag === undefined ? [] : [[entry.key.flag, entry] as const])),
);
