/** What the command was asked to do. */
export interface Arguments {
  readonly seeds: number;
  /** First seed; the others follow it. */
  readonly base: number;
  /** Virtual seconds with faults per seed. */
  readonly seconds: number;
  /** Processes; one per core by default. */
  readonly workers: number;
  /** Prints the whole trace that is kept. */
  readonly trace: boolean;
  /** Runs one seed with its trace. */
  readonly replay: number | null;
  /** Faults that are left out of a replay, by number. */
  readonly leftOut: readonly number[];
  /** Seconds that may be spent on finding fewer faults that break the same promise; 0 for none. */
  readonly minimiseSec: number;
  /** Seconds after which no further seed is begun; Infinity for all seeds. */
  readonly budgetSec: number;
}

export const USAGE = `node packages/simulator/dist/main.js [options]
  --seeds N      how many seeds to run (100)
  --base B       the first seed; random when absent
  --seconds S    virtual seconds with faults per seed (15)
  --workers W    threads (one per core)
  --replay SEED  run this seed alone and print the trace around a failure
  --trace        with --replay: print all of the trace that is kept
  --leave-out L  with --replay: numbers of faults to leave out, joined by commas
  --minimise S   seconds to look for fewer faults that fail alike (60; 0 not to)
  --budget S     begin no further seed after so many seconds (all are run)`;

/** A bad argument; the message says which and what is expected. */
export class UsageError extends Error {
  override name = 'UsageError';
}

const MINIMISE_SEC = 60;
const LARGEST = Number.MAX_SAFE_INTEGER;

/** @throws UsageError */
export function parseArguments(argv: readonly string[], cores: number, randomBase: () => number): Arguments {
  const values = new Map<string, number>();
  let trace = false;
  let leftOut: number[] = [];
  for (let at = 0; at < argv.length; at++) {
    const [name, inline] = (argv[at] ?? '').split('=', 2) as [string, string?];
    if (name === '--trace') {
      trace = true;
      continue;
    }
    if (name === '--leave-out') {
      leftOut = parseNumbers(inline ?? argv[++at] ?? '');
      continue;
    }
    if (!['--seeds', '--base', '--seconds', '--workers', '--replay', '--minimise', '--budget'].includes(name)) {
      throw new UsageError(`unknown argument ${name}\n${USAGE}`);
    }
    const text = inline ?? argv[++at] ?? '';
    const value = Number(text);
    const least = name === '--base' || name === '--replay' || name === '--minimise' ? 0 : 1;
    if (text === '' || !Number.isInteger(value) || value < least || value > LARGEST) {
      throw new UsageError(`${name} wants a whole number of at least ${least}, not ${text === '' ? 'nothing' : text}`);
    }
    values.set(name, value);
  }
  return {
    seeds: values.get('--seeds') ?? 100,
    base: values.get('--base') ?? randomBase(),
    seconds: values.get('--seconds') ?? 15,
    workers: values.get('--workers') ?? cores,
    trace,
    replay: values.get('--replay') ?? null,
    leftOut,
    minimiseSec: values.get('--minimise') ?? MINIMISE_SEC,
    budgetSec: values.get('--budget') ?? Number.POSITIVE_INFINITY,
  };
}

function parseNumbers(text: string): number[] {
  const numbers = text.split(',').map(Number);
  if (text === '' || numbers.some((number) => !Number.isInteger(number) || number < 0)) {
    throw new UsageError(`--leave-out wants whole numbers joined by commas, not ${text === '' ? 'nothing' : text}`);
  }
  return numbers;
}
