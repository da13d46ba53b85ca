import { resolve } from 'node:path';
import { checkTlsFiles } from '../listener/tls-files.ts';
import { checkSecretFiles } from './authentication.ts';
import { check, complete } from './checks.ts';
import { build, type Settings } from './groups.ts';
import type { Key } from './key-types.ts';
import { KEYS } from './keys.ts';
import { type NodeConfig, SCHEMA } from './schema.ts';
import { fromEnv, fromFile, fromFlags, fromValues } from './sources.ts';

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

function waysOf(path: string, key: Key<unknown>): string {
  const flag = key.flag === undefined ? '' : `flag --${key.flag}, `;
  const env = KEYS.find((entry) => entry.path === path)?.env ?? '';
  return `${flag}environment ${env} or the config file`;
}

/**
 * The configuration of a node: flags before environment before file before defaults.
 *
 * @throws {ConfigError} on an unknown key, a bad value, a missing one, values that do not fit together, or a
 *   certificate that can not be used
 */
export function loadConfig(sources: ConfigSources): NodeConfig {
  const { flags, env, values } = sources;
  const file = sources.file ?? env?.['QUORATE_CONFIG'];
  const settings: Settings[] = [];
  if (flags !== undefined) settings.push(fromFlags(flags));
  if (env !== undefined) settings.push(fromEnv(env));
  if (file !== undefined) settings.push(fromFile(file));
  if (values !== undefined) settings.push(fromValues(values, 'values'));
  const draft = build(SCHEMA, '', settings, waysOf);
  const config = complete({ ...draft, dataDir: resolve(draft.dataDir) });
  check(config);
  checkTlsFiles(config.listeners);
  checkSecretFiles(config.authentication);
  return config;
}
