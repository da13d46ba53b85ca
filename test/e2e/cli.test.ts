import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePortsInRow } from '../support/ports.ts';
import { assert, suite } from '../support/suite.ts';
import { type Command, quorate } from '../unit/cli/support/process.ts';

/* `quorate start` as an operator meets it: exit codes, and the one sentence on standard error. */

const test = suite('e2e: command line');

let directory = '';
let base = 0;
let running: Command[] = [];

test.before.each(async () => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-cli-'));
  base = await freePortsInRow(5);
  running = [];
});
test.after.each(async () => {
  for (const command of running) command.child.kill('SIGKILL');
  await Promise.all(running.map((command) => command.ended));
  rmSync(directory, { recursive: true, force: true });
});

/** Flags of a cluster of one node, with some replaced; undefined leaves one out. */
function startArgs(other: Readonly<Record<string, string | undefined>> = {}): string[] {
  const flags: Record<string, string | undefined> = {
    'node-id': 'n1',
    'data-dir': join(directory, 'data'),
    mqtt: `127.0.0.1:${String(base)}`,
    http: `127.0.0.1:${String(base + 1)}`,
    peer: `127.0.0.1:${String(base + 2)}`,
    cluster: `n1=127.0.0.1:${String(base + 2)}`,
    ...other,
  };
  const given = Object.entries(flags).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return ['start', ...given.flatMap(([flag, value]) => [`--${flag}`, value])];
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Command {
  const command = quorate(args, { env });
  running.push(command);
  return command;
}

/** Resolves when the node of these tests is ready; rejects when it ends before. */
async function untilReady(command: Command): Promise<void> {
  while (command.child.exitCode === null && command.child.signalCode === null) {
    const ready = await fetch(`http://127.0.0.1:${String(base + 1)}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`the node ended: ${command.stdout}${command.stderr}`);
}

/** @returns the log */
async function refused(args: readonly string[], code: number, stderr: string | RegExp): Promise<string> {
  const command = start(args);
  const result = { code: await command.ended, stderr: command.stderr };
  if (typeof stderr === 'string') assert.is(result.stderr, `quorate: ${stderr}\n`);
  else assert.match(result.stderr, stderr);
  assert.is(result.stderr.trim().split('\n').length, 1, 'one line, no stack trace');
  assert.is(result.code, code);
  return command.stdout;
}

test('a flag that does not exist', async () => {
  const sentence = 'unknown flag --nodeid of `quorate start`: did you mean --node-id?';
  await refused(['start', '--nodeid', 'n1'], 2, sentence);
});

test('a flag without its value', async () => {
  await refused(['start', '--node-id', '--data-dir', 'x'], 2, 'flag --node-id needs a value');
});

test('a value that is missing everywhere', async () => {
  const sentence =
    'nodeId is missing: expected a name of 1 to 63 letters, digits, ".", "_" or "-", in quotes where YAML would read ' +
    'a number (flag --node-id, environment QUORATE_NODE_ID or the config file)';
  await refused(startArgs({ 'node-id': undefined }), 1, sentence);
});

test('a value that cannot be', async () => {
  const sentence = 'mqtt is "1883" (flag --mqtt): expected HOST:PORT, for example 127.0.0.1:1883 or [::1]:1883';
  await refused(startArgs({ mqtt: '1883' }), 1, sentence);
});

test('a key of the file that does not exist', async () => {
  const file = join(directory, 'quorate.yaml');
  writeFileSync(file, 'limits:\n  maxConection: 5\n');
  const sentence = `unknown key limits.maxConection (${file}) with value 5: did you mean limits.maxConnections?`;
  await refused(startArgs({ config: file }), 1, sentence);
});

test('a configuration file that is not there', async () => {
  const file = join(directory, 'nowhere.yaml');
  const sentence = `configuration file ${file} cannot be read (ENOENT): expected a YAML file`;
  await refused(startArgs({ config: file }), 1, sentence);
});

test('a listener beyond loopback without waiver', async () => {
  const sentence =
    `mqtt is 0.0.0.0:${String(base)}, not a loopback address: expected authentication with ` +
    'methods that ask for a proof, or allowAnonymous: true in the config file, ' +
    'which lets MQTT clients in without credentials';
  await refused(startArgs({ mqtt: `0.0.0.0:${String(base)}` }), 1, sentence);
});

test('busy ports, each named with its key', async () => {
  for (const [at, key] of ['mqtt', 'http', 'peer'].entries()) {
    const server = createServer();
    const port = base + at;
    await new Promise<void>((done) => server.listen({ host: '127.0.0.1', port }, done));
    const sentence = `127.0.0.1:${String(port)} (key ${key}) is in use by another process: stop it or choose another port`;
    try {
      const log = await refused(startArgs(), 1, sentence);
      // It may be all that is kept.
      const { msg } = JSON.parse(log.trim().split('\n').at(-1) ?? '') as { readonly msg: string };
      assert.is(msg, sentence);
    } finally {
      await new Promise((done) => server.close(done));
    }
  }
});

test('a data directory below a file, or a file in its place', async () => {
  const file = join(directory, 'file');
  writeFileSync(file, '');
  await refused(startArgs({ 'data-dir': file }), 1, new RegExp(`^quorate: .*${file}.* is a file`));
  await refused(startArgs({ 'data-dir': join(file, 'data') }), 1, new RegExp(`^quorate: .*${join(file, 'data')}`));
});

// root may write anywhere but on a file system that takes no directories.
test('a data directory that cannot be made', async () => {
  if (!existsSync('/sys/kernel')) return;
  await refused(startArgs({ 'data-dir': '/sys/quorate' }), 1, /^quorate: .*\/sys\/quorate.*/);
});

test('the directory of another node', async () => {
  const first = start(startArgs());
  await untilReady(first);
  first.child.kill('SIGTERM');
  assert.is(await first.ended, 0);
  const other = startArgs({ 'node-id': 'n2', cluster: `n2=127.0.0.1:${String(base + 2)}` });
  await refused(other, 1, /^quorate: The data directory \S+ belongs to /);
});

test('the directory of a node that runs', async () => {
  const first = start(startArgs());
  await untilReady(first);
  const ports = { mqtt: `127.0.0.1:${String(base + 3)}`, http: `127.0.0.1:${String(base + 4)}` };
  const second = start(startArgs(ports));
  assert.is(await second.ended, 1);
  assert.match(second.stderr, /^quorate: [^\n]*(in use by)[^\n]*\n$/);
});

test('SIGTERM and Ctrl-C end a node with exit code 0 and nothing on standard error', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const command = start(startArgs());
    await untilReady(command);
    command.child.kill(signal);
    assert.is(await command.ended, 0);
    assert.is(command.stderr, '');
  }
});

test('logs are JSON lines that name the node', async () => {
  const command = start(startArgs());
  await untilReady(command);
  command.child.kill('SIGTERM');
  await command.ended;
  const lines = command.stdout.trim().split('\n');
  for (const line of lines) assert.is((JSON.parse(line) as Record<string, unknown>)['node'], 'n1');
});

test.run();
