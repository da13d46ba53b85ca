import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';
import { assert, suite } from '../../../support/suite.ts';
import { waitFor } from '../../../support/wait.ts';
import { type Accepted, fixtureBytes, Rig, tlsConfig } from './harness.ts';

const test = suite('WebSocket listener');

const MIB = 1024 * 1024;
const ca = fixtureBytes('ca.pem');

let rig: Rig;
let clients: WebSocket[] = [];
let sockets: net.Socket[] = [];

test.after.each(() => {
  for (const client of clients) client.terminate();
  for (const socket of sockets) socket.destroy();
  clients = [];
  sockets = [];
  rig.listener.destroy();
  assert.equal(rig.fatal, []);
});

function dial(options: ClientOptions & { path?: string; protocols?: string[]; scheme?: 'ws' | 'wss' } = {}): WebSocket {
  const { path = '/mqtt', protocols = ['mqtt'], scheme = 'ws', ...rest } = options;
  const client = new WebSocket(`${scheme}://localhost:${String(rig.port)}${path}`, protocols, {
    family: 4,
    ca,
    ...rest,
  });
  client.on('error', () => {});
  clients.push(client);
  return client;
}

/** The status of a refused upgrade. */
async function refusal(client: WebSocket): Promise<number | undefined> {
  const [, response] = (await once(client, 'unexpected-response')) as [unknown, { statusCode?: number }];
  return response.statusCode;
}

async function opened(options: Parameters<typeof dial>[0] = {}): Promise<{ client: WebSocket; server: Accepted }> {
  const before = rig.accepted.length;
  const client = dial(options);
  await once(client, 'open');
  return { client, server: await rig.connection(before) };
}

/** A connection that speaks raw frames after a proper upgrade. */
async function raw(): Promise<{ socket: net.Socket; server: Accepted }> {
  const before = rig.accepted.length;
  // It does not close by itself when the other side does.
  const socket = net.connect({ host: '127.0.0.1', port: rig.port, allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => {});
  const key = randomBytes(16).toString('base64');
  const lines = ['GET /mqtt HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket'];
  lines.push('Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Protocol: mqtt', '', '');
  socket.write(lines.join('\r\n'));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 101 /);
  return { socket, server: await rig.connection(before) };
}

/** A masked frame with a mask of zeros, as short as it can be. */
function frame(first: number, payload: Buffer): Buffer {
  const head = payload.length < 126 ? [payload.length | 0x80] : [0xfe, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([first, ...head, 0, 0, 0, 0]), payload]);
}

for (const scheme of ['ws', 'wss'] as const) {
  test(`${scheme}: bytes go both ways, one frame for each write`, async () => {
    rig = await Rig.open({ transport: scheme, tls: scheme === 'wss' ? tlsConfig() : null });
    const { client, server } = await opened({ scheme });
    assert.is(client.protocol, 'mqtt');
    assert.is(client.extensions, '');
    const frames: string[] = [];
    client.on('message', (data, isBinary) => frames.push(`${String(isBinary)} ${(data as Buffer).toString()}`));
    client.send(Buffer.from('ping'));
    await waitFor(() => server.text === 'ping', { what: 'ping' });
    server.socket.write(Buffer.from('two packets in one write'));
    server.socket.write(Buffer.from('more'));
    await waitFor(() => frames.length === 2, { what: 'two frames' });
    assert.equal(frames, ['true two packets in one write', 'true more']);
    assert.match(server.socket.remoteAddress, /^127\.0\.0\.1:\d+$/);
    client.close();
    await waitFor(() => server.closed > 0 && rig.listener.socketCount === 0, { what: 'the close' });
  });

  test(`${scheme}: backpressure both ways, nothing is lost`, async () => {
    rig = await Rig.open({ transport: scheme, tls: scheme === 'wss' ? tlsConfig() : null });
    const { client, server } = await opened({ scheme });
    client.pause();
    for (let at = 0; at < 16; at++) server.socket.write(Buffer.alloc(MIB));
    await waitFor(() => server.socket.bufferedBytes > MIB, { what: 'bytes that wait' });
    assert.is(server.drains, 0);
    let taken = 0;
    client.on('message', (data) => {
      taken += (data as Buffer).length;
    });
    client.resume();
    await waitFor(() => taken === 16 * MIB && server.drains > 0, { what: 'all bytes' });
    await waitFor(() => server.socket.bufferedBytes === 0, { what: 'an empty socket' });

    server.onChunk = () => {
      server.socket.pause();
    };
    for (let at = 0; at < 256; at++) client.send(Buffer.alloc(64 * 1024));
    await waitFor(() => server.chunks > 0, { what: 'the first chunk' });
    const other = await opened({ scheme });
    other.client.send(Buffer.from('x'));
    await waitFor(() => other.server.receivedBytes === 1, { what: 'the other client' });
    assert.ok(server.receivedBytes < MIB, `${String(server.receivedBytes)} bytes were read of a paused client`);
    server.onChunk = () => {};
    server.socket.resume();
    await waitFor(() => server.receivedBytes === 16 * MIB, { what: 'everything' });
  });
}

test('packets may be cut at any byte and share frames', async () => {
  rig = await Rig.open({ transport: 'ws' });
  const { socket, server } = await raw();
  socket.write(
    Buffer.concat([frame(0x82, Buffer.from('ab')), frame(0x02, Buffer.from('c')), frame(0x80, Buffer.from('d'))]),
  );
  await waitFor(() => server.text === 'abcd', { what: 'the payloads' });
  socket.write(frame(0x82, Buffer.alloc(300, 0x65)));
  await waitFor(() => server.receivedBytes === 304, { what: 'the long frame' });
});

test('a text frame closes the connection, once, and nothing after it is read', async () => {
  rig = await Rig.open({ transport: 'ws' });
  const { client, server } = await opened();
  client.send('text');
  client.send('more text');
  const [code] = (await once(client, 'close')) as [number];
  assert.is(code, 1003);
  assert.ok(server.closed > 0);
  assert.is(server.receivedBytes, 0);
  assert.equal(rig.faults, ['WEBSOCKET_TEXT']);
  assert.match(rig.log.lines[0] ?? '', /^warn closing a connection from 127\.0\.0\.1:\d+ to it: it sent a text frame$/);
});

test('malformed frames and messages that are too large close the connection, also when the client stays', async () => {
  rig = await Rig.open({ transport: 'ws' }, { maxPacketSizeBytes: 1024 });
  const bad = [
    // Not masked.
    Buffer.from([0x82, 0x01, 0x61]),
    // A reserved opcode.
    frame(0x83, Buffer.from('a')),
    frame(0x82, Buffer.alloc(4 * 1024 + 1)),
  ];
  for (const [at, bytes] of bad.entries()) {
    const { socket, server } = await raw();
    socket.write(bytes);
    await waitFor(() => server.closed > 0, { what: `the end of ${String(at)}` });
    assert.is(rig.faults[at], 'WEBSOCKET_MALFORMED');
    await waitFor(() => rig.listener.socketCount === 0, { what: 'the socket to be gone', timeoutMs: 4_000 });
  }
  const { socket, server } = await raw();
  socket.write(frame(0x82, Buffer.alloc(4 * 1024)));
  await waitFor(() => server.receivedBytes === 4 * 1024, { what: 'four packets of the largest size' });
});

test('goodbye: what was written arrives, then the end', async () => {
  rig = await Rig.open({ transport: 'ws' });
  const { client, server } = await opened();
  let taken = 0;
  client.on('message', (data) => {
    taken += (data as Buffer).length;
  });
  server.socket.write(Buffer.alloc(4 * MIB));
  server.socket.pause();
  const saidAtMs = performance.now();
  server.socket.end();
  const [code] = (await once(client, 'close')) as [number];
  assert.is(code, 1000);
  assert.is(taken, 4 * MIB);
  // The client's answer was read, although the broker had paused: it was not cut off, which would be after 2 s.
  assert.ok(performance.now() - saidAtMs < 1_900);
});

test('a client that does not answer a goodbye is cut off', async () => {
  rig = await Rig.open({ transport: 'ws' });
  const { socket, server } = await raw();
  server.socket.end();
  socket.resume();
  await waitFor(() => server.closed > 0 && rig.listener.socketCount === 0, { what: 'the close', timeoutMs: 4_000 });
});

test('pings are answered, and those of a client that reads nothing do not gather', async () => {
  rig = await Rig.open({ transport: 'ws' });
  const { client, server } = await opened();
  client.ping('are you there');
  const [data] = (await once(client, 'pong')) as [Buffer];
  assert.is(data.toString(), 'are you there');

  const deaf = await raw();
  deaf.socket.pause();
  for (let at = 0; at < 16; at++) deaf.server.socket.write(Buffer.alloc(MIB));
  await waitFor(() => deaf.server.socket.bufferedBytes > 0, { what: 'bytes that wait' });
  const { bufferedBytes } = deaf.server.socket;
  for (let at = 0; at < 1_000; at++) deaf.socket.write(frame(0x89, Buffer.alloc(100, at)));
  deaf.socket.write(frame(0x82, Buffer.from('x')));
  await waitFor(() => deaf.server.receivedBytes === 1, { what: 'what follows the pings' });
  assert.ok(deaf.server.socket.bufferedBytes <= bufferedBytes, 'pongs gather');
  // Answered when there is room again: the last bytes that arrive are a pong.
  let last = Buffer.alloc(0);
  deaf.socket.on('data', (chunk: Buffer) => {
    last = Buffer.concat([last.subarray(-200), chunk]).subarray(-102);
  });
  deaf.socket.resume();
  const pong = Buffer.concat([Buffer.from([0x8a, 100]), Buffer.alloc(100, 999)]);
  await waitFor(() => last.equals(pong), { what: 'the last pong' });
  assert.is(server.closed, 0);
});

test('another path, no subprotocol, another origin, no upgrade: each is refused and counted', async () => {
  rig = await Rig.open({ transport: 'ws', origins: ['https://pages.example'] });
  assert.is(await refusal(dial({ path: '/' })), 404);
  assert.is(await refusal(dial({ path: '/mqtt/' })), 404);
  assert.is(await refusal(dial({ protocols: [] })), 400);
  assert.is(await refusal(dial({ protocols: ['amqp'] })), 400);
  assert.is(await refusal(dial({ origin: 'https://other.example' })), 403);
  const url = `http://127.0.0.1:${String(rig.port)}`;
  assert.is((await fetch(`${url}/mqtt`)).status, 426);
  assert.is((await fetch(`${url}/`)).status, 404);
  assert.is(rig.listener.handshakeFailuresTotal, 7);
  assert.is(rig.accepted.length, 0);
  await opened({ origin: 'https://pages.example' });
  await opened({ path: '/mqtt?token=1' });
  const { client } = await opened({ protocols: ['other', 'mqttv3.1'] });
  assert.is(client.protocol, 'mqttv3.1');
  assert.is((await opened({ protocols: ['mqttv3.1', 'mqtt'] })).client.protocol, 'mqtt');
  assert.is(rig.listener.handshakeFailuresTotal, 7);
});

test('what is not HTTP is closed', async () => {
  rig = await Rig.open({ transport: 'ws' });
  const socket = net.connect(rig.port, '127.0.0.1');
  sockets.push(socket);
  socket.write(Buffer.from('\x10\x10\0\x04MQTT', 'latin1'));
  await once(socket.resume(), 'close');
  await rig.failure(/it did not send an HTTP request$/);
});

test('an upgrade has until the deadline, and a request that was refused as well', async () => {
  rig = await Rig.open({ transport: 'ws' }, { handshakeTimeoutMs: 200 });
  const slow = net.connect(rig.port, '127.0.0.1');
  sockets.push(slow);
  slow.write('GET /mqtt HTTP/1.1\r\nHost:');
  await once(slow.resume(), 'close');
  await rig.failure(/its WebSocket upgrade took more than 200 ms$/);
  const stays = net.connect({ host: '127.0.0.1', port: rig.port, allowHalfOpen: true });
  sockets.push(stays);
  const head = 'GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  stays.on('error', () => {});
  stays.write(head);
  await rig.failure(/it asked for another path$/);
  await waitFor(() => rig.listener.socketCount === 0, { what: 'the socket to be gone' });
});

test.run();
