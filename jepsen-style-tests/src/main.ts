import { randomInt } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BROKERS, sizesOf } from './cluster/brokers.ts';
import { followOuterProcess, insideOf, runInside } from './network/inside.ts';
import { detectNetwork, sentenceOf } from './network/possible.ts';
import { NothingToDo, type TourOptions, tour } from './run/tour.ts';

const USAGE = `Starts a cluster of real nodes, each on a host of its own, lets clients work on it while links are cut, processes killed, clocks turned and
disks broken, and checks from what the clients saw that every promise was kept. Writes a report.

Usage: node jepsen-style-tests/dist/main.js [options]

  --broker NAME         quorate, mosquitto, nats or rabbitmq (quorate)
  --nodes 3|5           how many nodes (3; Mosquitto is a single one)
  --seconds N           how long clients work, the time to recover included (600)
  --nemesis NAME,...    faults of these names, or with these in their names (all)
  --workload NAME,...   what clients do (all)
  --rate N              about how many publications a second (300)
  --seed N              the plan of another run (drawn)
  --builds FILE,FILE    Quorate's commands, between which a rolling upgrade goes (that of this checkout)
  --report DIR          where the report and the histories go (.tmp/jepsen/ and the time)
  --proxies             no namespaces, though they would be possible

Exit code: 0 nothing was found, 1 something was, 2 it could not be checked, 3 none of these faults or
workloads can be done here.`;

/** @throws when it is not a whole number within these bounds */
function numberOf(name: string, text: string | undefined, fallback: number, least: number, most: number): number {
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name} wants a whole number from ${least} to ${most}, not '${text}'`);
}

function listOf(text: string | undefined): string[] {
  return (text ?? '').split(',').filter((part) => part !== '');
}

/** The command that makes the same plan again. */
function commandOf(
  run: Pick<TourOptions, 'broker' | 'nodes' | 'seconds' | 'seed' | 'ratePerSec'>,
  nemesis: string | undefined,
  workload: string | undefined,
): string {
  return [
    `make jepsen NODES=${run.nodes} TIME=${run.seconds} SEED=${run.seed} RATE=${run.ratePerSec}`,
    ...(run.broker === 'quorate' ? [] : [`BROKER=${run.broker}`]),
    ...(nemesis === undefined ? [] : [`NEMESIS="${nemesis}"`]),
    ...(workload === undefined ? [] : [`WORKLOAD=${workload}`]),
  ].join(' ');
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
  const options: TourOptions = {
    ...{ broker, nodes, seconds, seed, ratePerSec, folder },
    builds: listOf(values.builds),
    nemeses: listOf(values.nemesis),
    workloads: listOf(values.workload),
    network,
    command: commandOf({ broker, nodes, seconds, seed, ratePerSec }, values.nemesis, values.workload),
    say: (line) => process.stdout.write(`${line}\n`),
  };
  const { failed, sentence, details, files } = await tour(options);
  if (failed) console.log(details);
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
