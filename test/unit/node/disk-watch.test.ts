import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { loadConfig, type NodeConfig } from '@quorate/node';
import { DiskFull, DiskWatch, hasRoom } from '../../../packages/node/src/disk-watch.ts';
import { createLogger } from '../../../packages/node/src/logging/index.ts';
import { assert, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';

const test = suite('disk watch');

const MIB = 1024 * 1024;
const HUGE = 2 ** 60;

let dataDir = '';
const watches: DiskWatch[] = [];

test.before.each(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'quorate-disk-watch-'));
});

test.after.each(async () => {
  await Promise.all(watches.splice(0).map((watch) => watch.stop()));
  await rm(dataDir, { recursive: true, force: true });
});

const until = (condition: () => boolean, what: string) => waitFor(condition, { what, intervalMs: 1 });

async function freeBytes(): Promise<number> {
  const { bavail, bsize } = await statfs(dataDir);
  return bavail * bsize;
}

/** Bounds that no configuration has: the disk of the machine that runs this is as full as it is. */
function configOf(lowBytes: number, criticalBytes: number): NodeConfig {
  const config = loadConfig({ values: { nodeId: 'n1', dataDir, cluster: { n1: '127.0.0.1:3' } } });
  return { ...config, disk: { lowBytes, criticalBytes, ballastBytes: MIB, checkIntervalMs: 2 } };
}

function watching(config: NodeConfig) {
  const lines: string[] = [];
  const write = (chunk: Buffer, _encoding: string, done: () => void): void => {
    lines.push(chunk.toString());
    done();
  };
  const told = { low: 0, full: [] as DiskFull[], lines };
  const watch = new DiskWatch(config, createLogger(config, new Writable({ write })), {
    onLow: () => {
      told.low++;
    },
    onFull: (error) => told.full.push(error),
  });
  watches.push(watch);
  watch.start();
  return { watch, told, config };
}

test('with room nothing is said', async () => {
  const { told, watch } = watching(configOf(2, 1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await watch.stop();
  assert.equal(told, { low: 0, full: [], lines: [] });
});

test('a disk that becomes low is told once each time, and so is its end', async () => {
  const free = await freeBytes();
  const { told, config } = watching(configOf(free * 2, 1));
  await until(() => told.low === 1, 'word that the disk is low');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is(told.low, 1);
  assert.equal(told.full, []);
  assert.match(told.lines.join(), /nearly full: \d+ MiB are free/);
  assert.is(config.disk.lowBytes, free * 2);
});

test('below the critical bound the node is to stand still, with the path and what is left', async () => {
  const { told } = watching(configOf(HUGE, HUGE / 2));
  await until(() => told.full.length > 0, 'word that the disk is full');
  assert.instance(told.full[0], DiskFull);
  assert.is(told.full[0]?.code, 'DISK_FULL');
  assert.match(told.full[0]?.message ?? '', /only \d+ MiB are free for .*quorate-disk-watch/);
  assert.is(told.low, 0);
});

test('a disk without room for the ballast but far from the critical bound is low, not full', async () => {
  const free = await freeBytes();
  const config = configOf(free + 100 * MIB, 1);
  const { told } = watching({ ...config, disk: { ...config.disk, ballastBytes: free * 2 } });
  await until(() => told.low === 1, 'word that the disk is low');
  assert.equal(told.full, []);
});

test('a directory that can not be looked at is said, and ends nothing', async () => {
  const { told } = watching({ ...configOf(2, 1), dataDir: join(dataDir, 'gone') });
  await until(() => told.lines.length > 1, 'a line');
  assert.match(told.lines[0] ?? '', /free space of .* can not be told/);
  assert.equal([told.low, told.full], [0, []]);
});

test('after a stop nothing is said any more', async () => {
  const { told, watch } = watching(configOf(HUGE, HUGE / 2));
  await until(() => told.full.length > 0, 'word that the disk is full');
  await watch.stop();
  const { length } = told.full;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.is(told.full.length, length);
});

test('there is room to start in only above twice the bound at which a node stands still', async () => {
  const free = await freeBytes();
  assert.ok(await hasRoom(configOf(HUGE, Math.floor(free / 4))));
  assert.not.ok(await hasRoom(configOf(HUGE, Math.floor(free * 0.75))));
});

test.run();
