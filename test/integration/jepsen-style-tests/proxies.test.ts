import { createServer, type Server, Socket } from 'node:net';
import { ProxyNetwork } from '../../../jepsen-style-tests/src/network/proxies.ts';
import { assert, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';

const test = suite('partition tests: proxies');

const PORT = 21_790;
const QUIET_MS = 200;

let network: ProxyNetwork;
let server: Server;
const accepted: Socket[] = [];
const dialed: Socket[] = [];

test.before.each(async () => {
  network = new ProxyNetwork(['a', 'b']);
  server = createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => socket.write(`echo ${chunk.toString()}`));
  });
  await new Promise<void>((done) => server.listen(PORT, network.hosts.get('b')?.address, done));
});
test.after.each(async () => {
  for (const socket of [...dialed.splice(0), ...accepted.splice(0)]) socket.destroy();
  await network.close();
  await new Promise((done) => server.close(done));
});

async function dial(): Promise<{ socket: Socket; heard: () => string; closed: () => boolean }> {
  const { host, port } = await network.via('a', 'b', PORT);
  const socket = new Socket();
  let heard = '';
  socket.on('error', () => {}).on('data', (chunk) => (heard += chunk.toString()));
  socket.connect({ host, port });
  dialed.push(socket);
  return { socket, heard: () => heard, closed: () => socket.destroyed };
}

async function quiet(): Promise<void> {
  await new Promise((done) => setTimeout(done, QUIET_MS));
}

test('what goes through a proxy arrives, and the same proxy is found again', async () => {
  const { socket, heard } = await dial();
  socket.write('x');
  await waitFor(() => heard() === 'echo x', { what: 'the echo' });
  assert.equal(await network.via('a', 'b', PORT), await network.via('a', 'b', PORT));
});

for (const [name, cut] of [
  ['there', ['a', 'b']],
  ['back', ['b', 'a']],
] as const) {
  test(`a cut of the way ${name} holds bytes up and closes nothing; they flow when it heals`, async () => {
    const { socket, heard, closed } = await dial();
    socket.write('1');
    await waitFor(() => heard() === 'echo 1', { what: 'the first echo' });
    await network.setCuts([cut]);
    socket.write('2');
    await quiet();
    assert.is(heard(), 'echo 1');
    assert.not(closed());
    await network.setCuts([]);
    await waitFor(() => heard() === 'echo 1echo 2', { what: 'the second echo' });
  });
}

test('behind a cut a connection waits to be made, and the end of one is not told', async () => {
  const before = await dial();
  before.socket.write('1');
  await waitFor(() => before.heard() === 'echo 1', { what: 'an echo' });
  await network.setCuts([['b', 'a']]);
  for (const socket of accepted.splice(0)) socket.destroy();
  const during = await dial();
  during.socket.write('2');
  await quiet();
  assert.not(before.closed());
  assert.is(accepted.length, 0);
  await network.setCuts([]);
  await waitFor(() => during.heard() === 'echo 2' && before.closed(), { what: 'the new connection, and the old end' });
});

test('shapes are refused with the reason, unknown hosts too', async () => {
  await network.setShapes([]);
  await assert.rejects(
    network.setShapes([['a', 'b', { lossPct: 1, duplicatePct: 0, reorderPct: 0, delayMs: 0, jitterMs: 0 }]]),
    /only be touched where hosts are namespaces/,
  );
  await assert.rejects(() => network.setCuts([['a', 'c']]), /no host c: there are a, b/);
});

test.run();
