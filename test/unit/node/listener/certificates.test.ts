import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import type { TlsConfig } from '@quorate/node';
import { Certificates } from '../../../../packages/node/src/listener/certificates.ts';
import { assert, suite } from '../../../support/suite.ts';
import { waitFor } from '../../../support/wait.ts';
import { fixture, fixtureBytes, type Recorder, Rig, recorder, tlsConfig } from './harness.ts';

const test = suite('certificates of a listener');

let folder: string;
let config: TlsConfig;
let rig: Rig | null = null;
let sockets: tls.TLSSocket[] = [];

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-certificates-'));
  config = tlsConfig({ certFile: join(folder, 'tls.pem'), keyFile: join(folder, 'tls.key') });
  put('server');
});
test.after.each(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  rig?.listener.destroy();
  rig = null;
  rmSync(folder, { recursive: true });
});

function put(name: string, what: readonly ('pem' | 'key')[] = ['pem', 'key']): void {
  for (const extension of what) copyFileSync(fixture(`${name}.${extension}`), join(folder, `tls.${extension}`));
}

function lastError(log: Recorder): string {
  return log.lines.filter((line) => line.startsWith('error')).at(-1) ?? '';
}

async function open(): Promise<Rig> {
  rig = await Rig.open({ transport: 'tls', tls: config });
  return rig;
}

async function dial(): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    ...{ host: '127.0.0.1', port: rig?.port ?? 0, ca: fixtureBytes('ca.pem'), servername: 'localhost' },
  });
  sockets.push(socket);
  await once(socket, 'secureConnect');
  return socket;
}

/** The name in the certificate that a new client sees. */
async function shown(): Promise<string> {
  const socket = await dial();
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

test('what replaces them is used for new clients, and those who are there go on', async () => {
  const { listener, accepted } = await open();
  const stays = await dial();
  await waitFor(() => accepted[0], { what: 'the connection' });
  assert.is(await shown(), 'first server');
  put('renewed');
  // Seen for the first time: perhaps only half of it is there.
  await listener.pollCertificates();
  assert.is(await shown(), 'first server');
  await listener.pollCertificates();
  assert.is(await shown(), 'renewed server');
  stays.write('still here');
  await waitFor(() => accepted[0]?.text === 'still here', { what: 'bytes of the client that stays' });
  assert.is(accepted[0]?.closed, 0);
});

test('a certificate without its key is not used until the key is there', async () => {
  const { listener, log } = await open();
  put('renewed', ['pem']);
  for (let poll = 0; poll < 5; poll++) await listener.pollCertificates();
  assert.is(await shown(), 'first server');
  const errors = log.lines.filter((line) => line.startsWith('error'));
  assert.is(errors.length, 1, 'said once, not at each look');
  assert.match(
    errors[0] ?? '',
    /^error listener it goes on with the certificate that it has: keyFile is .*not the key of/,
  );
  put('renewed', ['key']);
  await listener.pollCertificates();
  await listener.pollCertificates();
  assert.is(await shown(), 'renewed server');
});

test('files that are gone, or hold something else, change nothing', async () => {
  const { listener, log } = await open();
  writeFileSync(config.certFile, 'nothing');
  await listener.reloadCertificates();
  assert.is(await shown(), 'first server');
  assert.match(lastError(log), /certFile is .* holds no certificate: expected a PEM file with one$/);
  rmSync(config.certFile);
  await listener.reloadCertificates();
  assert.is(await shown(), 'first server');
  assert.match(lastError(log), /certFile is .* cannot be read \(ENOENT\)/);
});

test('an expired certificate does not take the place of one that is valid', async () => {
  const { listener, log } = await open();
  put('expired');
  await listener.reloadCertificates();
  assert.is(await shown(), 'first server');
  assert.match(lastError(log), /^error .*whose certificate expired on Jan {2}1 00:00:00 2021 GMT/);
});

test('asked for, they are read at once', async () => {
  const { listener } = await open();
  put('renewed');
  await listener.reloadCertificates();
  assert.is(await shown(), 'renewed server');
});

test('a link that is moved to another directory is a change, as in a secret of Kubernetes', async () => {
  for (const [version, name] of [
    ['v1', 'server'],
    ['v2', 'renewed'],
  ] as const) {
    mkdirSync(join(folder, version));
    for (const extension of ['pem', 'key']) {
      copyFileSync(fixture(`${name}.${extension}`), join(folder, version, `tls.${extension}`));
    }
  }
  symlinkSync('v1', join(folder, 'data'));
  config = { ...config, certFile: join(folder, 'data', 'tls.pem'), keyFile: join(folder, 'data', 'tls.key') };
  const { listener } = await open();
  symlinkSync('v2', join(folder, 'next'));
  renameSync(join(folder, 'next'), join(folder, 'data'));
  await listener.pollCertificates();
  await listener.pollCertificates();
  assert.is(await shown(), 'renewed server');
});

test('new authorities hold for new clients, and a session from before does not get around them', async () => {
  const caFile = join(folder, 'ca.pem');
  copyFileSync(fixture('ca.pem'), caFile);
  const trusting = { ...config, caFile, clientCertificates: 'require' } as const;
  rig = await Rig.open({ transport: 'tls', tls: trusting });
  const asClient = (session?: Buffer): tls.TLSSocket => {
    const socket = tls.connect({
      ...{ host: '127.0.0.1', port: rig?.port ?? 0, ca: fixtureBytes('ca.pem'), servername: 'localhost' },
      ...{ cert: fixtureBytes('client.pem'), key: fixtureBytes('client.key') },
      ...(session && { session }),
    });
    socket.on('error', () => {});
    sockets.push(socket);
    return socket;
  };
  const [session] = (await once(asClient(), 'session')) as [Buffer];
  // A certificate that vouches for nobody but itself.
  copyFileSync(fixture('stranger.pem'), caFile);
  await rig.listener.reloadCertificates();
  const again = asClient(session);
  await new Promise((done) => again.resume().once('close', done));
  await rig.failure(/its certificate was refused/);
  assert.is(rig.accepted.length, 1);
});

test('at the start, an expired certificate is used and warned about; one that cannot be used is refused', async () => {
  put('expired');
  const log = recorder();
  await new Certificates('it', config, log).open();
  assert.equal(log.lines, [
    'warn the certificate of listener it expired on Jan  1 00:00:00 2021 GMT: clients that check it refuse it',
  ]);
  put('server', ['pem']);
  await assert.rejects(new Certificates('it', config, log).open(), /^listener it: keyFile is .* is not the key of/);
});

test.run();
