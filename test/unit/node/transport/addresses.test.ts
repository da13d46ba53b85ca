import net from 'node:net';
import type { HostPort } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';
import { closed, type RawPeer, rawPeer } from './raw.ts';
import { connected, directoryIdOf, eventually, startNode, stopAll } from './support.ts';

const test = suite('peer transport: addresses');
const raw: RawPeer[] = [];
const doors: Door[] = [];

test.after.each(async () => {
  for (const peer of raw.splice(0)) peer.destroy();
  await Promise.all(doors.splice(0).map((door) => door.close()));
  await stopAll();
});

/** Somebody who hangs up on every caller. */
interface Door {
  readonly address: HostPort;
  callers: number;
  close(): Promise<void>;
}

async function startDoor(): Promise<Door> {
  const server = net.createServer((socket) => {
    door.callers++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const door: Door = {
    address: { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port },
    callers: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  };
  doors.push(door);
  return door;
}

const nowhere = { host: '127.0.0.1', port: 1 };
const quick = { reconnectMinMs: 2, reconnectMaxMs: 10 };

test('the dialler goes through the addresses until the peer answers', async () => {
  const first = await startNode('n1', { limits: quick });
  const second = await startNode('n2', { peers: [['n1', [first.address]]] });
  const other = await startNode('n3');
  const door = await startDoor();
  // Nobody there, a caller that is let down, another node, then the peer.
  first.transport.setPeer('n2', [nowhere, door.address, other.address, second.address]);
  await connected([first, second]);
  assert.ok(door.callers > 0);
  assert.ok(first.events.includes('rejected n3 UNKNOWN_NODE') || first.events.includes('rejected n2 UNKNOWN_NODE'));
});

test('causes that take turns, one at each address, are each reported once', async () => {
  const node = await startNode('n1', { limits: quick });
  const own = { nodeId: 'n2', directoryId: '' };
  const peers = await Promise.all(['red', 'blue'].map((clusterId) => rawPeer(node, { ...own, clusterId })));
  raw.push(...peers);
  node.identity.clusterId = 'green';
  node.transport.setPeer(
    'n2',
    peers.map(({ port }) => ({ host: '127.0.0.1', port })),
  );
  await eventually('many attempts', () => peers.every(({ accepted }) => accepted.length > 5));
  assert.equal(node.events, ['rejected n2 WRONG_CLUSTER', 'rejected n2 WRONG_CLUSTER']);
});

test('a connection outlives a list that grows or changes its order, not one that its address is gone from', async () => {
  const first = await startNode('n1', { limits: quick });
  const second = await startNode('n2', { peers: [['n1', [first.address]]] });
  const door = await startDoor();
  first.transport.setPeer('n2', [second.address]);
  await connected([first, second]);
  for (const list of [[second.address, nowhere], [nowhere, second.address], [second.address]]) {
    first.transport.setPeer('n2', list);
    assert.equal(first.transport.connectedPeers(), ['n2']);
  }
  first.transport.setPeer('n2', [door.address]);
  assert.equal(first.events, ['connected n2', 'disconnected n2']);
  await eventually('a call', () => door.callers > 0);
  first.transport.setPeer('n2', [door.address, second.address]);
  await connected([first, second]);
  assert.throws(() => {
    first.transport.setPeer('n2', []);
  }, /at least one address/);
});

test('a peer that is waited for is dialled at a new address at once', async () => {
  const first = await startNode('n1', { limits: { reconnectMinMs: 60_000, reconnectMaxMs: 60_000 } });
  const second = await startNode('n2', { peers: [['n1', [first.address]]] });
  first.transport.setPeer('n2', [nowhere]);
  await eventually('a failed attempt', () => first.logged.some((line) => line.startsWith('n2 can not be reached')));
  // Its own call, refused before, would bring the attempt forward: keep it away.
  await second.transport.stop();
  const door = await startDoor();
  first.transport.setPeer('n2', [nowhere, door.address]);
  await eventually('a call', () => door.callers > 0);
});

test('also when it comes in the middle of an attempt somewhere else', async () => {
  const limits = { reconnectMinMs: 60_000, reconnectMaxMs: 60_000, handshakeTimeoutMs: 300 };
  const node = await startNode('n1', { limits });
  const silent = net.createServer();
  await new Promise<void>((resolve) => {
    silent.listen(0, '127.0.0.1', resolve);
  });
  const caller = new Promise<net.Socket>((resolve) => {
    silent.on('connection', resolve);
  });
  const { port } = silent.address() as net.AddressInfo;
  const nobody = { host: '127.0.0.1', port };
  node.transport.setPeer('n2', [nobody]);
  const socket = await caller;
  const door = await startDoor();
  node.transport.setPeer('n2', [nobody, door.address]);
  await eventually('a call', () => door.callers > 0);
  socket.destroy();
  silent.close();
});

test('a peer that moved is found where it says that it is', async () => {
  const cluster = { identity: { clusterId: 'red' }, limits: quick };
  const first = await startNode('n1', cluster);
  const second = await startNode('n2', { ...cluster, peers: [['n1', [first.address]]], announce: true });
  first.transport.setPeer('n2', [nowhere]);
  await connected([first, second]);
  await second.transport.stop();
  const moved = await startNode('n2', { ...cluster, peers: [['n1', [first.address]]], announce: true });
  assert.is.not(moved.address.port, second.address.port);
  await connected([first, moved]);
});

test('an address is not taken from who does not know the cluster', async () => {
  const first = await startNode('n1', { identity: { clusterId: 'red' }, limits: quick });
  const door = await startDoor();
  const peer = await rawPeer(first, { nodeId: 'n2', peerAddress: `127.0.0.1:${String(door.address.port)}` });
  raw.push(peer);
  first.transport.setPeer('n2', [{ host: '127.0.0.1', port: peer.port }]);
  await peer.call();
  await eventually('the connection', () => first.transport.connectedPeers().length === 1);
  for (const { socket } of peer.accepted) socket.destroy();
  await eventually('another connection', () => peer.accepted.length === 2);
  assert.is(door.callers, 0);
});

test('what a peer says of its address is bounded, and does not crowd out what was given', async () => {
  const first = await startNode('n1', { identity: { clusterId: 'red' }, limits: quick });
  const given = await startDoor();
  const named = await Promise.all(Array.from({ length: 4 }, startDoor));
  const peer = await rawPeer(first, { nodeId: 'n2', clusterId: 'red', directoryId: directoryIdOf('n2') });
  raw.push(peer);
  first.transport.setPeer('n2', [given.address]);
  for (const door of named) {
    const socket = await peer.call({ peerAddress: `127.0.0.1:${String(door.address.port)}` });
    await eventually('a call', () => door.callers > 0);
    socket.destroy();
    await closed(socket);
  }
  const before = named.map(({ callers }) => callers);
  const givenBefore = given.callers;
  await eventually('rounds', () => given.callers > givenBefore + 3);
  assert.equal(
    named.map(({ callers }, at) => callers > (before[at] ?? 0)),
    [false, false, true, true],
  );
});

test.run();
