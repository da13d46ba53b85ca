import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Copies, SIMULATED } from './copies.ts';
import { type Found, hunt } from './hunt.ts';
import { MUTANTS } from './list.ts';
import type { Mutant } from './mutant.ts';
import { prepare } from './prepare.ts';
import { foundBy, type Outcome, Report } from './report.ts';
import { UnitTests } from './unit-tests.ts';

/*
 * Proves that the simulator finds bugs: plants one after the other in a copy of the packages and runs seeds until one
 * fails. What survives is a promise that nobody checks. A mutant that names a test may be found by that instead.
 */

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seeds: { type: 'string', default: '300' },
    seconds: { type: 'string', default: '60' },
    clean: { type: 'string', default: '20' },
    /** A file for the table, in Markdown. Mutants that are in it already are left out. */
    report: { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    /** Another checkout, to look at it as it was. */
    source: { type: 'string', default: fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '') },
  },
});

function wholeNumber(name: 'seeds' | 'seconds' | 'clean' | 'workers'): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new Error(`--${name} wants a whole number of at least 1, not ${values[name]}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Those whose name holds one of the words asked for. */
function chosen(): readonly Mutant[] {
  const words = values.only.split(',').filter((word) => word !== '');
  const found = words.length === 0 ? MUTANTS : MUTANTS.filter(({ name }) => words.some((word) => name.includes(word)));
  if (found.length === 0) throw new Error(`no mutant is called ${values.only}`);
  return found;
}

/** The commit that last changed what is tested or tests. */
function build(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: values.source, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  const paths = ['--', 'packages', 'test'];
  try {
    const changed = git('status', '--porcelain', ...paths) !== '';
    return `${git('log', '-1', '--format=%h', ...paths)}${changed ? ' with changes' : ''}`;
  } catch {
    return 'outside of a repository';
  }
}

function describe(outcome: Outcome): string {
  const time = `${outcome.seconds.toFixed(0)} s`.padStart(6);
  return `${outcome.name.padEnd(36)} ${time}  ${foundBy(outcome).padEnd(40)} ${outcome.breaks}`;
}

async function main(folder: string): Promise<number> {
  const [seeds, seconds, clean, workers] = [
    wholeNumber('seeds'),
    wholeNumber('seconds'),
    wholeNumber('clean'),
    wholeNumber('workers'),
  ];
  const wanted = chosen();
  const report = values.report === undefined ? null : new Report(values.report, { build: build(), seeds, seconds });
  const left = wanted.filter(({ name }) => report?.has(name) !== true);
  const prepared = prepare(left, values.source, SIMULATED);
  const copies = new Copies(values.source, folder, SIMULATED);
  copies.addProgram('seed-runner.js', readFileSync(new URL('./seed-runner.ts', import.meta.url), 'utf8'));
  const how = { firstSeed: 1, seconds, workers };
  print(`${prepared.size} mutants, up to ${seeds} seeds of ${seconds} s each, ${workers} processes`);
  if (prepared.size > 0) {
    const wrong = await hunt(copies.create(new Map()), { ...how, seeds: clean });
    if (wrong !== null) {
      print(`without a mutant seed ${wrong.seed} fails: ${wrong.invariant}: ${wrong.message}`);
      return 1;
    }
    print(`without a mutant ${clean} seeds keep every promise`);
  }
  const tests = new UnitTests(values.source, folder, SIMULATED);
  const outcomes: Outcome[] = [];
  for (const [mutant, changed] of prepared) {
    const startedMs = performance.now();
    const { name, breaks, test, onDisksOnly } = mutant;
    let found: Found | null = null;
    if (onDisksOnly !== true) {
      const copy = copies.create(changed);
      found = await hunt(copy, { ...how, seeds });
      rmSync(copy, { recursive: true });
    }
    const byTest = found === null && test !== undefined && (await tests.fails(test, changed)) ? test : null;
    const outcome = {
      name,
      breaks,
      bySeed: found,
      seeds: onDisksOnly === true ? 0 : seeds,
      byTest,
      seconds: (performance.now() - startedMs) / 1000,
    };
    outcomes.push(outcome);
    report?.add(outcome);
    print(describe(outcome));
    if (found !== null) print(`    ${found.message.split('\n', 2).join(' ').slice(0, 200)}`);
  }
  const bySeed = outcomes.filter(({ bySeed }) => bySeed !== null).length;
  const byTest = outcomes.filter(({ byTest }) => byTest !== null).length;
  print(`\nof ${outcomes.length} mutants ${bySeed} were found by a seed and ${byTest} by a test`);
  const survivors = [
    ...outcomes.filter((each) => each.bySeed === null && each.byTest === null).map(({ name }) => name),
    ...(report?.survivors(wanted.filter((each) => !left.includes(each)).map(({ name }) => name)) ?? []),
  ];
  for (const name of survivors) print(`  SURVIVED: ${name}`);
  return survivors.length === 0 ? 0 : 1;
}

const folder = mkdtempSync(join(tmpdir(), 'quorate-mutants-'));
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main(folder);
