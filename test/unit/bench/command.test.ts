import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, parseCommandLine, parseHosts, runBench, SCENARIOS } from '@quorate/bench';
import { assert, suite } from '../../support/suite.ts';
import { StubBroker } from './stub-broker.ts';

const test = suite('bench command');

async function bench(...argv: string[]) {
  const printed: string[] = [];
  const notes: string[] = [];
  const code = await runBench(argv, { print: (line) => printed.push(line), note: (line) => notes.push(line) });
  return { code, printed: printed.join('\n'), notes };
}

test('accepts loopback addresses', () => {
  assert.equal(parseHosts('127.0.0.1:1883,127.8.9.1:2,localhost:3,[::1]:4'), [
    { address: '127.0.0.1', port: 1883 },
    { address: '127.8.9.1', port: 2 },
    { address: '127.0.0.1', port: 3 },
    { address: '::1', port: 4 },
  ]);
});

test('refuses every other address', () => {
  const refused = ['10.0.0.1:1883', '192.168.1.2:1883', '0.0.0.0:1883', '8.8.8.8:1883', 'broker.example:1883'];
  refused.push('127.0.0.1.example:1883', '[::]:1883', '[::ffff:10.0.0.1]:1883', '128.0.0.1:1', '2130706433:1883');
  for (const host of refused) {
    assert.throws(() => parseHosts(host), /only loopback addresses/, host);
    assert.throws(() => parseHosts(`127.0.0.1:1883,${host}`), /only loopback addresses/, host);
    assert.throws(() => parseCommandLine(['--target', `a=${host}`]), /only loopback addresses/, host);
  }
  for (const host of ['', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:1883,']) {
    assert.throws(() => parseHosts(host), /expected/, host);
  }
});

test('reads the command line', () => {
  const defaults = parseCommandLine([]);
  assert.equal(defaults.scenarios, SCENARIOS);
  assert.equal([defaults.seconds, defaults.warmupSeconds, defaults.runs, defaults.payloadBytes], [5, 1, 3, 256]);
  assert.equal(defaults.targets, [{ name: 'quorate', hosts: null, pids: [] }]);
  const argv = ['--target', 'a=127.0.0.1:1,127.0.0.1:2', '--target', 'b=cluster', '--pids', 'a=1,2'];
  assert.equal(parseCommandLine(argv).targets, [
    {
      name: 'a',
      hosts: [
        { address: '127.0.0.1', port: 1 },
        { address: '127.0.0.1', port: 2 },
      ],
      pids: [1, 2],
    },
    { name: 'b', hosts: null, pids: [] },
  ]);
});

test('says in one sentence what is wrong with the command line', async () => {
  const wrong: [RegExp, ...string[]][] = [
    [/no scenario "nope"; known are: all, pub/, '--scenario', 'nope'],
    [/--seconds x: a number from 1 to 3600/, '--seconds', 'x'],
    [/--runs 1\.5: a whole number/, '--runs', '1.5'],
    [/--payload 23: /, '--payload', '23'],
    [/Unknown option '--nope'/, '--nope'],
    [/Unexpected argument 'stray'/, 'stray'],
    [/either --hosts or --target/, '--hosts', '127.0.0.1:1', '--target', 'a=127.0.0.1:1'],
    [/"a" is given twice/, '--target', 'a=127.0.0.1:1', '--target', 'a=127.0.0.1:2'],
    [/"b", which is no target/, '--target', 'a=127.0.0.1:1', '--pids', 'b=1'],
  ];
  for (const [expected, ...argv] of wrong) {
    const { code, notes } = await bench(...argv);
    assert.is(code, 1);
    assert.is(notes.length, 1);
    assert.match(notes[0] ?? '', expected);
  }
});

test('a refused connection is one sentence and exit code 1', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  const { code, notes } = await bench(
    '--scenario',
    'pub',
    '--runs',
    '1',
    '--seconds',
    '1',
    '--hosts',
    `127.0.0.1:${port}`,
  );
  assert.is(code, 1);
  assert.match(notes.join('\n'), /Cannot connect to 127\.0\.0\.1:\d+: connection refused/);
});

test('measures targets interleaved and reports ratio, range and JSON', async () => {
  const [a, b] = await Promise.all([StubBroker.start(), StubBroker.start({ dropEvery: 20 })]);
  const directory = mkdtempSync(join(tmpdir(), 'bench-test-'));
  const json = join(directory, 'out.json');
  try {
    const argv = [
      '--scenario',
      'pairs',
      '--runs',
      '2',
      '--seconds',
      '1',
      '--warmup',
      '0',
      '--json',
      json,
      '--markdown',
    ];
    const targets = ['--target', `good=127.0.0.1:${a.port}`, '--target', `bad=127.0.0.1:${b.port}`];
    const { code, printed, notes } = await bench(...argv, ...targets, '--label', 'a label');
    assert.is(code, 1, 'the lossy target makes the command fail');
    assert.equal(
      notes.map((note) => note.slice(0, note.indexOf(':'))),
      ['pairs on good, run 1', 'pairs on bad, run 1', 'pairs on good, run 2', 'pairs on bad, run 2'],
    );
    assert.match(printed, /### pairs: .* \(delivered\/s\)/);
    assert.match(printed, /\| good \| [\d,]+ \| [\d,]+-[\d,]+ \| - \|/);
    assert.match(printed, /\| bad \| [\d,]+ \| [\d,]+-[\d,]+ \| \d+\.\d\dx \|/);
    assert.match(printed, /FAILED pairs on bad, run 1: \d+ acknowledged messages lost/);
    const report = JSON.parse(readFileSync(json, 'utf8')) as { label: string; results: { fault: string | null }[] };
    assert.is(report.label, 'a label');
    assert.equal(
      report.results.map((result) => result.fault === null),
      [true, false, true, false],
    );
  } finally {
    rmSync(directory, { recursive: true });
    await Promise.all([a.stop(), b.stop()]);
  }
});

test('takes the median of odd and even numbers of runs', () => {
  assert.is(median([3, 1, 2]), 2);
  assert.is(median([4, 1, 2, 3]), 2.5);
});

test.run();
