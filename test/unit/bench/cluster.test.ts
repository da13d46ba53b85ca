import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCluster } from '@quorate/bench';
import { assert, suite } from '../../support/suite.ts';

const test = suite('bench cluster');

const FAKE_NODE = fileURLToPath(new URL('./fake-node.mjs', import.meta.url));
let directory = '';

test.before.each(() => {
  directory = mkdtempSync(join(tmpdir(), 'bench-test-'));
});
test.after.each(() => {
  rmSync(directory, { recursive: true });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('starts three nodes with the fixed options, waits until all are ready, stops them and removes their data', async () => {
  const cluster = await startCluster('own', directory, FAKE_NODE);
  const { name, hosts, pids } = cluster.target;
  assert.is(name, 'own');
  assert.equal([hosts.length, pids.length], [3, 3]);
  assert.ok(pids.every(isAlive));
  assert.is(readdirSync(directory).length, 1);
  await cluster.stop();
  assert.not.ok(pids.some(isAlive));
  // What is left are the marks of an orderly end, one per node; the data directory is gone.
  assert.equal(readdirSync(directory).sort(), ['n1', 'n2', 'n3']);
  const address = '127\\.0\\.0\\.1:\\d+';
  const members = `n1=${address},n2=${address},n3=${address}`;
  const listeners = `--mqtt 127\\.0\\.0\\.1:${hosts[1]?.port} --http ${address} --peer ${address}`;
  const expected = new RegExp(`^start --node-id n2 --data-dir \\S+n2 --cluster ${members} ${listeners}$`);
  assert.match(readFileSync(join(directory, 'n2'), 'utf8'), expected);
  await cluster.stop();
});

test('a node that ends is reported with its last words, and the others are stopped', async () => {
  writeFileSync(join(directory, 'fail'), '');
  await assert.rejects(
    startCluster('own', directory, FAKE_NODE),
    /^Node n2 of the cluster ended before it was ready: some log line \| --peer 127\.0\.0\.1:1 is not to my taste$/,
  );
  assert.not.ok(readdirSync(directory).some((file) => file.startsWith('quorate-bench')));
});

test('says so when the command is not built', async () => {
  await assert.rejects(
    startCluster('own', directory, join(directory, 'nothing.js')),
    /is missing; run the build first/,
  );
});

test.run();
