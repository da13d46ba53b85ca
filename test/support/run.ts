import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { baseSeed } from './seed.ts';

/*
 * Runs test files, each in a process (and process group) of its own.
 *
 *   node --conditions=source --import tsx test/support/run.ts [path or part of a path]...
 *
 * Those that measure how long something takes, or use every core, run one at a time, after all others, which run three at a time; those
 * below test/interop that need programs of others too, since they share the ports of these. The last line of the output is
 * `N passed, N failed`, in tests over all files. Exit code 1 on any failure and when nothing ran.
 */

interface Result {
  readonly passed: number;
  readonly failed: number;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TEST_DIR = join(ROOT, 'test');
/** Needs programs that npm does not install, but for one file: `make interop` asks for it by name. */
const INTEROP_DIR = join(TEST_DIR, 'interop') + sep;
const FROM_NPM = join(INTEROP_DIR, 'node-red.test.ts');
const needsPrograms = (file: string): boolean => file.startsWith(INTEROP_DIR) && file !== FROM_NPM;
const PARALLEL = 3;
/** Below test. */
const ALONE = new Set(
  ['disks', 'failover', 'membership', 'partition', 'pauses', 'restart', 'wiped']
    .map((name) => join('e2e', `${name}.test.ts`))
    .concat(join('unit', 'simulator', 'seeds.test.ts')),
);
const FILE_TIMEOUT_MS = 300_000;
/** Of a file's output, the tail that is kept to be shown on failure. */
const MAX_OUTPUT_CHARS = 4_000_000;
const COUNT_LINE = /^# tests=(\d+) passed=(\d+)$/gm;

const live = new Set<ChildProcess>();

function testFilesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && !name.split(sep).includes('node_modules'))
    .map((name) => join(directory, name))
    .sort();
}

/** An argument that is a file or folder selects it; any other selects the files whose path contains it. */
function select(args: readonly string[]): string[] {
  const all = testFilesIn(TEST_DIR);
  for (const name of ALONE) if (!all.includes(join(TEST_DIR, name))) throw new Error(`test/${name} is not there`);
  if (args.length === 0) return all.filter((file) => !needsPrograms(file));
  const chosen = new Set<string>();
  for (const arg of args) {
    const path = resolve(arg);
    const found = !existsSync(path)
      ? all.filter((file) => relative(ROOT, file).includes(arg))
      : statSync(path).isDirectory()
        ? testFilesIn(path)
        : [path];
    if (found.length === 0) throw new Error(`no test file matches ${arg}`);
    for (const file of found) chosen.add(file);
  }
  return [...chosen];
}

/** Ends a file's process and everything it started and left in its group. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: nobody is left; macOS says EPERM when only zombies are.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

function readCounts(stdout: string, exitCode: number | null): Result {
  const last = [...stdout.matchAll(COUNT_LINE)].at(-1);
  const tests = Number(last?.[1] ?? 0);
  const passed = Number(last?.[2] ?? 0);
  const broken = exitCode !== 0 || tests === 0;
  return { passed, failed: Math.max(tests - passed, broken ? 1 : 0) };
}

async function runFile(file: string): Promise<Result> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', file], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Many nodes come and go: the space that each holds back would be most of what is written.
    env: { QUORATE_DISK__BALLAST_BYTES: '0', ...process.env, QUORATE_TEST_SEED: String(baseSeed()) },
  });
  live.add(child);
  let output = '';
  // The counts are taken from stdout alone: in the text of both, a piece of stderr may stand inside a line of stdout.
  let stdout = '';
  const collect = (chunk: string): void => {
    output = (output + chunk).slice(-MAX_OUTPUT_CHARS);
  };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout = (stdout + chunk).slice(-MAX_OUTPUT_CHARS);
    collect(chunk);
  });
  child.stderr.setEncoding('utf8').on('data', collect);
  const timer = setTimeout(() => {
    collect(`\nkilled: no end after ${String(FILE_TIMEOUT_MS)} ms\n`);
    killGroup(child);
  }, FILE_TIMEOUT_MS);
  child.once('exit', () => {
    // A process it left behind would hold the pipes open, and with them this promise.
    killGroup(child);
  });
  const exitCode = await new Promise<number | null>((done, broken) => {
    child.once('close', done);
    child.once('error', broken);
  });
  clearTimeout(timer);
  live.delete(child);
  const result = readCounts(stdout, exitCode);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const name = relative(ROOT, file);
  if (result.failed === 0) {
    console.log(`ok    ${name}  ${String(result.passed)} tests  ${seconds} s`);
    // Figures given to `note`.
    for (const [line] of stdout.matchAll(/^> .*$/gm)) console.log(`      ${line}`);
  } else {
    console.log(`FAIL  ${name}  ${String(result.failed)} failed, exit code ${String(exitCode)}  ${seconds} s`);
    console.log(`${output.trimEnd()}\n--- end of ${name}; QUORATE_TEST_SEED=${String(baseSeed())}\n`);
  }
  return result;
}

async function runAll(files: readonly string[], parallel: number): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = [...files];
  const worker = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) results.push(await runFile(file));
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return results;
}

function stopOn(signal: 'SIGINT' | 'SIGTERM', exitCode: number): void {
  process.once(signal, () => {
    for (const child of live) killGroup(child);
    process.exit(exitCode);
  });
}

stopOn('SIGINT', 130);
stopOn('SIGTERM', 143);
let files: string[];
try {
  files = select(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
const serial = files.filter((file) => needsPrograms(file) || ALONE.has(relative(TEST_DIR, file)));
const results = [
  ...(await runAll(
    files.filter((file) => !serial.includes(file)),
    PARALLEL,
  )),
  ...(await runAll(serial, 1)),
];
const passed = results.reduce((sum, each) => sum + each.passed, 0);
const failed = results.reduce((sum, each) => sum + each.failed, 0);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
console.log(`\n${String(passed)} passed, ${String(failed)} failed`);
