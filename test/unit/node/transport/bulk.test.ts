import net from 'node:net';
import type { Message } from '@quorate/consensus';
import { encodeNodeMessage, encodeRaft, FrameKind } from '@quorate/protocol';
import { assert, suite } from '../../../support/suite.ts';
import { bytesOf } from '../../protocol/peer/support.ts';
import { type Accepted, closed, type RawPeer, rawPeer } from './raw.ts';
import { directoryIdOf, eventually, startMesh, startNode, stopAll, type TestNode } from './support.ts';

const test = suite('peer transport: bulk');
const raw: RawPeer[] = [];

test.after.each(async () => {
  for (const peer of raw.splice(0)) peer.destroy();
  await stopAll();
});

const heartbeat: Message = { kind: 'heartbeat', term: 3, commitIndex: 2, round: 1 };
const own = { nodeId: 'n2', directoryId: directoryIdOf('n2'), incarnation: '5', session: 'a' };

/** A peer played by the test, connected in both directions. */
async function playPeer(node: TestNode, onAccepted?: (accepted: Accepted) => void): Promise<[RawPeer, net.Socket]> {
  const peer = await rawPeer(node, own, onAccepted);
  raw.push(peer);
  node.transport.setPeer('n2', [{ host: '127.0.0.1', port: peer.port }]);
  const socket = await peer.call();
  await eventually('the connection', () => node.transport.connectedPeers().length === 1);
  return [peer, socket];
}

function two(nodes: readonly TestNode[]): [TestNode, TestNode] {
  const [first, second] = nodes;
  if (first === undefined || second === undefined) throw new Error('two nodes were asked for');
  return [first, second];
}

async function sendBulk(node: TestNode, channel: number, payload: Uint8Array | readonly Uint8Array[]): Promise<void> {
  await eventually('bulk to be taken', () => node.transport.sendBulk('n2', channel, payload));
}

test('bulk arrives whole and in order, over a connection of its own', async () => {
  const [first, second] = two(await startMesh(['n1', 'n2']));
  const connects = first.counters.connects;
  assert.not(first.transport.sendBulk('n2', 1, Buffer.alloc(1)), 'nothing is connected yet');
  assert.is(first.counters.connects, connects, 'dialled at the first use');
  const data = new Uint8Array(300_000).map((_, at) => at);
  for (let at = 0; at < 30; at++) await sendBulk(first, at, [data.subarray(0, at), data.subarray(at)]);
  await eventually('all of it', () => second.messages.length === 30);
  for (const [at, { from, channel, payload }] of second.messages.entries()) {
    assert.equal([from, channel], ['n1', at]);
    assert.ok(payload.equals(data));
  }
  assert.is(first.counters.connects, connects + 1);
  assert.equal([first.events, second.events], [['connected n2'], ['connected n1']]);
  assert.is(first.unreachable, 0);
});

test('bulk that is not taken is no loss, and waits for the peer to be connected', async () => {
  const node = await startNode('n1', { limits: { maxFrameBytes: 5_000 } });
  assert.not(node.transport.sendBulk('n9', 1, Buffer.alloc(1)));
  const peer = await rawPeer(node, own);
  raw.push(peer);
  node.transport.setPeer('n2', [{ host: '127.0.0.1', port: peer.port }]);
  // Its handshake is over when this node has read the answer, not when the peer has accepted.
  await eventually('the main connection', () => node.counters.connects === 1);
  // One direction alone is no connection with the peer.
  assert.not(node.transport.sendBulk('n2', 1, Buffer.alloc(1)));
  for (let at = 1; at <= 3; at++) {
    assert.ok(node.transport.sendRaft('n2', heartbeat));
    await eventually('the message', () => peer.accepted[0]?.frames.length === at);
  }
  assert.is(peer.accepted.length, 1, 'nothing is dialled for bulk');
  await peer.call();
  await eventually('the connection', () => node.transport.connectedPeers().length === 1);
  await sendBulk(node, 1, Buffer.alloc(1));
  assert.equal(
    peer.accepted.map(({ hello }) => hello.purpose),
    [0, 1],
  );
  assert.is(node.counters.framesDropped, 0);
  assert.not(node.transport.sendBulk('n2', 1, Buffer.alloc(5_000)), 'larger than any peer takes');
  assert.is(node.counters.framesDropped, 1);
  assert.is(node.unreachable, 0);
});

test('bulk that waits is bounded and delays nothing else', async () => {
  // Far from what kernels take for a connection, so that it is seen which of the two bounds holds.
  const node = await startNode('n1', { limits: { maxBufferedBytes: 100_000_000 } });
  const [peer] = await playPeer(node, ({ socket, hello }) => {
    if (hello.purpose === 1) socket.pause();
  });
  const payload = Buffer.alloc(1_000_000);
  await sendBulk(node, 1, payload);
  let taken = 1;
  // The kernels at both ends take some, then the bound holds.
  for (let refused = 0; refused < 50; ) {
    if (node.transport.sendBulk('n2', 1, payload)) taken++;
    else refused++;
    if (taken > 60) throw new Error('no bound');
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(taken >= 5, 'as much as the bound allows is taken');
  const main = peer.accepted[0];
  for (let at = 0; at < 100; at++) assert.ok(node.transport.sendRaft('n2', heartbeat));
  await eventually('the messages of the main connection', () => {
    return main?.frames.filter(({ kind }) => kind === FrameKind.heartbeat).length === 100;
  });
  assert.is(node.unreachable, 0);
  // Once the peer reads again, there is room again.
  const bulk = peer.accepted[1];
  bulk?.socket.resume();
  await sendBulk(node, 2, payload);
  await eventually('all of it', () => bulk?.frames.length === taken + 1);
  assert.equal(node.events, ['connected n2']);
});

test('in one turn, what is urgent leaves before bulk', async () => {
  const node = await startNode('n1');
  const [peer] = await playPeer(node);
  await sendBulk(node, 1, Buffer.alloc(10));
  await eventually('the bulk', () => peer.accepted[1]?.frames.length === 1);
  const order: number[] = [];
  const write = net.Socket.prototype._writev as (chunks: unknown[], done: () => void) => void;
  net.Socket.prototype._writev = function (this: net.Socket, parts: unknown[], done: () => void): void {
    order.push(parts.length);
    write.call(this, parts, done);
  };
  try {
    assert.ok(node.transport.sendBulk('n2', 1, [Buffer.alloc(10), Buffer.alloc(10)]));
    assert.ok(node.transport.send('n2', 1, Buffer.alloc(10)));
    node.transport.flush();
    assert.equal(order, [2, 3]);
  } finally {
    net.Socket.prototype._writev = write;
  }
});

test('a bulk connection that is not used is closed, and dialled again when it is wanted', async () => {
  const limits = { pingIntervalMs: 10, bulkIdleMs: 80, silenceTimeoutMs: 60_000 };
  const node = await startNode('n1', { limits });
  const [peer] = await playPeer(node);
  await sendBulk(node, 1, Buffer.alloc(1));
  const bulk = peer.accepted[1];
  await eventually('the end of the connection', () => bulk?.socket.closed === true);
  assert.is(peer.accepted.length, 2, 'nobody dials it before it is wanted');
  await sendBulk(node, 2, Buffer.alloc(1));
  await eventually('the message', () => peer.accepted[2]?.frames.length === 1);
  assert.is(peer.accepted[2]?.hello.purpose, 1);
  assert.equal(node.events, ['connected n2']);
  assert.equal(node.transport.connectedPeers(), ['n2']);
});

test('a bulk connection in use stays', async () => {
  const limits = { pingIntervalMs: 10, bulkIdleMs: 60, silenceTimeoutMs: 60_000 };
  const node = await startNode('n1', { limits });
  const [peer] = await playPeer(node);
  await sendBulk(node, 1, Buffer.alloc(1));
  const main = peer.accepted[0];
  const pings = (): number => main?.frames.filter(({ kind }) => kind === FrameKind.ping).length ?? 0;
  const pingsBefore = pings();
  // Longer than the bound, in pings of the main connection.
  await eventually('twelve pings', () => {
    assert.ok(node.transport.sendBulk('n2', 1, Buffer.alloc(1)));
    return pings() >= pingsBefore + 12;
  });
  assert.is(peer.accepted.length, 2);
});

test('a bulk connection that is lost is made again, and nobody hears of it', async () => {
  const node = await startNode('n1', { limits: { reconnectMinMs: 5, reconnectMaxMs: 10 } });
  const [peer] = await playPeer(node);
  await sendBulk(node, 1, Buffer.alloc(1));
  peer.accepted[1]?.socket.destroy();
  await eventually('the loss', () => !node.transport.sendBulk('n2', 1, Buffer.alloc(1)));
  await sendBulk(node, 2, Buffer.alloc(1));
  assert.is(peer.accepted.length, 3);
  assert.equal(node.events, ['connected n2']);
  assert.is(node.unreachable, 0);
});

test('the bulk connection ends with the main one', async () => {
  const node = await startNode('n1');
  const [peer, inbound] = await playPeer(node);
  await sendBulk(node, 1, Buffer.alloc(1));
  const inboundBulk = await peer.call({ purpose: 1 });
  await saidBulk(node, inboundBulk, 7);
  inbound.destroy();
  await eventually('the loss', () => node.events.at(-1) === 'disconnected n2');
  assert.not(node.transport.sendBulk('n2', 1, Buffer.alloc(1)));
  await closed(inboundBulk);
  await eventually('the end of the bulk connection', () => peer.accepted[1]?.socket.closed === true);
});

test('inbound bulk is told apart: its loss is no loss, a newer connection replaces it', async () => {
  const node = await startNode('n1');
  const [peer] = await playPeer(node);
  const first = await peer.call({ purpose: 1 });
  await saidBulk(node, first, 1);
  const second = await peer.call({ purpose: 1 });
  await closed(first);
  await saidBulk(node, second, 2);
  second.destroy();
  await eventually('the end', () => node.logged.filter((line) => line.startsWith('connection from n2')).length === 2);
  assert.equal(node.events, ['connected n2']);
  assert.equal(node.transport.connectedPeers(), ['n2']);
});

test('inbound bulk carries no Raft messages', async () => {
  const node = await startNode('n1');
  const [peer] = await playPeer(node);
  const socket = await peer.call({ purpose: 1 });
  socket.write(bytesOf(encodeRaft(heartbeat)));
  await closed(socket);
  assert.is(node.counters.malformed, 1);
  assert.equal(node.raft, []);
  assert.equal(node.transport.connectedPeers(), ['n2']);
});

test('inbound bulk of another process than the main connection is not taken', async () => {
  // Silence would end the connections, too.
  const node = await startNode('n1', { limits: { silenceTimeoutMs: 60_000 } });
  const [peer, inbound] = await playPeer(node);
  const stranger = await peer.call({ purpose: 1, session: 'b', incarnation: '6' });
  stranger.write(bytesOf(encodeNodeMessage(1, [])));
  await closed(stranger);
  const bulk = await peer.call({ purpose: 1 });
  await saidBulk(node, bulk, 2);
  // The next process: all of the one before is over.
  await peer.call({ session: 'b', incarnation: '6' });
  await Promise.all([closed(bulk), closed(inbound)]);
  assert.equal(
    node.messages.map(({ channel }) => channel),
    [2],
  );
});

test('bulk to a process that is not the connected one is not sent', async () => {
  const node = await startNode('n1', { limits: { reconnectMinMs: 5, reconnectMaxMs: 10 } });
  const [peer] = await playPeer(node);
  peer.own = { ...peer.own, session: 'b', incarnation: '6' };
  await eventually('attempts', () => {
    assert.not(node.transport.sendBulk('n2', 1, Buffer.from('secret')));
    return peer.accepted.length > 3;
  });
  peer.own = { ...peer.own, session: 'a', incarnation: '5' };
  await sendBulk(node, 1, Buffer.alloc(1));
  const strangers = peer.accepted.slice(1, 4);
  assert.is(strangers.length, 3);
  assert.ok(strangers.every(({ frames }) => frames.every(({ kind }) => kind !== FrameKind.nodeMessage)));
});

/** Sends on a bulk connection of the peer; resolves when the node has it. */
async function saidBulk(node: TestNode, socket: net.Socket, channel: number): Promise<void> {
  const frame = encodeNodeMessage(channel, Buffer.from('bulk'));
  socket.write(bytesOf(frame));
  await eventually('the bulk', () => node.messages.some((message) => message.channel === channel));
}

test.run();
