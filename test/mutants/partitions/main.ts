import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Copies } from '../copies.ts';
import { prepare } from '../prepare.ts';
import { HUNTED, type Hunted } from './list.ts';

/*
 * Proves that the partition tests find bugs: plants one after the other in a build of its own, and starts clusters of real
 * processes of it, with faults under which clients can notice.
 */

const PACKAGES = ['broker', 'cli', 'consensus', 'node', 'protocol', 'storage'] as const;
const ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const MAIN = join(ROOT, 'jepsen-style-tests', 'dist', 'main.js');

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seeds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '45' },
    rate: { type: 'string', default: '600' },
  },
});

interface Outcome {
  readonly hunted: Hunted;
  /** Null: no seed showed it. */
  readonly seed: number | null;
  /** Checkers that found something, or why a run could not be made. */
  readonly found: string;
}

interface Report {
  readonly checks: readonly { readonly name: string; readonly kinds: Readonly<Record<string, number>> }[];
}

/** What a run with this build found, by checker, or why it did not come to its end; null when nothing. */
async function foundWith(build: string, { nemeses, workloads }: Hunted, seed: number): Promise<string | null> {
  const report = mkdtempSync(join(tmpdir(), 'quorate-partition-mutant-'));
  try {
    const args = ['--builds', build, '--seed', String(seed), '--seconds', values.seconds, '--rate', values.rate];
    args.push('--nemesis', nemeses.join(','), '--workload', workloads.join(','), '--report', report);
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    const endWithUs = (): void => void child.kill();
    process.once('exit', endWithUs);
    let errors = '';
    child.stderr.on('data', (text: Buffer) => {
      errors = (errors + text.toString()).slice(-2_000);
    });
    const [code] = (await once(child, 'close')) as [number | null];
    process.off('exit', endWithUs);
    const file = join(report, 'report.json');
    // Without a bug a run comes to its end: that is tried first.
    if (!existsSync(file)) return `no report, exit code ${String(code)}: ${errors.trim()}`;
    const { checks } = JSON.parse(readFileSync(file, 'utf8')) as Report;
    const found = checks.flatMap(({ name, kinds }) =>
      Object.entries(kinds).map(([kind, count]) => `${name}: ${kind} (${String(count)})`),
    );
    return found.length === 0 ? null : found.join(', ');
  } finally {
    rmSync(report, { recursive: true, force: true });
  }
}

async function hunt(build: string, hunted: Hunted): Promise<Outcome> {
  const seeds = Number(values.seeds);
  for (let seed = 1; seed <= seeds; seed++) {
    const found = await foundWith(build, hunted, seed);
    if (found !== null) return { hunted, seed, found };
  }
  return { hunted, seed: null, found: `SURVIVED ${values.seeds} seeds` };
}

function describe({ hunted: { mutant, nemeses }, seed, found }: Outcome): string {
  return `${mutant.name.padEnd(28)} ${String(seed ?? '').padStart(5)}  ${nemeses.join(', ')}\n    ${mutant.breaks}\n    ${found}`;
}

async function main(folder: string): Promise<number> {
  const words = values.only.split(',').filter((word) => word !== '');
  const chosen = HUNTED.filter(({ mutant }) => words.length === 0 || words.some((word) => mutant.name.includes(word)));
  const prepared = prepare(
    chosen.map(({ mutant }) => mutant),
    ROOT,
    PACKAGES,
  );
  const copies = new Copies(ROOT, folder, PACKAGES, ['packages/cli/bin']);
  const buildOf = (copy: string): string => join(copy, 'packages', 'cli', 'bin', 'quorate.js');
  const [first] = chosen;
  if (first === undefined) throw new Error(`no planted bug is called ${values.only}`);
  const plain = copies.create(new Map());
  const wrong = await foundWith(buildOf(plain), first, 1);
  rmSync(plain, { recursive: true });
  if (wrong !== null) throw new Error(`without a planted bug: ${wrong}`);
  process.stdout.write('without a planted bug nothing is found\n');
  const outcomes: Outcome[] = [];
  for (const hunted of chosen) {
    const copy = copies.create(prepared.get(hunted.mutant) ?? new Map());
    const outcome = await hunt(buildOf(copy), hunted);
    rmSync(copy, { recursive: true });
    outcomes.push(outcome);
    process.stdout.write(`${describe(outcome)}\n`);
  }
  const survivors = outcomes.filter(({ seed }) => seed === null);
  process.stdout.write(`\n${String(outcomes.length - survivors.length)} of ${String(outcomes.length)} are found\n`);
  return survivors.length === 0 ? 0 : 1;
}

const folder = mkdtempSync(join(tmpdir(), 'quorate-partition-mutants-'));
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main(folder);
