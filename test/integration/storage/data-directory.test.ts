import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openDataDirectory } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import { makeTemporaryDirectory } from '../../unit/storage/harness.ts';

const run = promisify(execFile);
const test = suite('data directory');
const MEMBERS = 'n1,n2,n3';

const withDirectory = (body: (path: string) => Promise<void>) => async (): Promise<void> => {
  const parent = await makeTemporaryDirectory();
  try {
    await body(join(parent, 'data'));
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
};

const open = (path: string, nodeId = 'n1', clusterMembers = MEMBERS) =>
  openDataDirectory({ path, nodeId, clusterMembers, nowMs: () => 5_000 });

test(
  'is made on first use; each start is a new incarnation, durable before it is used',
  withDirectory(async (path) => {
    const deep = join(path, 'a', 'b');
    const first = await open(deep);
    assert.equal([first.created, first.incarnation, first.clusterId, first.nodeId], [true, 5_000, null, 'n1']);
    await first.close();
    const second = await open(deep);
    assert.equal([second.created, second.incarnation], [false, 5_001]);
    assert.is(JSON.parse(await readFile(join(deep, 'identity.json'), 'utf8')).incarnation, 5_001);
    assert.is(await second.nextIncarnation(), 5_002);
    assert.is(JSON.parse(await readFile(join(deep, 'identity.json'), 'utf8')).incarnation, 5_002);
    const both = await Promise.all([second.nextIncarnation(), second.setClusterId('c1'), second.nextIncarnation()]);
    assert.is(second.incarnation, 5_004);
    assert.is(both[2], 5_004);
    await second.close();
    const third = await open(deep);
    assert.equal([third.incarnation, third.clusterId], [5_005, 'c1']);
    await third.close();
    assert.equal((await readdir(deep)).sort(), ['identity.json', 'log', 'state']);
  }),
);

test(
  'is bound to one cluster id for good',
  withDirectory(async (path) => {
    const directory = await open(path);
    await directory.setClusterId('c1');
    await directory.setClusterId('c1');
    await assert.rejects(directory.setClusterId('c2'), /cluster id is c1, expected c2/);
    assert.is(directory.clusterId, 'c1');
    await directory.close();
  }),
);

test(
  'has an id of its own from its formatting on',
  withDirectory(async (path) => {
    const first = await open(path);
    const id = first.directoryId;
    assert.match(id, /^[0-9a-f]{32}$/);
    assert.is(first.founding, null);
    assert.is(first.setAside, null);
    await first.close();
    const second = await open(path);
    assert.is(second.directoryId, id);
    await second.close();
    const other = await open(join(path, 'other'));
    assert.is.not(other.directoryId, id);
    await other.close();
    const newDirectoryId = () => 'ab'.repeat(16);
    const options = { path: join(path, 'given'), nodeId: 'n1', clusterMembers: MEMBERS };
    const given = await openDataDirectory({ ...options, newDirectoryId });
    assert.is(given.directoryId, 'ab'.repeat(16));
    await given.close();
    const wrong = { ...options, path: join(path, 'wrong'), newDirectoryId: () => 'AB'.repeat(16) };
    await assert.rejects(openDataDirectory(wrong), 'INVARIANT_BROKEN');
  }),
);

test(
  'keeps the configuration it was founded with, once',
  withDirectory(async (path) => {
    const configuration = Uint8Array.from({ length: 300 }, (_, i) => i);
    const first = await open(path);
    await assert.rejects(first.setFounding(new Uint8Array(0)), 'INVARIANT_BROKEN');
    await assert.rejects(first.setFounding(new Uint8Array((512 << 10) + 1)), 'INVARIANT_BROKEN');
    const stored = first.setFounding(configuration);
    assert.is(first.founding, null, 'not before it is durable');
    await stored;
    assert.equal(first.founding, configuration);
    const text = await readFile(join(path, 'identity.json'), 'utf8');
    await first.setFounding(Uint8Array.from(configuration));
    await assert.rejects(
      first.setFounding(configuration.subarray(1)),
      /its founding configuration is \w{16}, expected/,
    );
    assert.is(await readFile(join(path, 'identity.json'), 'utf8'), text);
    (first.founding as Uint8Array).fill(0);
    await first.close();
    const second = await open(path);
    assert.equal(second.founding, configuration);
    await second.close();
  }),
);

test(
  'an incarnation can be made to lie beyond one that others have seen',
  withDirectory(async (path) => {
    const first = await open(path);
    assert.is(await first.nextIncarnation(7_000), 7_000);
    assert.is(await first.nextIncarnation(100), 7_001);
    assert.is(await first.nextIncarnation(7_002), 7_002);
    const both = await Promise.all([first.nextIncarnation(8_000), first.nextIncarnation()]);
    assert.equal(both, [8_000, 8_001]);
    await assert.rejects(first.nextIncarnation(2 ** 53), 'INVARIANT_BROKEN');
    await assert.rejects(first.nextIncarnation(8_100.5), 'INVARIANT_BROKEN');
    await first.close();
    const second = await open(path);
    assert.is(second.incarnation, 8_002);
    await second.close();
  }),
);

test(
  'the list of members is compared until there is a cluster, and stored anew afterwards',
  withDirectory(async (path) => {
    const first = await open(path);
    await first.close();
    await assert.rejects(open(path, 'n1', 'n1,n2,n3,n4'), 'DIRECTORY_OTHER_CLUSTER');
    const second = await open(path);
    await second.setClusterId('c1');
    await second.close();
    await (await open(path, 'n1', 'n1,n2,n3,n4')).close();
    assert.is(JSON.parse(await readFile(join(path, 'identity.json'), 'utf8')).clusterMembers, 'n1,n2,n3,n4');
    await assert.rejects(open(path, 'n2', 'n1,n2,n3,n4'), 'DIRECTORY_OTHER_NODE');
  }),
);

test(
  'refuses another node and another cluster, and changes nothing then',
  withDirectory(async (path) => {
    await (await open(path)).close();
    const before = await readFile(join(path, 'identity.json'), 'utf8');
    await assert.rejects(open(path, 'n2'), 'DIRECTORY_OTHER_NODE');
    await assert.rejects(open(path, 'n2'), /belongs to node n1, but this node is n2\. Start it as n1/);
    await assert.rejects(open(path, 'n1', 'n1,n2'), 'DIRECTORY_OTHER_CLUSTER');
    assert.is(await readFile(join(path, 'identity.json'), 'utf8'), before);
  }),
);

test(
  'refuses a file in its place and a path below a file',
  withDirectory(async (path) => {
    await writeFile(path, 'a file');
    await assert.rejects(open(path), 'DIRECTORY_NOT_A_DIRECTORY');
    await assert.rejects(open(join(path, 'below')), 'DIRECTORY_NOT_A_DIRECTORY');
  }),
);

test(
  'refuses a directory that it cannot write',
  withDirectory(async (path) => {
    await mkdir(path, { mode: 0o555 });
    // Root writes everywhere: step down for the length of the test.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65534);
    try {
      await assert.rejects(open(path), 'DIRECTORY_NOT_WRITABLE');
      await assert.rejects(open(join(path, 'below')), /permission denied.*Give the user/);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  }),
);

test(
  'refuses a damaged, missing, newer or older identity',
  withDirectory(async (path) => {
    await (await open(path)).close();
    const file = join(path, 'identity.json');
    const text = await readFile(file, 'utf8');
    const cases = [
      [text.slice(0, 40), 'IDENTITY_CORRUPTED'],
      ['', 'IDENTITY_CORRUPTED'],
      ['null', 'IDENTITY_CORRUPTED'],
      [text.replace('"n1"', '"n7"'), 'IDENTITY_CORRUPTED'],
      [text.replace('5000', '4000'), 'IDENTITY_CORRUPTED'],
      [text.replace(/"directoryId": "./, '"directoryId": "'), 'IDENTITY_CORRUPTED'],
      [text.replace('"founding": null', '"founding": "AAAA"'), 'IDENTITY_CORRUPTED'],
      [
        text.replace('"settingAside": null', '"settingAside": {"reason":"","since":0,"keep":true}'),
        'IDENTITY_CORRUPTED',
      ],
      [text.replace('"format": 2', '"format": 3'), 'FORMAT_TOO_NEW'],
      [text.replace('"format": 2', '"format": 1'), 'FORMAT_TOO_OLD'],
    ] as const;
    for (const [content, code] of cases) {
      assert.is.not(content, text);
      await writeFile(file, content);
      await assert.rejects(open(path), code);
    }
    await rm(file);
    await assert.rejects(open(path), 'IDENTITY_MISSING');
    await writeFile(file, text);
    await (await open(path)).close();
  }),
);

test(
  'is locked while open, for this process and for others, and the incarnation stays',
  withDirectory(async (path) => {
    const first = await open(path);
    await assert.rejects(open(path), 'DIRECTORY_LOCKED');
    await assert.rejects(open(path), new RegExp(`in use by process ${process.pid}`));
    const other = await openElsewhere(path);
    assert.match(other, new RegExp(`DIRECTORY_LOCKED.*in use by process ${process.pid}`));
    // Without the note the database's own lock still holds.
    await rm(join(path, 'holder.json'));
    assert.match(await openElsewhere(path), /DIRECTORY_LOCKED/);
    assert.is(JSON.parse(await readFile(join(path, 'identity.json'), 'utf8')).incarnation, 5_000);
    await first.close();
    assert.match(await openElsewhere(path), /opened 5001/);
  }),
);

test(
  'a copy of a directory is refused while the process runs that uses the original, and says so',
  withDirectory(async (path) => {
    const copy = `${path}-copy`;
    const first = await open(path);
    try {
      await cp(path, copy, { recursive: true });
      assert.match(
        await openElsewhere(copy),
        new RegExp(`DIRECTORY_COPIED.*copy of one that process ${process.pid} is`),
      );
      assert.match(await openElsewhere(path), /DIRECTORY_LOCKED/);
      // One that moved is no copy.
      await rename(path, `${path}-moved`);
      assert.match(await openElsewhere(`${path}-moved`), /DIRECTORY_LOCKED/);
      await rename(`${path}-moved`, path);
    } finally {
      await first.close();
      await rm(copy, { recursive: true, force: true });
    }
  }),
);

test(
  'a note left by a killed process, or by one whose id is used again, does not lock',
  withDirectory(async (path) => {
    await (await open(path)).close();
    for (const note of ['', '{"pid":1,"started":"other boot:1"}', `{"pid":${process.ppid},"started":null}`]) {
      await writeFile(join(path, 'holder.json'), note);
      await (await open(path)).close();
    }
  }),
);

test(
  'a database damaged beyond opening is named',
  withDirectory(async (path) => {
    await (await open(path)).close();
    for (const [name, code] of [
      ['state', 'STATE_CORRUPTED'],
      ['log', 'LOG_CORRUPTED'],
    ] as const) {
      const manifest = (await readdir(join(path, name))).find((file) => file.startsWith('MANIFEST')) as string;
      await writeFile(join(path, name, manifest), 'nonsense');
      await assert.rejects(open(path), code);
    }
  }),
);

async function openElsewhere(path: string): Promise<string> {
  const script = fileURLToPath(new URL('./open-directory.ts', import.meta.url));
  const { stdout } = await run(process.execPath, ['--conditions=source', '--import', 'tsx', script, path]);
  return stdout;
}

test.run();
