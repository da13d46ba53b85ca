import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { ConfigError, showValue } from './error.ts';
import { isMap, type Settings, settingsOf, unknownKey } from './groups.ts';
import { KEYS, KEYS_BY_FLAG, type KeyEntry } from './keys.ts';
import { SCHEMA } from './schema.ts';

const MAX_FILE_BYTES = 1024 * 1024;

/** Names below the prefix that are not keys: the file itself, and what the project's own tests use. */
const OTHER_ENV = /^QUORATE_(CONFIG|TEST_\w+)$/;
/** What Kubernetes sets in every container for services named quorate or quorate-*. No key ends like this. */
const KUBERNETES_ENV = /_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/;

/** Reads flags, by their names without dashes. */
export function fromFlags(flags: Readonly<Record<string, string | undefined>>): Settings {
  const settings: Settings = new Map();
  for (const [flag, text] of Object.entries(flags)) {
    if (text === undefined) continue;
    const entry = KEYS_BY_FLAG.get(flag);
    if (entry === undefined) throw unknownKey(flag, 'flag', text, [...KEYS_BY_FLAG.keys()]);
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
    else if (!KUBERNETES_ENV.test(name)) throw unknownKey(name, 'environment', text, [...byName.keys()]);
  }
  return settings;
}

/** Reads nested values as a file has them. */
export function fromValues(values: unknown, origin: string): Settings {
  if (isMap(values)) return settingsOf(SCHEMA, '', values, origin);
  const message = `${origin} holds ${showValue(values)}: expected a map of keys`;
  throw new ConfigError('FILE_INVALID', origin, values, message);
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
