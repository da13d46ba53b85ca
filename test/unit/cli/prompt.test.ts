import { type ChildProcess, spawn } from 'node:child_process';
import { assert, suite } from '../../support/suite.ts';
import { FakeNode } from './support/fake-node.ts';
import { QUORATE } from './support/process.ts';

/* A password that is asked for on a terminal: `script` of util-linux gives the command one. */

const test = suite('cli: prompt for a password');

const FIRST = 'New password of ann: ';
const SECOND = 'The same again: ';

let node: FakeNode;

test.before.each(async () => {
  node = new FakeNode();
  node.answer = { status: 200, body: '{"name":"ann","superuser":false}' };
  await node.listen();
});
test.after.each(() => node.close());

/** `quorate user passwd ann` on a terminal. */
class Terminal {
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** Whatever a user sees. */
  screen = '';
  #changed = (): void => {};

  constructor() {
    const command = [process.execPath, ...QUORATE, 'user', 'passwd', 'ann'];
    const quoted = [...command, '--url', node.url].map((each) => `'${each}'`).join(' ');
    this.#child = spawn('script', ['--quiet', '--return', '--command', quoted, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, SHELL: '/bin/sh' },
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      this.screen += chunk;
      this.#changed();
    });
    this.ended = new Promise((done, fail) => {
      this.#child.once('error', fail);
      this.#child.once('close', done);
    });
  }

  /** Types once the question is on the screen. */
  async answer(question: string, keys: string): Promise<void> {
    const asked = new Promise<void>((done) => {
      this.#changed = () => {
        if (this.screen.includes(question)) done();
      };
      this.#changed();
    });
    const over = this.ended.then(() => Promise.reject(new Error(`ended without ${question}\n${this.screen}`)));
    await Promise.race([asked, over]);
    over.catch(() => {});
    this.#child.stdin?.write(keys);
  }
}

test('is asked for twice, corrected with backspace, and never shown', async () => {
  const terminal = new Terminal();
  await terminal.answer(FIRST, 'sesamx\u007fe\r');
  await terminal.answer(SECOND, 'sesame\r');
  assert.is(await terminal.ended, 0, terminal.screen);
  assert.equal(
    node.requests.map(({ method, path, body }) => [method, path, body]),
    [['PATCH', '/api/v1/users/ann', '{"password":"sesame"}']],
  );
  assert.not(/sesam/.test(terminal.screen), terminal.screen);
});

test('two that differ, none, and Ctrl-C change nothing', async () => {
  const differing = new Terminal();
  await differing.answer(FIRST, 'one\r');
  await differing.answer(SECOND, 'two\r');
  assert.is(await differing.ended, 1);
  assert.match(differing.screen, /the two passwords differ: nothing was changed/);
  const none = new Terminal();
  await none.answer(FIRST, '\r');
  assert.is(await none.ended, 1);
  assert.match(none.screen, /the first line has no password/);
  const interrupted = new Terminal();
  await interrupted.answer(FIRST, 'half\u0003');
  assert.is(await interrupted.ended, 1);
  assert.match(interrupted.screen, /no password was given/);
  assert.equal(node.requests, []);
});

test.run();
