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

/*
 * Proves that the simulator finds bugs: plants one after the other in a copy of the packages and runs seeds until one
 * fails. What survives is a promise that nobody checks.
 */

interface Outcome {
  readonly mutant: Mutant;
  readonly found: Found | null;
  readonly seconds: number;
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seeds: { type: 'string', default: '300' },
    seconds: { type: 'string', default: '60' },
    clean: { type: 'string', default: '20' },
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

function describe({ mutant, found, seconds }: Outcome): string {
  const name = mutant.name.padEnd(34);
  const time = `${seconds.toFixed(0)} s`.padStart(6);
  if (found === null) return `${name} SURVIVED ${time}  ${mutant.breaks}`;
  return `${name} ${String(found.seed).padStart(8)} ${time}  ${found.invariant.padEnd(26)} ${mutant.breaks}`;
}

async function main(folder: string): Promise<number> {
  const [seeds, seconds, clean, workers] = [
    wholeNumber('seeds'),
    wholeNumber('seconds'),
    wholeNumber('clean'),
    wholeNumber('workers'),
  ];
  const prepared = prepare(chosen(), values.source, SIMULATED);
  const copies = new Copies(values.source, folder, SIMULATED);
  copies.addProgram('seed-runner.js', readFileSync(new URL('./seed-runner.ts', import.meta.url), 'utf8'));
  const how = { firstSeed: 1, seconds, workers };
  print(`${prepared.size} mutants, up to ${seeds} seeds of ${seconds} s each, ${workers} processes`);
  const wrong = await hunt(copies.create(new Map()), { ...how, seeds: clean });
  if (wrong !== null) {
    print(`without a mutant seed ${wrong.seed} fails: ${wrong.invariant}: ${wrong.message}`);
    return 1;
  }
  print(`without a mutant ${clean} seeds keep every promise`);
  const outcomes: Outcome[] = [];
  for (const [mutant, changed] of prepared) {
    const startedMs = performance.now();
    const copy = copies.create(changed);
    const found = await hunt(copy, { ...how, seeds });
    rmSync(copy, { recursive: true });
    const outcome = { mutant, found, seconds: (performance.now() - startedMs) / 1000 };
    outcomes.push(outcome);
    print(describe(outcome));
    if (found !== null) print(`    ${found.message.split('\n', 2).join(' ').slice(0, 200)}`);
  }
  const survivors = outcomes.filter(({ found }) => found === null);
  print(
    `\n${'mutant'.padEnd(34)} ${'seeds'.padStart(8)} ${'time'.padStart(6)}  ${'caught by'.padEnd(26)} what it breaks`,
  );
  for (const outcome of outcomes) print(describe(outcome));
  print(`\n${outcomes.length - survivors.length} of ${outcomes.length} mutants are caught`);
  return survivors.length === 0 ? 0 : 1;
}

const folder = mkdtempSync(join(tmpdir(), 'quorate-mutants-'));
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main(folder);
