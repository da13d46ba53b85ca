import { ConfigError } from './error.ts';
import { build, isMap, sentenceOfBadValue, settingsOf } from './groups.ts';
import type { Group, Infer, Key, Place } from './key-types.ts';

const IN_FILE = (): string => 'in the config file';

/**
 * A list of maps with keys of their own, in the file only; empty by default. Items are named by their place:
 * `listeners.0`.
 */
export function listOf<G extends Group>(about: {
  readonly doc: string;
  readonly expected: string;
  readonly items: G;
  readonly max: number;
}): Key<readonly Infer<G>[]> {
  const { doc, expected, items, max } = about;
  const readItem = (value: unknown, { path, origin }: Place): Infer<G> => {
    if (!isMap(value)) {
      const wanted = `a map of ${Object.keys(items).join(', ')}`;
      throw new ConfigError('BAD_VALUE', path, value, sentenceOfBadValue(path, value, origin, wanted));
    }
    return build(items, `${path}.`, [settingsOf(items, `${path}.`, value, origin)], IN_FILE);
  };
  return {
    kind: 'key',
    doc,
    expected,
    default: [],
    defaultText: 'none',
    required: false,
    flag: undefined,
    items,
    parse: () => undefined,
    read: (value, place = { path: '', origin: 'values' }) =>
      Array.isArray(value) && value.length <= max
        ? value.map((each, at) => readItem(each, { path: `${place.path}.${String(at)}`, origin: place.origin }))
        : // `listeners:` with every line below it commented out is an empty list.
          value === null
          ? []
          : undefined,
  };
}
