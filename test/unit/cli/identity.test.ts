import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, suite } from '../../support/suite.ts';
import { FakeNode } from './support/fake-node.ts';
import { QUORATE, run } from './support/process.ts';

const test = suite('cli: users, access rules and bans');

/** Every line starts a process, which takes a while on a busy machine. */
const SLOW = { timeoutMs: 120_000 };

let node: FakeNode;
let folder = '';

test.before.each(async () => {
  node = new FakeNode();
  await node.listen();
  folder = mkdtempSync(join(tmpdir(), 'quorate-cli-'));
});
test.after.each(async () => {
  await node.close();
  rmSync(folder, { recursive: true, force: true });
});

function answer(status: number, body: unknown): void {
  node.answer = { status, body: JSON.stringify(body) };
}

/** The command with the fake node's URL; nothing may be on standard error. */
async function done(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run([...args, '--url', node.url]);
  assert.equal({ code, stderr }, { code: 0, stderr: '' });
  return stdout;
}

function lastRequest(): unknown[] {
  const { method, path, body } = node.requests.at(-1) ?? { method: '', path: '', body: '' };
  return [method, path, body === '' ? null : JSON.parse(body)];
}

/** With a password on standard input. */
function piped(input: string, args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [...QUORATE, ...args, '--url', node.url]);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  child.stdin.end(input);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })));
}

test(
  'a password comes from a file or standard input, never from the command line',
  async () => {
    const file = join(folder, 'secret');
    writeFileSync(file, 'correct horse\n');
    answer(201, { name: 'ann', superuser: true });
    assert.is(
      await done('user', 'add', 'ann', '--superuser', '--password-file', file),
      'user ann was added, a superuser\n',
    );
    const added = { name: 'ann', password: 'correct horse', superuser: true };
    assert.equal(lastRequest(), ['POST', '/api/v1/users', added]);
    assert.equal(await piped('from a pipe\r\n', ['user', 'passwd', 'a/b']), { code: 0, stderr: '' });
    assert.equal(lastRequest(), ['PATCH', '/api/v1/users/a%2Fb', { password: 'from a pipe' }]);
    const asked = node.requests.length;
    assert.match((await piped('', ['user', 'add', 'x'])).stderr, /standard input has no password: expected one line/);
    assert.match((await piped('a\nb\n', ['user', 'add', 'x'])).stderr, /has more than one line/);
    const onCommandLine = await run(['user', 'add', 'x', '--password', 'p']);
    assert.is(onCommandLine.code, 2);
    assert.match(onCommandLine.stderr, /unknown flag --password of `quorate user add`: did you mean --password-file\?/);
    assert.is(node.requests.length, asked);
  },
  SLOW,
);

test(
  'users are listed, changed and removed',
  async () => {
    answer(200, {
      data: [
        { name: 'ann', superuser: true },
        { name: 'bob', superuser: false },
      ],
      meta: { limit: 1000, cursor: null },
    });
    assert.is(await done('user', 'list'), 'user\nann   superuser\nbob\n');
    answer(200, { name: 'bob', superuser: false });
    assert.is(await done('user', 'set', 'bob', '--no-superuser'), 'user bob is no superuser any more\n');
    assert.equal(lastRequest(), ['PATCH', '/api/v1/users/bob', { superuser: false }]);
    answer(404, { code: 'NOT_FOUND', reason: 'There is no user eve' });
    const failed = await run(['user', 'remove', 'eve', '--url', node.url]);
    assert.is(
      failed.stderr,
      'quorate: cannot remove user eve: There is no user eve (NOT_FOUND): the list shows what there is\n',
    );
    assert.is(failed.code, 1);
  },
  SLOW,
);

test(
  'rules are added with all that they can say, listed, tested and removed',
  async () => {
    answer(201, { id: 'ab12' });
    const words = [
      'acl',
      'add',
      'deny',
      'publish',
      'a/%c/#',
      'eq #',
      '--user',
      'ann',
      '--qos',
      '0,1',
      '--retain',
      'true',
    ];
    assert.is(await done(...words, '--position', '0'), 'rule ab12 was added\n');
    const rule = { permission: 'deny', who: { user: 'ann' }, action: 'publish', topics: ['a/%c/#', 'eq #'] };
    assert.equal(lastRequest(), ['POST', '/api/v1/acl/rules', { ...rule, qos: [0, 1], retain: true, position: 0 }]);
    await done('acl', 'add', 'allow', 'all', '#', '--client', 'c', '--id', 'mine');
    const all = { permission: 'allow', who: { clientId: 'c' }, action: 'all', topics: ['#'], qos: null, retain: null };
    assert.equal(lastRequest(), ['POST', '/api/v1/acl/rules', { ...all, id: 'mine' }]);
    answer(200, {
      data: [
        { id: 'ab12', ...rule, qos: [0, 1], retain: true },
        { id: 'mine', ...all },
      ],
      meta: { cursor: null },
    });
    assert.equal((await done('acl', 'list')).split('\n'), [
      '   id    permission  who       action   topics        only',
      '0  ab12  deny        user ann  publish  a/%c/#  eq #  qos 0,1 retain true',
      '1  mine  allow       client c  all      #',
      '',
    ]);
    answer(200, { allowed: false, rule: 'ab12', reason: 'rule ab12 is the first that matches' });
    assert.is(
      await done('acl', 'test', 'publish', 'a/x', '--user', 'ann'),
      'denied: rule ab12 is the first that matches\n',
    );
    const question = {
      action: 'publish',
      topic: 'a/x',
      qos: 0,
      retain: false,
      clientId: '',
      userName: 'ann',
      address: '',
    };
    assert.equal(lastRequest(), ['POST', '/api/v1/acl/test', question]);
    answer(200, { code: 'OK', reason: 'gone' });
    assert.is(await done('acl', 'remove', 'ab12'), 'rule ab12 is gone\n');
    assert.equal(lastRequest(), ['DELETE', '/api/v1/acl/rules/ab12', null]);
  },
  SLOW,
);

test(
  'bans are added with their end, listed and taken back',
  async () => {
    answer(201, { value: '10.0.0.0/8', expiresAt: '2030-01-01T00:00:00.000Z' });
    const said = await done('ban', 'add', '--address', '10.1.2.3/8', '--for', '12h', '--reason', 'noise');
    assert.is(said, 'address 10.0.0.0/8 is banned until 2030-01-01T00:00:00.000Z; its connections end\n');
    const ban = { kind: 'address', value: '10.1.2.3/8', reason: 'noise', expiresInSec: 43_200 };
    assert.equal(lastRequest(), ['POST', '/api/v1/bans', ban]);
    answer(200, { code: 'OK', reason: 'gone' });
    await done('ban', 'remove', '--client', 'a/b');
    assert.equal(lastRequest(), ['DELETE', '/api/v1/bans/clientId/a%2Fb', null]);
    answer(200, { data: [{ kind: 'user', value: 'eve', expiresAt: null, reason: 'x' }], meta: { cursor: null } });
    assert.is(await done('ban', 'list'), 'kind  value  until     reason\nuser  eve    for ever  x\n');
  },
  SLOW,
);

test(
  'a command line that says nothing clear is refused, with what was expected',
  async () => {
    const bad: readonly (readonly [readonly string[], RegExp])[] = [
      [['user'], /`quorate user` needs one of add, passwd, set, list, remove/],
      [['acl', 'ad'], /unknown command "acl ad": expected one of list, add, remove, test/],
      [['acl', 'add', 'maybe', 'all', '#'], /the first argument is "maybe": expected allow, deny/],
      [['acl', 'add', 'allow', 'all'], /needs a topic filter/],
      [['acl', 'add', 'allow', 'all', '#', '--user', 'a', '--anonymous'], /exclude each other/],
      [['acl', 'add', 'allow', 'all', '#', '--qos', '3'], /flag --qos is "3": expected some of 0, 1 and 2/],
      [['ban', 'add', '--user', 'a', '--client', 'b'], /needs one of --client ID, --user NAME and --address IP/],
      [['ban', 'add', '--user', 'a', '--for', '1w'], /flag --for is "1w": expected a duration like 90s/],
      [['user', 'set', 'a'], /needs --superuser or --no-superuser/],
    ];
    for (const [args, sentence] of bad) {
      const { code, stderr } = await run([...args, '--url', node.url]);
      assert.match(stderr, sentence);
      assert.is(code, 2, args.join(' '));
    }
    assert.is(node.requests.length, 0);
    for (const command of ['user', 'acl', 'ban']) {
      assert.match((await run([command, '--help'])).stdout, new RegExp(`quorate ${command} list`));
      assert.match((await run(['help', command])).stdout, /Usage:/);
    }
  },
  SLOW,
);

test.run();
