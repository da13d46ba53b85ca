import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestResult } from '../../support/suite.ts';

/** How the tests of one file ended. */
export interface FileRun {
  readonly results: readonly TestResult[];
  /** Why the run says nothing about the tests: the cluster did not come up, or did not last; else null. */
  readonly fault: string | null;
}

export interface RunOptions {
  /** Of each cluster. */
  readonly nodes: number;
  /** How long an answer may take. */
  readonly patienceMs: number;
}

const FILE_TIMEOUT_MS = 240_000;
/** What makes all tests of a file fail, whatever they show. */
const FAULTS = [/^FAULT [^\n]*, before: [^\n]*/m, /nodes that ended by themselves: [^\n]*/];

/**
 * Runs tests of test/conformance out of a copy of the checkout: test and broker both are the copy's.
 *
 * @param only parts of names; without any, all tests of the file
 */
export async function runTests(
  copy: string,
  file: string,
  only: readonly string[],
  { nodes, patienceMs }: RunOptions,
): Promise<FileRun> {
  const resultsFile = join(copy, `${file}.results`);
  rmSync(resultsFile, { force: true });
  const child = spawn(process.execPath, [`test/conformance/${file}.test.js`], {
    cwd: copy,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      QUORATE_DISK__BALLAST_BYTES: '0',
      ...process.env,
      QUORATE_TEST_ONLY: only.join('\n'),
      QUORATE_TEST_RESULTS: resultsFile,
      QUORATE_TEST_NODES: String(nodes),
      QUORATE_TEST_PATIENCE_MS: String(patienceMs),
    },
  });
  let output = '';
  const collect = (chunk: string): void => {
    output += chunk;
  };
  child.stdout.setEncoding('utf8').on('data', collect);
  child.stderr.setEncoding('utf8').on('data', collect);
  // Not SIGKILL: the test's process ends its nodes.
  const timer = setTimeout(() => child.kill('SIGTERM'), FILE_TIMEOUT_MS);
  await new Promise<void>((done, broken) => {
    child.once('close', () => done());
    child.once('error', broken);
  });
  clearTimeout(timer);
  if (!existsSync(resultsFile)) return { results: [], fault: output.trim().split('\n').slice(-20).join('\n') };
  const lines = readFileSync(resultsFile, 'utf8').trim().split('\n');
  const fault = FAULTS.map((pattern) => pattern.exec(output)?.[0]).find((found) => found !== undefined) ?? null;
  return { results: lines.map((line) => JSON.parse(line) as TestResult), fault };
}
