import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { splitAltNames } from '../../../../packages/node/src/listener/peer-certificate.ts';
import { assert, suite } from '../../../support/suite.ts';
import { waitFor } from '../../../support/wait.ts';
import { admissionOf, fixture, fixtureBytes, Rig, tlsConfig } from './harness.ts';

const test = suite('TLS listener');

const MIB = 1024 * 1024;
const ca = fixtureBytes('ca.pem');
const CLIENT = { cert: fixtureBytes('client.pem'), key: fixtureBytes('client.key') };
const STRANGER = { cert: fixtureBytes('stranger.pem'), key: fixtureBytes('stranger.key') };

let rig: Rig;
let sockets: net.Socket[] = [];

test.after.each(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  rig.listener.destroy();
  assert.equal(rig.fatal, []);
});

const asking = (clientCertificates: 'request' | 'require') =>
  ({ transport: 'tls', tls: tlsConfig({ clientCertificates, caFile: fixture('ca.pem') }) }) as const;

function dial(options: tls.ConnectionOptions = {}): tls.TLSSocket {
  const socket = tls.connect({ host: '127.0.0.1', port: rig.port, ca, servername: 'localhost', ...options });
  sockets.push(socket);
  socket.on('error', () => {});
  return socket;
}

async function secured(options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = dial(options);
  await once(socket, 'secureConnect');
  return socket;
}

/** Unlike `once`, also for a socket that ends with an error. */
async function closed(socket: net.Socket): Promise<void> {
  await new Promise((done) => socket.resume().once('close', done));
}

test('bytes go both ways', async () => {
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig() });
  const client = await secured();
  client.write('ping');
  const connection = await rig.connection();
  await waitFor(() => connection.text === 'ping', { what: 'ping' });
  connection.socket.write(Buffer.from('pong'));
  const [chunk] = (await once(client, 'data')) as [Buffer];
  assert.is(chunk.toString(), 'pong');
  assert.is(connection.socket.remoteAddress, `127.0.0.1:${String(client.localPort)}`);
  assert.is(connection.socket.peerCertificate, null);
  assert.is(connection.socket.listener, 'it');
});

test('a slow client: what it does not take is counted, its end reported, and nothing is lost', async () => {
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig() });
  const client = await secured();
  const { socket, ...rest } = await rig.connection();
  const connection = rig.accepted[0];
  client.pause();
  for (let at = 0; at < 16; at++) socket.write(Buffer.alloc(MIB));
  assert.ok(socket.bufferedBytes > 0);
  assert.is(rest.drains, 0);
  let taken = 0;
  client.on('data', (chunk: Buffer) => {
    taken += chunk.length;
  });
  client.resume();
  await waitFor(() => taken === 16 * MIB, { what: 'all bytes' });
  await waitFor(() => (connection?.drains ?? 0) > 0 && socket.bufferedBytes === 0, { what: 'the socket to drain' });
});

test('a paused client is not read, and nothing is lost', async () => {
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig() });
  const client = await secured();
  const connection = await rig.connection();
  connection.onChunk = () => {
    connection.socket.pause();
  };
  client.write(Buffer.alloc(8 * MIB));
  await waitFor(() => connection.chunks === 1, { what: 'the first chunk' });
  const other = await secured();
  other.write('x');
  const second = await rig.connection(1);
  await waitFor(() => second.receivedBytes === 1, { what: 'the other client' });
  assert.is(connection.chunks, 1);
  connection.onChunk = () => {};
  connection.socket.resume();
  await waitFor(() => connection.receivedBytes === 8 * MIB, { what: 'everything' });
});

test('goodbye: what was written arrives, then the end', async () => {
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig() });
  const client = await secured();
  const connection = await rig.connection();
  let taken = 0;
  client.on('data', (chunk: Buffer) => {
    taken += chunk.length;
  });
  connection.socket.write(Buffer.alloc(4 * MIB));
  connection.socket.end();
  await once(client, 'close');
  assert.is(taken, 4 * MIB);
  await waitFor(() => connection.closed === 1 && rig.listener.socketCount === 0, { what: 'the close' });
});

test('destroy cuts everybody off', async () => {
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig() });
  const client = await secured();
  const connection = await rig.connection();
  rig.listener.destroy();
  await closed(client);
  await waitFor(() => connection.closed === 1 && rig.listener.socketCount === 0, { what: 'the close' });
});

test('a client that is required to show a certificate is known by it', async () => {
  rig = await Rig.open(asking('require'));
  await secured(CLIENT);
  const { peerCertificate } = (await rig.connection()).socket;
  assert.is(peerCertificate?.commonName, 'pump-7');
  assert.equal(peerCertificate?.subjectAltNames, ['DNS:pump-7.example', 'URI:urn:device:7']);
  assert.match(peerCertificate?.fingerprint256 ?? '', /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
});

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${maxVersion}: required, none and a stranger's are refused before the broker hears of it`, async () => {
    rig = await Rig.open(asking('require'));
    const none = dial({ maxVersion });
    await closed(none);
    await rig.failure(/^warn closing a connection .*: it showed no certificate$/);
    const stranger = dial({ maxVersion, ...STRANGER });
    await closed(stranger);
    await rig.failure(/^warn closing a connection .*: its certificate was refused \(UNABLE_TO_[A-Z_]+\)$/);
    assert.is(rig.accepted.length, 0);
    assert.is(rig.listener.handshakeFailuresTotal, 2);
  });

  test(`${maxVersion}: a resumed session is known by the certificate that began it`, async () => {
    rig = await Rig.open(asking('require'));
    const first = dial({ maxVersion, ...CLIENT });
    const [session] = (await once(first, 'session')) as [Buffer];
    first.destroy();
    const again = await secured({ maxVersion, session });
    assert.ok(again.isSessionReused());
    assert.is((await rig.connection(1)).socket.peerCertificate?.commonName, 'pump-7');
  });
}

test('requested: none and a stranger are let in as nobody', async () => {
  rig = await Rig.open(asking('request'));
  await secured();
  await secured(STRANGER);
  await secured(CLIENT);
  assert.is((await rig.connection(0)).socket.peerCertificate, null);
  assert.is((await rig.connection(1)).socket.peerCertificate, null);
  assert.is((await rig.connection(2)).socket.peerCertificate?.commonName, 'pump-7');
});

test('requested: a session that began without a certificate is nobody when it is resumed', async () => {
  rig = await Rig.open(asking('request'));
  const first = dial();
  const [session] = (await once(first, 'session')) as [Buffer];
  const again = await secured({ session });
  assert.ok(again.isSessionReused());
  assert.is((await rig.connection(1)).socket.peerCertificate, null);
});

test('versions below the oldest are refused', async () => {
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig({ minVersion: 'TLSv1.3' }) });
  const old = dial({ maxVersion: 'TLSv1.2' });
  await closed(old);
  await rig.failure(/^info closing a connection .*: its TLS handshake failed \(unsupported protocol\)$/);
  await secured();
});

test('MQTT without TLS is a failed handshake', async () => {
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig() });
  const client = net.connect(rig.port, '127.0.0.1');
  sockets.push(client);
  client.write(Buffer.from('\x10\x10\0\x04MQTT', 'latin1'));
  await closed(client);
  await rig.failure(/its TLS handshake failed \(wrong version number\)$/);
  assert.is(rig.listener.handshakeFailuresTotal, 1);
});

test('a handshake has until the deadline, and counts towards the limit until then', async () => {
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig(), maxConnections: 1 }, { handshakeTimeoutMs: 300 });
  const silent = net.connect(rig.port, '127.0.0.1');
  sockets.push(silent);
  // The head of a ClientHello of 512 bytes.
  silent.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]));
  await waitFor(() => rig.listener.socketCount === 1, { what: 'the socket' });
  const other = dial();
  await closed(other);
  assert.is(rig.listener.refusedTotal, 1);
  await closed(silent);
  await rig.failure(/its TLS handshake took more than 300 ms$/);
  await waitFor(() => rig.listener.socketCount === 0, { what: 'room' });
  await secured();
});

test('an address with as many connections as it may have is refused before its handshake', async () => {
  const admission = admissionOf({ maxConnectionsPerAddress: 1 });
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig() }, { admission });
  const first = await secured();
  const second = dial();
  await closed(second);
  assert.equal(rig.refused, ['address_connections']);
  await rig.failure(/there are as many connections from this address as it may have$/);
  first.destroy();
  await waitFor(() => admission.addressCount === 0, { what: 'the first to be gone' });
  await secured();
});

test('a client that closes its side sees the other end when the broker says so', async () => {
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig() });
  const client = await secured({ allowHalfOpen: true } as tls.ConnectionOptions);
  const connection = await rig.connection();
  connection.endsWithClient = false;
  let ended = false;
  client.on('end', () => {
    ended = true;
  });
  client.resume();
  client.end('last words');
  await waitFor(() => connection.ended === 1, { what: 'the end of the input' });
  assert.is(connection.text, 'last words');
  const other = await secured();
  other.end();
  await closed(other);
  assert.not(ended);
  assert.is(connection.closed, 0);
  connection.socket.end();
  await waitFor(() => ended && connection.closed === 1, { what: 'the end' });
});

test('a flood of failures does not flood the log', async () => {
  rig = await Rig.open({ transport: 'tls', tls: tlsConfig() });
  for (let at = 0; at < 30; at++) {
    const client = net.connect(rig.port, '127.0.0.1');
    sockets.push(client);
    client.on('error', () => {});
    client.write('GET / HTTP/1.1\r\n\r\n');
    await closed(client);
  }
  assert.is(rig.listener.handshakeFailuresTotal, 30);
  assert.is(rig.log.lines.length, 10);
});

test('a name with a comma in it stays one name', () => {
  assert.equal(splitAltNames('DNS:a.example, IP Address:2001:DB8:0:0:0:0:0:1'), [
    'DNS:a.example',
    'IP Address:2001:DB8:0:0:0:0:0:1',
  ]);
  assert.equal(splitAltNames('DNS:"a.example, DNS:admin.example", URI:"x\\"y"'), [
    'DNS:a.example, DNS:admin.example',
    'URI:x"y',
  ]);
  assert.equal(splitAltNames(''), []);
});

test.run();
