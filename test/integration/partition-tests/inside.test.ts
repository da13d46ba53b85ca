import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
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

async function start(mark: string): Promise<{ child: ChildProcess; said: () => string }> {
  const child = spawn(process.execPath, [...process.execArgv, PROGRAM, mark], { stdio: ['ignore', 'pipe', 'inherit'] });
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

test.run();
