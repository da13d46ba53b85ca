import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { ConfigError, showValue } from './error.ts';
import { type Group, isKey } from './key-types.ts';
import { KEYS, KEYS_BY_FLAG, type KeyEntry } from './keys.ts';
import { SCHEMA } from './schema.ts';
import { nearest } from './suggest.ts';

/** One value that was given for a key. */
export interface Setting {
  /** Where it came from, as shown in sentences. */
  readonly origin: string;
  /** Text from a flag or the environment, or a value of the file. */
  readonly given: { readonly text: string } | { readonly value: unknown };
}

/** Settings of one source by the path of their key. */
export type Settings = Map<string, Setting>;

const MAX_FILE_BYTES = 1024 * 1024;

/** Names below the prefix that are not keys: the file itself, and what the project's own tests use. */
const OTHER_ENV = /^QUORATE_(CONFIG|TEST_\w+)$/;
/** What Kubernetes sets in every container for services named quorate or quorate-*. No key ends like this. */
const KUBERNETES_ENV = /_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/;

function unknown(name: string, origin: string, value: unknown, candidates: readonly string[]): ConfigError {
  const near = nearest(name, candidates);
  const hint = near === undefined ? `expected one of ${candidates.join(', ')}` : `did you mean ${near}?`;
  const message = `unknown key ${name} (${origin}) with value ${showValue(value)}: ${hint}`;
  return new ConfigError('UNKNOWN_KEY', name, value, message);
}

/** Reads flags, by their names without dashes. */
export function fromFlags(flags: Readonly<Record<string, string | undefined>>): Settings {
  const settings: Settings = new Map();
  for (const [flag, text] of Object.entries(flags)) {
    if (text === undefined) continue;
    const entry = KEYS_BY_FLAG.get(flag);
    if (entry === undefined) throw unknown(flag, 'flag', text, [...KEYS_BY_FLAG.keys()]);
    settings.set(entry.path, { origin: `flag --${flag}`, given: { text } });
  }
  return settings;
}

/** Reads the variables that begin with QUORATE_. */
export function fromEnv(env: Readonly<Record<string, string | undefined>>): Settings {
  const settings: Settings = new Map();
  const byName = new Map<string, KeyEntry>(KEYS.map((entry) => [entry.env, entry]));
  for (const [name, text] of Object.entries(env)) {
    if (text === undefined || !name.startsWith('QUORATE_') || OTHER_ENV.test(name)) continue;
    const entry = byName.get(name);
    if (entry !== undefined) settings.set(entry.path, { origin: `environment ${name}`, given: { text } });
    else if (!KUBERNETES_ENV.test(name)) throw unknown(name, 'environment', text, [...byName.keys()]);
  }
  return settings;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads nested values as a file has them. */
export function fromValues(values: unknown, origin: string): Settings {
  const settings: Settings = new Map();
  const walk = (group: Group, prefix: string, given: Readonly<Record<string, unknown>>): void => {
    for (const [name, value] of Object.entries(given)) {
      const path = prefix + name;
      const entry = Object.hasOwn(group, name) ? group[name] : undefined;
      if (entry === undefined) {
        const all = KEYS.map((each) => each.path);
        const candidates = nearest(path, all) === undefined ? Object.keys(group).map((each) => prefix + each) : all;
        throw unknown(path, origin, value, candidates);
      }
      if (isKey(entry)) settings.set(path, { origin, given: { value } });
      else if (isMap(value)) walk(entry, `${path}.`, value);
      // `limits:` with every line below it commented out is an empty group, not an error.
      else if (value !== null) {
        const expected = `a map of ${Object.keys(entry).join(', ')}`;
        throw new ConfigError('BAD_VALUE', path, value, sentenceOfBadValue(path, value, origin, expected));
      }
    }
  };
  if (!isMap(values)) {
    throw new ConfigError(
      'FILE_INVALID',
      origin,
      values,
      `${origin} holds ${showValue(values)}: expected a map of keys`,
    );
  }
  walk(SCHEMA, '', values);
  return settings;
}

/** The sentence for a value that was refused. */
export function sentenceOfBadValue(path: string, value: unknown, origin: string, expected: string): string {
  return `${path} is ${showValue(value)} (${origin}): expected ${expected}`;
}

/** Reads the configuration file (YAML 1.2). */
export function fromFile(path: string): Settings {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigError(
      'FILE_UNREADABLE',
      path,
      code,
      `configuration file ${path} cannot be read (${code}): expected a YAML file`,
    );
  }
  if (content.length > MAX_FILE_BYTES) {
    throw new ConfigError('FILE_INVALID', path, content.length, `configuration file ${path} is larger than 1 MiB`);
  }
  const document = parseDocument(content, { prettyErrors: true });
  const problem = document.errors[0];
  if (problem !== undefined) {
    const firstLine = (problem.message.split('\n')[0] ?? '').replace(/:$/, '');
    throw new ConfigError(
      'FILE_INVALID',
      path,
      undefined,
      `configuration file ${path} is not valid YAML: ${firstLine}`,
    );
  }
  // An empty file is an empty map.
  return fromValues(document.toJS() ?? {}, path);
}
