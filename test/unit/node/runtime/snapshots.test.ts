import { CheckpointTaker, State, takeCheckpoint } from '@quorate/broker';
import { type Configuration, encodeConfiguration } from '@quorate/consensus';
import { memoryStores, type Stores } from '@quorate/node/runtime';
import { MemoryDisk, MemoryLogStore, MemoryStateStore } from '@quorate/storage';
import { Checkpointer } from '../../../../packages/node/src/runtime/checkpointer.ts';
import { Snapshots, type SnapshotsOptions } from '../../../../packages/node/src/runtime/snapshots.ts';
import { CONFIGURATION_KEY } from '../../../../packages/node/src/runtime/stored-configuration.ts';
import { assert, suite } from '../../../support/suite.ts';
import { settle } from '../raft/support.ts';

/* Snapshots between two nodes, each with its stores and a driver that does what the test says. */

const test = suite('snapshots of a node');

type Installation = Parameters<SnapshotsOptions['driver']['install']>[0];

const MEMBERS: Configuration = { voters: ['a', 'b'], learners: [], outgoing: [] };
const INDEX = 50;

class Side {
  readonly id: string;
  readonly disk: MemoryDisk;
  readonly stores: Stores;
  readonly store: MemoryStateStore;
  readonly log: MemoryLogStore;
  readonly snapshots: Snapshots;
  readonly checkpointer: Checkpointer;
  readonly fatal: unknown[] = [];
  readonly sent: [peer: string, index: number, term: number, ok: boolean][] = [];
  readonly compacted: number[] = [];
  readonly restored: [state: State, clusterId: string][] = [];
  /** Snapshots up to here are of no use. */
  commitIndex = 0;
  installation: Installation | null = null;
  clusterId: string | null = 'c';
  appliedIndex = INDEX;
  onRestore: () => void = () => {};
  nowMs = 0;
  /** Messages on their way to the other side. */
  outbox: Buffer[] = [];

  private constructor(id: string, disk: MemoryDisk, store: MemoryStateStore, log: MemoryLogStore, index: number) {
    const stores = memoryStores(disk);
    this.id = id;
    this.disk = disk;
    this.store = store;
    this.stores = stores;
    this.log = log;
    const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const onFatal = (error: unknown): void => void this.fatal.push(error);
    this.checkpointer = new Checkpointer(
      {
        log,
        snapshots: stores.snapshots.store,
        nowMs: () => this.nowMs,
        defer: (task) => queueMicrotask(task),
        compactEntries: 1,
        compact: (to) => this.compacted.push(to),
        onWritten: () => {},
        onSum: () => {},
        onFatal,
      },
      store,
      { index, term: 2, stampMs: 500, configuration: MEMBERS },
      0,
    );
    this.snapshots = new Snapshots({
      home: stores.snapshots,
      log,
      driver: {
        acceptsSnapshot: (to) => to > this.commitIndex,
        install: (installation) => {
          this.installation = installation;
        },
        snapshotReceiving: () => {},
        snapshotSent: (...report) => this.sent.push(report),
        status: () => ({ term: 3 }) as ReturnType<SnapshotsOptions['driver']['status']>,
      },
      checkpointer: this.checkpointer,
      clusterId: () => this.clusterId,
      appliedIndex: () => this.appliedIndex,
      nowMs: () => this.nowMs,
      turn: () => settle(),
      send: (_to, payload) => {
        this.outbox.push(Array.isArray(payload) ? Buffer.concat(payload) : Buffer.from(payload as Uint8Array));
        return true;
      },
      restore: (state, clusterId) => {
        this.restored.push([state, clusterId]);
        this.onRestore();
      },
      logger: silent,
      onFatal,
    });
  }

  /** With the state at `index`, or with none. */
  static async make(id: string, index = 0, extra: readonly (readonly [Uint8Array, Uint8Array])[] = []): Promise<Side> {
    const disk = new MemoryDisk();
    const store = new MemoryStateStore(disk);
    await store.open();
    const log = new MemoryLogStore(disk);
    await log.open();
    if (index > 0) {
      const state = new State();
      Object.assign(state, { appliedIndex: index, appliedTerm: 2, nowMs: 500, clusterId: 'c' });
      const { puts, deletes } = takeCheckpoint(state);
      puts.push([CONFIGURATION_KEY, encodeConfiguration(MEMBERS)], ...extra);
      await store.write({ position: { appliedIndex: index, appliedTerm: 2 }, puts, deletes });
    }
    return new Side(id, disk, store, log, index);
  }
}

/** Lets messages pass until nothing moves. */
async function exchange(a: Side, b: Side): Promise<void> {
  for (let idle = 0; idle < 5; ) {
    const moved = a.outbox.length + b.outbox.length;
    for (const message of a.outbox.splice(0)) b.snapshots.onMessage('a', message);
    for (const message of b.outbox.splice(0)) a.snapshots.onMessage('b', message);
    await settle();
    idle = moved === 0 ? idle + 1 : 0;
  }
}

/** A snapshot of `a` has come into `b`, whose driver is asked to install it. */
async function offered(a: Side, b: Side): Promise<Installation> {
  a.snapshots.request({ peer: 'b', minIndex: 1 });
  await exchange(a, b);
  assert.ok(b.installation, 'the driver is asked to install it');
  return b.installation;
}

async function pair(): Promise<{ a: Side; b: Side; installation: Installation }> {
  const [a, b] = [await Side.make('a', INDEX), await Side.make('b')];
  return { a, b, installation: await offered(a, b) };
}

test('a snapshot is made, sent and prepared; the state and the log change only with the commit', async () => {
  const { a, b, installation } = await pair();
  assert.is(a.snapshots.oldestIndex, INDEX, 'the log is kept behind it');
  assert.equal([a.sent, b.restored, b.log.compactedIndex], [[], [], 0]);
  const { facts } = installation;
  assert.equal(facts, {
    ...{ index: INDEX, term: 2, stampMs: 500, configuration: MEMBERS },
    ...{ from: 'a', leaderTerm: 3 },
  });
  assert.ok(await installation.commit());
  assert.equal([b.log.compactedIndex, b.restored], [INDEX, []], 'on disk; the broker hears in the turn of the core');
  installation.done(true);
  const [state, clusterId] = b.restored[0] ?? [];
  assert.equal([state?.appliedIndex, state?.appliedTerm, clusterId], [INDEX, 2, 'c']);
  await exchange(a, b);
  assert.equal(a.sent, [['b', INDEX, 2, true]]);
  assert.is(a.snapshots.oldestIndex, null);
});

test('checkpoints go on from it: the next ones are written to the new store, and counted from there', async () => {
  const { b, installation } = await pair();
  await installation.commit();
  installation.done(true);
  const state = new State();
  Object.assign(state, { appliedIndex: INDEX + 1, appliedTerm: 3, nowMs: 600, clusterId: 'c' });
  const facts = { index: INDEX + 1, term: 3, stampMs: 600, configuration: MEMBERS };
  b.checkpointer.add(() => new CheckpointTaker(state), facts, INDEX, 0);
  for (let at = 0; at < 5; at++) await settle();
  await b.checkpointer.stop();
  const store = new MemoryStateStore(b.disk);
  assert.equal(await store.open(), { appliedIndex: INDEX + 1, appliedTerm: 3 });
  // The log begins there: there is nothing to let go up to the snapshot.
  assert.equal([b.fatal, b.compacted], [[], []]);
});

test('one that the core does not want any more at the commit changes nothing', async () => {
  const { a, b, installation } = await pair();
  // The log brought it further meanwhile.
  b.commitIndex = INDEX;
  assert.is(await installation.commit(), false);
  installation.done(false);
  await exchange(a, b);
  assert.equal([b.log.compactedIndex, b.restored, b.fatal], [0, [], []]);
  // It has all that the snapshot stands for: that is all the leader has to know.
  assert.equal(a.sent, [['b', INDEX, 2, true]]);
  await b.snapshots.stop();
});

test('a peer that has everything already is no failure, or it would be sent again and again', async () => {
  const [a, b] = [await Side.make('a', INDEX), await Side.make('b')];
  b.commitIndex = INDEX;
  a.snapshots.request({ peer: 'b', minIndex: 1 });
  await exchange(a, b);
  assert.is(b.installation, null);
  assert.equal(a.sent, [['b', INDEX, 2, true]]);
});

test('records that make no state are found before anything is changed', async () => {
  const [a, b] = [
    await Side.make('a', INDEX, [[Buffer.from([250, 1]), Buffer.from('nonsense')]]),
    await Side.make('b'),
  ];
  a.snapshots.request({ peer: 'b', minIndex: 1 });
  await exchange(a, b);
  assert.is(b.installation, null);
  assert.is(b.fatal.length, 1);
  assert.equal([b.log.compactedIndex, b.restored], [0, []]);
});

test('a broker that does not take the state is fatal', async () => {
  const { b, installation } = await pair();
  await installation.commit();
  b.onRestore = () => {
    throw new Error('an invariant is broken');
  };
  installation.done(true);
  assert.match(String(b.fatal[0]), /an invariant is broken/);
});

test('a stop gives up an installation that the driver has not begun, and one that comes behind it', async () => {
  const { b } = await pair();
  await b.snapshots.stop();
  assert.equal([b.restored, b.fatal, b.log.compactedIndex], [[], [], 0]);
});

test('a stop behind the commit leaves the snapshot on the disk', async () => {
  const { b, installation } = await pair();
  assert.ok(await installation.commit());
  installation.done(false);
  await b.snapshots.stop();
  assert.equal([b.restored, b.fatal, b.log.compactedIndex], [[], [], INDEX]);
});

test('a snapshot that was received and lies ahead of what is applied here is not passed on', async () => {
  const [a, b] = [await Side.make('a', INDEX), await Side.make('b')];
  a.snapshots.request({ peer: 'b', minIndex: 1 });
  await exchange(a, b);
  // It is there and was not installed: this node can not vouch for it, and has none of its own.
  b.appliedIndex = 10;
  b.snapshots.request({ peer: 'a', minIndex: 5 });
  await exchange(a, b);
  assert.equal(b.sent, [['a', 0, 0, false]]);
});

test('without a name of the cluster none is made', async () => {
  const [a, b] = [await Side.make('a', INDEX), await Side.make('b')];
  a.clusterId = null;
  a.snapshots.request({ peer: 'b', minIndex: 1 });
  await exchange(a, b);
  assert.equal(a.sent, [['b', 0, 0, false]]);
});

test.run();
