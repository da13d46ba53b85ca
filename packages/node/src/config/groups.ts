import { ConfigError, showValue } from './error.ts';
import { type Group, type Infer, isKey, type Key } from './key-types.ts';
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

/** The error for a key that does not exist. */
export function unknownKey(name: string, origin: string, value: unknown, candidates: readonly string[]): ConfigError {
  const near = nearest(name, candidates);
  const hint = near === undefined ? `expected one of ${candidates.join(', ')}` : `did you mean ${near}?`;
  const message = `unknown key ${name} (${origin}) with value ${showValue(value)}: ${hint}`;
  return new ConfigError('UNKNOWN_KEY', name, value, message);
}

/** The sentence for a value that was refused. */
export function sentenceOfBadValue(path: string, value: unknown, origin: string, expected: string): string {
  return `${path} is ${showValue(value)} (${origin}): expected ${expected}`;
}

/** A map as YAML and JSON have it. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The path of every key below a group, in the order of the table. */
export function pathsOf(group: Group, prefix: string): string[] {
  return Object.entries(group).flatMap(([name, entry]) => {
    const path = prefix + name;
    return isKey(entry) ? [path] : pathsOf(entry, `${path}.`);
  });
}

/**
 * Takes nested values apart by the keys of a group.
 *
 * @throws {ConfigError} on a key that the group does not have
 */
export function settingsOf(
  group: Group,
  prefix: string,
  values: Readonly<Record<string, unknown>>,
  origin: string,
): Settings {
  const settings: Settings = new Map();
  const all = pathsOf(group, prefix);
  const walk = (level: Group, above: string, given: Readonly<Record<string, unknown>>): void => {
    for (const [name, value] of Object.entries(given)) {
      const path = above + name;
      const entry = Object.hasOwn(level, name) ? level[name] : undefined;
      if (entry === undefined) {
        const candidates = nearest(path, all) === undefined ? Object.keys(level).map((each) => above + each) : all;
        throw unknownKey(path, origin, value, candidates);
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
  walk(group, prefix, values);
  return settings;
}

/** Says where a missing key can be given. */
export type Ways = (path: string, key: Key<unknown>) => string;

function readKey(path: string, key: Key<unknown>, setting: Setting | undefined, ways: Ways): unknown {
  if (setting === undefined) {
    if (!key.required) return key.default;
    const message = `${path} is missing: expected ${key.expected} (${ways(path, key)})`;
    throw new ConfigError('MISSING_KEY', path, undefined, message);
  }
  const { given, origin } = setting;
  const read = 'text' in given ? key.parse(given.text) : key.read(given.value, { path, origin });
  if (read !== undefined) return read;
  const value = 'text' in given ? given.text : given.value;
  throw new ConfigError('BAD_VALUE', path, value, sentenceOfBadValue(path, value, origin, key.expected));
}

/**
 * The values of a group; earlier sources win over later ones.
 *
 * @throws {ConfigError} on a bad value or a missing one
 */
export function build<G extends Group>(group: G, prefix: string, sources: readonly Settings[], ways: Ways): Infer<G> {
  const built: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(group)) {
    const path = prefix + name;
    built[name] = isKey(entry)
      ? readKey(path, entry, sources.find((source) => source.has(path))?.get(path), ways)
      : build(entry, `${path}.`, sources, ways);
  }
  // What was built follows the table that the type is inferred from.
  return built as Infer<G>;
}
