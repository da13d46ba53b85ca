import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setAside } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeTemporaryDirectory } from '../../unit/storage/harness.ts';
import {
  demandKept,
  demandNeverBoth,
  demandNew,
  demandOld,
  identityOf,
  makeFull,
  memoryIn,
  openDirectory,
  REASON,
  start,
} from './set-aside-support.ts';

/*
 * A directory with damage is set aside and formatted anew. Wherever the process ends, the next start completes it, and no
 * directory ever has its new id together with a log or a vote from before.
 */

const test = suite('setting a directory aside');
let root = '';
let full = '';
let id = '';
let before = 0;

test.before(
  async () => {
    root = await makeTemporaryDirectory();
    full = join(root, 'full');
    id = await makeFull(full);
    before = (await identityOf(full))['incarnation'] as number;
  },
  { timeoutMs: 60_000 },
);
test.after(async () => await rm(root, { recursive: true, force: true }));

async function copyOf(name: string): Promise<string> {
  const path = join(root, name);
  await cp(full, path, { recursive: true });
  return path;
}

const put = (path: string, onStep: (step: string) => void | Promise<void> = () => {}): Promise<void> =>
  setAside({ path, nodeId: 'n1', reason: REASON, nowMs: () => 7_000, onStep });

/** LevelDB's lock of the log can not be held then. */
async function breakLog(path: string): Promise<void> {
  const manifest = (await readdir(join(path, 'log'))).find((name) => name.startsWith('MANIFEST')) as string;
  await writeFile(join(path, 'log', manifest), 'nonsense');
}

test('moves everything away and starts anew, with name, cluster and incarnation', async () => {
  const path = await copyOf('whole');
  const moved = (await memoryIn(path)).filter((name) => name !== 'snapshots-0');
  assert.equal(moved, ['current.json', 'log', 'state-2', 'superblock-0']);
  await put(path);
  assert.equal((await readdir(path)).sort(), ['identity.json', 'set-aside']);
  assert.equal((await readdir(join(path, 'set-aside'))).sort(), [...moved, 'lock', 'note.json'].sort());
  const found = await start(path);
  demandNew(found, id, before);
  assert.equal(found.setAside, { reason: REASON, since: 7_000, directoryId: id });
  assert.is(found.incarnation, before + 1);
  await demandKept(path, full, id);
  const again = await start(path);
  assert.equal([again.directoryId, again.setAside], [found.directoryId, found.setAside]);
});

test('what was set aside is dropped when it is asked for, and half a drop is finished at the next start', async () => {
  const path = await copyOf('dropped');
  await put(path);
  const directory = await openDirectory(path);
  assert.is(directory.setAside?.reason, REASON);
  await directory.dropSetAside();
  assert.is(directory.setAside, null);
  assert.not.ok((await readdir(path)).includes('set-aside'));
  await directory.dropSetAside();
  await directory.close();
  await mkdir(join(path, 'set-aside', 'log'), { recursive: true });
  await writeFile(join(path, 'set-aside', 'log', 'left'), 'over');
  assert.is((await start(path)).setAside, null);
  assert.not.ok((await readdir(path)).includes('set-aside'));
});

test('a second time the first data stays and the present is deleted', async () => {
  const path = await copyOf('twice');
  await put(path);
  const { directoryId } = await start(path);
  await setAside({ path, nodeId: 'n1', reason: 'again' });
  assert.equal(await memoryIn(path), []);
  const found = await start(path);
  demandNew(found, directoryId, before + 1);
  assert.equal(found.setAside, { reason: REASON, since: 7_000, directoryId: id });
  await demandKept(path, full, id);
});

test('a damaged note still keeps the first data', async () => {
  const path = await copyOf('note');
  await put(path);
  await writeFile(join(path, 'set-aside', 'note.json'), '{');
  const found = await start(path);
  assert.match(found.setAside?.reason ?? '', /note is damaged/);
  await put(path);
  assert.ok((await readdir(join(path, 'set-aside'))).includes('superblock-0'));
});

/** All that a crash may leave: copies of the directory as it was before each step. */
async function crashesOf(path: string): Promise<{ steps: string[]; copies: string[] }> {
  const steps: string[] = [];
  const copies: string[] = [];
  await put(path, async (step) => {
    const copy = `${path}-${steps.length}`;
    await cp(path, copy, { recursive: true });
    await demandNeverBoth(copy, id);
    steps.push(step);
    copies.push(copy);
  });
  await demandNeverBoth(path, id);
  return { steps, copies };
}

for (const broken of [false, true]) {
  test(
    `stopped before any step, with a log that ${broken ? 'cannot' : 'can'} be opened: the next start completes it`,
    async () => {
      const path = await copyOf(`stopped-${broken}`);
      if (broken) await breakLog(path);
      const { steps, copies } = await crashesOf(path);
      const marked = steps.indexOf('mark the directory') + 1;
      assert.ok(marked > 0 && steps.includes('move log') && steps.length - marked >= 7, steps.join());
      for (const [i, copy] of copies.entries()) {
        if (i < marked && broken) continue;
        const found = await start(copy);
        if (i < marked) {
          demandOld(found, id);
          continue;
        }
        demandNew(found, id, before);
        assert.equal(found.setAside, { reason: REASON, since: 7_000, directoryId: id });
        assert.is((await identityOf(copy))['settingAside'], null);
        if (!broken) await demandKept(copy, full, id);
      }
    },
    { timeoutMs: 60_000 },
  );
}

test(
  'stopped again while it is completed, at any step of any: nothing is lost, nothing mixed',
  async () => {
    const path = await copyOf('again');
    const { steps, copies } = await crashesOf(path);
    for (const at of ['write the note', 'move log', 'move state-2', 'sync the directories', 'format anew']) {
      const half = copies[steps.indexOf(at)] as string;
      const second = await crashesOf(half);
      assert.not.ok(second.steps.includes('mark the directory'));
      for (const copy of second.copies) {
        demandNew(await start(copy), id, before);
        await demandKept(copy, full, id);
      }
    }
  },
  { timeoutMs: 120_000 },
);

test('an empty log that another process made in between is not taken for the old one', async () => {
  const path = await copyOf('between');
  const { steps, copies } = await crashesOf(path);
  const half = copies[steps.indexOf('format anew')] as string;
  const other = await openDirectory(join(root, 'other'));
  await other.close();
  await cp(join(root, 'other', 'log'), join(half, 'log'), { recursive: true });
  demandNew(await start(half), id, before);
  await demandKept(half, full, id);
});

test(
  'stopped while the present data is deleted: the first data is untouched',
  async () => {
    const path = await copyOf('deleting');
    await cp(join(full, 'log'), join(root, 'spare-log'), { recursive: true });
    await put(path);
    const { directoryId } = await start(path);
    // Something to delete that would show if it came back.
    await rm(join(path, 'log'), { recursive: true });
    await cp(join(root, 'spare-log'), join(path, 'log'), { recursive: true });
    const steps: string[] = [];
    const copies: string[] = [];
    await put(path, async (step) => {
      const copy = `${path}-${steps.length}`;
      await cp(path, copy, { recursive: true });
      steps.push(step);
      copies.push(copy);
    });
    for (const copy of copies.slice(steps.indexOf('mark the directory') + 1)) {
      demandNew(await start(copy), directoryId, before);
      await demandKept(copy, full, id);
    }
  },
  { timeoutMs: 60_000 },
);

test('an error at any step leaves no lock behind, and is completed in the same process', async () => {
  for (const at of ['mark the directory', 'write the note', 'move log', 'move superblock-0', 'format anew']) {
    const path = await copyOf(`failed at ${at}`);
    const failing = put(path, (step) => {
      if (step === at) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    });
    await assert.rejects(failing, 'DATABASE_NOT_OPENED');
    await demandNeverBoth(path, id);
    const found = await start(path);
    if (at === 'mark the directory') demandOld(found, id);
    else demandNew(found, id, before);
  }
});

test(
  'killed, the next process completes it',
  async () => {
    for (const at of ['move log', 'format anew']) {
      const path = await copyOf(`killed at ${at}`);
      assert.is(await runElsewhere(path, at), '');
      assert.is((await identityOf(path))['directoryId'], id);
      assert.ok((await identityOf(path))['settingAside']);
      demandNew(await start(path), id, before);
      await demandKept(path, full, id);
    }
  },
  { timeoutMs: 60_000 },
);

async function runElsewhere(path: string, killAt: string): Promise<string> {
  const script = fileURLToPath(new URL('./set-aside-writer.ts', import.meta.url));
  const flags = ['--conditions=source', '--import', 'tsx', script, path, killAt];
  const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
  });
  await once(child, 'close');
  return said.trim();
}

test(
  'is refused while the directory is open, even with its log damaged under it',
  async () => {
    const path = await copyOf('open');
    const directory = await openDirectory(path);
    const text = await readFile(join(path, 'identity.json'), 'utf8');
    await assert.rejects(put(path), new RegExp(`in use by process ${process.pid}`));
    assert.match(await runElsewhere(path, ''), /^DIRECTORY_LOCKED/);
    // Without the note of the holder the database's own lock still holds, and without LevelDB's CURRENT too.
    await rm(join(path, 'holder.json'));
    assert.match(await runElsewhere(path, ''), /^DIRECTORY_LOCKED/);
    await rm(join(path, 'log', 'CURRENT'));
    assert.match(await runElsewhere(path, ''), /^DIRECTORY_LOCKED/);
    assert.is(await readFile(join(path, 'identity.json'), 'utf8'), text);
    await directory.close();
    await put(path);
    demandNew(await start(path), id, before);
  },
  { timeoutMs: 60_000 },
);

test('two at once: one is refused', async () => {
  const path = await copyOf('race');
  await breakLog(path);
  const outcomes = await Promise.allSettled([put(path), put(path)]);
  assert.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 1, reasonsOf(outcomes));
  demandNew(await start(path), id, before);
  assert.ok((await readdir(join(path, 'set-aside'))).includes('superblock-0'));
});

test('two at once while a node starts there: at most one goes through, and nothing is lost between them', async () => {
  const path = await copyOf('race with a start');
  await breakLog(path);
  const outcomes = await Promise.allSettled([put(path), put(path), start(path)]);
  const done = outcomes.slice(0, 2).filter(({ status }) => status === 'fulfilled').length;
  assert.ok(done <= 1, reasonsOf(outcomes));
  // The node that starts holds the directory until it finds the damage: both may have come in that moment.
  for (const outcome of outcomes.slice(0, 2)) {
    if (outcome.status === 'rejected') assert.is(outcome.reason.code, 'DIRECTORY_LOCKED');
  }
  if (done === 0) await put(path);
  demandNew(await start(path), id, before);
  assert.ok((await readdir(join(path, 'set-aside'))).includes('superblock-0'));
});

function reasonsOf(outcomes: readonly PromiseSettledResult<unknown>[]): string {
  return outcomes.map((outcome) => (outcome.status === 'rejected' ? String(outcome.reason) : 'done')).join('; ');
}

test('a directory of nobody, of another node or of another release is left alone', async () => {
  const path = await copyOf('foreign');
  const file = join(path, 'identity.json');
  const text = await readFile(file, 'utf8');
  await assert.rejects(setAside({ path, nodeId: 'n2', reason: '' }), 'DIRECTORY_OTHER_NODE');
  for (const [content, code] of [
    ['', 'IDENTITY_CORRUPTED'],
    [text.replace('"n1"', '"n7"'), 'IDENTITY_CORRUPTED'],
    [text.replace('"format": 2', '"format": 3'), 'FORMAT_TOO_NEW'],
  ] as const) {
    await writeFile(file, content);
    await assert.rejects(put(path), code);
  }
  await rm(file);
  await assert.rejects(put(path), 'IDENTITY_MISSING');
  await writeFile(file, text);
  assert.not.ok((await readdir(path)).includes('set-aside'));
  demandOld(await start(path), id);
  await assert.rejects(put(join(root, 'nowhere')), 'DIRECTORY_NOT_WRITABLE');
});

test.run();
