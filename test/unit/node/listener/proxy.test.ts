import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { WebSocket } from 'ws';
import { assert, suite } from '../../../support/suite.ts';
import { waitFor } from '../../../support/wait.ts';
import { admissionOf, fixtureBytes, Rig, tlsConfig } from './harness.ts';
import { proxyV2, V1_OF_192_0_2_7, V2_OF_192_0_2_7 } from './proxy-bytes.ts';

const test = suite('listener behind a proxy');

let rig: Rig;
let sockets: net.Socket[] = [];

test.after.each(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  rig.listener.destroy();
  assert.equal(rig.fatal, []);
});

const ca = fixtureBytes('ca.pem');

async function connected(): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port: rig.port, noDelay: true });
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

test('connections count on the address of the client, not on that of the balancer', async () => {
  const admission = admissionOf({ maxConnectionsPerAddress: 1 });
  rig = await Rig.open({ proxyProtocol: 'required' }, { admission });
  const refusals: (string | null)[] = [];
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1', '192.0.2.3']) {
    const socket = await connected();
    socket.write(`PROXY TCP4 ${address} 192.0.2.99 1000 1883\r\n`);
    const { visit } = await rig.connection(refusals.length);
    refusals.push(visit.connect());
  }
  assert.equal(refusals, [null, null, 'ADDRESS_CONNECTIONS', null]);
});

for (const [version, header] of [
  [1, V1_OF_192_0_2_7],
  [2, V2_OF_192_0_2_7],
] as const) {
  test(`version ${String(version)}, however it is cut: the client is seen and its bytes are whole`, async () => {
    rig = await Rig.open({ proxyProtocol: 'required' });
    const all = Buffer.concat([header, Buffer.from('first words')]);
    for (const [at, cut] of [0, 1, 13, header.length - 1, header.length, header.length + 3, all.length].entries()) {
      const socket = await connected();
      socket.write(all.subarray(0, cut));
      // Two reads of the other side, not one.
      await new Promise((next) => setTimeout(next, 10));
      socket.write(all.subarray(cut));
      const connection = await rig.connection(at);
      await waitFor(() => connection.receivedBytes === 11, { what: `the bytes behind a cut at ${String(cut)}` });
      assert.is(connection.text, 'first words');
      assert.is(connection.socket.remoteAddress, '192.0.2.7:56324');
      // And those that come later.
      socket.write('more');
      await waitFor(() => connection.text === 'first wordsmore', { what: 'more' });
    }
  });

  test(`version ${String(version)} before TLS, in one piece with it`, async () => {
    rig = await Rig.open({ transport: 'tls', tls: tlsConfig(), proxyProtocol: 'required' });
    const { socket, send } = await gathering(header);
    const client = tls.connect({ socket, ca, servername: 'localhost' });
    sockets.push(client);
    await send();
    await once(client, 'secureConnect');
    client.write('hello');
    const connection = await rig.connection();
    await waitFor(() => connection.text === 'hello', { what: 'hello' });
    assert.is(connection.socket.remoteAddress, '192.0.2.7:56324');
  });

  test(`version ${String(version)} before WebSocket, in one piece with it`, async () => {
    rig = await Rig.open({ transport: 'ws', proxyProtocol: 'required' });
    const { socket, send } = await gathering(header);
    const client = new WebSocket('ws://localhost/mqtt', ['mqtt'], { createConnection: () => socket });
    await send();
    await once(client, 'open');
    client.send(Buffer.from('hello'));
    const connection = await rig.connection();
    await waitFor(() => connection.text === 'hello', { what: 'hello' });
    assert.is(connection.socket.remoteAddress, '192.0.2.7:56324');
    client.terminate();
  });
}

/** A connection whose first bytes leave together with the header: one read at the other side. */
async function gathering(header: Buffer): Promise<{ socket: net.Socket; send: () => Promise<void> }> {
  const relay = net.createServer();
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const { port } = relay.address() as net.AddressInfo;
  const socket = net.connect(port, '127.0.0.1');
  sockets.push(socket);
  const [inner] = (await once(relay, 'connection')) as [net.Socket];
  relay.close();
  sockets.push(inner);
  return {
    socket,
    send: async () => {
      const [first] = (await once(inner, 'data')) as [Buffer];
      const outer = await connected();
      outer.write(Buffer.concat([header, first]));
      inner.pipe(outer);
      outer.pipe(inner);
    },
  };
}

test('LOCAL and UNKNOWN are the connection itself', async () => {
  rig = await Rig.open({ proxyProtocol: 'required' });
  for (const [at, header] of [proxyV2(0x20, 0, Buffer.alloc(0)), Buffer.from('PROXY UNKNOWN\r\n')].entries()) {
    const socket = await connected();
    socket.write(header);
    const own = `127.0.0.1:${String(socket.localPort)}`;
    assert.is((await rig.connection(at)).socket.remoteAddress, own);
  }
});

test('a connection without a header is closed, counted and logged', async () => {
  rig = await Rig.open({ proxyProtocol: 'required' });
  const socket = await connected();
  socket.write(Buffer.from('\x10\x10\0\x04MQTT'));
  await once(socket.resume(), 'close');
  const line = `warn closing a connection from 127.0.0.1:${String(socket.localPort ?? 0)}`;
  assert.is(rig.log.lines.length, 1, line);
  assert.match(rig.log.lines[0] ?? '', /^warn closing a .* to listener it: it does not begin with a PROXY header$/);
  assert.is(rig.listener.handshakeFailuresTotal, 1);
  assert.is(rig.accepted.length, 0);
});

test('an unfinished header has until the deadline, whatever dribbles in', async () => {
  rig = await Rig.open({ proxyProtocol: 'required' }, { handshakeTimeoutMs: 200 });
  const socket = await connected();
  socket.write('PROXY TCP4');
  assert.is(await waitFor(() => rig.listener.socketCount === 1, { what: 'the socket' }), true);
  await once(socket.resume(), 'close');
  assert.equal(rig.listener.handshakeFailuresTotal, 1);
  assert.match(rig.log.lines[0] ?? '', /its PROXY header took more than 200 ms$/);
});

test('a header is nothing to a listener that was not told to expect it', async () => {
  rig = await Rig.open({});
  const socket = await connected();
  socket.write(V1_OF_192_0_2_7);
  const connection = await rig.connection();
  assert.is(connection.socket.remoteAddress, `127.0.0.1:${String(socket.localPort)}`);
  await waitFor(() => connection.text === V1_OF_192_0_2_7.toString(), { what: 'the header as bytes of MQTT' });
});

test('a probe that closes without a word is no failure', async () => {
  rig = await Rig.open({ proxyProtocol: 'required' });
  const socket = await connected();
  await waitFor(() => rig.listener.socketCount === 1, { what: 'the socket' });
  socket.end();
  await waitFor(() => rig.listener.socketCount === 0, { what: 'its end' });
  assert.is(rig.listener.handshakeFailuresTotal, 0);
  assert.equal(rig.log.lines, []);
});

test.run();
