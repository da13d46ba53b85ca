import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BROKERS, sizesOf } from './cluster/brokers.ts';
import { type MatrixRun, matrixOf } from './run/matrix.ts';
import { type MadeRun, readReport, tablesOf } from './run/matrix-table.ts';

const USAGE = `Makes many runs of the partition tests, each fault and each workload in turn, and prints tables of what came of them. Runs
that are in the folder already are not made again, so that it can be interrupted.

Usage: node jepsen-style-tests/dist/matrix-main.js --report DIR [options]

  --report DIR     where the runs go, a folder each
  --broker NAME    quorate, mosquitto, nats or rabbitmq (quorate)
  --nodes N,...    sizes of the clusters (all that the broker is tested with)
  --only PART,...  runs with one of these in their names (all)
  --seconds N      how long clients work in each run (45)
  --rate N         about how many publications a second (300)
  --base N         the seed of the first run (1)
  --jobs N         how many runs at a time; figures of availability want 1 (1)
  --table          makes no run, prints the tables of those that are there

Exit code: 0 no run found anything, 1 one did, 2 one could not be made.`;

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
/** What the exit codes of `main.js` say. */
const OUTCOMES = ['nothing found', 'SOMETHING FOUND', 'could not be made', 'left out: that can not be done here'];

function wholeNumber(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value < 2 ** 31) return value;
  throw new Error(`--${name} wants a whole number from 1 on, not '${text}'`);
}

interface Making {
  readonly broker: string;
  readonly folder: string;
  readonly seconds: number;
  readonly ratePerSec: number;
}

const reportOf = (folder: string, run: MatrixRun): string => join(folder, run.name, 'report.json');

/** @returns the exit code; what it prints is in a file beside its folder */
async function make(run: MatrixRun, { broker, folder, seconds, ratePerSec }: Making): Promise<number> {
  const own = join(folder, run.name);
  // What is left of one that was interrupted.
  rmSync(own, { recursive: true, force: true });
  const log = openSync(`${own}.log`, 'w');
  const args = [
    ...['--broker', broker, '--nodes', String(run.nodes), '--seconds', String(seconds), '--seed', String(run.seed)],
    ...['--rate', String(ratePerSec), '--report', own, '--nemesis', run.nemeses.join(',')],
    ...(run.workloads.length > 0 ? ['--workload', run.workloads.join(',')] : []),
  ];
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', log, log] });
  closeSync(log);
  const endWithUs = (): void => void child.kill();
  process.once('exit', endWithUs);
  const [code] = (await once(child, 'exit')) as [number | null];
  process.off('exit', endWithUs);
  // The data of nodes is only of use where something was found.
  if (code === 0) rmSync(join(own, 'nodes'), { recursive: true, force: true });
  return code ?? 2;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      report: { type: 'string' },
      broker: { type: 'string', default: 'quorate' },
      nodes: { type: 'string' },
      only: { type: 'string' },
      seconds: { type: 'string' },
      rate: { type: 'string' },
      base: { type: 'string' },
      jobs: { type: 'string' },
      table: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const folder = values.report;
  if (values.help || folder === undefined) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const broker = BROKERS.find((name) => name === values.broker);
  if (broker === undefined) throw new Error(`--broker wants one of ${BROKERS.join(', ')}, not '${values.broker}'`);
  const sizes = values.nodes?.split(',').map((text) => wholeNumber('nodes', text, 0)) ?? sizesOf(broker);
  const parts = values.only?.split(',') ?? [''];
  const runs = matrixOf(broker, sizes, wholeNumber('base', values.base, 1)).filter(({ name }) =>
    parts.some((part) => name.includes(part)),
  );
  mkdirSync(folder, { recursive: true });
  const making = {
    ...{ broker, folder },
    seconds: wholeNumber('seconds', values.seconds, 45),
    ratePerSec: wholeNumber('rate', values.rate, 300),
  };
  const left = values.table ? [] : runs.filter((run) => !existsSync(reportOf(folder, run)));
  let failed = 0;
  const worker = async (): Promise<void> => {
    for (let run = left.shift(); run !== undefined; run = left.shift()) {
      const code = await make(run, making);
      if (code === 2 || OUTCOMES[code] === undefined) failed++;
      console.log(`${run.name}: ${OUTCOMES[code] ?? `ended with exit code ${String(code)}`}`);
    }
  };
  await Promise.all(Array.from({ length: wholeNumber('jobs', values.jobs, 1) }, worker));
  const made: MadeRun[] = runs
    .filter((run) => existsSync(reportOf(folder, run)))
    .map((run) => readReport(run, reportOf(folder, run)));
  console.log(`\n${tablesOf(made)}`);
  if (made.some(({ report }) => report.checks.some(({ anomalyCount }) => anomalyCount > 0))) return 1;
  return failed > 0 ? 2 : 0;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
main().then(
  (code) => {
    process.exit(code);
  },
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  },
);
