import { readFileSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { installSnapshot, openDataDirectory, RecordHash } from '@quorate/storage';
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

/** CPU time of the event loop's thread in milliseconds, where the system tells it: a stall without the waiting for a core. */
function threadMs(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
  } catch {
    return Number.NaN;
  }
}

async function measured(what: string, bytes: number, body: () => Promise<void>): Promise<void> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const cpu = process.cpuUsage();
  const begun = performance.now();
  delays.enable();
  const begunMs = threadMs();
  let last = begunMs;
  let longest = 0;
  const timer = setInterval(() => {
    const now = threadMs();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  await body();
  clearInterval(timer);
  const loopSeconds = (threadMs() - begunMs) / 1000;
  delays.disable();
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const rate = bytes === 0 ? '' : `, ${(bytes / 1e6 / seconds).toFixed(0)} MB/s`;
  const stall = `stall p99 ${(delays.percentile(99) / 1e6).toFixed(1)} ms, max ${(delays.max / 1e6).toFixed(1)} ms`;
  const work = `CPU ${((user + system) / 1e6).toFixed(2)} s, ${loopSeconds.toFixed(2)} s of it on the event loop`;
  console.log(
    `${what}: ${seconds.toFixed(2)} s${rate}, ${work}, ${stall}, longest turn ${longest.toFixed(1)} ms of CPU`,
  );
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

await measured('nothing, for comparison', 0, async () => await pause(3_000));
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
  for (let i = 0; i < 20_000; i++) hash.add(key, bytes);
  const begunMs = threadMs();
  for (let i = 0; i < 200_000; i++) hash.add(key, bytes);
  console.log(`one record of ${sizeBytes} B into the hash: ${((threadMs() - begunMs) * 5).toFixed(0)} ns of CPU`);
}
await reader.close();
await received.close();
await state.close();
await installed.close();
await source.close();
await target.close();
await rm(path, { recursive: true, force: true });
