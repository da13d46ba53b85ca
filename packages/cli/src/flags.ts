import { parseArgs } from 'node:util';
import { UsageError } from './usage-error.ts';

/** The flags of a command, by name without dashes: with a value, or a switch. */
export type FlagTable = Readonly<Record<string, 'value' | 'switch'>>;

/** The flags that were given. */
export interface ParsedFlags {
  readonly values: ReadonlyMap<string, string>;
  readonly switches: ReadonlySet<string>;
  /** Arguments that are no flags. */
  readonly positionals: readonly string[];
}

async function unknownFlag(command: string, rawName: string, known: readonly string[]): Promise<UsageError> {
  // Loaded here only: the node's package takes half a second, which `help` and `status` need not wait for.
  const { nearest } = await import('@quorate/node');
  const near = nearest(rawName, known);
  const hint = near === undefined ? `see \`quorate ${command} --help\`` : `did you mean --${near}?`;
  const dashes = rawName.length === 1 ? '-' : '--';
  return new UsageError(`unknown flag ${dashes}${rawName} of \`quorate ${command}\`: ${hint}`);
}

/**
 * Reads the flags of a command. `--help` and `-h` are switches of every command.
 *
 * @param maxPositionals how many arguments that are no flags it takes
 * @throws {UsageError} on an unknown flag, a missing value, a flag given twice, or too many arguments that are no flags
 */
export async function parseFlags(
  command: string,
  args: readonly string[],
  table: FlagTable,
  maxPositionals = 0,
): Promise<ParsedFlags> {
  const all: FlagTable = { ...table, help: 'switch' };
  const options = Object.fromEntries(
    Object.entries(all).map(([name, kind]) => [name, { type: kind === 'value' ? 'string' : 'boolean' } as const]),
  );
  const { tokens } = parseArgs({
    args: args.map((arg) => (arg === '-h' ? '--help' : arg)),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = new Map<string, string>();
  const switches = new Set<string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (positionals.length === maxPositionals) {
        const takes = maxPositionals === 0 ? 'flags only' : `${String(maxPositionals)} argument besides flags`;
        const also = maxPositionals === 0 ? 'got' : 'also got';
        throw new UsageError(`\`quorate ${command}\` takes ${takes}, ${also} ${JSON.stringify(token.value)}`);
      }
      positionals.push(token.value);
    }
    if (token.kind !== 'option') continue;
    const { name, value } = token;
    const kind = Object.hasOwn(all, name) ? all[name] : undefined;
    if (kind === undefined) throw await unknownFlag(command, name, Object.keys(all));
    if (values.has(name) || switches.has(name)) throw new UsageError(`flag --${name} is given twice`);
    if (kind === 'switch') {
      if (value !== undefined) throw new UsageError(`flag --${name} takes no value, got ${JSON.stringify(value)}`);
      switches.add(name);
      continue;
    }
    // `--node-id --data-dir x`: parseArgs would take the next flag for the value.
    if (value === undefined || value === '' || (!token.inlineValue && value.startsWith('-')))
      throw new UsageError(`flag --${name} needs a value`);
    values.set(name, value);
  }
  return { values, switches, positionals };
}

/**
 * The one argument that is no flag.
 *
 * @param name as in the help text
 * @throws {UsageError} when it is missing
 */
export function onePositional(command: string, flags: ParsedFlags, name: string): string {
  const [given] = flags.positionals;
  if (given !== undefined && given !== '') return given;
  throw new UsageError(`\`quorate ${command}\` needs ${name}: see \`quorate ${command} --help\``);
}

/** A whole number from a flag, or its default. */
export function integerFlag(flags: ParsedFlags, name: string, fallback: number, min: number, max: number): number {
  const given = flags.values.get(name);
  if (given === undefined) return fallback;
  const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
  if (value >= min && value <= max) return value;
  const expected = `an integer from ${String(min)} to ${String(max)}`;
  throw new UsageError(`flag --${name} is ${JSON.stringify(given)}: expected ${expected}`);
}
