import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { detectNetwork } from '@quorate/jepsen-style-tests';
import { assert, note, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';

/* Nothing outlives a run in namespaces, however it ends. */

const test = suite('partition tests: inside');
const PROGRAM = fileURLToPath(new URL('../../support/partition-inside.ts', import.meta.url));

/** Whether a process with this in its environment runs. */
function runs(mark: string): boolean {
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/environ`, 'latin1').includes(`MARK=${mark}\0`);
    } catch {
      return false;
    }
  });
}

async function start(mark: string, ...more: readonly string[]): Promise<{ child: ChildProcess; said: () => string }> {
  const child = spawn(process.execPath, [...process.execArgv, PROGRAM, mark, ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await waitFor(() => said.includes('ready') || child.exitCode !== null, { what: 'the program to be ready' });
  return { child, said: () => said };
}

const { kind, sentence } = await detectNetwork();

for (const [signal, how] of [
  ['SIGKILL', 'is killed'],
  ['SIGTERM', 'is asked to end'],
] as const) {
  test(`when the outer process ${how} all that the run has started ends`, async () => {
    if (kind === 'proxies') {
      note(`SKIPPED, nothing was checked: ${sentence}`);
      return;
    }
    const mark = `partition-${signal}-${String(process.pid)}`;
    const { child, said } = await start(mark);
    assert.match(said(), /ready as 1$/m, 'it is the first process of its PID namespace');
    assert.ok(runs(mark));
    const ended = once(child, 'exit');
    child.kill(signal);
    const [code] = (await ended) as [number | null];
    await waitFor(() => !runs(mark), { what: 'what it had started to end' });
    if (signal === 'SIGTERM') assert.is(code, 7, 'the exit code of the inner process');
    await waitFor(() => said().includes('ended in order'), { what: 'the inner process to end in order' });
  });
}

test('a run that is killed as a whole group while a disk is frozen leaves no process that waits for it', async () => {
  if (kind !== 'root namespaces') {
    note(`SKIPPED, nothing was checked: a disk can only be frozen as root (${sentence})`);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'quorate-frozen-'));
  try {
    const mark = `partition-frozen-${String(process.pid)}`;
    const { child } = await start(mark, folder);
    await waitFor(() => runs(mark), { what: 'a process to wait for the disk' });
    const ended = once(child, 'exit');
    process.kill(-(child.pid as number), 'SIGKILL');
    await ended;
    await waitFor(() => !runs(mark), { what: 'the disk to be thawed, and the process to end' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
