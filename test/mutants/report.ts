import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';

/** What became of one mutant. */
export interface Outcome {
  readonly name: string;
  /** The rule that does not hold with it. */
  readonly breaks: string;
  /** The first seed that found it and the promise that it broke, or null. */
  readonly bySeed: { readonly seed: number; readonly invariant: string } | null;
  /** Seeds that were run without finding it, when it was not found; 0 where none can. */
  readonly seeds: number;
  /** The test file that failed with it, when no seed found it; null for none. */
  readonly byTest: string | null;
  readonly seconds: number;
}

/** What all rows of a report have in common: rows of another build, or of other runs, prove something else. */
export interface ReportFacts {
  /** Git revision, with a word when the checkout is not as it was committed. */
  readonly build: string;
  /** At most, per mutant. */
  readonly seeds: number;
  /** Virtual, per seed. */
  readonly seconds: number;
}

const HEADER = '| mutant | what it breaks | found | seconds |\n| --- | --- | --- | --- |\n';
const SURVIVED = 'SURVIVED';

/** A sentence for the column `found`. */
export function foundBy({ bySeed, byTest, seeds }: Outcome): string {
  if (bySeed !== null) return `by seed ${bySeed.seed} (${bySeed.invariant})`;
  if (byTest === null) return `${SURVIVED} ${seeds} seeds`;
  return seeds === 0 ? `by ${byTest}` : `no seed of ${seeds}; by ${byTest}`;
}

function introduction({ build, seeds, seconds }: ReportFacts): string {
  return `# Planted bugs, and what finds them\n\nBuild ${build}; up to ${seeds} seeds of ${seconds} s each.\n\n`;
}

/** A table in Markdown that grows a row at a time, so that a run that is broken off keeps what it has. */
export class Report {
  readonly #file: string;
  /** Names of the mutants in it, and whether each was found. */
  readonly #rows = new Map<string, boolean>();

  /**
   * @param file that is begun, or gone on with
   * @throws Error when there is a report of another build or of other seeds
   */
  constructor(file: string, facts: ReportFacts) {
    this.#file = file;
    const begin = introduction(facts) + HEADER;
    if (!existsSync(file)) writeFileSync(file, begin);
    const found = readFileSync(file, 'utf8');
    // A row that was broken off in the middle.
    const text = found.slice(0, found.lastIndexOf('\n') + 1);
    if (text !== found) writeFileSync(file, text);
    if (!text.startsWith(begin)) {
      const [, , theirs] = text.split('\n');
      throw new Error(
        `${file} says "${theirs ?? ''}", this is build ${facts.build}, ${facts.seeds} seeds: use another file`,
      );
    }
    this.#read(text.slice(begin.length));
  }

  #read(rows: string): void {
    for (const line of rows.split('\n')) {
      const row = /^\| ([a-z0-9-]+) \| .* \| ([^|]*) \| \d+ \|$/.exec(line);
      if (row !== null) this.#rows.set(row[1] as string, !(row[2] as string).startsWith(SURVIVED));
    }
  }

  has(name: string): boolean {
    return this.#rows.has(name);
  }

  /** Of the names given, those that are in it and were not found. */
  survivors(names: readonly string[]): string[] {
    return names.filter((name) => this.#rows.get(name) === false);
  }

  add(outcome: Outcome): void {
    const { name, breaks, seconds } = outcome;
    appendFileSync(this.#file, `| ${name} | ${breaks} | ${foundBy(outcome)} | ${seconds.toFixed(0)} |\n`);
    this.#rows.set(name, outcome.bySeed !== null || outcome.byTest !== null);
  }
}
