import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { State, takeCheckpoint } from '@quorate/broker';
import { type Entry, EntryType } from '@quorate/consensus';
import { recover, type Stores } from '@quorate/node/runtime';
import {
  type LogStore,
  MemoryDisk,
  MemoryLogStore,
  MemoryStateStore,
  openDataDirectory,
  type StateStore,
} from '@quorate/storage';
import { recoverDirectory } from '../../../../packages/node/src/runtime/doubts.ts';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('recovery');

const MEMBERS = { voters: ['n1', 'n2', 'n3'], learners: [], outgoing: [] };

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

async function writeState(stateStore: StateStore, index: number, term: number): Promise<void> {
  const { puts, deletes } = takeCheckpoint(stateAt(index, term));
  await stateStore.write({ position: { appliedIndex: index, appliedTerm: term }, puts, deletes });
}

function onDisk(disk: MemoryDisk): Stores {
  return { stateStore: () => new MemoryStateStore(disk), logStore: () => new MemoryLogStore(disk) };
}

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
  const { initial, state, lastStampMs } = await recover(onDisk(new MemoryDisk()), MEMBERS);
  assert.is(initial.appliedIndex, 0);
  assert.equal(initial.entries, []);
  assert.equal(initial.configuration, MEMBERS);
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
  const { initial, state, lastStampMs } = await recover(onDisk(disk), MEMBERS);
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
  const { initial, state } = await recover(onDisk(crashed), MEMBERS);
  assert.equal([initial.snapshotIndex, initial.appliedIndex, initial.entries.length], [0, 2, 3]);
  assert.is(state.appliedIndex, 2);
});

test('a state beyond the end of the log, before its beginning or of another term is refused', async () => {
  const beyond = await diskAfter(async ({ log, stateStore }) => {
    await log.append({ entries: [entry(1)], hardState: { term: 1, vote: null } });
    await writeState(stateStore, 5, 1);
  });
  await assert.rejects(recover(onDisk(beyond), MEMBERS), /stands at entry 5, but the log ends at entry 1/);
  const before = await diskAfter(async ({ log, stateStore }) => {
    await log.append({ entries: [entry(1), entry(2), entry(3)], hardState: { term: 1, vote: null } });
    await writeState(stateStore, 1, 1);
    await log.compact(2, 1);
  });
  await assert.rejects(recover(onDisk(before), MEMBERS), /stands at entry 1, but the log begins after entry 2/);
  const other = await diskAfter(async ({ log, stateStore }) => {
    await log.append({ entries: [entry(1), entry(2, 4)], hardState: { term: 4, vote: null } });
    await writeState(stateStore, 2, 3);
  });
  await assert.rejects(recover(onDisk(other), MEMBERS), 'DATA_DOUBTFUL');
});

test('doubts of a store are a refusal, remembered before anything else', async () => {
  const remembered: string[] = [];
  const lying = await diskAfter(async ({ disk, log }) => {
    await log.append({ entries: [entry(1)], hardState: { term: 1, vote: null } });
    // A disk that lies: the next start of the log finds less than was durable.
    disk.loseNextWrite();
    await log.append({ entries: [entry(2)], hardState: null });
    await log.close();
  });
  await assert.rejects(
    recover(onDisk(lying), MEMBERS, async (reason) => {
      remembered.push(reason);
    }),
    'DATA_DOUBTFUL',
  );
  assert.match(remembered.join(), /ends at 1, but was durable through 2/);
});

test('a data directory: what was written is found, a doubt is refused for good', async () => {
  const path = await mkdtemp(join(tmpdir(), 'quorate-recovery-'));
  const open = () => openDataDirectory({ path, nodeId: 'n1', clusterMembers: 'n1,n2,n3' });
  try {
    let directory = await open();
    let recovered = await recoverDirectory(directory, MEMBERS);
    await recovered.log.append({ entries: [entry(1), entry(2)], hardState: { term: 1, vote: 'n1' } });
    await writeState(recovered.stateStore, 2, 1);
    await recovered.log.close();
    await recovered.stateStore.close();
    assert.is(directory.clusterId, null);
    await directory.close();

    directory = await open();
    recovered = await recoverDirectory(directory, MEMBERS);
    assert.equal([recovered.initial.appliedIndex, recovered.initial.entries.length], [2, 2]);
    assert.is(directory.clusterId, 'the-cluster', 'the identity catches up with the state');
    await writeState(recovered.stateStore, 7, 1);
    await recovered.log.close();
    await recovered.stateStore.close();
    await directory.close();

    for (let start = 1; start <= 3; start++) {
      directory = await open();
      await assert.rejects(recoverDirectory(directory, MEMBERS), 'DATA_DOUBTFUL');
      await directory.close();
    }
  } finally {
    await rm(path, { recursive: true, force: true });
  }
});

test.run();
