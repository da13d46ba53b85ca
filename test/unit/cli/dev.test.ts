import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePortsInRow } from '../../support/ports.ts';
import { assert, suite } from '../../support/suite.ts';
import { type Command, fakeQuorate } from './support/process.ts';

const test = suite('cli: dev');

let directory = '';
let running: Command[] = [];
let base = 0;

test.before.each(async () => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-dev-'));
  base = await freePortsInRow(9);
});
test.after.each(async () => {
  for (const command of running) command.child.kill('SIGKILL');
  await Promise.all(running.map((command) => command.ended));
  running = [];
  rmSync(directory, { recursive: true });
});

function dev(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Command {
  const ports = ['--mqtt-port', base, '--http-port', base + 3, '--peer-port', base + 6].map(String);
  const command = fakeQuorate(['dev', '--data-dir', join(directory, 'dev'), ...ports, ...args], { env });
  running.push(command);
  return command;
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${String(port)}/livez`)).ok;
  } catch {
    return false;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function untilGone(port: number): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (await answers(port)) {
    if (performance.now() > deadlineMs) throw new Error(`port ${String(port)} still answers`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

test('shows the cluster, survives the death of a node, notes the new leader, stops on Ctrl-C', async () => {
  const command = dev();
  await command.until(/Ctrl-C stops all nodes/);
  assert.match(command.stdout, /Quorate: 3 nodes, ready after \d+\.\d s, leader n1\n/);
  assert.match(command.stdout, new RegExp(`n1 +leader +127\\.0\\.0\\.1:${String(base)} +`));
  assert.match(
    command.stdout,
    new RegExp(`mosquitto_sub -p ${String(base + 2)} .*\n *mosquitto_pub -p ${String(base)} `),
  );
  const pid = Number(/kill -9 (\d+)/.exec(command.stdout)?.[1]);
  process.kill(pid, 'SIGKILL');
  await command.until(/n1 ended \(killed by SIGKILL\)\. 2 of the others keep running\./);
  await command.until(/npx quorate start --node-id n1 --data-dir \S+\/dev\/n1 --mqtt 127\.0\.0\.1:\d+ .*--cluster n1=/);
  await command.until(/n2 is the leader now \(term 1, before: n1\)/);
  assert.ok(await answers(base + 4));
  command.child.kill('SIGINT');
  assert.is(await command.ended, 0);
  assert.not(await answers(base + 4));
  assert.match(readFileSync(join(directory, 'dev', 'n2.log'), 'utf8'), /"msg":"started"/);
});

test('shows the logs of all nodes when asked to', async () => {
  const command = dev(['--verbose']);
  await command.until(/n3 \| .* started/);
  await command.until(/Ctrl-C/);
  command.child.kill('SIGTERM');
  assert.is(await command.ended, 0);
  assert.match(readFileSync(join(directory, 'dev', 'n3.log'), 'utf8'), /"msg":"started"/);
});

test('a node that does not come up is named with its own sentence, the others are shown', async () => {
  const command = dev([], { FAKE_BROKEN: 'n2' });
  await command.until(/n2 ended \(exit code 1: it is broken\)/);
  await command.until(/Ctrl-C/);
  command.child.kill('SIGTERM');
  assert.is(await command.ended, 0);
});

test('ends with exit code 1 when no node comes up', async () => {
  const command = dev(['--nodes', '1'], { FAKE_BROKEN: 'n1' });
  assert.is(await command.ended, 1);
  assert.match(command.stdout, /n1 ended \(exit code 1: it is broken\)\. No node is left\./);
});

test('its nodes do not outlive it', async () => {
  const command = dev(['--nodes', '1']);
  await command.until(/Ctrl-C/);
  assert.ok(await answers(base + 3));
  const pid = Number(/n1 +leader .* (\d+)\n/.exec(command.stdout)?.[1]);
  command.child.kill('SIGKILL');
  await command.ended;
  try {
    await untilGone(base + 3);
  } finally {
    killIfThere(pid);
  }
});

test('names a busy port before it starts or removes anything', async () => {
  mkdirSync(join(directory, 'dev'));
  writeFileSync(join(directory, 'dev', 'cluster.json'), '{"nodes":3}');
  writeFileSync(join(directory, 'dev', 'kept'), '');
  const server = createServer();
  await new Promise<void>((done) => server.listen({ host: '127.0.0.1', port: base + 1 }, done));
  const command = dev(['--fresh']);
  const code = await command.ended;
  await new Promise((done) => server.close(done));
  assert.is(code, 1);
  assert.is(
    command.stderr,
    `quorate: 127.0.0.1:${String(base + 1)} (MQTT port of n2) is in use by another process: stop that one, or move all MQTT ports with --mqtt-port\n`,
  );
  assert.ok(existsSync(join(directory, 'dev', 'kept')));
});

test('keeps its hands off directories that are not its own or of another size', async () => {
  mkdirSync(join(directory, 'dev'));
  writeFileSync(join(directory, 'dev', 'thesis.txt'), 'precious');
  const foreign = dev(['--fresh']);
  assert.is(await foreign.ended, 1);
  assert.match(
    foreign.stderr,
    /^quorate: \S+ holds something else than a cluster of `quorate dev`: name another --data-dir\n$/,
  );
  assert.is(readFileSync(join(directory, 'dev', 'thesis.txt'), 'utf8'), 'precious');
  writeFileSync(join(directory, 'dev', 'cluster.json'), '{"nodes":5}');
  const other = dev();
  assert.is(await other.ended, 1);
  assert.match(
    other.stderr,
    /^quorate: \S+ holds a cluster of 5 nodes, not 3: use --nodes 5, --fresh or another --data-dir\n$/,
  );
});

test.run();
