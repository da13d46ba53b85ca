import { once } from 'node:events';
import net from 'node:net';
import type { Admission } from '@quorate/broker';
import { MqttListener } from '../../../../packages/node/src/listener/mqtt-listener.ts';
import { assert, suite } from '../../../support/suite.ts';
import { waitFor } from '../../../support/wait.ts';
import { Accepted, admissionOf, listenerConfig, type Recorder, recorder } from './harness.ts';

const test = suite('MQTT listener');

const MIB = 1024 * 1024;

let accepted: Accepted[];
let fatal: unknown[];
let refused: number;
let listener: MqttListener;
let log: Recorder;
let port: number;
let clients: net.Socket[];

test.before.each(async () => {
  accepted = [];
  fatal = [];
  refused = 0;
  clients = [];
  log = recorder();
  listener = makeListener(0);
  port = await listener.listen();
});

function makeListener(
  bindPort: number,
  limits: { maxConnections?: number; hasRoom?: () => boolean; admission?: Admission } = {},
): MqttListener {
  const { maxConnections, ...rest } = limits;
  const made = new MqttListener({
    config: listenerConfig({ bind: { host: '127.0.0.1', port: bindPort }, ...(maxConnections && { maxConnections }) }),
    broker: {
      accept: (socket, visit) => {
        const connection = new Accepted(socket, visit);
        accepted.push(connection);
        return connection;
      },
    },
    admission: admissionOf(),
    logger: log,
    onFatal: (error) => {
      fatal.push(error);
      made.destroy();
    },
    handshakeTimeoutMs: 10_000,
    maxPacketSizeBytes: MIB,
    onRefused: () => {
      refused++;
    },
    ...rest,
  });
  return made;
}

test.after.each(() => {
  for (const client of clients) client.destroy();
  listener.destroy();
});

async function dial(options: Partial<net.NetConnectOpts> = {}): Promise<{ client: net.Socket; server: Accepted }> {
  const client = net.connect({ host: '127.0.0.1', port, ...options });
  clients.push(client);
  client.on('error', () => {});
  const before = accepted.length;
  await once(client, 'connect');
  const server = await waitFor(() => accepted[before], { what: 'the connection to be accepted', intervalMs: 1 });
  return { client, server };
}

test('bytes go both ways', async () => {
  const { client, server } = await dial();
  client.write('ping');
  await waitFor(() => server.receivedBytes === 4, { what: 'four bytes', intervalMs: 1 });
  server.socket.write(Buffer.from('pong'));
  const [chunk] = (await once(client, 'data')) as [Buffer];
  assert.is(chunk.toString(), 'pong');
  assert.match(server.socket.remoteAddress, /^127\.0\.0\.1:\d+$/);
});

test('a client that closes its side is gone, with what it sent before', async () => {
  const { client, server } = await dial();
  client.end('last words');
  await waitFor(() => server.closed === 1, { what: 'the close', intervalMs: 1 });
  assert.is(server.receivedBytes, 10);
  assert.is(listener.socketCount, 0);
});

test('a client that closes its side sees the other end when the broker says so', async () => {
  const { client, server } = await dial({ allowHalfOpen: true });
  server.endsWithClient = false;
  let ended = false;
  client.on('end', () => {
    ended = true;
  });
  client.resume();
  client.end('last words');
  await waitFor(() => server.ended === 1, { what: 'the end of the input', intervalMs: 1 });
  assert.is(server.text, 'last words');
  // Another connection comes and goes in the same turns of the event loop: this one would have ended, too.
  const other = await dial();
  other.client.end();
  await waitFor(() => other.server.closed === 1, { what: 'the close of another', intervalMs: 1 });
  assert.not(ended);
  assert.is(server.closed, 0);
  server.socket.write(Buffer.from('still open'));
  server.socket.end();
  await waitFor(() => ended && server.closed === 1, { what: 'the end', intervalMs: 1 });
  assert.equal(fatal, []);
});

test('a reset is a close like any other', async () => {
  const { client, server } = await dial();
  client.resetAndDestroy();
  await waitFor(() => server.closed === 1, { what: 'the close', intervalMs: 1 });
  server.socket.write(Buffer.from('too late'));
  server.socket.end();
  server.socket.destroy();
  assert.equal(fatal, []);
});

test('a paused client is not read, and nothing is lost', async () => {
  const { client, server } = await dial();
  server.onChunk = () => {
    server.socket.pause();
  };
  client.write(Buffer.alloc(8 * MIB));
  await waitFor(() => server.chunks === 1, { what: 'the first chunk', intervalMs: 1 });
  // Meanwhile another client comes and is read: this one would have been, too.
  const other = await dial();
  other.client.write('x');
  await waitFor(() => other.server.receivedBytes === 1, { what: 'the other client to be read', intervalMs: 1 });
  // The kernel's buffers are smaller than what was written: the client sees that it is not read.
  assert.is(server.chunks, 1);
  assert.ok(client.writableLength > MIB, `${String(client.writableLength)} bytes wait at the client`);
  server.onChunk = () => {};
  server.socket.resume();
  await waitFor(() => server.receivedBytes === 8 * MIB, { what: 'everything' });
});

test('what a slow client does not take is counted, and its end reported', async () => {
  const { client, server } = await dial();
  client.pause();
  for (let at = 0; at < 32; at++) server.socket.write(Buffer.alloc(MIB));
  await waitFor(() => server.socket.bufferedBytes > 0, { what: 'bytes that wait', intervalMs: 1 });
  assert.is(server.drains, 0);
  let taken = 0;
  client.on('data', (chunk) => {
    taken += chunk.length;
  });
  client.resume();
  await waitFor(() => server.drains > 0, { what: 'the socket to drain' });
  assert.is(server.socket.bufferedBytes, 0);
  await waitFor(() => taken === 32 * MIB, { what: 'all bytes at the client' });
});

test('goodbye: what was written arrives, then the end', async () => {
  const { client, server } = await dial();
  const chunks: Buffer[] = [];
  client.on('data', (chunk) => chunks.push(chunk));
  for (let at = 0; at < 16; at++) server.socket.write(Buffer.alloc(MIB));
  server.socket.write(Buffer.from('goodbye'));
  assert.ok(server.socket.bufferedBytes > 0);
  server.socket.end();
  await once(client, 'close');
  const all = Buffer.concat(chunks);
  assert.is(all.length, 16 * MIB + 7);
  assert.is(all.subarray(-7).toString(), 'goodbye');
  await waitFor(() => server.closed === 1, { what: 'the close', intervalMs: 1 });
});

test('a client that does not close after goodbye is cut off', async () => {
  const { server } = await dial({ allowHalfOpen: true });
  server.socket.end();
  assert.is(server.closed, 0);
  await waitFor(() => server.closed === 1, { what: 'the close', timeoutMs: 4_000 });
});

test('after close nobody is accepted, those who are there stay', async () => {
  const { client, server } = await dial();
  listener.close();
  const late = net.connect({ host: '127.0.0.1', port });
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  assert.is(error.code, 'ECONNREFUSED');
  client.write('still here');
  await waitFor(() => server.receivedBytes === 10, { what: 'the bytes', intervalMs: 1 });
});

test('destroy cuts everybody off with what waits for them', async () => {
  const { client, server } = await dial();
  client.pause();
  for (let at = 0; at < 32; at++) server.socket.write(Buffer.alloc(MIB));
  let taken = 0;
  client.on('data', (chunk) => {
    taken += chunk.length;
  });
  listener.destroy();
  client.resume();
  await once(client, 'close');
  assert.ok(taken < 32 * MIB, `${String(taken)} bytes arrived`);
  assert.is(listener.socketCount, 0);
});

test('an error of the broker is fatal, and nobody is served after it', async () => {
  const first = await dial();
  const second = await dial();
  first.server.onChunk = () => {
    second.server.socket.write(Buffer.alloc(0));
    throw new Error('broken');
  };
  first.client.write('x');
  await once(second.client, 'close');
  assert.is((fatal[0] as Error).message, 'broken');
  assert.not.ok(listener.listening);
});

test('an address in use is an error of listen', async () => {
  const other = makeListener(port);
  await assert.rejects(other.listen(), 'EADDRINUSE');
  assert.not.ok(other.listening);
  other.destroy();
});

test('beyond its limit, or that of the node, a socket is closed unread and counted', async () => {
  let room = true;
  const small = makeListener(0, { maxConnections: 2, hasRoom: () => room });
  const smallPort = await small.listen();
  const first = await dial({ port: smallPort });
  await dial({ port: smallPort });
  const closed = async (): Promise<void> => {
    const client = net.connect(smallPort, '127.0.0.1');
    await once(client.resume(), 'close');
  };
  await closed();
  assert.is(small.refusedTotal, 1);
  first.client.destroy();
  await waitFor(() => small.socketCount === 1, { what: 'room', intervalMs: 1 });
  room = false;
  await closed();
  assert.is(small.refusedTotal, 2);
  room = true;
  await dial({ port: smallPort });
  assert.is(refused, 2);
  assert.is(accepted.length, 3);
  small.destroy();
});

test('a connection counts until its socket is closed, and one that makes room is closed unread', async () => {
  const admission = admissionOf({ maxPendingConnections: 2 });
  const small = makeListener(0, { admission });
  port = await small.listen();
  try {
    const first = await dial();
    const second = await dial();
    assert.is(second.server.visit.connect(), null);
    const third = await dial();
    const fourth = net.connect({ host: '127.0.0.1', port });
    clients.push(fourth);
    await Promise.race([once(fourth, 'close'), once(fourth, 'error')]);
    assert.is(small.refusedTotal, 1, 'none of them has had its second');
    first.client.destroy();
    await waitFor(() => admission.pendingCount === 1, { what: 'one place', intervalMs: 1 });
    second.client.destroy();
    await waitFor(() => admission.connectedCount === 0, { what: 'the other place', intervalMs: 1 });
    third.client.destroy();
    await waitFor(() => admission.pendingCount === 0 && admission.addressCount === 0, {
      what: 'nobody',
      intervalMs: 1,
    });
  } finally {
    small.destroy();
  }
});

test.run();
