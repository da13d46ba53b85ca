import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seedFor } from '../support/seed.ts';
import { assert, note, suite } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';

/*
 * The partition tests as a user starts them, in two minutes: all faults, all workloads, a fresh plan each time. What stays in
 * the folder after a failure is the whole report.
 */

const test = suite('e2e: partition tests');

const MAIN = fileURLToPath(new URL('../../jepsen-style-tests/dist/main.js', import.meta.url));
const SECONDS = 100;
/** Enough that a run says something, and little enough for a machine that runs other tests meanwhile. */
const RATE_PER_SEC = 200;
const LEAST_ACKNOWLEDGED = 1_000;
const LEAST_FAULTS = 3;

interface Report {
  readonly totals: { readonly acknowledged: number };
  readonly checks: readonly { readonly name: string; readonly verdict: string }[];
  readonly faults: readonly { readonly name: string }[];
}

test(
  'a tour of two minutes finds nothing',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-jepsen-'));
    const seed = seedFor('tour');
    const args = ['--seconds', String(SECONDS), '--rate', String(RATE_PER_SEC), '--seed', String(seed)];
    const { code, output } = await new Promise<{ code: number | string; output: string }>((done) => {
      const command = [MAIN, ...args, '--report', join(folder, 'report')];
      execFile(process.execPath, command, { maxBuffer: 64 * 2 ** 20 }, (error, stdout, stderr) => {
        done({ code: error === null ? 0 : (error.code ?? 'killed'), output: stdout + stderr });
      });
    });
    const file = join(folder, 'report', 'report.json');
    assert.is(code, 0, `${output}\nthe report is in ${folder}`);
    assert.ok(existsSync(join(folder, 'report', 'report.html')), 'there is a page');
    const { totals, checks, faults } = JSON.parse(readFileSync(file, 'utf8')) as Report;
    assert.ok(totals.acknowledged >= LEAST_ACKNOWLEDGED, `${String(totals.acknowledged)} are enough to say something`);
    assert.ok(faults.length >= LEAST_FAULTS, `${String(faults.length)} faults`);
    assert.ok(checks.length > 10, 'every workload was checked');
    note(
      `seed ${String(seed)}: ${String(totals.acknowledged)} acknowledged, ${String(checks.length)} checks, faults: ` +
        faults.map(({ name }) => name).join(', '),
    );
    rmSync(folder, { recursive: true, force: true });
  },
  { timeoutMs: 280_000 },
);

/** Whether a process runs that was told of this folder. */
function runsWith(folder: string): boolean {
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(folder);
    } catch {
      return false;
    }
  });
}

test(
  'Ctrl-C ends all that a run has started, without namespaces too',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-jepsen-early-'));
    const args = ['--proxies', '--seconds', '60', '--nemesis', 'pause one', '--workload', 'queue'];
    const child = spawn(process.execPath, [MAIN, ...args, '--report', folder], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
    // The client processes are there some time after the nodes are.
    await waitFor(() => / acknowledged,/.test(said) || child.exitCode !== null, { what: 'clients', timeoutMs: 90_000 });
    assert.ok(runsWith(folder), said);
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    assert.equal(await ended, [130, null], said);
    assert.match(said, /ended early, nothing is checked/);
    await waitFor(() => !runsWith(folder), { what: 'all that it had started to end' });
    rmSync(folder, { recursive: true, force: true });
  },
  { timeoutMs: 150_000 },
);

test.run();
