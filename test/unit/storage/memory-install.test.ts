import {
  type InstallableLog,
  MemoryDisk,
  MemoryLogStore,
  MemorySnapshotStore,
  MemoryStateStore,
  prepareMemoryInstall,
  type SnapshotReader,
} from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeEntries, makeEntry } from './harness.ts';
import { factsAt, type Pair } from './snapshot-support.ts';
import { loadAll, makeWrite } from './state-store-suite.ts';

/* The two steps of an installation on a simulated disk. */

const test = suite('memory installation');
const NEW: Pair[] = [
  ['a', 'new'],
  ['c', 'new'],
];

interface Node {
  readonly disk: MemoryDisk;
  readonly log: MemoryLogStore;
  readonly state: MemoryStateStore;
  readonly reader: SnapshotReader;
  /** Writes of the disk that changed something. */
  readonly writes: () => number;
}

/** A node at entry 5 of 10, and beside it a snapshot at entry 20. */
async function makeNode(): Promise<Node> {
  const maker = new MemoryDisk();
  const made = new MemoryStateStore(maker);
  await made.open();
  await made.write(makeWrite(20, 2, NEW));
  const snapshots = new MemorySnapshotStore(maker);
  const { id } = await snapshots.create(made, factsAt(20, 2));
  let writes = 0;
  const disk = new (class extends MemoryDisk {
    override write(action: string, steps: readonly (() => void)[]): Promise<void> {
      writes += 1;
      return super.write(action, steps);
    }
  })();
  const log = new MemoryLogStore(disk);
  await log.open();
  await log.append({ entries: makeEntries(1, 10, 1), hardState: null });
  const state = new MemoryStateStore(disk);
  await state.open();
  await state.write(makeWrite(5, 1, [['a', 'old']]));
  return { disk, log, state, reader: await snapshots.open(id), writes: () => writes };
}

async function found(disk: MemoryDisk): Promise<unknown> {
  const log = new MemoryLogStore(disk);
  const { compactedIndex, entries } = await log.open();
  assert.equal(log.doubts, []);
  const state = new MemoryStateStore(disk);
  const { appliedIndex } = await state.open();
  return { compactedIndex, entries: entries.length, appliedIndex, records: await loadAll(state) };
}

const OLD_FOUND = { compactedIndex: 0, entries: 10, appliedIndex: 5, records: [['a', 'old']] };
const NEW_FOUND = { compactedIndex: 20, entries: 0, appliedIndex: 20, records: NEW };

test('log and state go on while it is prepared; the commit is one write, and the log follows', async () => {
  const { disk, log, state, reader, writes } = await makeNode();
  const before = writes();
  const prepared = await prepareMemoryInstall(disk, reader, { clusterId: 'cluster one' });
  assert.is(writes(), before, 'nothing is written');
  await log.append({ entries: [makeEntry(11, 1)], hardState: null });
  await state.write(makeWrite(6, 1, []));
  let inCommit = 0;
  const watched: InstallableLog = {
    compactedIndex: log.compactedIndex,
    compact: async (index, term) => {
      inCommit = writes() - before - 2;
      await log.compact(index, term);
    },
  };
  await prepared.commit(watched);
  assert.is(inCommit, 1);
  await assert.rejects(state.write(makeWrite(7, 1, [])), /a snapshot was installed in its place/);
  await log.append({ entries: [makeEntry(21, 2)], hardState: null });
  await assert.rejects(prepared.commit(log), /committed or abandoned once/);
  await assert.rejects(prepared.abandon(), /committed or abandoned once/);
  disk.crash();
  assert.equal(await found(disk), { ...NEW_FOUND, entries: 1 });
});

test('abandoned, it leaves nothing', async () => {
  const { disk, log, state, reader } = await makeNode();
  const prepared = await prepareMemoryInstall(disk, reader);
  await prepared.abandon();
  await assert.rejects(prepared.commit(log), /committed or abandoned once/);
  await state.write(makeWrite(5, 1, []));
  assert.equal(await found(disk), OLD_FOUND);
});

test('a crash before, in and after the commit leaves the old or the new, whole', async () => {
  for (const [at, torn, expected] of [
    ['create the fresh database', 0, OLD_FOUND],
    ['replace the pointer', 0, OLD_FOUND],
    ['in the write', 0, OLD_FOUND],
    ['in the write', 1, NEW_FOUND],
    ['bring the log to the snapshot', 0, NEW_FOUND],
  ] as const) {
    const { disk, log, reader } = await makeNode();
    const install = async (): Promise<void> => {
      const onStep = (step: string): void => {
        if (step === at) disk.crash();
      };
      const prepared = await prepareMemoryInstall(disk, reader, { onStep });
      if (at === 'in the write') disk.stall();
      const committed = prepared.commit(log);
      if (at === 'in the write') {
        while (disk.writesInFlight === 0) await Promise.resolve();
        disk.crash({ torn });
      }
      await committed;
    };
    await assert.rejects(install(), 'CRASHED');
    assert.equal(await found(disk), expected, at);
  }
});

test('what was damaged or reported in the old state is gone with it', async () => {
  const { disk, log, reader } = await makeNode();
  disk.corruptState(Buffer.from('a'));
  disk.corruptState('position');
  disk.reportDamage('state');
  await (await prepareMemoryInstall(disk, reader)).commit(log);
  assert.equal(await found(disk), NEW_FOUND);
  const state = new MemoryStateStore(disk);
  await state.open();
  assert.equal(state.doubts, []);
});

test('refused: another cluster, a full disk, a log that is ahead, a damaged snapshot', async () => {
  const { disk, log, reader } = await makeNode();
  await assert.rejects(prepareMemoryInstall(disk, reader, { clusterId: 'cluster two' }), 'DIRECTORY_OTHER_CLUSTER');
  disk.fill();
  await assert.rejects(prepareMemoryInstall(disk, reader), /no space left/);
  disk.makeRoom();
  const prepared = await prepareMemoryInstall(disk, reader);
  await log.append({ entries: makeEntries(11, 15, 1), hardState: null });
  await log.compact(21, 1);
  await assert.rejects(prepared.commit(log), 'INVARIANT_BROKEN');
});

test('a snapshot that is damaged is refused before anything is changed', async () => {
  const { disk, state, writes } = await makeNode();
  await state.write(makeWrite(5, 1, [['a', 'x'.repeat(5_000)]]));
  const snapshots = new MemorySnapshotStore(disk);
  const { id } = await snapshots.create(state, factsAt(5, 1));
  disk.corruptSnapshot(id);
  const reader = await snapshots.open(id);
  const before = writes();
  await assert.rejects(prepareMemoryInstall(disk, reader), 'SNAPSHOT_CORRUPTED');
  assert.is(writes(), before);
  await state.write(makeWrite(6, 1, []));
});

test.run();
