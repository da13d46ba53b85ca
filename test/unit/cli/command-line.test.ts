import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePortsInRow } from '../../support/ports.ts';
import { assert, suite } from '../../support/suite.ts';
import { run } from './support/process.ts';

const test = suite('cli: command line');

test('help, version and the aliases', async () => {
  const [bare, help, start, version] = await Promise.all([
    run([]),
    run(['--help']),
    run(['help', 'start']),
    run(['-v']),
  ]);
  assert.is(bare.code, 0);
  assert.is(bare.stdout, help.stdout);
  assert.match(help.stdout, /quorate start --node-id n1/);
  assert.is(start.code, 0);
  assert.match(start.stdout, / {2}limits\.maxPacketSizeBytes {2}\(default: 1048576\)\n {6}Largest MQTT packet/);
  assert.match(version.stdout, /^quorate \d+\.\d+\.\d+ \(Node\.js v\d+/);
});

test('what cannot be understood is one sentence and exit code 2', async () => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['stauts'], 'unknown command "stauts": did you mean status?'],
    [['status', '--ulr', 'x'], 'unknown flag --ulr of `quorate status`: did you mean --url?'],
    [['status', '--url'], 'flag --url needs a value'],
    [['status', '--url', 'x'], 'flag --url is "x": expected a URL, for example http://127.0.0.1:18083'],
    [['dev', '--nodes', '9'], 'flag --nodes is "9": expected an integer from 1 to 7'],
    [['dev', '--fresh=yes'], 'flag --fresh takes no value, got "yes"'],
    [['dev', 'now'], '`quorate dev` takes flags only, got "now"'],
    [['dev', '--nodes', '1', '--nodes', '1'], 'flag --nodes is given twice'],
  ];
  const results = await Promise.all(cases.map(([args]) => run(args)));
  for (const [at, [, sentence]] of cases.entries()) {
    assert.equal(results[at], { code: 2, stdout: '', stderr: `quorate: ${sentence}\n` });
  }
});

const CLUSTER = {
  clusterId: 'c1',
  term: 4,
  leader: 'n2',
  commitIndex: 12,
  appliedIndex: 11,
  nodes: [
    { id: 'n1', role: 'follower', mqtt: '127.0.0.1:1883', http: '127.0.0.1:18083', peer: '127.0.0.1:7001', self: true },
    { id: 'n2', role: 'leader', mqtt: null, http: null, peer: '127.0.0.1:7002', self: false },
  ],
};

async function statusOf(answer: { status: number; body: string }) {
  const server = createServer((_request, response) => {
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const result = await run(['status', '--url', url]);
  await new Promise((done) => server.close(done));
  return { ...result, url };
}

test('status is an aligned table', async () => {
  const result = await statusOf({ status: 200, body: JSON.stringify(CLUSTER) });
  assert.is(result.code, 0);
  assert.is(
    result.stdout,
    [
      'cluster  c1',
      'leader   n2',
      'term     4',
      'commit   12',
      'applied  11',
      '',
      'id  role      mqtt            http             peer',
      'n1  follower  127.0.0.1:1883  127.0.0.1:18083  127.0.0.1:7001  <- answered',
      'n2  leader    -               -                127.0.0.1:7002',
      '',
    ].join('\n'),
  );
});

test('status says in one sentence why there is no table', async () => {
  const url = `http://127.0.0.1:${String(await freePortsInRow(1))}`;
  const [refused, foreign, failed] = await Promise.all([
    run(['status', '--url', url]),
    statusOf({ status: 200, body: '<html>' }),
    statusOf({ status: 500, body: '{"code":"INTERNAL_ERROR","reason":"It broke"}' }),
  ]);
  assert.equal(refused, { code: 1, stdout: '', stderr: `quorate: ${url}/ cannot be reached: connection refused\n` });
  assert.is(foreign.stderr, `quorate: ${foreign.url}/ cannot be reached: the answer is not JSON\n`);
  assert.is(failed.stderr, `quorate: ${failed.url}/ answered 500: It broke\n`);
});

test.run();
