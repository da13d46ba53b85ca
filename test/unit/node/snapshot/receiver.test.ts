import type { SnapshotMessage, SnapshotOffer, SnapshotResult } from '@quorate/protocol';
import { MemoryDisk, MemorySnapshotStore, type SnapshotInfo } from '@quorate/storage';
import { SnapshotReceiver } from '../../../../packages/node/src/snapshot/index.ts';
import { assert, suite } from '../../../support/suite.ts';
import { CLUSTER, Source, silent, VirtualTime } from './support.ts';

const test = suite('snapshot receiver');

const CHUNK = 256 << 10;
let info: SnapshotInfo;
let bytes: Buffer;

test.before(async () => {
  const source = await Source.at(100, 6 << 20);
  const dumped = await source.dump(0);
  assert.ok(dumped !== null);
  info = dumped;
  const reader = await source.store.open(info.id);
  bytes = Buffer.from(await reader.read(0, 16 << 20));
});

function offerOf(term: number, changes: Partial<SnapshotOffer> = {}): SnapshotOffer {
  const { term: snapshotTerm, ...rest } = info;
  return { kind: 'offer', ...rest, term, snapshotTerm, ...changes };
}

class Bench {
  readonly time = new VirtualTime(1);
  readonly disk = new MemoryDisk();
  readonly sent: SnapshotMessage[] = [];
  readonly fatal: unknown[] = [];
  readonly heard: number[] = [];
  readonly installs: SnapshotInfo[] = [];
  committedIndex = 0;
  wanted = true;
  clusterId: string | null = CLUSTER;
  readonly receiver: SnapshotReceiver;

  constructor(maxIncomingBytes = 1 << 30) {
    this.receiver = new SnapshotReceiver({
      receiver: new MemorySnapshotStore(this.disk, { maxIncomingBytes }).receiver,
      accepts: (index) => index > this.committedIndex,
      onReceiving: (_, term) => this.heard.push(term),
      install: async (whole) => {
        this.installs.push(whole);
        return this.wanted;
      },
      send: (_, message) => this.sent.push(message),
      onFatal: (error) => this.fatal.push(error),
      logger: silent,
      clusterId: () => this.clusterId,
      maxMachineVersion: 3,
    });
  }

  /** What is answered, until nothing is in work. */
  async tell(...messages: SnapshotMessage[]): Promise<SnapshotMessage[]> {
    for (const message of messages) this.receiver.onMessage('n1', message);
    await this.time.pass(100);
    return this.sent.splice(0);
  }
}

function chunk(term: number, offset: number, length = CHUNK): SnapshotMessage {
  return { kind: 'chunk', id: info.id, term, offset, data: bytes.subarray(offset, offset + length) };
}

function chunks(term: number, from = 0): SnapshotMessage[] {
  const count = Math.ceil((bytes.length - from) / CHUNK);
  return Array.from({ length: count }, (_, i) => chunk(term, from + i * CHUNK));
}

const progress = (offset: number): SnapshotMessage => ({ kind: 'progress', id: info.id, offset });
const codes = (messages: SnapshotMessage[]) =>
  messages
    .filter((message): message is SnapshotResult => message.kind === 'result')
    .map(({ ok, code }) => `${ok} ${code}`);

test('refuses what it does not want, with a code and a sentence', async () => {
  const bench = new Bench();
  const foreign = await bench.tell(offerOf(9, { clusterId: 'cluster two' }));
  assert.equal(codes(foreign), ['false SNAPSHOT_OTHER_CLUSTER']);
  assert.equal(bench.heard, [], 'the terms of another cluster mean nothing');
  const newer = await bench.tell(offerOf(2, { machineVersion: 4 }));
  assert.equal(codes(newer), ['false SNAPSHOT_MACHINE_TOO_NEW']);
  bench.committedIndex = 100;
  const old = await bench.tell(offerOf(2));
  assert.equal(codes(old), ['false SNAPSHOT_NOT_NEEDED']);
  for (const [message] of [foreign, newer, old]) assert.match((message as SnapshotResult).reason, /^[A-Z].*\.$/);
  assert.equal(bench.heard, [2, 2]);
  bench.committedIndex = 99;
  bench.clusterId = null;
  assert.equal(
    await bench.tell(offerOf(2, { clusterId: 'cluster two' })),
    [progress(0)],
    'who has no cluster takes any',
  );
});

test('answers with where it stands; gaps, other snapshots and older terms with nothing', async () => {
  const bench = new Bench();
  assert.equal(await bench.tell(chunk(2, 0)), [], 'nothing was offered');
  assert.equal(await bench.tell(offerOf(2), offerOf(2)), [progress(0)]);
  assert.equal(await bench.tell(chunk(2, 0), chunk(2, 2 * CHUNK)), [progress(CHUNK)]);
  assert.equal(await bench.tell(chunk(2, 0)), [progress(CHUNK)], 'a duplicate is harmless');
  assert.equal(await bench.tell({ ...chunk(2, CHUNK), id: 'ab'.repeat(16) }), []);
  assert.equal(await bench.tell(chunk(1, CHUNK), offerOf(1)), [], 'a leader of before');
  assert.equal(await bench.tell(chunk(3, CHUNK)), [progress(2 * CHUNK)]);
  assert.equal(await bench.tell(offerOf(2), chunk(2, 2 * CHUNK)), []);
  assert.equal(bench.heard, [2, 2, 2, 2, 2, 2, 2, 3]);
  await bench.tell(...chunks(3, 2 * CHUNK).slice(0, 10));
  const answers = await bench.tell(...chunks(3, 12 * CHUNK));
  assert.equal(answers.at(-2), progress(bytes.length));
  assert.equal(codes(answers), ['true ']);
  assert.is(bench.installs.length, 1);
  assert.equal(codes(await bench.tell(offerOf(3))), ['true ']);
  assert.is(bench.installs.length, 1, 'and is not installed again');
});

test('a newer snapshot of the leader replaces the one that is coming in', async () => {
  const bench = new Bench();
  const other = { id: 'cd'.repeat(16), index: 120 };
  await bench.tell(offerOf(2), chunk(2, 0));
  assert.equal(await bench.tell(offerOf(2, other)), [{ kind: 'progress', id: other.id, offset: 0 }]);
  assert.equal(await bench.tell(chunk(2, CHUNK)), []);
  assert.equal(await bench.tell(offerOf(1)), [], 'not by an older leader');
});

test('what is no longer needed is given up in the middle', async () => {
  const bench = new Bench();
  await bench.tell(offerOf(2), chunk(2, 0));
  bench.committedIndex = 100;
  assert.equal(codes(await bench.tell(chunk(2, CHUNK), chunk(2, 2 * CHUNK))), ['false SNAPSHOT_NOT_NEEDED']);
  bench.committedIndex = 0;
  assert.equal(await bench.tell(offerOf(2)), [progress(0)], 'nothing is left of it');
});

test('what the installation did not want may be offered again', async () => {
  const bench = new Bench();
  bench.wanted = false;
  assert.equal(codes(await bench.tell(offerOf(2), ...chunks(2).slice(0, 12))), []);
  assert.equal(codes(await bench.tell(...chunks(2, 12 * CHUNK))), ['false SNAPSHOT_NOT_NEEDED']);
  bench.wanted = true;
  assert.equal(codes(await bench.tell(offerOf(2))), ['true ']);
  assert.is(bench.installs.length, 2);
});

test('what the store refuses is refused again without asking it', async () => {
  const bench = new Bench(1 << 20);
  assert.equal(codes(await bench.tell(offerOf(2))), ['false SNAPSHOT_REFUSED']);
  assert.equal(codes(await bench.tell(offerOf(2))), ['false SNAPSHOT_REFUSED']);
  assert.equal(bench.fatal, []);
  const damaged = new Bench();
  const last = chunks(2).at(-1) as SnapshotMessage & { data: Uint8Array };
  const changed = { ...last, data: Uint8Array.from(last.data, (byte) => byte ^ 1) } as SnapshotMessage;
  await damaged.tell(offerOf(2), ...chunks(2).slice(0, 12));
  await damaged.tell(...chunks(2, 12 * CHUNK).slice(0, -1));
  assert.equal(codes(await damaged.tell(changed)), ['false SNAPSHOT_CORRUPTED']);
  assert.equal(codes(await damaged.tell(offerOf(2))), ['false SNAPSHOT_CORRUPTED']);
  assert.equal(damaged.fatal, []);
  assert.is(damaged.installs.length, 0);
});

test('any other error of the store is fatal, once', async () => {
  const bench = new Bench();
  const failure = new Error('EIO');
  bench.disk.failNextWrite(failure);
  assert.equal(await bench.tell(offerOf(2), chunk(2, 0)), []);
  assert.equal(bench.fatal, [failure]);
  assert.equal(await bench.tell(offerOf(2)), []);
  assert.is(bench.fatal.length, 1);
  await bench.receiver.stop();
});

test('what waits for a slow disk is bounded: the rest is dropped', async () => {
  const bench = new Bench();
  bench.disk.stall();
  assert.equal(await bench.tell(offerOf(2), ...chunks(2)), []);
  bench.disk.release();
  const answers = await bench.tell();
  const reached = 15 * CHUNK;
  assert.equal(answers.at(-1), progress(reached), 'sixteen chunks are four megabytes, and the offer takes some of it');
  assert.equal(await bench.tell(offerOf(2)), [progress(reached)]);
});

test('after stop nothing is taken in', async () => {
  const bench = new Bench();
  bench.receiver.onMessage('n1', offerOf(2));
  await bench.receiver.stop();
  assert.equal(await bench.tell(offerOf(2)), []);
  assert.equal(bench.fatal, []);
});

test.run();
