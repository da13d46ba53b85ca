import { randomBytes } from 'node:crypto';
import { cp, readdir, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeTemporaryDirectory } from '../../unit/storage/harness.ts';
import { openDirectory } from './install-support.ts';

/* Manifests that end too early: LevelDB leaves out in silence what the lost edits told of. */

const test = suite('storage: manifests');

const withDirectory = (body: (path: string) => Promise<void>) => async (): Promise<void> => {
  const path = await makeTemporaryDirectory();
  try {
    await body(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
};

/** Offsets of the records of a manifest that is one block at most. */
function recordsOf(manifest: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = 0; at + 7 <= manifest.length; at += 7 + manifest.readUInt16LE(at + 4)) offsets.push(at);
  return offsets;
}

/** State of several tables and a log, made by one process that then ends. */
async function fillState(path: string): Promise<void> {
  const directory = await openDirectory(path);
  const state = directory.stateStore();
  await state.open();
  for (let i = 1; i <= 20; i++) {
    const puts = Array.from({ length: 10 }, (_, k) => [Buffer.from(`${i}-${k}`), randomBytes(100_000)] as const);
    await state.write({ position: { appliedIndex: i, appliedTerm: 1 }, puts, deletes: [] });
  }
  await state.close();
  await directory.close();
}

async function countState(path: string): Promise<{ records: number; doubtful: boolean; reasons: string }> {
  const directory = await openDirectory(path);
  const state = directory.stateStore();
  await state.open();
  let records = 0;
  await state.load(() => (records += 1));
  const { suspect } = directory;
  await state.close();
  await directory.close();
  return { records, doubtful: suspect?.stateDoubtful === true, reasons: suspect?.reasons.join() ?? '' };
}

test(
  'a manifest cut off anywhere, or a write-ahead log deleted: what LevelDB then leaves out in silence is doubted',
  withDirectory(async (path) => {
    await fillState(path);
    const folder = join(path, 'state');
    const names = await readdir(folder);
    assert.ok(names.some((name) => name.endsWith('.ldb')));
    const manifest = names.find((name) => name.startsWith('MANIFEST')) as string;
    const log = names.find((name) => name.endsWith('.log')) as string;
    const { size } = await stat(join(folder, manifest));
    const sound = `${path}-sound`;
    await rename(path, sound);
    const records = recordsOf(await readFile(join(sound, 'state', manifest)));
    let losses = 0;
    try {
      const cuts = [1, size - (records.at(-1) as number), size - (records.at(-2) as number)];
      for (const cut of [0, ...cuts, null]) {
        await cp(sound, path, { recursive: true });
        if (cut === null) await rm(join(folder, log));
        else await truncate(join(folder, manifest), size - cut);
        const found = await countState(path).catch((error: unknown) => {
          assert.instance(error, StorageError);
          return null;
        });
        if (cut === 0) assert.equal(found, { records: 200, doubtful: false, reasons: '' });
        if (found !== null && found.records < 200) {
          losses += 1;
          assert.ok(found.doubtful, `${found.records} of 200 records without a doubt: ${cut} bytes of ${size} cut off`);
          assert.match(found.reasons, /which is not there: one of them was cut off or deleted/);
        }
        await rm(path, { recursive: true });
      }
    } finally {
      await rm(sound, { recursive: true, force: true });
    }
    assert.ok(losses >= 3, `${losses} cuts lost records`);
  }),
);

test.run();
