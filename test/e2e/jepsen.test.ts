import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seedFor } from '../support/seed.ts';
import { assert, note, suite } from '../support/suite.ts';

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

test.run();
