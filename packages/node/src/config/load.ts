import { resolve } from 'node:path';
import { check, complete } from './checks.ts';
import { ConfigError } from './error.ts';
import { type Group, isKey, type Key } from './key-types.ts';
import { KEYS } from './keys.ts';
import { type DraftConfig, type NodeConfig, SCHEMA } from './schema.ts';
import {
  fromEnv,
  fromFile,
  fromFlags,
  fromValues,
  type Setting,
  type Settings,
  sentenceOfBadValue,
} from './sources.ts';

/** Where a configuration comes from; earlier members win over later ones. */
export interface ConfigSources {
  /** Flags of `quorate start` by their names without dashes: `{ 'node-id': 'n1' }`. */
  readonly flags?: Readonly<Record<string, string | undefined>> | undefined;
  /** Environment; only names that begin with QUORATE_ are looked at. None by default. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Path of the YAML file; QUORATE_CONFIG of `env` when absent. */
  readonly file?: string | undefined;
  /** Nested values as a file would have them, for programs that embed a node. */
  readonly values?: unknown;
}

function readKey(path: string, key: Key<unknown>, setting: Setting | undefined): unknown {
  if (setting === undefined) {
    if (!key.required) return key.default;
    const ways = key.flag === undefined ? '' : `flag --${key.flag}, `;
    const env = KEYS.find((entry) => entry.path === path)?.env ?? '';
    const message = `${path} is missing: expected ${key.expected} (${ways}environment ${env} or the config file)`;
    throw new ConfigError('MISSING_KEY', path, undefined, message);
  }
  const { given, origin } = setting;
  const read = 'text' in given ? key.parse(given.text) : key.read(given.value);
  if (read !== undefined) return read;
  const value = 'text' in given ? given.text : given.value;
  throw new ConfigError('BAD_VALUE', path, value, sentenceOfBadValue(path, value, origin, key.expected));
}

function build(group: Group, prefix: string, sources: readonly Settings[]): Record<string, unknown> {
  const built: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(group)) {
    const path = prefix + name;
    built[name] = isKey(entry)
      ? readKey(path, entry, sources.find((source) => source.has(path))?.get(path))
      : build(entry, `${path}.`, sources);
  }
  return built;
}

/**
 * The configuration of a node: flags before environment before file before defaults.
 *
 * @throws {ConfigError} on an unknown key, a bad value, a missing one, or values that do not fit together
 */
export function loadConfig(sources: ConfigSources): NodeConfig {
  const { flags, env, values } = sources;
  const file = sources.file ?? env?.['QUORATE_CONFIG'];
  const settings: Settings[] = [];
  if (flags !== undefined) settings.push(fromFlags(flags));
  if (env !== undefined) settings.push(fromEnv(env));
  if (file !== undefined) settings.push(fromFile(file));
  if (values !== undefined) settings.push(fromValues(values, 'values'));
  // `build` follows the table that the type is inferred from.
  const draft = build(SCHEMA, '', settings) as DraftConfig;
  const config = complete({ ...draft, dataDir: resolve(draft.dataDir) });
  check(config);
  return config;
}
