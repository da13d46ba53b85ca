import { createServer } from 'node:net';
import { NewerVersionError } from '@quorate/broker';
import { CommandError, describeFailure } from '@quorate/cli';
import { loadConfig } from '@quorate/node';
import { StorageError } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';

const test = suite('cli: failures');

const config = loadConfig({ flags: { 'node-id': 'n1', 'data-dir': 'd', cluster: 'n1=127.0.0.1:7001' } });

function systemError(details: Readonly<Record<string, unknown>>): Error {
  return Object.assign(new Error(`${String(details['code'])}: in the words of the system`), details);
}

test('a busy port is named with its address and key', async () => {
  const listen = (port: number) => {
    const server = createServer();
    return new Promise<typeof server>((done, fail) => {
      server.once('error', fail);
      server.listen({ host: '127.0.0.1', port }, () => {
        done(server);
      });
    });
  };
  const first = await listen(0);
  const address = first.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const error = await listen(port).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  await new Promise((done) => first.close(done));
  const failure = describeFailure(error, { ...config, http: { host: '127.0.0.1', port } });
  const where = `127.0.0.1:${String(port)} (key http)`;
  assert.equal(failure, {
    sentence: `${where} is in use by another process: stop it or choose another port`,
    foreseen: true,
  });
});

test('system errors are found below the error that carries them', () => {
  const cause = systemError({ code: 'EACCES', syscall: 'listen', address: '::1', port: 80 });
  assert.equal(describeFailure(new Error('start failed', { cause }), config), {
    sentence: '[::1]:80 may not be used by this user: choose a port from 1024 on',
    foreseen: true,
  });
  const readOnly = systemError({ code: 'EROFS', syscall: 'mkdir', path: '/x/y' });
  assert.is(describeFailure(readOnly).sentence, 'cannot use /x/y: the file system is read-only');
  const noHost = systemError({ code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: 'nowhere' });
  assert.is(describeFailure(noHost).sentence, 'the host nowhere is unknown (ENOTFOUND)');
});

test('errors made for people are passed on, on one line', () => {
  assert.equal(describeFailure(new CommandError('it is\n so')), { sentence: 'it is so', foreseen: true });
  const storage = new StorageError('DIRECTORY_NOT_A_DIRECTORY', { path: '/x' });
  assert.ok(describeFailure(storage).foreseen);
  // A node of an older version that meets a newer command in the log: no fault of the program.
  const newer = describeFailure(new NewerVersionError('command type 99'));
  assert.match(newer.sentence, /^command type 99 is not known to this version: upgrade this node/);
  assert.ok(newer.foreseen);
  assert.match(describeFailure(storage).sentence, /^The data directory \/x is a file, not a directory\./);
});

test('anything else is unexpected, so that the log gets its stack', () => {
  assert.equal(describeFailure(new TypeError('x is not a function')), {
    sentence: 'unexpected failure: x is not a function',
    foreseen: false,
  });
  assert.equal(describeFailure('text'), { sentence: 'text', foreseen: false });
});

test.run();
