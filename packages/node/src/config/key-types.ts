import { type Address, formatAddress, parseAddress } from './address.ts';

/** Where a value was given, for refusals of a part of it. */
export interface Place {
  /** The key: `listeners`. */
  readonly path: string;
  /** As shown in sentences. */
  readonly origin: string;
}

/** One configuration key: how its value is read and what is said about it. `T` is the type of the value. */
export interface Key<T> {
  readonly kind: 'key';
  /** One sentence or more, for `quorate start --help` and the documentation. */
  readonly doc: string;
  /** What is expected, to follow the word "expected". */
  readonly expected: string;
  /** The value when none is given; undefined for a required or derived one. */
  readonly default: T | undefined;
  /** The default as shown to people; undefined for a required key. */
  readonly defaultText: string | undefined;
  readonly required: boolean;
  /** The name of its flag of `quorate start` without dashes, if it has one. */
  readonly flag: string | undefined;
  /** Reads the text of a flag or environment variable; undefined refuses it. */
  readonly parse: (text: string) => T | undefined;
  /** Reads a value of the file; undefined refuses it. A list refuses a part of it by a ConfigError. */
  readonly read: (value: unknown, place?: Place) => T | undefined;
  /** The keys of each item of a list. */
  readonly items?: Group;
}

/** A table of keys and groups of keys. */
export interface Group {
  readonly [name: string]: Key<unknown> | Group;
}

/** The type of the values that a table describes. */
export type Infer<G> = { readonly [K in keyof G]: G[K] extends Key<infer T> ? T : Infer<G[K]> };

interface About {
  readonly doc: string;
  readonly flag?: string;
}

/** Tells a key from a group of keys. */
export function isKey(entry: Key<unknown> | Group): entry is Key<unknown> {
  return entry.kind === 'key';
}

/** The value may be absent: it is derived from others. `defaultText` says how. */
export function derived<T>(key: Key<T>, defaultText: string): Key<T | undefined> {
  return { ...key, required: false, default: undefined, defaultText };
}

/** The value has to be given. */
export function required<T>(key: Key<T>): Key<T> {
  return { ...key, required: true, default: undefined, defaultText: undefined };
}

function readText<T>(parse: (text: string) => T | undefined): (value: unknown) => T | undefined {
  return (value) => (typeof value === 'string' ? parse(value) : undefined);
}

/** A whole number from `min` to `max`. */
export function integer(about: About & { default: number; min: number; max: number }): Key<number> {
  const check = (value: number): number | undefined =>
    Number.isInteger(value) && value >= about.min && value <= about.max ? value : undefined;
  return {
    kind: 'key',
    doc: about.doc,
    expected: `an integer from ${String(about.min)} to ${String(about.max)}`,
    default: about.default,
    defaultText: String(about.default),
    required: false,
    flag: about.flag,
    parse: (text) => (/^-?\d{1,15}$/.test(text) ? check(Number(text)) : undefined),
    read: (value) => (typeof value === 'number' ? check(value) : undefined),
  };
}

/** `true` or `false`, nothing else. */
export function boolean(about: About & { default: boolean }): Key<boolean> {
  return {
    kind: 'key',
    doc: about.doc,
    expected: 'true or false',
    default: about.default,
    defaultText: String(about.default),
    required: false,
    flag: about.flag,
    parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
    read: (value) => (typeof value === 'boolean' ? value : undefined),
  };
}

/** One of a few words, or truth values written as such. */
export function oneOf<const T extends string | boolean>(
  about: About & { values: readonly T[]; default: NoInfer<T> },
): Key<T> {
  return {
    kind: 'key',
    doc: about.doc,
    expected: `one of ${about.values.map(String).join(', ')}`,
    default: about.default,
    defaultText: String(about.default),
    required: false,
    flag: about.flag,
    parse: (text) => about.values.find((value) => String(value) === text),
    read: (value) => about.values.find((each) => each === value),
  };
}

/** Required text that matches a pattern. */
export function text(about: About & { pattern: RegExp; expected: string }): Key<string> {
  const parse = (given: string): string | undefined => (about.pattern.test(given) ? given : undefined);
  return {
    kind: 'key',
    doc: about.doc,
    expected: about.expected,
    default: undefined,
    defaultText: undefined,
    required: true,
    flag: about.flag,
    parse,
    read: readText(parse),
  };
}

/** Texts that match a pattern, in the file only; none by default. */
export function textList(about: About & { pattern: RegExp; expected: string; max: number }): Key<readonly string[]> {
  const isText = (value: unknown): value is string => typeof value === 'string' && about.pattern.test(value);
  return {
    kind: 'key',
    doc: about.doc,
    expected: about.expected,
    default: [],
    defaultText: 'none',
    required: false,
    flag: undefined,
    parse: () => undefined,
    read: (value) => (Array.isArray(value) && value.length <= about.max && value.every(isText) ? value : undefined),
  };
}

/** `HOST:PORT`. */
export function address(about: About & { default: Address }): Key<Address> {
  return {
    kind: 'key',
    doc: about.doc,
    expected: 'HOST:PORT, for example 127.0.0.1:1883 or [::1]:1883',
    default: about.default,
    defaultText: formatAddress(about.default),
    required: false,
    flag: about.flag,
    parse: parseAddress,
    read: readText(parseAddress),
  };
}

function readMembers(pairs: Iterable<readonly [string, unknown]>, idPattern: RegExp) {
  const members = new Map<string, Address>();
  for (const [id, value] of pairs) {
    const parsed = typeof value === 'string' ? parseAddress(value) : undefined;
    if (parsed === undefined || !idPattern.test(id) || members.has(id)) return undefined;
    members.set(id, parsed);
  }
  return members.size > 0 ? members : undefined;
}

/** Required: node ids and their addresses, `n1=HOST:PORT,n2=HOST:PORT` as text, a map in the file. */
export function members(about: About & { idPattern: RegExp }): Key<ReadonlyMap<string, Address>> {
  return {
    kind: 'key',
    doc: about.doc,
    expected: 'n1=HOST:PORT,n2=HOST:PORT,n3=HOST:PORT (in the file a map of node id to HOST:PORT), each id once',
    default: undefined,
    defaultText: undefined,
    required: true,
    flag: about.flag,
    parse: (given) => {
      const pairs = given.split(',').map((pair): readonly [string, string] => {
        const equals = pair.indexOf('=');
        return [pair.slice(0, Math.max(equals, 0)).trim(), pair.slice(equals + 1).trim()];
      });
      return readMembers(pairs, about.idPattern);
    },
    read: (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? readMembers(Object.entries(value), about.idPattern)
        : undefined,
  };
}
