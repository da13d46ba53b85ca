import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { baseSeed, seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';

interface Run {
  readonly code: number | null;
  /** What it wrote to stdout: the wrapper writes only there. */
  readonly output: string;
}

const fixture = fileURLToPath(new URL('fixtures/faulty.ts', import.meta.url));

/** Runs the fixture with one planted fault. */
function runFaulty(fault: string): Promise<Run> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, ['--import', 'tsx', fixture, fault], {
      // Not one string of both streams: uvu writes to stderr, and two pipes are read in no particular order.
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, QUORATE_TEST_SEED: '7' },
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
    child.once('error', failed);
    child.once('close', (code) => done({ code, output }));
  });
}

const test = suite('support: suite');

test('passes what is right', async () => {
  const { code, output } = await runFaulty('none');
  assert.is(code, 0, output);
  assert.match(output, /^# tests=1 passed=1$/m);
});

/** Fault, its last line, and what must be said about it. */
const expectations: readonly (readonly [string, string, RegExp])[] = [
  ['failing test', 'tests=2 passed=1', /planted/],
  ['error with details', 'tests=2 passed=1', /planted with details/],
  ['before throws', 'tests=1 passed=0', /before: Error: planted/],
  ['before each throws', 'tests=1 passed=0', /planted/],
  ['after throws', 'tests=1 passed=1', /after: Error: planted/],
  ['after each throws', 'tests=1 passed=0', /planted/],
  ['after each hides the failure', 'tests=2 passed=0', /real.failure/],
  ['test takes too long', 'tests=2 passed=1', /hangs: no end after 50 ms/],
  ['hook takes too long', 'tests=1 passed=0', /before: no end after 50 ms/],
  ['unhandled rejection', 'tests=2 passed=1', /unhandled rejection during faulty > forgets a promise/],
  ['uncaught exception', 'tests=2 passed=1', /uncaught exception during faulty > waits/],
  ['early exit', 'tests=2 passed=1', /the process ended before the suite did/],
  ['process stays alive', 'tests=2 passed=2', /still alive 5000 ms after the last test; open: .*Timeout/],
  ['seed and diagnostic', 'tests=2 passed=1', /state at failure[^]*repeat with QUORATE_TEST_SEED=7 \(x=\d+\)/],
  ['throws a string', 'tests=2 passed=1', /thrown value is not an Error: planted/],
  ['no tests', 'tests=0 passed=0', /has no tests/],
  ['run never called', 'tests=1 passed=0', /run\(\) was never called/],
  ['second suite never run', 'tests=2 passed=1', /suite other: run\(\) was never called/],
];

// The one that takes 5 s runs beside the others.
const slowFault = 'process stays alive';
const slowRun = runFaulty(slowFault);

for (const [fault, lastLine, said] of expectations) {
  test(`fails: ${fault}`, async () => {
    const { code, output } = await (fault === slowFault ? slowRun : runFaulty(fault));
    assert.is(code, 1, output);
    assert.is(output.trimEnd().split('\n').at(-1), `# ${lastLine}`, output);
    assert.match(output, said);
  });
}

test('a seed depends on its name and the base seed only', () => {
  assert.is(seedFor('a'), seedFor('a'));
  assert.is.not(seedFor('a'), seedFor('b'));
  assert.is(baseSeed(), baseSeed());
});

test('rejects() takes a pattern, a code or nothing, and fails on a fulfilled promise', async () => {
  const coded = Object.assign(new Error('some message'), { code: 'SOME_CODE' });
  await assert.rejects(Promise.reject(coded), /some/);
  await assert.rejects(Promise.reject(coded), 'SOME_CODE');
  await assert.rejects(() => Promise.reject(coded));
  await assert.rejects(assert.rejects(Promise.reject(coded), /other/), /Expected value to match/);
  await assert.rejects(assert.rejects(Promise.reject(coded), 'OTHER'), /code of/);
  await assert.rejects(assert.rejects(Promise.resolve()), /but it was fulfilled/);
});

test.run();
