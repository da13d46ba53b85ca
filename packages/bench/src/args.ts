/** The command line: every mistake is one sentence that names the option and what is expected. */
import { parseArgs } from 'node:util';
import { BenchError, parseHosts } from './hosts.ts';
import { MAX_PAYLOAD_BYTES, PAYLOAD_HEADER_BYTES } from './payload.ts';
import { selectScenarios } from './scenarios/catalog.ts';
import type { RunOptions, Scenario, Target } from './types.ts';

/** A target of the command line; `hosts` null: a cluster that the generator starts itself. */
export interface TargetSpec extends Omit<Target, 'hosts'> {
  readonly hosts: Target['hosts'] | null;
}

/** What the command line asks for. */
export interface BenchOptions extends RunOptions {
  readonly help: boolean;
  readonly scenarios: readonly Scenario[];
  readonly runs: number;
  readonly targets: readonly TargetSpec[];
  /** Where the own cluster keeps its data; null for the system's temporary directory. */
  readonly dataDir: string | null;
  readonly jsonFile: string | null;
  readonly markdown: boolean;
  readonly label: string;
}

export const HELP = `Usage: node packages/bench/dist/main.js [options]

Measures an MQTT 3.1.1 broker and verifies what it counts. Without --hosts or --target it starts a three-node
Quorate cluster on loopback and stops it at the end.

  --scenario LIST        all, or names: pub, pairs, pairs-persistent, qos0, fanout, fanout1, latency, qos2, rate,
                         connect (all)
  --seconds S            measured seconds per run, 1 to 3600 (5)
  --warmup S             seconds before measuring, 0 to 600 (1)
  --runs N               runs per scenario and target, 1 to 100 (3)
  --hosts LIST           127.0.0.1:1883,127.0.0.1:1884,... one target, clients spread over its listeners
  --target NAME=LIST     a target by name; repeat it to measure several, interleaved run by run (A B C A B C).
                         NAME=cluster starts a Quorate cluster under that name
  --pids NAME=1,2,3      processes of a target, for CPU per message; repeatable. With --hosts: --pids 1,2,3
  --payload BYTES        24 to 65536 (256)
  --rate N               messages per second of the scenario "rate", 1 to 20000 (1000)
  --data-dir DIR         where the own cluster keeps its data; a memory file system makes fsync free (temporary dir)
  --json FILE            write all results, run by run
  --markdown             print tables in Markdown
  --label TEXT           free text for table and JSON
  --help

Only loopback addresses are accepted. Exit code 1 when a run failed, lost an acknowledged message, or saw one
out of order, changed, or twice at QoS 2.`;

const OPTIONS = {
  scenario: { type: 'string', default: 'all' },
  seconds: { type: 'string', default: '5' },
  warmup: { type: 'string', default: '1' },
  runs: { type: 'string', default: '3' },
  hosts: { type: 'string' },
  target: { type: 'string', multiple: true, default: [] as string[] },
  pids: { type: 'string', multiple: true, default: [] as string[] },
  payload: { type: 'string', default: '256' },
  rate: { type: 'string', default: '1000' },
  'data-dir': { type: 'string' },
  json: { type: 'string' },
  markdown: { type: 'boolean', default: false },
  label: { type: 'string', default: '' },
  help: { type: 'boolean', default: false },
} as const;

const DRAIN_IDLE_MS = 2000;
/** Name of the target when none is given. */
const DEFAULT_NAME = 'quorate';

/**
 * Reads the command line, without the first two words of `process.argv`.
 * @throws BenchError with one sentence for the user
 */
export function parseCommandLine(argv: readonly string[]): BenchOptions {
  const values = parseValues(argv);
  return {
    help: values.help,
    scenarios: values.help ? [] : selectScenarios(values.scenario),
    seconds: number('--seconds', values.seconds, 1, 3600, false),
    warmupSeconds: number('--warmup', values.warmup, 0, 600, false),
    runs: number('--runs', values.runs, 1, 100, true),
    payloadBytes: number('--payload', values.payload, PAYLOAD_HEADER_BYTES, MAX_PAYLOAD_BYTES, true),
    ratePerSecond: number('--rate', values.rate, 1, 20_000, true),
    drainIdleMs: DRAIN_IDLE_MS,
    targets: parseTargets(values.hosts, values.target, values.pids),
    dataDir: values['data-dir'] ?? null,
    jsonFile: values.json ?? null,
    markdown: values.markdown,
    label: values.label,
  };
}

function parseValues(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: false }).values;
  } catch (error) {
    throw new BenchError(`${(error as Error).message.split('. ')[0]}. Try --help.`);
  }
}

function number(option: string, text: string, least: number, most: number, whole: boolean): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  throw new BenchError(`${option} ${text}: a ${whole ? 'whole ' : ''}number from ${least} to ${most} is expected.`);
}

function parseTargets(
  hosts: string | undefined,
  targets: readonly string[],
  pidLists: readonly string[],
): readonly TargetSpec[] {
  if (hosts !== undefined && targets.length > 0) throw new BenchError('Give either --hosts or --target, not both.');
  const named = targets.map((text) => splitNamed('--target', text));
  if (named.length === 0) named.push([DEFAULT_NAME, hosts ?? 'cluster']);
  const names = named.map(([name]) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new BenchError(`--target "${twice}" is given twice.`);
  const pids = new Map<string, readonly number[]>();
  for (const text of pidLists) {
    const [name, list] = text.includes('=') ? splitNamed('--pids', text) : [names[0] as string, text];
    if (!names.includes(name)) throw new BenchError(`--pids names "${name}", which is no target.`);
    pids.set(name, parsePids(list));
  }
  return named.map(([name, list]) => ({
    name,
    hosts: list === 'cluster' ? null : parseHosts(list),
    pids: pids.get(name) ?? [],
  }));
}

function splitNamed(option: string, text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) throw new BenchError(`${option} ${text}: NAME=VALUE is expected.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function parsePids(list: string): number[] {
  return list.split(',').map((text) => number('--pids', text, 1, 4_194_304, true));
}
