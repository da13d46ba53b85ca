import { randomInt } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BROKERS, sizesOf } from './cluster/brokers.ts';
import { NEMESES } from './nemeses/catalogue.ts';
import { followOuterProcess, insideOf, runInside } from './network/inside.ts';
import { detectNetwork, sentenceOf } from './network/possible.ts';
import { called, partsOf } from './run/choice.ts';
import { NothingToDo, type TourOptions, tour } from './run/tour.ts';
import { WORKLOADS } from './workloads/index.ts';

const USAGE = `Starts a cluster of real nodes, each on a host of its own, lets clients work on it while links are cut, processes killed, clocks turned and
disks broken, and checks from what the clients saw that every promise was kept. Writes a report.

Usage: node jepsen-style-tests/dist/main.js [options]

  --broker NAME         quorate, mosquitto, nats or rabbitmq (quorate)
  --nodes 3|5           how many nodes (3; Mosquitto is a single one)
  --seconds N           how long clients work, the time to recover included (600)
  --nemesis NAME,...    faults of these names, or with these in their names (all)
  --workload NAME,...   what clients do, named in the same way (all)
  --rate N              about how many publications a second (300)
  --seed N              the plan of another run (drawn)
  --builds FILE,FILE    Quorate's commands, between which a rolling upgrade goes (that of this checkout)
  --report DIR          where the report and the histories go (.tmp/jepsen/ and the time)
  --proxies             no namespaces, though they would be possible

Exit code: 0 nothing was found, 1 something was, 2 it could not be checked, 3 none of these faults or
workloads can be done here, 130 ended early.`;

/** @throws when it is not a whole number within these bounds */
function numberOf(name: string, text: string | undefined, fallback: number, least: number, most: number): number {
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name} wants a whole number from ${least} to ${most}, not '${text}'`);
}

/** The command that makes the same plan again. */
function commandOf(
  run: Pick<TourOptions, 'broker' | 'nodes' | 'seconds' | 'seed' | 'ratePerSec'>,
  { nemesis, workload, builds, proxies }: Chosen,
): string {
  return [
    `make jepsen NODES=${run.nodes} TIME=${run.seconds} SEED=${run.seed} RATE=${run.ratePerSec}`,
    ...(run.broker === 'quorate' ? [] : [`BROKER=${run.broker}`]),
    ...(nemesis === undefined ? [] : [`NEMESIS="${nemesis}"`]),
    ...(workload === undefined ? [] : [`WORKLOAD="${workload}"`]),
    ...(builds === undefined ? [] : [`BUILDS="${builds}"`]),
    ...(proxies === true ? ['ARGS=--proxies'] : []),
  ].join(' ');
}

/** Options as they were given. */
interface Chosen {
  readonly nemesis?: string | undefined;
  readonly workload?: string | undefined;
  readonly builds?: string | undefined;
  readonly proxies?: boolean | undefined;
}

/** Of each node these, below the folder of the run. */
function removeOfNodes(folder: string, ...what: readonly ('disk.img' | 'data')[]): void {
  const nodes = join(folder, 'nodes');
  const names = existsSync(nodes) ? readdirSync(nodes) : [];
  for (const name of names) for (const each of what) rmSync(join(nodes, name, each), { recursive: true, force: true });
}

/**
 * Ctrl-C in the midst of it: what was started ends with this process, in namespaces by the kernel and elsewhere by what listens to
 * its exit. A disk is unmounted with the namespace, and its file is gone then.
 */
function endEarly(folder: string): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      // Not what may be mounted: it could stand still.
      removeOfNodes(folder, 'disk.img');
      console.error(`ended early, nothing is checked; what there is of it is in ${folder}`);
      process.exit(130);
    });
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      broker: { type: 'string' },
      builds: { type: 'string' },
      nodes: { type: 'string' },
      seconds: { type: 'string' },
      nemesis: { type: 'string' },
      workload: { type: 'string' },
      rate: { type: 'string' },
      seed: { type: 'string' },
      report: { type: 'string' },
      proxies: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  const broker = BROKERS.find((name) => name === (values.broker ?? 'quorate'));
  if (broker === undefined) throw new Error(`--broker wants one of ${BROKERS.join(', ')}, not '${values.broker}'`);
  const sizes = sizesOf(broker);
  const nodes = numberOf('nodes', values.nodes, sizes[0] as number, 1, 5);
  if (!sizes.includes(nodes)) throw new Error(`--nodes: ${broker} is tested with ${sizes.join(' or ')}, not ${nodes}`);
  const seconds = numberOf('seconds', values.seconds, 600, 20, 86_400);
  const ratePerSec = numberOf('rate', values.rate, 300, 1, 100_000);
  const seed = numberOf('seed', values.seed, randomInt(2 ** 32), 0, 2 ** 32 - 1);
  const nemeses = called('fault', NEMESES, partsOf(values.nemesis));
  const workloads = called('workload', WORKLOADS, partsOf(values.workload));
  const builds = partsOf(values.builds);
  const missing = builds.find((file) => !existsSync(file));
  if (missing !== undefined) throw new Error(`--builds: there is no file ${missing}`);
  const inside = insideOf();
  let network = sentenceOf(inside ?? 'proxies');
  if (inside === null && values.proxies !== true) {
    const { kind, sentence } = await detectNetwork();
    // The seed drawn here is the one of the run inside.
    if (kind !== 'proxies') {
      if (values.seed === undefined) process.argv.push('--seed', String(seed));
      return await runInside(kind);
    }
    network = sentence;
  }
  if (inside !== null) followOuterProcess();
  const started = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  const folder = values.report ?? join('.tmp', 'jepsen', `${started}-${broker}-${seed}`);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new Error(`${folder} is not empty: name another folder for the report, a run does not replace another`);
  }
  endEarly(folder);
  const options: TourOptions = {
    ...{ broker, nodes, seconds, seed, ratePerSec, folder, builds, nemeses, workloads, network },
    command: commandOf({ broker, nodes, seconds, seed, ratePerSec }, values),
    say: (line) => process.stdout.write(`${line}\n`),
  };
  const { failed, sentence, details, files } = await tour(options);
  if (failed) console.log(details);
  // What nodes have stored is of use only where something was found.
  else removeOfNodes(folder, 'disk.img', 'data');
  console.log(`${failed ? 'FAILED' : 'passed'}: ${sentence}`);
  console.log(files.map((file) => `  ${file}`).join('\n'));
  console.log(`the same plan again: ${options.command}`);
  return failed ? 1 : 0;
}

main().then(
  (code) => {
    process.exit(code);
  },
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(error instanceof NothingToDo ? 3 : 2);
  },
);
