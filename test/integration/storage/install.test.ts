import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installSnapshot, prepareInstall, StorageError } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeEntries, makeTemporaryDirectory } from '../../unit/storage/harness.ts';
import {
  copyDirectory,
  HARD_STATE,
  LOG_CASES,
  type LogCase,
  makeTemplate,
  NEW_INDEX,
  NEW_TERM,
  openDirectory,
  verify,
} from './install-support.ts';

/*
 * A snapshot takes the place of the state and of the log before it. Wherever the process ends, the directory opens wholly
 * before or wholly after, and the installation can be done again.
 */

const test = suite('installation of a snapshot');
const FIRST_CASE = LOG_CASES[0] as LogCase;
let root = '';
const templateOf = (index: number): string => join(root, `template-${index}`);

test.before(
  async () => {
    root = await makeTemporaryDirectory();
    for (const [index, logCase] of LOG_CASES.entries()) await makeTemplate(templateOf(index), logCase);
  },
  { timeoutMs: 60_000 },
);
test.after(async () => await rm(root, { recursive: true, force: true }));

/** Installs the newest snapshot. `onStep` may throw: the process is taken to have ended there. */
async function install(path: string, withLog: boolean, onStep: (step: string) => Promise<void>): Promise<void> {
  const directory = await openDirectory(path);
  const log = withLog ? directory.logStore() : null;
  const newest = await directory.snapshots().newest();
  assert.is(newest?.index, NEW_INDEX);
  const reader = await directory.snapshots().open(newest?.id ?? '');
  try {
    await log?.open();
    await installSnapshot(directory, reader, log, { onStep });
  } finally {
    await reader.close();
    await log?.close();
    await directory.close();
  }
}

for (const [index, logCase] of LOG_CASES.entries()) {
  // Without an open log the next start brings it there: worth showing where the log has to go.
  for (const withLog of index === 2 ? [true, false] : [true]) {
    test(
      `with ${logCase.name}, ${withLog ? 'open' : 'closed'}: stopped before any step, all or nothing`,
      async () => {
        const path = join(root, `stopped-${index}-${withLog}`);
        await copyDirectory(templateOf(index), path);
        const steps: string[] = [];
        const copies: string[] = [];
        await install(path, withLog, async (step) => {
          const copy = `${path}-${steps.length}`;
          await copyDirectory(path, copy);
          steps.push(step);
          copies.push(copy);
        });
        assert.is(await verify(path, logCase), 'after');
        const outcomes: string[] = [];
        for (const copy of copies) outcomes.push(await verify(copy, logCase));
        const switched = steps.indexOf('replace the pointer') + 1;
        assert.ok(switched > 4 && steps.length - switched >= 4, steps.join());
        assert.equal(outcomes, [...Array(switched).fill('before'), ...Array(steps.length - switched).fill('after')]);
        // What an interrupted one left is no hindrance.
        const half = copies[3] as string;
        await install(half, withLog, async () => {});
        assert.is(await verify(half, logCase), 'after');
      },
      { timeoutMs: 60_000 },
    );
  }
}

async function killAt(path: string, step: number): Promise<string> {
  const script = fileURLToPath(new URL('./install-writer.ts', import.meta.url));
  const flags = ['--conditions=source', '--import', 'tsx', script, path, String(step)];
  const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const [, signal] = await once(child, 'close');
  assert.is(signal, 'SIGKILL');
  return said.trim();
}

test(
  'killed before any step, all or nothing',
  async () => {
    const outcomes: string[] = [];
    for (let step = 0; ; step++) {
      const path = join(root, `killed-${step}`);
      const logCase = LOG_CASES[2] as LogCase;
      await copyDirectory(templateOf(2), path);
      const said = await killAt(path, step);
      outcomes.push(await verify(path, logCase));
      if (said === '') break;
    }
    const first = outcomes.indexOf('after');
    assert.ok(first > 4 && outcomes.length - first > 4, outcomes.join());
    assert.ok(
      outcomes.slice(first).every((outcome) => outcome === 'after'),
      outcomes.join(),
    );
  },
  { timeoutMs: 120_000 },
);

test('an error before the switch leaves the directory as it was, in use', async () => {
  const path = join(root, 'refused');
  await copyDirectory(templateOf(0), path);
  for (const at of ['create the fresh database', 'write the last batch and the position', 'sync the directories']) {
    await assert.rejects(
      install(path, true, async (step) => {
        if (step === at) throw new StorageError('STORAGE_FAILED', { action: step, path, reason: 'no room' });
      }),
      'STORAGE_FAILED',
    );
    assert.is(await verify(path, FIRST_CASE), 'before');
  }
});

test('state and log go on while it is prepared; abandoned, it leaves nothing', async () => {
  const path = join(root, 'abandoned');
  await copyDirectory(templateOf(0), path);
  const directory = await openDirectory(path);
  const state = directory.stateStore();
  await state.open();
  const log = directory.logStore();
  await log.open();
  const newest = await directory.snapshots().newest();
  const reader = await directory.snapshots().open(newest?.id ?? '');
  const prepared = await prepareInstall(directory, reader);
  await log.append({ entries: makeEntries(11, 2, 4), hardState: null });
  await state.write({ position: { appliedIndex: 8, appliedTerm: 1 }, puts: [], deletes: [] });
  await prepared.abandon();
  await assert.rejects(prepared.commit(log), /committed or abandoned once/);
  assert.is(await log.termAt(12), 4);
  assert.equal(state.position, { appliedIndex: 8, appliedTerm: 1 });
  await reader.close();
  await state.close();
  await log.close();
  await directory.close();
});

test('one after the other: the log goes on from each, and a compaction behind it stays', async () => {
  const path = join(root, 'twice');
  await copyDirectory(templateOf(0), path);
  await install(path, true, async () => {});
  const directory = await openDirectory(path);
  const log = directory.logStore();
  await log.open();
  await log.append({ entries: makeEntries(NEW_INDEX + 1, 30, NEW_TERM), hardState: null });
  const state = directory.stateStore();
  await state.open();
  await state.write({ position: { appliedIndex: 120, appliedTerm: NEW_TERM }, puts: [], deletes: [] });
  const facts = { index: 120, term: NEW_TERM, stampMs: 1, configuration: Buffer.of(1), clusterId: 'cluster one' };
  const made = await directory.snapshots().create(state, facts);
  await state.close();
  const reader = await directory.snapshots().open(made.id);
  await installSnapshot(directory, reader, log);
  await reader.close();
  await log.compact(125, NEW_TERM);
  await log.close();
  await directory.close();
  const again = await openDirectory(path);
  const reopenedLog = again.logStore();
  const reopened = await reopenedLog.open();
  await reopenedLog.close();
  assert.equal([reopened.compactedIndex, reopened.entries.length, reopened.hardState], [125, 5, HARD_STATE]);
  assert.equal(await again.stateStore().open(), { appliedIndex: 120, appliedTerm: NEW_TERM });
  await again.close();
});

test('a snapshot of another cluster, a damaged one, and a pointer to nothing are refused', async () => {
  const path = join(root, 'foreign');
  await copyDirectory(templateOf(0), path);
  const directory = await openDirectory(path);
  const state = directory.stateStore();
  const { appliedIndex: index, appliedTerm: term } = await state.open();
  const facts = { index, term, stampMs: 1, configuration: Buffer.of(1), clusterId: 'cluster two' };
  const foreign = await directory.snapshots().create(state, facts);
  await state.close();
  const reader = await directory.snapshots().open(foreign.id);
  await assert.rejects(prepareInstall(directory, reader), 'DIRECTORY_OTHER_CLUSTER');
  await reader.close();
  await directory.close();
  assert.is(await verify(path, FIRST_CASE), 'before');
  await install(path, false, async () => {});
  await rm(join(path, 'state-2'), { recursive: true });
  await assert.rejects(openDirectory(path), /STATE|state store.*is not there/);
});

test.run();
