import { appendFile, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataDirectory, installSnapshot, type Suspect } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeEntry, makeTemporaryDirectory } from '../../unit/storage/harness.ts';
import { openDirectory } from './install-support.ts';

/* Doubts found at a start are kept over restarts until somebody clears them, and then they stay away. */

const test = suite('suspect mark');
const COUNT = 60;

const withDirectory = (body: (path: string) => Promise<void>) => async (): Promise<void> => {
  const path = await makeTemporaryDirectory();
  try {
    await body(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
};

/** Opens and closes directory and log as a node does. */
async function start(path: string, clear = false): Promise<{ suspect: Suspect | null; doubts: readonly string[] }> {
  const directory = await openDirectory(path);
  const log = directory.logStore();
  await log.open();
  const found = { suspect: directory.suspect, doubts: log.doubts };
  if (clear) await directory.clearSuspect();
  if (clear) assert.is(directory.suspect, null);
  await log.close();
  await directory.close();
  return found;
}

async function fill(path: string): Promise<void> {
  const directory = await openDirectory(path);
  const log = directory.logStore();
  await log.open();
  await log.append({ entries: [], hardState: { term: 1, vote: 'n2' } });
  for (let index = 1; index <= COUNT; index++)
    await log.append({ entries: [makeEntry(index, 1, 1_000)], hardState: null });
  await log.close();
  await fillState(directory, 1);
  await directory.close();
}

async function fillState(directory: DataDirectory, from: number): Promise<void> {
  const state = directory.stateStore();
  await state.open();
  for (let index = from; index < from + COUNT; index++) {
    const puts = [[Buffer.from('key'), Buffer.alloc(1_000, index)]] as const;
    await state.write({ position: { appliedIndex: index, appliedTerm: 1 }, puts, deletes: [] });
  }
  await state.close();
}

/** Damages the newest log file of a database in its middle. */
async function damage(path: string, database: string): Promise<void> {
  const names = (await readdir(join(path, database))).filter((name) => name.endsWith('.log')).sort();
  const file = join(path, database, names.at(-1) as string);
  const handle = await open(file, 'r+');
  await handle.write(Buffer.from([0x5a, 0xa5]), 0, 2, Math.floor((await stat(file)).size * 0.6));
  await handle.close();
}

test(
  'a sound directory is not suspect, and writes no file for it',
  withDirectory(async (path) => {
    await fill(path);
    assert.equal(await start(path, true), { suspect: null, doubts: [] });
    assert.not.ok((await readdir(path)).includes('suspect.json'));
  }),
);

test(
  'log and superblock deleted by hand, before anything was written and after: doubted, as votes may be forgotten',
  withDirectory(async (path) => {
    const remove = async (): Promise<void> => {
      for (const name of ['log', 'superblock-0', 'state-1', 'current.json'])
        await rm(join(path, name), { recursive: true, force: true });
    };
    assert.equal(await start(path), { suspect: null, doubts: [] });
    assert.equal(await start(path), { suspect: null, doubts: [] });
    await remove();
    assert.match((await start(path)).doubts.join(), /superblock-0 is gone, but the log was in use/);
    assert.match((await start(path, true)).suspect?.reasons.join() ?? '', /superblock-0 is gone/);
    assert.equal(await start(path), { suspect: null, doubts: [] });
    await fill(path);
    await remove();
    assert.match((await start(path)).doubts.join(), /superblock-0 is gone/);
  }),
);

test(
  'power that goes at the very first start, behind the making of the superblock: its loss is noticed all the same',
  withDirectory(async (path) => {
    await (await openDirectory(path)).close();
    await writeFile(join(path, 'superblock-0'), Buffer.alloc(8192));
    await fill(path);
    for (const name of ['log', 'superblock-0', 'state']) await rm(join(path, name), { recursive: true });
    assert.match((await start(path)).doubts.join(), /superblock-0 is gone/);
  }),
);

test(
  'the databases deleted by hand beside a superblock: doubted, also when it holds one change only',
  withDirectory(async (path) => {
    for (const changes of [1, 2]) {
      const directory = await openDirectory(path);
      const log = directory.logStore();
      await log.open();
      for (let term = 1; term <= changes; term++) await log.append({ entries: [], hardState: { term, vote: 'n2' } });
      await log.append({ entries: [makeEntry(1, changes)], hardState: null });
      const superblock = await readFile(join(path, 'superblock-0'));
      await log.close();
      await directory.close();
      // As a crash leaves it: without the mark of an orderly end.
      await writeFile(join(path, 'superblock-0'), superblock);
      for (const name of ['log', 'state']) await rm(join(path, name), { recursive: true });
      assert.ok((await start(path)).doubts.length > 0, `${changes} changes`);
      await rm(path, { recursive: true });
    }
  }),
);

test(
  'what was found in the log is kept although the start then fails at the state',
  withDirectory(async (path) => {
    await fill(path);
    // Term and vote go to a table, later entries to a log file that is lost, without a mark that would tell of them.
    const directory = await openDirectory(path);
    const log = directory.logStore();
    await log.open();
    const superblock = await readFile(join(path, 'superblock-0'));
    await log.append({ entries: [makeEntry(COUNT + 1, 1)], hardState: null });
    await log.close();
    await directory.close();
    await writeFile(join(path, 'superblock-0'), superblock);
    for (const name of await readdir(join(path, 'log'))) if (name.endsWith('.log')) await rm(join(path, 'log', name));
    await rename(join(path, 'state'), join(path, 'elsewhere'));
    await writeFile(join(path, 'state'), 'in the way');
    await assert.rejects(openDirectory(path), /./);
    await rm(join(path, 'state'));
    await rename(join(path, 'elsewhere'), join(path, 'state'));
    assert.match((await start(path)).suspect?.reasons.join() ?? 'no doubt', /which is not there/);
  }),
);

test(
  'lost log entries: kept until cleared, with how far the log once went; then gone for good',
  withDirectory(async (path) => {
    await fill(path);
    await damage(path, 'log');
    const first = await start(path);
    assert.ok(first.suspect);
    assert.is(first.suspect.highWaterIndex, COUNT);
    assert.is(first.suspect.since, 5_000);
    assert.is(first.suspect.stateDoubtful, false);
    assert.match(first.suspect.reasons.join('\n'), /dropping \d+ bytes/);
    assert.match(first.suspect.reasons.join('\n'), /was durable through entry 60/);
    // A run later LevelDB's LOG still tells of it; two runs later it does not, and the mark is all there is.
    assert.is((await start(path)).suspect?.highWaterIndex, COUNT);
    const third = await start(path);
    assert.equal(third.doubts, []);
    assert.is(third.suspect?.highWaterIndex, COUNT);
    await start(path, true);
    assert.equal(await start(path), { suspect: null, doubts: [] });
  }),
);

test(
  'what was cleared in the run that found it does not come back; a report behind it does',
  withDirectory(async (path) => {
    await fill(path);
    await damage(path, 'log');
    assert.ok((await start(path, true)).suspect);
    assert.equal(await start(path), { suspect: null, doubts: [] });
    const directory = await openDirectory(path);
    await fillState(directory, COUNT + 1);
    await directory.close();
    await damage(path, 'state');
    assert.ok((await start(path, true)).suspect?.stateDoubtful);
    await appendFile(
      join(path, 'state', 'LOG'),
      '2026/01/01-00:00:00.000001 7f Compaction error: Corruption: bad block\n',
    );
    const again = await start(path);
    assert.is(again.suspect?.reasons.length, 1);
    assert.match(again.suspect?.reasons[0] ?? '', /run before.*bad block/);
  }),
);

test(
  'a doubtful state stays so until a snapshot has replaced it',
  withDirectory(async (path) => {
    await fill(path);
    await damage(path, 'state');
    assert.is((await start(path)).suspect?.stateDoubtful, true);
    const maker = await openDirectory(join(path, 'maker'));
    const made = maker.stateStore();
    await made.open();
    const facts = { index: 0, term: 0, stampMs: 0, configuration: Buffer.of(1), clusterId: 'c' };
    const { id } = await maker.snapshots().create(made, facts);
    await made.close();
    const directory = await openDirectory(path);
    assert.is(directory.suspect?.stateDoubtful, true);
    const reader = await maker.snapshots().open(id);
    await installSnapshot(directory, reader, null);
    assert.is(directory.suspect?.stateDoubtful, false);
    await reader.close();
    await maker.close();
    await directory.close();
    const later = await start(path);
    assert.is(later.suspect?.stateDoubtful, false);
    assert.ok((later.suspect?.reasons.length ?? 0) > 0);
  }),
);

test(
  'a damaged mark is refused, not taken for none',
  withDirectory(async (path) => {
    await fill(path);
    await damage(path, 'log');
    await start(path);
    const file = join(path, 'suspect.json');
    const text = await readFile(file, 'utf8');
    for (const content of ['', text.replace('"highWaterIndex": 60', '"highWaterIndex": 10')]) {
      await writeFile(file, content);
      await assert.rejects(openDirectory(path), 'DIRECTORY_CORRUPTED');
    }
    await writeFile(file, text);
    assert.ok((await start(path)).suspect);
  }),
);

test.run();
