import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Copies } from '../copies.ts';
import { prepare } from '../prepare.ts';
import { CONFORMANCE } from './list.ts';
import type { Planted } from './planted.ts';
import { Runner } from './run-tests.ts';
import { conformanceTests, type Declared } from './tests.ts';

/*
 * Shows that the conformance tests can fail: plants one bug after the other in a copy of the packages, and runs the
 * tests against it that have to fail for it. Ends with those that no bug made fail.
 */

/** What a node runs. */
const PACKAGES = ['broker', 'cli', 'consensus', 'node', 'protocol', 'storage'] as const;
/** What the tests need besides; a planted bug may be in one of these too. */
const TESTS = [
  'test/conformance',
  'test/conformance/support',
  'test/support',
  'test/unit/broker',
  'test/unit/broker/access',
];
const OTHERS = [...TESTS, 'docs/conformance.md'];

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    /** How long an answer may take: most of what fails here is waited for in vain. */
    patience: { type: 'string', default: '4000' },
    nodes: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    /** As few mutants as name all tests. */
    few: { type: 'boolean', default: false },
    /** Leaves out the run without a bug. */
    dirty: { type: 'boolean', default: false },
    /** Does not look whether the mutants compile. */
    unchecked: { type: 'boolean', default: false },
  },
});
const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const options = { nodes: Number(values.nodes), patienceMs: Number(values.patience) };

interface Outcome {
  readonly mutant: Planted;
  /** Tests that failed, as `FILE: NAME`, and why. */
  readonly failed: ReadonlyMap<string, string>;
  readonly passed: readonly string[];
  readonly fault: string | null;
  readonly seconds: number;
}

/** Tests and what they import, in one folder: not the tests of other folders. */
function testFiles(path: string): string[] {
  return readdirSync(join(root, path))
    .filter((name) => name.endsWith('.ts') && (path === 'test/conformance' || !name.includes('.test.')))
    .map((name) => join(path, name));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function chosen(): readonly Planted[] {
  const words = values.only.split(',').filter((word) => word !== '');
  const found = CONFORMANCE.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  if (found.length === 0) throw new Error(`no mutant is called ${values.only}`);
  return inOrder(found);
}

/** First as few as possible that name all tests, so that what nobody finds is known early; then the others. */
function inOrder(mutants: readonly Planted[]): readonly Planted[] {
  const declared = conformanceTests(root);
  const testsOf = ({ fails }: Planted): readonly Declared[] =>
    declared.filter(({ file, name }) => fails[file]?.some((part) => name.includes(part)) === true);
  const open = new Set(declared);
  const left = mutants.map((mutant) => ({ mutant, tests: testsOf(mutant) }));
  const order: Planted[] = [];
  for (;;) {
    let best: (typeof left)[number] | undefined;
    let most = 0;
    for (const each of left) {
      const count = each.tests.filter((test) => open.has(test)).length;
      if (count > most) [best, most] = [each, count];
    }
    if (best === undefined) break;
    order.push(best.mutant);
    for (const test of best.tests) open.delete(test);
  }
  return values.few ? order : [...order, ...mutants.filter((mutant) => !order.includes(mutant))];
}

async function tryMutant(
  copies: Copies,
  runner: Runner,
  [mutant, changed]: readonly [Planted, ReadonlyMap<string, string>],
): Promise<Outcome> {
  const startedMs = performance.now();
  const copy = copies.create(changed);
  const failed = new Map<string, string>();
  const passed: string[] = [];
  let fault: string | null = null;
  for (const [file, only] of Object.entries(mutant.fails)) {
    const run = await runner.run({ copy, file, only });
    fault ??= run.fault;
    for (const { name, error } of run.results) {
      if (error === null) passed.push(`${file}: ${name}`);
      else failed.set(`${file}: ${name}`, error);
    }
  }
  rmSync(copy, { recursive: true });
  return { mutant, failed, passed, fault, seconds: (performance.now() - startedMs) / 1000 };
}

function describe({ mutant, failed, passed, fault, seconds }: Outcome): void {
  const caught = passed.length === 0 && fault === null && failed.size > 0;
  const name = mutant.name.padEnd(44);
  print(
    `${name} ${caught ? 'caught  ' : 'SURVIVED'} ${String(failed.size).padStart(2)} failed ${seconds.toFixed(0)} s`,
  );
  for (const test of passed) print(`    passed: ${test}`);
  if (fault !== null) print(`    ${fault}`);
  for (const [test, error] of failed) {
    print(`    ${test.replace(/\[MQTT[^\]]*\] /g, '').slice(0, 90)}: ${error.replaceAll(/\s+/g, ' ').slice(0, 140)}`);
  }
}

/** All tests of the files, against the copy without a bug: each has to pass. @returns their names, null when one failed */
async function clean(copies: Copies, runner: Runner): Promise<readonly string[] | null> {
  const copy = copies.create(new Map());
  const names: string[] = [];
  const wrong: string[] = [];
  for (const file of new Set(conformanceTests(root).map((each) => each.file))) {
    const { results, fault } = await runner.run({ copy, file, only: [] });
    if (fault !== null) wrong.push(`${file}: ${fault}`);
    for (const { name, error } of results) {
      names.push(`${file}: ${name}`);
      if (error !== null) wrong.push(`${file}: ${name}: ${error}`);
    }
  }
  rmSync(copy, { recursive: true });
  for (const each of wrong) print(`without a bug: ${each}`);
  return wrong.length > 0 ? null : names;
}

async function main(folder: string): Promise<number> {
  const prepared = prepare(chosen(), root, PACKAGES, !values.unchecked);
  const copies = new Copies(root, folder, PACKAGES, OTHERS, true);
  copies.compile(TESTS.flatMap(testFiles));
  const stand = (name: string): string => readFileSync(new URL(`stand-in/${name}.ts`, import.meta.url), 'utf8');
  copies.addProgram('test/support/suite.js', stand('suite'));
  copies.addProgram('test/support/node-process.js', stand('node-process'));
  copies.addProgram('host.js', stand('host'));
  const program = join(folder, 'plain', 'host.js');
  const tests = values.dirty ? [] : await clean(copies, new Runner(program, options));
  if (tests === null) return 1;
  if (!values.dirty) print(`without a bug ${tests.length} tests pass`);
  const outcomes: Outcome[] = [];
  const waiting = [...prepared];
  const worker = async (): Promise<void> => {
    const runner = new Runner(program, options);
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const outcome = await tryMutant(copies, runner, next);
      outcomes.push(outcome);
      describe(outcome);
    }
    runner.close();
  };
  await Promise.all(Array.from({ length: Number(values.workers) }, worker));
  const wrong = outcomes.filter((each) => each.passed.length > 0 || each.fault !== null || each.failed.size === 0);
  const failed = new Set(outcomes.filter((each) => !wrong.includes(each)).flatMap((each) => [...each.failed.keys()]));
  const never = values.only === '' ? tests.filter((test) => !failed.has(test)) : [];
  print(`\n${outcomes.length - wrong.length} of ${outcomes.length} mutants are caught by all tests that they name`);
  for (const { mutant } of wrong) print(`  not ${mutant.name}: ${mutant.breaks}`);
  print(`${failed.size} tests failed at least once`);
  for (const test of never) print(`  never: ${test}`);
  return wrong.length === 0 && never.length === 0 ? 0 : 1;
}

const folder = mkdtempSync(join(tmpdir(), 'quorate-conformance-mutants-'));
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main(folder);
