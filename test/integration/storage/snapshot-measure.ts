import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { digestRecord, installSnapshot, openDataDirectory, RecordHash } from '@quorate/storage';
import { makeTemporaryDirectory } from '../../unit/storage/harness.ts';

/*
 * Measures making and installing a snapshot of synthetic records: 1,000,000 retained messages of 100 bytes under topics
 * and 100,000 sessions of 300 bytes. Run it by hand; the argument is the share of these numbers (default 1).
 */

const share = Number(process.argv[2] ?? 1);
const RETAINED = 1_000_000 * share;
const SESSIONS = 100_000 * share;
const BATCH = 20_000;

const path = await makeTemporaryDirectory();
const open = (name: string) => openDataDirectory({ path: join(path, name), nodeId: 'n1', clusterMembers: 'n1' });

async function measured(what: string, bytes: number, body: () => Promise<void>): Promise<void> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const cpu = process.cpuUsage();
  const begun = performance.now();
  delays.enable();
  await body();
  delays.disable();
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const rate = bytes === 0 ? '' : `, ${(bytes / 1e6 / seconds).toFixed(0)} MB/s`;
  const stall = `stall p99 ${(delays.percentile(99) / 1e6).toFixed(1)} ms, max ${(delays.max / 1e6).toFixed(1)} ms`;
  console.log(`${what}: ${seconds.toFixed(2)} s${rate}, CPU ${((user + system) / 1e6).toFixed(2)} s, ${stall}`);
}

function* records(): Generator<[Buffer, Buffer]> {
  for (let i = 0; i < SESSIONS; i++) {
    yield [Buffer.from(`4session-${String(i).padStart(9, '0')}`), Buffer.alloc(300, `session ${i * 7919} `)];
  }
  for (let i = 0; i < RETAINED; i++) {
    const topic = `7site/${i % 97}/device/${String(i).padStart(8, '0')}/state`;
    yield [Buffer.from(topic), Buffer.alloc(100, `${topic}${i * 104_729} `)];
  }
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
  return bytes;
}

const source = await open('source');
const state = source.stateStore();
await state.open();
let puts: [Buffer, Buffer][] = [];
let recordBytes = 0;
for (const record of records()) {
  puts.push(record);
  recordBytes += record[0].length + record[1].length;
  if (puts.length < BATCH) continue;
  await state.write({ position: { appliedIndex: 9, appliedTerm: 1 }, puts, deletes: [] });
  puts = [];
}
await state.write({ position: { appliedIndex: 9, appliedTerm: 1 }, puts, deletes: [] });
console.log(`records ${RETAINED + SESSIONS}, ${(recordBytes / 1e6).toFixed(0)} MB of keys and values`);

const facts = { index: 9, term: 1, stampMs: 1, configuration: Buffer.of(1), clusterId: 'c' };
let id = '';
await measured('create', recordBytes, async () => {
  id = (await source.snapshots().create(state, facts)).id;
});
const reader = await source.snapshots().open(id);
console.log(
  `file ${(reader.info.sizeBytes / 1e6).toFixed(0)} MB, database ${((await sizeOf(join(path, 'source', 'state'))) / 1e6).toFixed(0)} MB`,
);
await measured('verify', recordBytes, async () => void (await reader.verify()));
const target = await open('target');
const { receiver } = target.snapshots();
await measured('receive (without a network)', recordBytes, async () => {
  for (let offset = await receiver.begin(reader.info); offset < reader.info.sizeBytes; ) {
    offset = await receiver.write(offset, await reader.read(offset, 1 << 20));
  }
});
await measured('finish', recordBytes, async () => void (await receiver.finish()));
const received = await target.snapshots().open(id);
await measured('install', recordBytes, async () => await installSnapshot(target, received, null));
const installed = target.stateStore();
await installed.open();
let hash = new RecordHash();
await measured('record hash from the disk', recordBytes, async () => {
  hash = await installed.recordHash();
});
const same = (await state.recordHash()).equals(hash);
console.log(`the installed records are ${same ? 'the same' : 'DIFFERENT'}`);
const [key, value] = records().next().value as [Buffer, Buffer];
for (const sizeBytes of [100, 300, 4_000]) {
  const bytes = Buffer.alloc(sizeBytes, value);
  for (let i = 0; i < 20_000; i++) digestRecord(key, bytes);
  const begun = performance.now();
  for (let i = 0; i < 200_000; i++) hash.addDigest(digestRecord(key, bytes));
  console.log(`one record of ${sizeBytes} B into the hash: ${((performance.now() - begun) * 5).toFixed(0)} ns`);
}
await reader.close();
await received.close();
await state.close();
await installed.close();
await source.close();
await target.close();
await rm(path, { recursive: true, force: true });
