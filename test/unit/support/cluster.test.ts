import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCluster, waitFor } from '../../support/cluster.ts';
import { assert, suite } from '../../support/suite.ts';

const executable = fileURLToPath(new URL('fixtures/stand-in-node.mjs', import.meta.url));
const test = suite('support: cluster of processes');

test('starts, finds the leader, kills, restarts and cleans up', async () => {
  const cluster = await startCluster({ executable, config: { some: 'key' } });
  try {
    assert.is(await cluster.leader(), 'n3');
    await cluster.node('n3').kill();
    assert.is(cluster.node('n3').pid, undefined);
    assert.is(await cluster.leader({ not: 'n3' }), 'n2');
    await cluster.node('n3').start();
    await cluster.waitReady();
    assert.match(cluster.node('n3').logs(), 'stand-in n3 listens');
    await cluster.node('n1').stop();
    assert.is(cluster.live().length, 2);
  } finally {
    await cluster.stopAll();
  }
  assert.is(cluster.live().length, 0);
  assert.is(existsSync(dirname(cluster.node('n1').dataDir)), false);
});

test('a node that ends during start is an error with its log, and the others are stopped', async () => {
  const started = startCluster({ executable, env: { STAND_IN_FAILS: 'n2' } });
  await assert.rejects(started, /node n2 ended with exit code 3[^]*stand-in refuses to start/);
});

test('stop() demands exit code 0', async () => {
  const cluster = await startCluster({ nodes: 1, executable, env: { STAND_IN_EXIT_CODE: '4' } });
  await assert.rejects(cluster.node('n1').stop(), /n1 was to stop with exit code 0, but ended with exit code 4/);
  await cluster.stopAll();
});

test('waitFor gives up with the reason', async () => {
  const broken = (): boolean => {
    throw new Error('inner reason');
  };
  await assert.rejects(
    waitFor(broken, { timeoutMs: 30, what: 'a miracle' }),
    /30 ms in vain for a miracle; last error: inner reason/,
  );
});

test.run();
