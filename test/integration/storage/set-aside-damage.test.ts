import { chmod, cp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDamage, openLevelDatabase, StorageError, setAside } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeTemporaryDirectory } from '../../unit/storage/harness.ts';
import { demandNew, identityOf, makeFull, openDirectory, REASON, start } from './set-aside-support.ts';

/* Which errors of a start say that the data is damaged, and that the node is whole again once it is set aside. */

const test = suite('damage that is set aside');
let root = '';
let full = '';
let id = '';
let copies = 0;

test.before(
  async () => {
    root = await makeTemporaryDirectory();
    full = join(root, 'full');
    id = await makeFull(full);
  },
  { timeoutMs: 60_000 },
);
test.after(async () => await rm(root, { recursive: true, force: true }));

async function copyOfFull(): Promise<string> {
  const path = join(root, `copy-${copies++}`);
  await cp(full, path, { recursive: true });
  return path;
}

async function fileOf(directory: string, pattern: RegExp): Promise<string> {
  const found = (await readdir(directory)).filter((name) => pattern.test(name)).sort();
  let largest = '';
  let largestBytes = -1;
  for (const name of found) {
    const { size } = await stat(join(directory, name));
    if (size > largestBytes) [largest, largestBytes] = [name, size];
  }
  assert.ok(largest !== '', `${directory} has a file ${pattern}`);
  return join(directory, largest);
}

/** Overwrites a part of a file, from and to given as fractions of its size. */
async function overwrite(file: string, from: number, to: number): Promise<void> {
  const handle = await open(file, 'r+');
  const { size } = await handle.stat();
  const at = Math.floor(size * from);
  const noise = Buffer.alloc(Math.ceil(size * to) - at, 0x5a);
  await handle.write(noise, 0, noise.length, at);
  await handle.close();
}

/** Changes one byte of a value, in a way that LevelDB can not see. */
async function flipRecord(database: string, space: number): Promise<void> {
  const tuning = { writeBufferSizeBytes: 1 << 20, cacheSizeBytes: 1 << 20, compression: false };
  const { level } = await openLevelDatabase(database, tuning, 'LOG_CORRUPTED');
  const [key, value] = (await level.iterator().all()).find((row) => row[0][0] === space) as [Buffer, Buffer];
  value.writeUInt8(value.readUInt8(value.length - 1) ^ 1, value.length - 1);
  await level.put(key, value);
  await level.close();
}

type Damage = readonly [name: string, codes: string, damage: (path: string) => Promise<void>];

const CASES: Damage[] = (['log', 'state-2'] as const).flatMap((database): Damage[] => {
  const code = database === 'log' ? 'LOG_CORRUPTED' : 'STATE_CORRUPTED';
  const of = (path: string, pattern: RegExp) => fileOf(join(path, database), pattern);
  const write = async (path: string, pattern: RegExp, text: string): Promise<void> =>
    await writeFile(await of(path, pattern), text);
  return [
    [`${database}: CURRENT missing`, code, async (path) => await rm(await of(path, /^CURRENT$/))],
    [`${database}: CURRENT empty`, code, async (path) => await write(path, /^CURRENT$/, '')],
    [`${database}: CURRENT garbage`, code, async (path) => await write(path, /^CURRENT$/, 'garbage\n')],
    [`${database}: CURRENT of a deleted manifest`, code, async (path) => await rm(await of(path, /^MANIFEST/))],
    [`${database}: MANIFEST empty`, code, async (path) => await write(path, /^MANIFEST/, '')],
    [`${database}: MANIFEST garbage`, code, async (path) => await write(path, /^MANIFEST/, 'nonsense')],
    [`${database}: table missing`, code, async (path) => await rm(await of(path, /\.ldb$/))],
    [`${database}: table empty`, `${code} STORAGE_FAILED`, async (path) => await write(path, /\.ldb$/, '')],
    [
      `${database}: table overwritten`,
      `${code} STORAGE_FAILED`,
      async (path) => await overwrite(await of(path, /\.ldb$/), 0.2, 0.8),
    ],
    [
      `${database}: table's end overwritten`,
      `${code} STORAGE_FAILED`,
      async (path) => await overwrite(await of(path, /\.ldb$/), 0.98, 1),
    ],
    [`${database}: record flipped`, code, async (path) => await flipRecord(join(path, database), 1)],
    [`${database}: meta record flipped`, code, async (path) => await flipRecord(join(path, database), 2)],
  ];
});
CASES.push(
  ['the state missing', 'STATE_CORRUPTED', async (path) => await rm(join(path, 'state-2'), { recursive: true })],
  ['the pointer damaged', 'DIRECTORY_CORRUPTED', async (path) => await overwrite(join(path, 'current.json'), 0.5, 0.6)],
  ['the pointer missing', 'STATE_CORRUPTED', async (path) => await rm(join(path, 'current.json'))],
  ['the mark damaged', 'DIRECTORY_CORRUPTED', async (path) => await writeFile(join(path, 'suspect.json'), '')],
);

async function errorOf(path: string): Promise<StorageError> {
  const error = await start(path).then(
    () => null,
    (e: unknown) => e,
  );
  assert.instance(error, StorageError);
  return error as StorageError;
}

for (const [name, codes, damage] of CASES) {
  test(`${name}: told as damage, set aside, whole again`, async () => {
    const path = await copyOfFull();
    await damage(path);
    const { incarnation } = await identityOf(path);
    const error = await errorOf(path);
    assert.ok(codes.split(' ').includes(error.code), `${error.code}: ${error.message}`);
    assert.ok(isDamage(error), error.message);
    assert.ok(isDamage(new Error('in a wrapper', { cause: error })));
    // It does not go away by itself, and the files stay for somebody to look at.
    assert.ok(isDamage(await errorOf(path)));
    await setAside({ path, nodeId: 'n1', reason: REASON });
    const found = await start(path);
    demandNew(found, id, incarnation as number);
    assert.is(found.setAside?.directoryId, id);
    assert.ok((await readdir(join(path, 'set-aside', 'log'))).length > 1);
  });
}

test('a lost CURRENT does not let LevelDB delete the tables beside it', async () => {
  const path = await copyOfFull();
  await rm(join(path, 'log', 'CURRENT'));
  const table = await fileOf(join(path, 'log'), /\.ldb$/);
  const bytes = await readFile(table);
  const error = await errorOf(path);
  assert.match(error.message, /CURRENT is missing beside \d+\.(ldb|log)/);
  assert.equal(await readFile(table), bytes);
});

test('a lost pointer does not make the state that it named a leftover', async () => {
  const path = await copyOfFull();
  await rm(join(path, 'current.json'));
  assert.match((await errorOf(path)).message, /current\.json is missing beside state-2/);
  assert.ok((await readdir(join(path, 'state-2'))).includes('CURRENT'));
});

test('a crash while a database is made is no damage', async () => {
  for (const left of [[], ['MANIFEST-000001'], ['MANIFEST-000001', '000001.dbtmp', 'LOG'], ['000003.log']]) {
    const path = join(root, `fresh-${left.join()}`);
    await (await openDirectory(path)).close();
    for (const name of await readdir(join(path, 'log'))) await rm(join(path, 'log', name));
    for (const name of left) await writeFile(join(path, 'log', name), name.endsWith('.log') ? '' : 'half');
    await (await openDirectory(path)).close();
  }
});

test('other errors are no damage: setting aside would not mend them', async () => {
  const path = await copyOfFull();
  const held = await openDirectory(path);
  const locked = await errorOf(path);
  await held.close();
  assert.equal([locked.code, isDamage(locked)], ['DIRECTORY_LOCKED', false]);
  await writeFile(join(path, 'identity.json'), '');
  assert.equal([(await errorOf(path)).code, isDamage(await errorOf(path))], ['IDENTITY_CORRUPTED', false]);
  const system = (code: string, words: string) => Object.assign(new Error(words), { code });
  const details = { path, reason: 'r', action: 'a' };
  for (const cause of [
    system('ENOSPC', 'no space left on device'),
    system('LEVEL_IO_ERROR', 'IO error: /d/log/000005.log: No space left on device'),
    system('LEVEL_IO_ERROR', 'IO error: /d/log/000005.ldb: Permission denied'),
    system('LEVEL_IO_ERROR', 'IO error: /d/log/000005.ldb: Input/output error'),
    system('LEVEL_IO_ERROR', 'IO error: /d/log/000005.ldb: Too many open files'),
    system('LEVEL_LOCKED', 'IO error: lock /d/log/LOCK: already held by process'),
    system('EROFS', 'read-only file system'),
  ]) {
    assert.not.ok(isDamage(cause), cause.message);
    for (const code of ['DATABASE_NOT_OPENED', 'STORAGE_FAILED', 'DIRECTORY_NOT_WRITABLE'] as const) {
      assert.not.ok(isDamage(new StorageError(code, details, cause)), cause.message);
    }
  }
  assert.not.ok(isDamage(new StorageError('SNAPSHOT_CORRUPTED', details)));
  assert.not.ok(isDamage(new StorageError('INVARIANT_BROKEN', { store: 's', rule: 'r' })));
  assert.not.ok(isDamage(null));
  assert.ok(isDamage(new StorageError('DATA_DOUBTFUL', details)));
  const corruption = system('LEVEL_CORRUPTION', 'Corruption: bad block');
  assert.ok(isDamage(new StorageError('DATABASE_NOT_OPENED', details, corruption)));
});

test('a directory without permission is no damage', async () => {
  const path = await copyOfFull();
  const manifest = await fileOf(join(path, 'log'), /^MANIFEST/);
  await rm(manifest);
  // Root reads everything: step down for the length of the test.
  const isRoot = process.geteuid?.() === 0;
  await chmod(root, 0o755);
  if (isRoot) process.seteuid?.(65534);
  try {
    const error = await errorOf(path);
    assert.not.ok(isDamage(error), `${error.code}: ${error.message}`);
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

test.run();
