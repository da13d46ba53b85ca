import { State, takeCheckpoint } from '@quorate/broker';
import { type Configuration, type Entry, EntryType, encodeConfiguration } from '@quorate/consensus';
import { memoryStores, recover } from '@quorate/node/runtime';
import {
  type LogStore,
  MemoryDisk,
  MemoryLogStore,
  MemoryStateStore,
  type StateStore,
  StorageError,
} from '@quorate/storage';
import { CONFIGURATION_KEY } from '../../../../packages/node/src/runtime/stored-configuration.ts';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('recovery');

const MEMBERS: Configuration = { voters: ['n1', 'n2', 'n3'], learners: [], outgoing: [] };

function entry(index: number, term = 1): Entry {
  return { index, term, type: EntryType.noop, stampMs: index * 10, data: new Uint8Array(0) };
}

function stateAt(appliedIndex: number, appliedTerm: number): State {
  const state = new State();
  Object.assign(state, { appliedIndex, appliedTerm, nowMs: appliedIndex * 10, clusterId: 'the-cluster' });
  return state;
}

interface Opened {
  readonly disk: MemoryDisk;
  readonly log: LogStore;
  readonly stateStore: StateStore;
}

async function writeState(stateStore: StateStore, index: number, term: number, members?: Configuration): Promise<void> {
  const { puts, deletes } = takeCheckpoint(stateAt(index, term));
  if (members !== undefined) puts.push([CONFIGURATION_KEY, encodeConfiguration(members)]);
  await stateStore.write({ position: { appliedIndex: index, appliedTerm: term }, puts, deletes });
}

const NONE: Configuration = { voters: [], learners: [], outgoing: [] };

/** A memory disk on which a node did what `run` does. */
async function diskAfter(run: (opened: Opened) => Promise<void>): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const log = new MemoryLogStore(disk);
  const stateStore = new MemoryStateStore(disk);
  await log.open();
  await stateStore.open();
  await run({ disk, log, stateStore });
  return disk;
}

test('a new node begins empty', async () => {
  const { initial, state, lastStampMs } = await recover(memoryStores());
  assert.is(initial.appliedIndex, 0);
  assert.equal(initial.entries, []);
  assert.equal(initial.configuration, NONE, 'it is unborn');
  assert.is(state.clusterId, null);
  assert.is(lastStampMs, 0);
});

test('the state of the last checkpoint, and the log behind it', async () => {
  const disk = await diskAfter(async ({ log, stateStore }) => {
    const hardState = { term: 2, vote: 'n2' };
    await log.append({ entries: [entry(1), entry(2), entry(3, 2), entry(4, 2)], hardState });
    await writeState(stateStore, 3, 2);
    await log.compact(2, 1);
  });
  disk.crash();
  const { initial, state, lastStampMs } = await recover(memoryStores(disk));
  assert.equal(initial.hardState, { term: 2, vote: 'n2' });
  assert.equal([initial.snapshotIndex, initial.snapshotTerm, initial.appliedIndex], [2, 1, 3]);
  assert.equal(
    initial.entries.map(({ index }) => index),
    [3, 4],
  );
  assert.equal([state.appliedIndex, state.appliedTerm, state.clusterId], [3, 2, 'the-cluster']);
  assert.is(lastStampMs, 40);
});

test('a crash in the middle of a checkpoint or of a compaction leaves the one before', async () => {
  const crashed = await diskAfter(async ({ disk, log, stateStore }) => {
    await log.append({ entries: [entry(1), entry(2), entry(3)], hardState: { term: 1, vote: null } });
    await writeState(stateStore, 2, 1);
    disk.stall();
    writeState(stateStore, 3, 1).catch(() => {});
    log.compact(2, 1).catch(() => {});
  });
  crashed.crash();
  const { initial, state } = await recover(memoryStores(crashed));
  assert.equal([initial.snapshotIndex, initial.appliedIndex, initial.entries.length], [0, 2, 3]);
  assert.is(state.appliedIndex, 2);
});

test('a state beyond the end of the log, before its beginning or of another term is refused', async () => {
  const beyond = await diskAfter(async ({ log, stateStore }) => {
    await log.append({ entries: [entry(1)], hardState: { term: 1, vote: null } });
    await writeState(stateStore, 5, 1);
  });
  await assert.rejects(recover(memoryStores(beyond)), /stands at entry 5, but the log ends at entry 1/);
  const before = await diskAfter(async ({ log, stateStore }) => {
    await log.append({ entries: [entry(1), entry(2), entry(3)], hardState: { term: 1, vote: null } });
    await writeState(stateStore, 1, 1);
    await log.compact(2, 1);
  });
  await assert.rejects(recover(memoryStores(before)), /stands at entry 1, but the log begins after entry 2/);
  const other = await diskAfter(async ({ log, stateStore }) => {
    await log.append({ entries: [entry(1), entry(2, 4)], hardState: { term: 4, vote: null } });
    await writeState(stateStore, 2, 3);
  });
  await assert.rejects(recover(memoryStores(other)), 'DATA_DOUBTFUL');
});

test('the configuration: of the last checkpoint, else the one that the cluster was founded with', async () => {
  const founding = encodeConfiguration(MEMBERS);
  const never = await recover(memoryStores(new MemoryDisk(), () => null, founding));
  assert.equal([never.initial.configuration, never.stored.configuration], [MEMBERS, MEMBERS]);
  const later = { voters: ['n1', 'n2', 'n4'], learners: ['n5'], outgoing: [] };
  const disk = await diskAfter(async ({ log, stateStore }) => {
    await log.append({ entries: [entry(1), entry(2)], hardState: { term: 1, vote: null } });
    await writeState(stateStore, 1, 1, MEMBERS);
    await writeState(stateStore, 2, 1, later);
  });
  const { initial, stored, state } = await recover(memoryStores(disk, () => null, founding));
  assert.equal(initial.configuration, later);
  assert.equal(stored, { index: 2, term: 1, stampMs: 20, configuration: later });
  assert.is(state.clusterId, 'the-cluster', 'the record is none of the state machine');
  // A node that had no configuration at its checkpoint, and was given the first one later.
  const unborn = await diskAfter(async ({ log, stateStore }) => {
    await log.append({ entries: [entry(1)], hardState: { term: 1, vote: null } });
    await writeState(stateStore, 1, 1, NONE);
  });
  assert.equal((await recover(memoryStores(unborn, () => null, founding))).initial.configuration, MEMBERS);
});

test('doubts of a store are a refusal, and so are those of an earlier time', async () => {
  const lying = await diskAfter(async ({ disk, log }) => {
    await log.append({ entries: [entry(1)], hardState: { term: 1, vote: null } });
    // A disk that lies: the next start of the log finds less than was durable.
    disk.loseNextWrite();
    await log.append({ entries: [entry(2)], hardState: null });
    await log.close();
  });
  // Only at the first look: who keeps the mark is the data directory (see data.test.ts).
  const refusal = await recover(memoryStores(lying)).catch((error: unknown) => error as StorageError);
  assert.instance(refusal, StorageError);
  assert.is((refusal as StorageError).code, 'DATA_DOUBTFUL');
  assert.match((refusal as StorageError).message, /ends at 1, but was durable through 2/);
  const sound = new MemoryDisk();
  const earlier = memoryStores(sound, () => null, null, ['it was found to differ.', 'b', 'c', 'd', 'e']);
  await assert.rejects(recover(earlier), 'DATA_DOUBTFUL');
  await assert.rejects(recover(earlier), /it was found to differ; b; c; and 2 more/);
  // Nothing is left open, and nothing is changed: without the doubts it starts.
  await recover(memoryStores(sound));
});

test('the stamp of an installed snapshot is where an empty log goes on from', async () => {
  const disk = await diskAfter(async ({ log, stateStore }) => {
    await writeState(stateStore, 7, 2);
    await log.compact(7, 2);
  });
  const { initial, lastStampMs } = await recover(memoryStores(disk));
  assert.equal([initial.snapshotIndex, initial.snapshotTerm, initial.snapshotStampMs], [7, 2, 70]);
  assert.is(lastStampMs, 70);
});

test.run();
