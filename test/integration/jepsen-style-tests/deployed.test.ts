import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addressOf } from '@quorate/jepsen-style-tests';
import { freePorts } from '../../support/ports.ts';
import { assert, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';
import { FakeBroker, type Flaw } from './fake-broker.ts';

/* One command against a cluster that is there: what it finds, how it ends, and that it leaves nothing behind. */

const test = suite('integration: partition tests on a deployed cluster');

const MAIN = fileURLToPath(new URL('../../../jepsen-style-tests/src/deployed-main.ts', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What is in the files of the report, by name. */
  readonly files: Readonly<Record<string, string>>;
}

function command(...args: readonly string[]): Promise<Ended> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [...process.execArgv, MAIN, ...args], (_error, stdout, stderr) => {
      const folder = /histories in (\S+)/.exec(stdout)?.[1];
      const named = [...stdout.matchAll(/^ {2}(\/.*\.(?:html|json|xml))$/gm)].map(([, file = '']) => file);
      const files = Object.fromEntries(named.map((file) => [basename(file), readFileSync(file, 'utf8')]));
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      done({ code: child.exitCode, stdout, stderr, files });
    });
  });
}

let broker: FakeBroker;
test.after.each(() => broker.close());

async function against(flaw: Flaw | null, workloads: string): Promise<Ended> {
  broker = new FakeBroker(flaw);
  const nodes = (await broker.listen(3)).map((port) => `127.0.0.1:${port}`).join(',');
  return command('--nodes', nodes, '--seconds', '4', '--workloads', workloads);
}

test(
  'nothing found: exit code 0, and nothing left behind',
  async () => {
    const { code, stdout, stderr } = await against(null, 'queue,register');
    assert.is(code, 0, `${stdout}\n${stderr}`);
    assert.match(stdout, /queue: .*\n {2}delivery: ok {2}\(/);
    assert.match(stdout, /verdict: ok/);
    assert.match(stderr, /\d+ acknowledged, 0 not/);
    await waitFor(() => broker.leftovers === 0, { what: 'nothing to be left behind' });
  },
  { timeoutMs: 90_000 },
);

test(
  'something found: exit code 1, and the proof',
  async () => {
    const { code, stdout, files } = await against('drop', 'queue');
    assert.is(code, 1, stdout);
    assert.match(
      stdout,
      /P1 lost: queue\.\d:\d+ of queue\.\d was acknowledged by 127\.0\.0\.1:\d+ at .* never reached/,
    );
    assert.match(stdout, /queue\.\d at \S+: publish, topic \S+, value \S+, qos 1/);
    assert.match(files['report.html'] ?? '', /P1 lost<\/span> queue\.\d:\d+ of queue/);
    const report = JSON.parse(files['report.json'] ?? '{}') as { verdict: string; sentence: string };
    assert.is(report.verdict, 'failed');
    assert.match(report.sentence, /anomal.*queue: delivery/);
    assert.match(files['junit.xml'] ?? '', /<failure /);
  },
  { timeoutMs: 90_000 },
);

test('what can not be checked: exit code 2, and why', async () => {
  const [port] = (await freePorts(1)) as [number];
  assert.equal(
    outcome(await command('--nodes', `127.0.0.1:${port}`)),
    `2 127.0.0.1:${port} takes no MQTT client: there was no CONNACK`,
  );
  assert.equal(outcome(await command('--nodes', 'a:1,b')), "2 a node is HOST:PORT, but here is 'b'");
  assert.match(outcome(await command('--nodes', 'a:1', '--seconds', 'x')), /^2 --seconds must be a number/);
  assert.match((await command()).stdout, /^Checks a cluster/);
});

function outcome({ code, stderr }: Ended): string {
  return `${code} ${stderr.trim()}`;
}

test('addresses', () => {
  assert.equal(addressOf('a.example:1883'), { id: 'a.example:1883', host: 'a.example', port: 1883 });
  assert.equal(addressOf('[::1]:1883'), { id: '[::1]:1883', host: '::1', port: 1883 });
  for (const bad of ['a', 'a:', ':1', 'a:0', 'a:65536', 'a:b']) assert.throws(() => addressOf(bad), /HOST:PORT/);
});

test.run();
