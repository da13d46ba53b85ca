import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { State, takeCheckpoint } from '@quorate/broker';
import { type Entry, EntryType, encodeConfiguration } from '@quorate/consensus';
import { loadConfig, type NodeConfig } from '@quorate/node';
import { openDataDirectory, type StateStore } from '@quorate/storage';
import { type NodeData, openData, startAnew } from '../../../packages/node/src/data.ts';
import { createLogger } from '../../../packages/node/src/logging/index.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('data of a node');

let dataDir = '';
const lines: string[] = [];

test.before.each(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'quorate-data-'));
  lines.length = 0;
});

test.after.each(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

function configOf(...members: string[]): NodeConfig {
  const cluster = Object.fromEntries(members.map((id, at) => [id, `127.0.0.1:${String(7001 + at)}`]));
  return loadConfig({ values: { nodeId: 'n1', dataDir, cluster } });
}

async function open(config: NodeConfig): Promise<NodeData> {
  const write = (chunk: Buffer, _encoding: string, done: () => void): void => {
    lines.push(chunk.toString());
    done();
  };
  return await openData(config, createLogger(config, new Writable({ write })));
}

async function close({ recovered, close: closeDirectory }: NodeData): Promise<void> {
  await recovered.log.close();
  await recovered.stateStore.close();
  await closeDirectory();
}

function entry(index: number): Entry {
  return { index, term: 1, type: EntryType.noop, stampMs: index * 10, data: new Uint8Array(0) };
}

async function writeState(stateStore: StateStore, appliedIndex: number): Promise<void> {
  const state = new State();
  Object.assign(state, { appliedIndex, appliedTerm: 1, nowMs: 1, clusterId: 'the-cluster' });
  const { puts, deletes } = takeCheckpoint(state);
  await stateStore.write({ position: { appliedIndex, appliedTerm: 1 }, puts, deletes });
}

const THREE = ['n1', 'n2', 'n3'];

/** A node that has voted, written and applied; with `ahead` its state stands beyond its log, which no crash does. */
async function lived(config: NodeConfig, ahead = false): Promise<NodeData> {
  const data = await open(config);
  await data.recovered.log.append({ entries: [entry(1), entry(2)], hardState: { term: 1, vote: 'n1' } });
  await writeState(data.recovered.stateStore, ahead ? 7 : 2);
  await data.identity.setClusterId('the-cluster');
  await close(data);
  return data;
}

test('what was written is found at the next start, under the same identity', async () => {
  const config = configOf(...THREE);
  const before = await lived(config);
  const founding = encodeConfiguration({ voters: THREE, learners: [], outgoing: [] });
  const data = await open(config);
  assert.is(data.doubt, null);
  const { identity, recovered } = data;
  assert.equal([recovered.initial.appliedIndex, recovered.initial.entries.length], [2, 2]);
  assert.equal(recovered.initial.hardState, { term: 1, vote: 'n1' });
  assert.is(identity.directoryId, before.identity.directoryId);
  assert.ok(identity.incarnation > before.identity.incarnation);
  assert.equal([identity.clusterId, identity.hasSetAside], ['the-cluster', false]);
  await identity.setFounding(founding);
  const next = await identity.nextIncarnation(identity.incarnation + 100);
  assert.is(identity.incarnation, next);
  await close(data);
  const again = await open(config);
  assert.equal(again.recovered.initial.configuration.voters, THREE);
  assert.ok(again.identity.incarnation > next);
  await close(again);
});

test('a directory in doubt is left as it is, and the node gets a stand-in that is another one', async () => {
  const config = configOf(...THREE);
  const before = await lived(config, true);
  let last = before.identity.incarnation;
  const directoryIds = new Set([before.identity.directoryId]);
  // At the second start nothing shows any more in the stores: the mark stays.
  for (let start = 1; start <= 3; start++) {
    const data = await open(config);
    assert.match(data.doubt ?? '', /state stands at entry 7, but the log ends at entry 2/);
    assert.match(lines.at(-1) ?? '', /neither votes nor acknowledges; its data stays where it is/);
    const { identity, recovered } = data;
    assert.equal([recovered.initial.entries, recovered.initial.appliedIndex], [[], 0]);
    assert.equal(recovered.initial.configuration.voters, []);
    assert.equal([identity.clusterId, identity.hasSetAside], ['the-cluster', false]);
    assert.not.ok(directoryIds.has(identity.directoryId), 'it has no votes under its old name');
    directoryIds.add(identity.directoryId);
    assert.ok(identity.incarnation > last);
    last = identity.incarnation;
    // What it does as a stand-in leaves no trace.
    await recovered.log.append({ entries: [entry(1)], hardState: { term: 9, vote: 'n3' } });
    await identity.setFounding(encodeConfiguration({ voters: ['n1'], learners: [], outgoing: [] }));
    await identity.setClusterId('another');
    assert.is(await identity.nextIncarnation(), last + 1);
    await close(data);
  }
  const directory = await openDataDirectory({ path: dataDir, nodeId: 'n1', clusterMembers: THREE.join() });
  assert.is(directory.directoryId, before.identity.directoryId);
  assert.equal([directory.clusterId, directory.founding, directory.setAside], ['the-cluster', null, null]);
  const log = directory.logStore();
  const { hardState, entries } = await log.open();
  assert.equal([hardState, entries.length], [{ term: 1, vote: 'n1' }, 2]);
  const stateStore = directory.stateStore();
  assert.is((await stateStore.open()).appliedIndex, 7);
  await log.close();
  await stateStore.close();
  await directory.close();
});

test('a mark that was set while the node ran counts at the next start', async () => {
  const config = configOf(...THREE);
  await lived(config);
  const data = await open(config);
  await data.identity.doubt('it was found to differ');
  await close(data);
  for (let start = 1; start <= 2; start++) {
    const marked = await open(config);
    assert.match(marked.doubt ?? '', /it was found to differ/);
    await close(marked);
  }
});

test('a node that is alone in its cluster is refused, again and again', async () => {
  const config = configOf('n1');
  await lived(config, true);
  for (let start = 1; start <= 3; start++) await assert.rejects(open(config), 'DATA_DOUBTFUL');
  assert.equal(lines, []);
  // Nothing was left open.
  await (await openDataDirectory({ path: dataDir, nodeId: 'n1', clusterMembers: 'n1' })).close();
});

test('damage that keeps a store from opening is a doubt like any other', async () => {
  const config = configOf(...THREE);
  await lived(config);
  const log = join(dataDir, 'log');
  for (const name of await readdir(log)) if (name.startsWith('MANIFEST')) await writeFile(join(log, name), 'nonsense');
  const data = await open(config);
  assert.ok(data.doubt !== null);
  await close(data);
  await assert.rejects(open(configOf('n1')), 'LOG_CORRUPTED');
});

test('what moving the data away would not mend is refused: another node’s directory, a damaged identity', async () => {
  const config = configOf(...THREE);
  await lived(config);
  await assert.rejects(open({ ...config, nodeId: 'n2' }), 'DIRECTORY_OTHER_NODE');
  const file = join(dataDir, 'identity.json');
  await writeFile(file, (await readFile(file, 'utf8')).replace('n1', 'n9'));
  await assert.rejects(open(config), 'IDENTITY_CORRUPTED');
  const running = configOf(...THREE);
  await rm(dataDir, { recursive: true });
  const data = await open(running);
  await assert.rejects(open(running), 'DIRECTORY_LOCKED');
  await close(data);
});

test('begun anew: the data is aside, under the identity that was let in, and can be dropped later', async () => {
  const config = configOf(...THREE);
  const before = await lived(config, true);
  const standIn = await open(config);
  const { directoryId } = standIn.identity;
  await close(standIn);
  await startAnew(config, 'the cluster took it in anew', directoryId);
  const data = await open(config);
  const { identity, recovered } = data;
  assert.equal([data.doubt, identity.directoryId], [null, directoryId]);
  assert.equal([identity.clusterId, identity.hasSetAside], ['the-cluster', true]);
  assert.ok(identity.incarnation > before.identity.incarnation);
  assert.equal([recovered.initial.entries, recovered.initial.hardState], [[], { term: 0, vote: null }]);
  await identity.dropSetAside();
  assert.not.ok(identity.hasSetAside);
  await close(data);
});

test.run();
