import type { SnapshotMessage } from '@quorate/protocol';
import { type SnapshotInfo, type SnapshotReader, StorageError } from '@quorate/storage';
import { SnapshotSender } from '../../../../packages/node/src/snapshot/index.ts';
import { assert, suite } from '../../../support/suite.ts';
import { CLUSTER, type Report, silent, VirtualTime } from './support.ts';

const test = suite('snapshot sender');

const SIZE = 600_000;
const CHUNK = 256 << 10;

function infoAt(index: number, id: number): SnapshotInfo {
  const name = id.toString(16).padStart(32, '0');
  const configuration = new Uint8Array(3);
  return {
    id: name,
    index,
    term: 4,
    stampMs: 1,
    configuration,
    clusterId: CLUSTER,
    machineVersion: 1,
    sizeBytes: SIZE,
  };
}

/** A sender over a store whose dumps end when the test says so. */
class Bench {
  readonly time = new VirtualTime(1);
  readonly sent: { readonly to: string; readonly message: SnapshotMessage }[] = [];
  readonly reports: Report[] = [];
  readonly fatal: unknown[] = [];
  readonly dumps: { readonly minIndex: number; readonly end: (info: SnapshotInfo | null) => void }[] = [];
  stored: SnapshotInfo | null = null;
  open = 0;
  takes = true;
  failure: Error | null = null;
  readonly sender: SnapshotSender;

  constructor() {
    this.sender = new SnapshotSender({
      store: { newest: async () => this.stored, open: async (id) => this.#open(id) },
      dump: async (minIndex) =>
        await new Promise((resolve) => {
          const end = (info: SnapshotInfo | null) => {
            if (info !== null) this.stored = info;
            resolve(info);
          };
          this.dumps.push({ minIndex, end });
        }),
      send: (to, message) => {
        if (this.takes) this.sent.push({ to, message });
        return this.takes;
      },
      nowMs: () => this.time.nowMs,
      onSent: (peer, index, term, ok) => this.reports.push({ peer, index, term, ok }),
      onFatal: (error) => this.fatal.push(error),
      logger: silent,
    });
    this.time.every(50, () => this.sender.tick(this.time.nowMs));
  }

  /** What was sent since the last call: offers and offsets of chunks. */
  taken(): string[] {
    return this.sent
      .splice(0)
      .map(({ to, message }) =>
        message.kind === 'chunk'
          ? `${to} ${message.offset}`
          : `${to} ${message.kind}${message.kind === 'offer' ? ` ${message.index} term ${message.term}` : ''}`,
      );
  }

  progress(peer: string, offset: number, id = this.stored?.id ?? ''): void {
    this.sender.onMessage(peer, { kind: 'progress', id, offset });
  }

  result(peer: string, code = ''): void {
    this.sender.onMessage(peer, { kind: 'result', id: this.stored?.id ?? '', ok: code === '', code, reason: code });
  }

  #open(id: string): SnapshotReader {
    const info = this.stored;
    if (info?.id !== id) throw new StorageError('SNAPSHOT_NOT_FOUND', { id, path: 'memory' });
    this.open += 1;
    const never = async (): Promise<never> => {
      throw new Error('not used');
    };
    return {
      info,
      verify: never,
      forEach: never,
      read: async (offset, maxBytes) => {
        if (this.failure !== null) throw this.failure;
        return new Uint8Array(Math.min(maxBytes, SIZE - offset));
      },
      close: async () => {
        this.open -= 1;
      },
    };
  }
}

test('offers every 500 ms, then sends from where the receiver stands, then waits for the result', async () => {
  const bench = new Bench();
  const { time, sender } = bench;
  bench.stored = infoAt(50, 1);
  sender.request('n2', 40, 7);
  await time.pass(1_060);
  assert.equal(bench.taken(), ['n2 offer 50 term 7', 'n2 offer 50 term 7', 'n2 offer 50 term 7']);
  sender.request('n2', 50, 8);
  bench.progress('n2', 100, infoAt(50, 9).id);
  bench.progress('n2', SIZE + 1);
  bench.progress('n2', -1);
  bench.progress('n9', 100);
  await time.pass(10);
  assert.equal(bench.taken(), [], 'of another snapshot, out of range, or from somebody else');
  bench.progress('n2', 100);
  await time.pass(900);
  assert.equal(bench.taken(), ['n2 100', `n2 ${100 + CHUNK}`, `n2 ${100 + 2 * CHUNK}`]);
  await time.pass(200);
  assert.equal(bench.taken(), ['n2 offer 50 term 8'], 'after a silence it asks');
  bench.progress('n2', 100);
  await time.pass(10);
  assert.is(bench.taken().length, 3, 'what was lost goes again');
  bench.progress('n2', 100 + CHUNK);
  await time.pass(10);
  assert.equal(bench.taken(), [], 'nothing goes twice without need');
  bench.progress('n2', SIZE);
  bench.result('n2');
  bench.result('n2');
  await time.pass(2_000);
  assert.equal(bench.reports, [{ peer: 'n2', index: 50, term: 4, ok: true }]);
  assert.equal(bench.taken(), []);
  assert.is(bench.open, 0);
});

test('after a lost connection it asks at once, and sends again what was on its way', async () => {
  const bench = new Bench();
  const { time, sender } = bench;
  bench.stored = infoAt(50, 1);
  sender.request('n2', 40, 7);
  await time.pass(5);
  bench.progress('n2', 0);
  await time.pass(5);
  assert.equal(bench.taken(), ['n2 offer 50 term 7', 'n2 0', `n2 ${CHUNK}`, `n2 ${2 * CHUNK}`]);
  sender.peerLost('n2');
  await time.pass(60);
  assert.equal(bench.taken(), ['n2 offer 50 term 7']);
  bench.progress('n2', CHUNK);
  await time.pass(5);
  assert.equal(bench.taken(), [`n2 ${CHUNK}`, `n2 ${2 * CHUNK}`]);
  await sender.stop();
});

test('what is not taken is tried again at the next tick', async () => {
  const bench = new Bench();
  bench.stored = infoAt(50, 1);
  bench.takes = false;
  bench.sender.request('n2', 40, 7);
  await bench.time.pass(120);
  bench.takes = true;
  await bench.time.pass(60);
  assert.equal(bench.taken(), ['n2 offer 50 term 7']);
  bench.takes = false;
  bench.progress('n2', 0);
  await bench.time.pass(20);
  bench.takes = true;
  await bench.time.pass(60);
  assert.equal(bench.taken(), ['n2 0', `n2 ${CHUNK}`, `n2 ${2 * CHUNK}`]);
});

test('peers that ask at once share one dump; who needs more gets another', async () => {
  const bench = new Bench();
  const { time, sender, dumps } = bench;
  bench.stored = infoAt(30, 1);
  sender.request('n2', 40, 7);
  sender.request('n3', 35, 7);
  sender.request('n4', 60, 7);
  await time.pass(5);
  assert.equal(
    dumps.map(({ minIndex }) => minIndex),
    [40],
  );
  dumps[0]?.end(infoAt(45, 2));
  await time.pass(5);
  assert.equal(
    dumps.map(({ minIndex }) => minIndex),
    [40, 60],
  );
  assert.equal(bench.taken(), ['n2 offer 45 term 7', 'n3 offer 45 term 7']);
  assert.is(sender.oldestIndex, 45);
  dumps[1]?.end(infoAt(60, 3));
  await time.pass(5);
  assert.equal(bench.taken(), ['n4 offer 60 term 7']);
  sender.stepDown();
  assert.is(sender.oldestIndex, null);
  await sender.stop();
  assert.is(bench.open, 0);
  assert.equal(bench.reports, []);
});

test('a need that grows while a dump is made, and one that no snapshot reaches', async () => {
  const bench = new Bench();
  const { time, sender, dumps } = bench;
  sender.request('n2', 40, 7);
  await time.pass(5);
  sender.request('n2', 55, 7);
  dumps[0]?.end(infoAt(45, 2));
  await time.pass(5);
  assert.equal(
    dumps.map(({ minIndex }) => minIndex),
    [40, 55],
  );
  assert.is(bench.open, 0);
  dumps[1]?.end(null);
  await time.pass(5);
  assert.equal(bench.reports, [{ peer: 'n2', index: 0, term: 0, ok: false }]);
  sender.request('n2', 55, 7);
  await time.pass(900);
  assert.is(dumps.length, 2, 'it waits a second after a failure');
  await time.pass(200);
  assert.is(dumps.length, 3);
  dumps[2]?.end(infoAt(70, 3));
  await time.pass(5);
  bench.result('n2', 'SNAPSHOT_TOO_NEW');
  assert.is(bench.reports.length, 2);
  sender.request('n2', 55, 7);
  await time.pass(1_900);
  assert.equal(bench.taken(), ['n2 offer 70 term 7']);
  await time.pass(200);
  assert.equal(bench.taken(), ['n2 offer 70 term 7'], 'and two seconds after the next');
});

test('a need beyond the stream under way ends it with its own report', async () => {
  const bench = new Bench();
  const { time, sender } = bench;
  const old = infoAt(50, 1);
  bench.stored = old;
  sender.request('n2', 40, 7);
  await time.pass(5);
  bench.stored = infoAt(80, 2);
  sender.request('n2', 60, 7);
  assert.equal(bench.reports, [{ peer: 'n2', index: 50, term: 4, ok: false }]);
  await time.pass(5);
  bench.taken();
  sender.onMessage('n2', { kind: 'result', id: old.id, ok: true, code: '', reason: '' });
  bench.progress('n2', 0, old.id);
  assert.is(bench.reports.length, 1, 'what concerns the older stream is ignored');
  bench.progress('n2', SIZE);
  bench.result('n2');
  await time.pass(5);
  assert.equal(bench.reports[1], { peer: 'n2', index: 80, term: 4, ok: true });
  assert.equal(bench.taken(), []);
  assert.is(bench.open, 0);
});

test('an error of the store is fatal once, and nothing is reported after it; damage is not', async () => {
  const bench = new Bench();
  const { time, sender } = bench;
  bench.stored = infoAt(50, 1);
  bench.failure = new StorageError('SNAPSHOT_CORRUPTED', { path: 'memory', reason: 'a test' });
  sender.request('n2', 40, 7);
  await time.pass(5);
  bench.progress('n2', 0);
  await time.pass(5);
  assert.equal(bench.fatal, []);
  assert.equal(bench.reports, [{ peer: 'n2', index: 50, term: 4, ok: false }]);
  sender.request('n3', 40, 7);
  await time.pass(5);
  assert.is(bench.dumps.length, 1, 'another one is made');
  bench.dumps[0]?.end(infoAt(50, 2));
  await time.pass(5);
  bench.failure = new Error('EIO');
  bench.progress('n3', 0);
  await time.pass(5);
  assert.equal(bench.fatal, [bench.failure]);
  sender.request('n2', 40, 7);
  await time.pass(40_000);
  assert.is(bench.reports.length, 1);
  assert.is(bench.fatal.length, 1);
  assert.is(bench.open, 0);
});

test.run();
