import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, stat, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DiskGuard, openDataDirectory, releaseBallast } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeEntries, makeEntry, makeTemporaryDirectory } from '../../unit/storage/harness.ts';

const test = suite('disk guard');
const run = promisify(execFile);
const MIB = 1 << 20;
const SIZES = { ballastSizeBytes: 4 * MIB, lowFreeBytes: 8 * MIB, criticalFreeBytes: 2 * MIB };

const withDirectory = (body: (path: string) => Promise<void>) => async (): Promise<void> => {
  const path = await makeTemporaryDirectory();
  try {
    await body(path);
  } finally {
    await rm(path, { recursive: true, force: true });
  }
};

/** A small file system of its own where this user may mount one; elsewhere the body does not run. */
const onSmallDisk = (sizeMib: number, body: (path: string) => Promise<void>) =>
  withDirectory(async (path) => {
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'none', path]);
    } catch {
      console.log('(no right to mount a file system: not run)');
      return;
    }
    try {
      await body(path);
    } finally {
      // Lazy: a test that failed may have left files open.
      await run('umount', ['-l', path]);
    }
  });

test(
  'levels by free space, with a margin on the way back; the ballast goes and comes',
  withDirectory(async (path) => {
    let free = 20 * MIB;
    const guard = await DiskGuard.open({ path, ...SIZES, freeBytes: async () => free });
    const at = async (freeMib: number): Promise<string> => {
      free = freeMib * MIB;
      const { level, ballast } = await guard.check();
      assert.equal(guard.status, { level, ballast, freeBytes: free });
      assert.is((await readdir(path)).includes('ballast'), ballast);
      return `${level}${ballast ? '' : ', no ballast'}`;
    };
    assert.equal(guard.status, { level: 'ok', ballast: true, freeBytes: free });
    assert.is(await at(8), 'ok');
    assert.is(await at(7.9), 'low');
    assert.is(await at(8.9), 'low', 'not back before an eighth more');
    assert.is(await at(9), 'ok');
    assert.is(await at(2), 'low');
    assert.is(await at(1.9), 'critical, no ballast');
    assert.is(await at(5.9), 'critical, no ballast', 'what the ballast gave does not count');
    assert.is(await at(8.9), 'critical, no ballast');
    assert.is(await at(9), 'ok', 'room again: half way to low is left over');
    assert.is((await stat(join(path, 'ballast'))).size, 4 * MIB);
  }),
);

test(
  'the ballast is really allocated; one of another size or a sparse one is made again',
  withDirectory(async (path) => {
    const blocksOf = async (): Promise<number> => (await stat(join(path, 'ballast'))).blocks * 512;
    await DiskGuard.open({ path, ...SIZES });
    assert.ok((await blocksOf()) >= 4 * MIB);
    const { ino } = await stat(join(path, 'ballast'));
    await DiskGuard.open({ path, ...SIZES });
    assert.is((await stat(join(path, 'ballast'))).ino, ino, 'the one that is there is kept');
    await writeFile(join(path, 'ballast'), '');
    await truncate(join(path, 'ballast'), 4 * MIB);
    assert.is(await blocksOf(), 0);
    await DiskGuard.open({ path, ...SIZES });
    assert.ok((await blocksOf()) >= 4 * MIB);
    await writeFile(join(path, 'ballast.tmp'), 'half');
    await DiskGuard.open({ path, ...SIZES, ballastSizeBytes: 2 * MIB });
    assert.is((await stat(join(path, 'ballast'))).size, 2 * MIB);
    assert.not.ok((await readdir(path)).includes('ballast.tmp'));
    assert.is(await releaseBallast(path), true);
    assert.is(await releaseBallast(path), false);
  }),
);

test(
  'a real disk that fills up while the ballast is made: no ballast, no error, no trace',
  onSmallDisk(16, async (path) => {
    const freeBytes = async (): Promise<number> => 100 * MIB;
    const guard = await DiskGuard.open({ path, ...SIZES, ballastSizeBytes: 32 * MIB, freeBytes });
    assert.equal([guard.status.level, guard.status.ballast], ['critical', false]);
    assert.equal(await readdir(path), []);
  }),
);

async function fillUp(path: string, leaveBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(path);
  await writeFile(join(path, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - leaveBytes), 1));
}

test(
  'a real disk: fills, warns, lets the ballast go, comes back',
  onSmallDisk(32, async (path) => {
    const guard = await DiskGuard.open({ path, ...SIZES });
    assert.equal([guard.status.level, guard.status.ballast], ['ok', true]);
    await fillUp(path, 6 * MIB);
    assert.is((await guard.check()).level, 'low');
    await rm(join(path, 'filler'));
    await fillUp(path, MIB);
    const before = guard.status.freeBytes;
    assert.equal([(await guard.check()).level, guard.status.ballast], ['critical', false]);
    assert.ok(guard.status.freeBytes >= 5 * MIB && guard.status.freeBytes < before, 'the ballast was given back');
    await rm(join(path, 'filler'));
    assert.equal([(await guard.check()).level, guard.status.ballast], ['ok', true]);
  }),
);

test(
  'a full disk poisons the store; with the ballast let go the directory opens and keeps what was acknowledged',
  onSmallDisk(64, async (mount) => {
    const path = join(mount, 'data');
    await mkdir(path);
    const options = { path, nodeId: 'n1', clusterMembers: 'n1,n2,n3' };
    const guard = await DiskGuard.open({
      path,
      ballastSizeBytes: 24 * MIB,
      lowFreeBytes: 2 * MIB,
      criticalFreeBytes: MIB,
    });
    assert.ok(guard.status.ballast);
    const directory = await openDataDirectory(options);
    const log = directory.logStore();
    await log.open();
    await log.append({ entries: makeEntries(1, 3, 1, MIB), hardState: { term: 1, vote: 'n1' } });
    await fillUp(mount, 2 * MIB);
    let acknowledged = 3;
    let failure: unknown = null;
    while (failure === null && acknowledged < 50) {
      failure = await log.append({ entries: [makeEntry(acknowledged + 1, 1, MIB)], hardState: null }).then(
        () => null,
        (error: unknown) => error,
      );
      if (failure === null) acknowledged += 1;
    }
    assert.match(String((failure as Error).message), /no space left/i);
    await releaseBallast(path);
    assert.is(
      await log.append({ entries: [], hardState: { term: 2, vote: null } }).catch((error: unknown) => error),
      failure,
    );
    await log.close();
    await directory.close();
    // Full again, the ballast in place: opening lets it go by itself.
    await writeFile(join(path, 'ballast'), Buffer.alloc(16 * MIB, 1));
    await rm(join(mount, 'filler'));
    await fillUp(mount, 0);
    const reopened = await openDataDirectory(options);
    assert.not.ok((await readdir(path)).includes('ballast'));
    const again = reopened.logStore();
    const found = await again.open();
    assert.ok(found.entries.length >= acknowledged, `${found.entries.length} of ${acknowledged}`);
    assert.equal(found.hardState, { term: 1, vote: 'n1' });
    assert.is(reopened.suspect, null);
    await again.append({ entries: [makeEntry(found.entries.length + 1, 1, 100)], hardState: null });
    await again.close();
    await reopened.close();
  }),
);

test.run();
