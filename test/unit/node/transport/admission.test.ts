import type net from 'node:net';
import { encodeNodeMessage, type Hello } from '@quorate/protocol';
import { assert, suite } from '../../../support/suite.ts';
import { bytesOf } from '../../protocol/peer/support.ts';
import { closed, dial, type RawPeer, rawPeer } from './raw.ts';
import { connected, directoryIdOf, eventually, startNode, stopAll, type TestNode } from './support.ts';

const test = suite('peer transport: admission');
const raw: RawPeer[] = [];

test.after.each(async () => {
  for (const peer of raw.splice(0)) peer.destroy();
  await stopAll();
});

const nowhere = { host: '127.0.0.1', port: 1 };

async function play(node: TestNode, own: Partial<Hello>): Promise<RawPeer> {
  const peer = await rawPeer(node, own);
  raw.push(peer);
  return peer;
}

/** Sends a message on an admitted connection; resolves when the node has it. */
async function say(node: TestNode, socket: net.Socket, channel: number): Promise<void> {
  socket.write(bytesOf(encodeNodeMessage(channel, Buffer.from('said'))));
  await eventually('the message', () => node.messages.some((message) => message.channel === channel));
}

test('an unknown node that is wanted becomes a peer, in both directions', async () => {
  const asked: Hello[] = [];
  const admitsUnknown = (hello: Hello): boolean => {
    asked.push(hello);
    return hello.clusterId === 'red';
  };
  const first = await startNode('n1', { identity: { clusterId: 'red' }, admitsUnknown });
  const second = await startNode('n2', { peers: [['n1', [first.address]]], announce: true });
  await eventually('a rejection', () => second.events.includes('rejected n1 UNKNOWN_NODE'));
  second.identity.clusterId = 'red';
  await connected([first, second]);
  assert.is(asked.at(-1)?.nodeId, 'n2');
  assert.is(asked.at(-1)?.peerAddress, `127.0.0.1:${String(second.address.port)}`);
  const admittedAt = asked.length;
  // A peer now: it comes back without a question, until it is removed.
  await second.transport.stop();
  await eventually('the loss', () => first.transport.connectedPeers().length === 0);
  const again = await startNode('n2', {
    identity: { clusterId: 'red' },
    port: second.address.port,
    peers: [['n1', [first.address]]],
    announce: true,
  });
  await connected([first, again]);
  assert.is(asked.length, admittedAt);
  first.transport.removePeer('n2');
  await eventually('a question', () => asked.length > admittedAt);
});

test('an unknown node that says no address, or none to dial, stays unknown, and so does one that comes for bulk', async () => {
  const asked: Hello[] = [];
  const node = await startNode('n1', { admitsUnknown: (hello) => asked.push(hello) > 0 });
  const cases = [{ peerAddress: '' }, { peerAddress: '0.0.0.0:7000' }, { peerAddress: 'n4:' }, { purpose: 1 as const }];
  for (const [at, own] of cases.entries()) {
    const peer = await play(node, { nodeId: `n${String(at + 4)}`, peerAddress: '127.0.0.1:1', ...own });
    await closed(await peer.call());
    assert.is(node.events.at(-1), `rejected n${String(at + 4)} UNKNOWN_NODE`);
  }
  assert.equal(asked, []);
});

test('the nodes that introduce themselves are bounded; one that is gone gives way', async () => {
  const node = await startNode('n1', { admitsUnknown: () => true });
  const sockets: net.Socket[] = [];
  const call = async (at: number): Promise<net.Socket> => {
    const peer = await play(node, { nodeId: `x${String(at)}`, session: `s${String(at)}`, peerAddress: '127.0.0.1:1' });
    return peer.call({ directoryId: directoryIdOf(`x${String(at)}`) });
  };
  for (let at = 0; at < 32; at++) {
    const socket = await call(at);
    await say(node, socket, at);
    sockets.push(socket);
  }
  await closed(await call(32));
  assert.equal(node.events, ['rejected x32 UNKNOWN_NODE']);
  sockets[7]?.destroy();
  await eventually('the end of a connection', () => node.logged.some((line) => line.startsWith('connection from x7')));
  await say(node, await call(33), 33);
  await closed(await call(34));
  assert.is(node.events.at(-1), 'rejected x34 UNKNOWN_NODE');
});

test('a node on a copy of a data directory is refused, and told what to do', async () => {
  const node = await startNode('n1', { peers: [['n2', [nowhere]]] });
  const own = { nodeId: 'n2', directoryId: directoryIdOf('n2'), incarnation: '5', session: 'a' };
  const peer = await play(node, own);
  const original = await peer.call();
  await say(node, original, 1);
  await closed(await peer.call({ session: 'b' }));
  await closed(await peer.call({ session: 'b', incarnation: '4' }));
  assert.equal([...new Set(node.events)], ['rejected n2 COPIED_DIRECTORY']);
  assert.match(
    node.reasons[0] ?? '',
    /n2 comes with start 5 of data directory 0+6e32, start 5 was seen: .* stop n2 and/,
  );
  await say(node, original, 2);
  // The same process once more, a later start, another directory: all are as they should be.
  await say(node, await peer.call(), 3);
  await say(node, await peer.call({ session: 'c', incarnation: '10' }), 4);
  await say(node, await peer.call({ session: 'd', incarnation: '1', directoryId: directoryIdOf('new') }), 5);
  // What was seen of the first directory is not forgotten by that.
  await closed(await peer.call({ session: 'e', incarnation: '9' }));
  assert.is(node.events.at(-1), 'rejected n2 COPIED_DIRECTORY');
});

test('a copy is refused also when it is the one that answers', async () => {
  const node = await startNode('n1', { peers: [['n2', [nowhere]]] });
  const own = { nodeId: 'n2', directoryId: directoryIdOf('n2'), incarnation: '5', session: 'a' };
  const peer = await play(node, own);
  await say(node, await peer.call(), 1);
  peer.own = { ...peer.own, session: 'copy' };
  node.transport.setPeer('n2', [{ host: '127.0.0.1', port: peer.port }]);
  await eventually('a rejection', () => node.events.includes('rejected n2 COPIED_DIRECTORY'));
  assert.equal(node.transport.connectedPeers(), []);
});

test('the node that is refused for its copied directory hears of it', async () => {
  const first = await startNode('n1', { peers: [['n2', [nowhere]]] });
  const directory = { directoryId: directoryIdOf('d') };
  await startNode('n2', { identity: { ...directory, incarnation: '8' }, peers: [['n1', [first.address]]] });
  await eventually('the original', () => first.logged.length > 0 && first.counters.framesIn > 0);
  const copy = await startNode('n2', {
    identity: { ...directory, incarnation: '8' },
    peers: [['n1', [first.address]]],
  });
  await eventually('the refusal', () => copy.events.includes('rejected n1 COPIED_DIRECTORY'));
  assert.match(copy.reasons[0] ?? '', /a copy, or an older state; stop n2 and start it with the original/);
});

test('nothing of a process is delivered after the hello of the next one', async () => {
  const node = await startNode('n1', { peers: [['n2', [nowhere]]] });
  const peer = await play(node, { nodeId: 'n2', directoryId: directoryIdOf('n2'), incarnation: '5', session: 'old' });
  const old = await peer.call();
  await say(node, old, 1);
  const oldClosed = closed(old);
  const next = await peer.call({ session: 'new', incarnation: '6' });
  old.write(Buffer.concat([2, 2].map((channel) => bytesOf(encodeNodeMessage(channel, [])))));
  await say(node, next, 3);
  const before = node.messages.length;
  if (!old.destroyed) old.write(bytesOf(encodeNodeMessage(2, [])));
  await oldClosed;
  await say(node, next, 4);
  assert.is(node.messages.length, before + 1);
  assert.is(
    node.messages.findLastIndex(({ channel }) => channel === 2) <
      node.messages.findIndex(({ channel }) => channel === 3),
    true,
  );
});

test('of frames that came together, none is delivered after the connection is closed', async () => {
  const node = await startNode('n1', {
    peers: [['n2', [nowhere]]],
    handlers: {
      onNodeMessage: () => {
        node.transport.removePeer('n2');
      },
    },
  });
  const peer = await play(node, { nodeId: 'n2' });
  const socket = await peer.call();
  socket.write(Buffer.concat([1, 2, 3].map((channel) => bytesOf(encodeNodeMessage(channel, [])))));
  await closed(socket);
  assert.equal(
    node.messages.map(({ channel }) => channel),
    [1],
  );
});

test('two processes of one name are no connected peer', async () => {
  const node = await startNode('n1');
  const peer = await play(node, { nodeId: 'n2', directoryId: '', session: 'a' });
  node.transport.setPeer('n2', [{ host: '127.0.0.1', port: peer.port }]);
  await eventually('the answer', () => node.counters.connects > 0);
  const other = await peer.call({ session: 'b' });
  // The node dials again, to find the process that called, and finds the other one: it lets the caller go.
  await closed(other);
  assert.equal(node.events, []);
  assert.is(node.transport.helloOf('n2'), null);
  const connects = node.counters.connects;
  await peer.call();
  await eventually('the connection', () => node.events.length > 0);
  assert.equal(node.events, ['connected n2']);
  assert.is(node.hellos[0]?.session, 'a');
  assert.is(node.transport.helloOf('n2')?.session, 'a');
  assert.ok(connects >= 2);
});

test('what was refused before a connection is reported again after it', async () => {
  const first = await startNode('n1');
  const second = await startNode('n2', { peers: [['n1', [first.address]]] });
  const refusals = (): number => first.events.filter((event) => event === 'rejected n2 UNKNOWN_NODE').length;
  await eventually('several attempts', () => first.counters.rejections > 2);
  assert.is(refusals(), 1);
  first.transport.setPeer('n2', [second.address]);
  await connected([first, second]);
  first.transport.removePeer('n2');
  await eventually('a second report', () => refusals() === 2);
});

test('a hello that is none closes the connection', async () => {
  const node = await startNode('n1', { peers: [['n2', [nowhere]]] });
  const peer = await play(node, { nodeId: 'n2', incarnation: 'i' });
  await closed(await peer.call());
  await closed(await dial(node, Buffer.alloc(20)));
  assert.is(node.counters.malformed, 2);
  assert.equal(node.messages, []);
});

test.run();
