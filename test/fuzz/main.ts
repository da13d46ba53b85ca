import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { baseSeed } from '../support/seed.ts';
import { asProgram } from '../support/suite.ts';
import { replayBroker, runBroker } from './broker.ts';
import { replayCodec, runCodec } from './codec.ts';
import { FuzzFailure } from './failure.ts';
import { HeapWatch } from './heap.ts';
import { replayNode, runNode } from './node.ts';
import { Watchdog } from './watchdog.ts';

/*
 * node --conditions=source --import tsx test/fuzz/main.ts [--inputs N] [--seed N] [--levels codec,broker,node]
 * node --conditions=source --import tsx test/fuzz/main.ts --replay FILE
 *
 * Exit code 1 when something was found; then the smallest input that still shows it is printed and in a file.
 */

const LEVELS = ['codec', 'broker', 'node'] as const;
type LevelName = (typeof LEVELS)[number];
/** Of all inputs, when every level runs. They differ in speed as much as in what they can find. */
const SHARES: Readonly<Record<LevelName, number>> = { codec: 5, broker: 3, node: 2 };
const FOLDER = fileURLToPath(new URL('../../.tmp/', import.meta.url));

interface Options {
  inputs: number;
  seed: number;
  levels: readonly LevelName[];
  replay: string | null;
}

function parseOptions(args: readonly string[]): Options {
  const options: Options = { inputs: 20_000, seed: baseSeed(), levels: LEVELS, replay: null };
  for (let at = 0; at < args.length; at += 2) {
    const [flag, value = ''] = args.slice(at, at + 2);
    if (flag === '--inputs') options.inputs = numberOf(flag, value);
    else if (flag === '--seed') options.seed = numberOf(flag, value);
    else if (flag === '--replay') options.replay = value;
    else if (flag === '--levels') {
      options.levels = LEVELS.filter((level) => value.split(',').includes(level));
      if (options.levels.join() !== value) throw new Error(`--levels is ${value}: expected some of ${LEVELS.join()}`);
    } else throw new Error(`unknown argument ${String(flag)}`);
  }
  return options;
}

function numberOf(flag: string, value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0 || value === '')
    throw new Error(`${flag} is '${value}': expected a number`);
  return number;
}

function countsOf(counts: ReadonlyMap<string | number, number>): string {
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([what, count]) => `${typeof what === 'number' ? `0x${what.toString(16)}` : what} ${String(count)}`)
    .join(', ');
}

async function runLevel(level: LevelName, seed: number, inputs: number, watchdog: Watchdog): Promise<number> {
  const startedMs = performance.now();
  const said = (what: string): void => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
    console.log(`${level.padEnd(7)}${what}, ${seconds} s`);
  };
  const progress = (number: number, done = number): void => {
    watchdog.alive(`${level}, seed ${String(seed)}, number ${String(number)}`);
    if (performance.now() - lastMs > REPORT_MS) {
      lastMs = performance.now();
      said(`${String(done)} inputs so far`);
    }
  };
  let lastMs = startedMs;
  switch (level) {
    case 'codec': {
      const heap = new HeapWatch();
      const counts = await runCodec(seed, inputs, (number) => {
        progress(number);
        heap.look(number);
      });
      const refused = [...counts.refused.values()].reduce((sum, each) => sum + each, 0);
      said(`${String(counts.inputs)} inputs: ${String(counts.accepted)} accepted, ${String(refused)} refused`);
      console.log(`       ${countsOf(counts.refused)}`);
      console.log(`       heap ${heap.report()}`);
      return counts.inputs;
    }
    case 'broker': {
      const counts = await runBroker(seed, inputs, progress);
      const { scripts, connections } = counts;
      said(`${String(counts.inputs)} inputs in ${String(scripts)} scripts, ${String(connections)} connections`);
      console.log(`       last words: ${countsOf(counts.goodbyes)}`);
      return counts.inputs;
    }
    case 'node': {
      const counts = await runNode(seed, inputs, progress);
      const { scripts, connections, control, rssBytes } = counts;
      said(`${String(counts.inputs)} inputs in ${String(scripts)} scripts, ${String(connections)} connections`);
      console.log(`       last words: ${countsOf(counts.goodbyes)}`);
      const memory = `at most ${String(Math.round(rssBytes / 2 ** 20))} MiB of memory in a node`;
      console.log(`       ${String(control)} messages of the well-behaved client in order, ${memory}`);
      return counts.inputs;
    }
  }
}

const REPORT_MS = 30_000;
/** Of a script that could not be made small; all of it is in the file. */
const MAX_SHOWN_CHARS = 20_000;

async function replay(path: string): Promise<void> {
  const [level, ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n');
  if (level === 'codec') replayCodec(lines);
  else if (level === 'broker') replayBroker(lines);
  else if (level === 'node') await replayNode(lines);
  else throw new Error(`${path} does not begin with a level`);
  console.log('it does not fail any more');
}

function report(failure: FuzzFailure, seed: number): void {
  const text = `${failure.lines.join('\n')}\n`;
  const path = join(FOLDER, `fuzz-${failure.lines[0] ?? ''}-${String(seed)}.txt`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(`\nFAILED (seed ${String(seed)}): ${failure.message}\n\n${text.slice(0, MAX_SHOWN_CHARS)}`);
  console.log(failure.cause instanceof Error ? failure.cause.stack : failure.cause);
  console.log(`\nrepeat with: make fuzz REPLAY=${path}`);
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.replay !== null) {
    await replay(options.replay);
    return 0;
  }
  const { seed, levels } = options;
  console.log(
    `seed ${String(seed)}, ${String(options.inputs)} inputs (make fuzz INPUTS=${String(options.inputs)} SEED=${String(seed)})`,
  );
  const watchdog = new Watchdog();
  const shares = levels.reduce((sum, level) => sum + SHARES[level], 0);
  let total = 0;
  try {
    for (const level of levels) {
      total += await runLevel(level, seed, Math.ceil((options.inputs * SHARES[level]) / shares), watchdog);
    }
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    watchdog.stop();
    report(error, seed);
    return 1;
  }
  watchdog.stop();
  console.log(`${String(total)} inputs, nothing found`);
  return 0;
}

asProgram();
try {
  process.exitCode = await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
