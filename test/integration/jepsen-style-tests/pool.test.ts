import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ClientPlan, ClientPool } from '@quorate/jepsen-style-tests';
import { assert, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';
import { FakeBroker } from './fake-broker.ts';

/* Client processes that can not do what they are for do not go unnoticed, and none outlives its coordinator. */

const test = suite('integration: client processes of the partition tests');

const MAIN = fileURLToPath(new URL('../../../jepsen-style-tests/src/client/client-main.ts', import.meta.url));
const TIMEOUT_MS = 30_000;

let broker: FakeBroker;
let folder: string;
let plan: ClientPlan;

test.before.each(async () => {
  broker = new FakeBroker(null);
  folder = mkdtempSync(join(tmpdir(), 'quorate-jepsen-'));
  const [port] = (await broker.listen(1)) as [number];
  plan = {
    ...{
      name: 'c1',
      run: 'run',
      nodes: [{ id: 'n1', host: '127.0.0.1', port }],
      seed: 1,
      cleanUp: false,
      versions: [5],
      maxQos: 2,
    },
    shares: [{ workload: 'queue', actors: 4, indices: [0, 1, 2, 3], ratePerSec: 50 }],
    ...{ historyFile: join(folder, 'c1.jsonl'), maxHistoryBytes: 2 ** 20, zeroNs: String(process.hrtime.bigint()) },
    ...{ connectTimeoutMs: 2_000, ackTimeoutMs: 5_000 },
  };
});
test.after.each(() => {
  broker.close();
  rmSync(folder, { recursive: true, force: true });
});

const poolOf = (change: Partial<ClientPlan>, commandPrefix: readonly string[] = []): ClientPool =>
  new ClientPool([{ commandPrefix, plan: { ...plan, ...change } }]);

test('a process that can not begin: the reason', async () => {
  const shares = [{ workload: 'nope', actors: 1, indices: [0], ratePerSec: 1 }];
  await assert.rejects(
    poolOf({ shares }).ready(TIMEOUT_MS),
    /client process c1 ended with exit code 1: [^]*no workload nope/,
  );
  await assert.rejects(poolOf({}, ['no-such-command']).ready(TIMEOUT_MS), /c1 could not be started: .*ENOENT/);
});

test('clients that find nobody: who is waited for', async () => {
  broker.close();
  const pool = poolOf({});
  await assert.rejects(pool.ready(3_000), /not all clients were connected within 3000 ms; waiting for (c1|queue\.0)/);
  pool.kill();
});

test('a history that is full ends new operations, and the rest of the run is as ever', async () => {
  const pool = poolOf({ maxHistoryBytes: 60_000 }, ['env', 'SOME=thing']);
  await pool.ready(TIMEOUT_MS);
  const { historyBytes, historyFull } = await untilFull(pool);
  assert.ok(historyFull && historyBytes < 90_000, `${historyBytes} bytes`);
  assert.ok((await pool.drain(TIMEOUT_MS)).settled);
  await pool.stop();
});

async function untilFull(pool: ClientPool): Promise<ClientPool['counts']> {
  await waitFor(() => pool.counts.historyFull, { what: 'a full history', timeoutMs: TIMEOUT_MS });
  return pool.counts;
}

test('a process that is killed is missed by drain', async () => {
  const pool = poolOf({});
  await pool.ready(TIMEOUT_MS);
  pool.kill();
  await assert.rejects(pool.drain(TIMEOUT_MS), /client process c1 ended with SIGKILL/);
});

test('a process without its coordinator ends', async () => {
  const child = spawn(process.execPath, [...process.execArgv, MAIN], { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.write(`${JSON.stringify(plan)}\n`);
  await once(child.stdout, 'data');
  child.stdin.end();
  const [code] = (await once(child, 'exit')) as [number];
  assert.is(code, 1);
});

test.run();
