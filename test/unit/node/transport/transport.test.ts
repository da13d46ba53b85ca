import { fork } from 'node:child_process';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Message } from '@quorate/consensus';
import { encodeHello, encodeRaft, PEER_PROTOCOL_VERSION } from '@quorate/protocol';
import { assert, suite } from '../../../support/suite.ts';
import { waitFor } from '../../../support/wait.ts';
import { bytesOf, hello } from '../../protocol/peer/support.ts';
import { closed, dial, stuckPeer } from './raw.ts';
import {
  connected,
  directoryIdOf,
  eventually,
  introduce,
  startMesh,
  startNode,
  stopAll,
  type TestNode,
} from './support.ts';

const test = suite('peer transport');
test.after.each(stopAll);

function pair(nodes: readonly TestNode[]): [TestNode, TestNode] {
  const [first, second] = nodes;
  if (first === undefined || second === undefined) throw new Error('two nodes were asked for');
  return [first, second];
}

const heartbeat: Message = { kind: 'heartbeat', term: 3, commitIndex: 2, round: 1 };

test('three nodes find each other and tell who they are', async () => {
  const nodes = await startMesh(['n1', 'n2', 'n3']);
  const [first, second] = pair(nodes);
  assert.equal(first.transport.connectedPeers().sort(), ['n2', 'n3']);
  assert.equal([...first.events].sort(), ['connected n2', 'connected n3']);
  const seen = first.transport.helloOf('n2');
  assert.is(seen?.mqttAddress, 'n2:1883');
  assert.is(seen?.directoryId, directoryIdOf('n2'));
  assert.is(second.transport.helloOf('n9'), null);
});

test('Raft and node messages arrive whole and in order', async () => {
  const [first, second] = pair(await startMesh(['n1', 'n2']));
  const data = new Uint8Array(100_000).map((_, at) => at);
  const append: Message = {
    kind: 'appendRequest',
    term: 3,
    prevIndex: 4,
    prevTerm: 2,
    commitIndex: 1,
    round: 9,
    entries: [5, 6].map((index) => ({ index, term: 3, type: 1, stampMs: 7, data })),
  };
  for (let at = 0; at < 50; at++) {
    assert.ok(first.transport.sendRaft('n2', { ...heartbeat, round: at }));
    assert.ok(first.transport.send('n2', at, [data.subarray(0, at * 100), data.subarray(at)]));
    if (at % 10 === 0) assert.ok(first.transport.sendRaft('n2', append));
  }
  await eventually('all messages', () => second.messages.length === 50 && second.raft.length === 55);
  const rounds = second.raft.flatMap(({ message }) => (message.kind === 'heartbeat' ? [message.round] : []));
  assert.equal(
    rounds,
    Array.from({ length: 50 }, (_, at) => at),
  );
  for (const [at, { from, channel, payload }] of second.messages.entries()) {
    assert.equal([from, channel], ['n1', at]);
    assert.ok(payload.equals(Buffer.concat([data.subarray(0, at * 100), data.subarray(at)])));
  }
  const got = second.raft.find(({ message }) => message.kind === 'appendRequest')?.message;
  assert.ok(got?.kind === 'appendRequest' && got.entries.every((entry) => Buffer.from(entry.data).equals(data)));
});

test('what one turn sends leaves in one write', async () => {
  const [first, second] = pair(await startMesh(['n1', 'n2']));
  const chunks: number[] = [];
  const raw = net.connect(second.address.port, '127.0.0.1');
  raw.destroy();
  const write = net.Socket.prototype._writev as (chunks: unknown[], done: () => void) => void;
  net.Socket.prototype._writev = function (this: net.Socket, parts: unknown[], done: () => void): void {
    chunks.push(parts.length);
    write.call(this, parts, done);
  };
  try {
    for (let at = 0; at < 20; at++) first.transport.send('n2', 1, Buffer.alloc(10));
    assert.equal(chunks, []);
    await eventually('all messages', () => second.messages.length === 20);
    assert.equal(chunks, [40]);
    for (let at = 0; at < 3; at++) first.transport.send('n2', 1, Buffer.alloc(10));
    first.transport.flush();
    assert.equal(chunks, [40, 6]);
  } finally {
    net.Socket.prototype._writev = write;
  }
});

test('a peer of another cluster is refused, with one sentence, once', async () => {
  const first = await startNode('n1', {
    identity: { clusterId: 'red' },
    limits: { reconnectMaxMs: 20, reconnectMinMs: 5 },
  });
  const second = await startNode('n2', {
    identity: { clusterId: 'blue' },
    limits: { reconnectMaxMs: 20, reconnectMinMs: 5 },
  });
  introduce([first, second]);
  await eventually('several attempts', () => first.counters.rejections > 5 && second.counters.rejections > 5);
  assert.equal([...new Set(first.events)], ['rejected n2 WRONG_CLUSTER']);
  assert.is(first.events.length, 2, 'once because n1 refuses n2, once because n2 refuses n1');
  assert.ok(first.logged.includes('this node refuses n2: n2 belongs to cluster blue, n1 to cluster red'));
  assert.ok(first.logged.includes('n2 refuses this node: n1 belongs to cluster red, n2 to cluster blue'));
  assert.equal(first.transport.connectedPeers(), []);
});

test('nodes that would found different clusters are refused, a newcomer to a cluster is not', async () => {
  const first = await startNode('n1', { identity: { bootstrapMembers: 'n1,n2' } });
  const second = await startNode('n2', { identity: { bootstrapMembers: 'n1,n2,n3' } });
  introduce([first, second]);
  await eventually('a rejection', () => first.events.includes('rejected n2 WRONG_CLUSTER'));
  const member = await startNode('n3', { identity: { clusterId: 'red', bootstrapMembers: 'n3' } });
  const newcomer = await startNode('n4', { identity: { bootstrapMembers: 'n3,n4' } });
  introduce([member, newcomer]);
  await connected([member, newcomer]);
});

test('a node that is not a peer is refused until it is one', async () => {
  const first = await startNode('n1');
  const second = await startNode('n2', { peers: [['n1', [first.address]]] });
  await eventually('a rejection', () => second.events.includes('rejected n1 UNKNOWN_NODE'));
  assert.ok(first.events.includes('rejected n2 UNKNOWN_NODE'));
  assert.equal(first.reasons, ['n2 is not among the peers that n1 knows']);
  first.transport.setPeer('n2', [second.address]);
  await connected([first, second]);
  first.transport.removePeer('n2');
  assert.is(first.events.at(-1), 'disconnected n2');
  await eventually(
    'the loss',
    () => second.events.at(-1) === 'rejected n1 UNKNOWN_NODE' || second.events.at(-1) === 'disconnected n1',
  );
});

test('a node that meets its own id, or another one than it dialled, says so', async () => {
  const first = await startNode('n1');
  first.transport.setPeer('n2', [first.address]);
  await eventually('a rejection', () => first.events.includes('rejected n1 OWN_NODE_ID'));
  const second = await startNode('n2');
  const third = await startNode('n3');
  second.transport.setPeer('n4', [third.address]);
  third.transport.setPeer('n2', [second.address]);
  await eventually('a rejection', () => second.events.includes('rejected n4 UNEXPECTED_NODE'));
});

test('another protocol version is refused', async () => {
  const node = await startNode('n1', { peers: [['n2', [{ host: '127.0.0.1', port: 1 }]]] });
  const socket = await dial(
    node,
    bytesOf(encodeHello({ ...hello, nodeId: 'n2', protocolVersion: PEER_PROTOCOL_VERSION + 1 })),
  );
  await closed(socket);
  assert.equal(node.events, ['rejected n2 PROTOCOL_VERSION']);
});

test('a lost peer is reported once, and found again', async () => {
  const [first, second] = pair(await startMesh(['n1', 'n2']));
  await second.transport.stop();
  await eventually('the loss', () => first.events.at(-1) === 'disconnected n2');
  assert.not(first.transport.sendRaft('n2', heartbeat));
  assert.is(first.unreachable, 1);
  assert.is(first.counters.framesDropped, 1);
  const again = await startNode('n2', { port: second.address.port, peers: [['n1', [first.address]]] });
  await connected([first, again]);
  assert.equal(first.events, ['connected n2', 'disconnected n2', 'connected n2']);
  first.transport.sendRaft('n2', heartbeat);
  await eventually('a message', () => again.raft.length === 1);
});

test('the kill of a process is seen at once', async () => {
  const first = await startNode('n1');
  const path = fileURLToPath(new URL('./peer-process.ts', import.meta.url));
  const child = fork(path, [String(first.address.port)]);
  try {
    const port = await new Promise<number>((resolve) => child.once('message', resolve as (value: unknown) => void));
    first.transport.setPeer('n2', [{ host: '127.0.0.1', port }]);
    await eventually('the connection', () => first.transport.connectedPeers().length === 1);
    const beganMs = performance.now();
    child.kill('SIGKILL');
    await waitFor(() => first.events.at(-1) === 'disconnected n2', { what: 'the loss', intervalMs: 1 });
    // What is only silent is given up after 5 s.
    assert.ok(performance.now() - beganMs < 4_000, 'as soon as the connection ends');
    assert.equal(first.events, ['connected n2', 'disconnected n2']);
  } finally {
    child.kill('SIGKILL');
  }
});

test('a peer that does not read costs a bounded buffer, and holds up nobody else', async () => {
  const [first, second] = pair(await startMesh(['n1', 'n2'], { limits: { maxBufferedBytes: 1_000_000 } }));
  const stuck = await stuckPeer(first, 'n3');
  await eventually('the connection', () => first.transport.connectedPeers().includes('n3'));
  const payload = Buffer.alloc(500_000);
  let taken = 0;
  while (first.transport.send('n3', 1, payload)) {
    if (++taken > 200) throw new Error('no bound');
    first.transport.flush();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.is(first.unreachable, 1);
  assert.ok(first.transport.send('n2', 1, payload));
  await eventually('a message to the other peer', () => second.messages.length === 1);
  // A FIN counts although bytes for the peer still wait.
  stuck.finish();
  await waitFor(() => first.events.at(-1) === 'disconnected n3', { what: 'the loss', timeoutMs: 2_000, intervalMs: 2 });
  stuck.destroy();
});

test('a peer that goes silent is taken for dead', async () => {
  const first = await startNode('n1', { limits: { pingIntervalMs: 20, silenceTimeoutMs: 100 } });
  const second = await startNode('n2', { limits: { pingIntervalMs: 20, silenceTimeoutMs: 100 } });
  introduce([first, second]);
  await connected([first, second]);
  const stuck = await stuckPeer(first, 'n3');
  await eventually('the connection', () => first.transport.connectedPeers().includes('n3'));
  await eventually('the loss', () => first.events.at(-1) === 'disconnected n3');
  assert.ok(first.transport.connectedPeers().includes('n2'), 'an idle peer that pings stays');
  assert.not(first.events.includes('disconnected n2'));
  stuck.destroy();
});

test('malformed bytes close that connection and nothing else', async () => {
  const nodes = await startMesh(['n1', 'n2']);
  const [first, second] = pair(nodes);
  const greeting = bytesOf(encodeHello({ ...hello, clusterId: '', nodeId: 'n3' }));
  first.transport.setPeer('n3', [{ host: '127.0.0.1', port: 1 }]);
  const message = bytesOf(encodeRaft(heartbeat));
  const flipped = Buffer.from(message);
  flipped[20] = (flipped[20] ?? 0) ^ 1;
  const cases: Buffer[][] = [
    [Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    [message],
    [greeting, Buffer.alloc(64, 0xff)],
    [greeting, flipped],
    [greeting, greeting],
    [greeting, bytesOf(encodeRaft(heartbeat, 7))],
  ];
  for (const [at, parts] of cases.entries()) {
    const socket = await dial(first, Buffer.concat(parts));
    await closed(socket);
    assert.is(first.counters.malformed, at + 1, `case ${String(at)}`);
  }
  assert.equal(first.raft, []);
  assert.is(first.logged.filter((line) => line.startsWith('closing the connection')).length, cases.length);
  first.transport.sendRaft('n2', heartbeat);
  await eventually('a message', () => second.raft.length === 1);
  assert.equal(first.events, ['connected n2']);
});

test('who does not say hello is let go, and strangers are bounded', async () => {
  const node = await startNode('n1', { limits: { handshakeTimeoutMs: 100, maxUnknownConnections: 2 } });
  const quiet = await Promise.all([dial(node, Buffer.alloc(0)), dial(node, Buffer.from([0, 0]))]);
  const third = await dial(node, Buffer.alloc(0));
  await closed(third);
  assert.ok(quiet.every((socket) => !socket.destroyed));
  await Promise.all(quiet.map(closed));
  const big = await dial(node, Buffer.from([0, 1, 0, 0]));
  await closed(big);
  assert.is(node.counters.malformed, 1, 'no large frame before the hello');
});

test('a message larger than any peer takes is dropped by the sender', async () => {
  const [first] = pair(await startMesh(['n1', 'n2'], { limits: { maxFrameBytes: 10_000 } }));
  assert.not(first.transport.send('n2', 1, Buffer.alloc(10_001)));
  assert.is(first.counters.framesDropped, 1);
  assert.equal(first.transport.connectedPeers(), ['n2']);
});

test.run();
