import { type NodeRecord, State } from '@quorate/broker';
import type { Configuration, Message } from '@quorate/consensus';
import { type Dialler, Peers } from '../../../../packages/node/src/runtime/peers.ts';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('peers');

type Hello = Parameters<Peers['connected']>[1];
type HostPort = Parameters<Dialler['setPeer']>[1][number];

const place = { prevIndex: 0, prevTerm: 0, commitIndex: 0, round: 0 };
/** One of each kind. */
const MESSAGES: Record<Message['kind'], Message> = {
  voteRequest: { kind: 'voteRequest', term: 1, preVote: false, transfer: false, lastIndex: 0, lastTerm: 0 },
  voteResponse: { kind: 'voteResponse', term: 1, preVote: false, granted: true },
  appendRequest: { kind: 'appendRequest', term: 1, entries: [], ...place },
  appendResponse: {
    ...{ kind: 'appendResponse', term: 1, round: 0, success: true },
    ...{ matchIndex: 0, hintIndex: 0, hintTerm: 0 },
  },
  heartbeat: { kind: 'heartbeat', term: 1, commitIndex: 0, round: 0 },
  heartbeatResponse: { kind: 'heartbeatResponse', term: 1, round: 0 },
  readIndexRequest: { kind: 'readIndexRequest', term: 1, id: 1 },
  readIndexResponse: { kind: 'readIndexResponse', term: 1, id: 1, index: 0 },
  timeoutNow: { kind: 'timeoutNow', term: 1 },
};
const KINDS = Object.keys(MESSAGES) as Message['kind'][];
/** What counts towards a quorum or keeps a lease. */
const ANSWERS = ['voteResponse', 'appendResponse', 'heartbeatResponse', 'readIndexRequest'];
/** What only a member of the leader's configuration gets. */
const ORDERS = ['appendRequest', 'heartbeat', 'timeoutNow'];

function make(configuration: Partial<Configuration> = {}, cluster: Record<string, number> = { n1: 1, n2: 2, n3: 3 }) {
  const state = new State();
  const now: { configuration: Configuration; mayLeave: boolean } = {
    configuration: { voters: [], learners: [], outgoing: [], ...configuration },
    mayLeave: true,
  };
  const peers = new Peers({
    nodeId: 'n1',
    cluster: new Map(Object.entries(cluster).map(([id, port]) => [id, { host: 'h', port }])),
    configuration: () => now.configuration,
    state: () => state,
    mayLeave: () => now.mayLeave,
  });
  const dialled = new Map<string, string>();
  const calls: string[] = [];
  const transport: Dialler = {
    setPeer: (id, addresses: readonly HostPort[]) => {
      calls.push(`set ${id}`);
      dialled.set(id, addresses.map(({ host, port }) => `${host}:${String(port)}`).join());
    },
    removePeer: (id) => {
      calls.push(`remove ${id}`);
      dialled.delete(id);
    },
  };
  return {
    peers,
    state,
    now,
    calls,
    hear: (id: string, directoryId: string) => {
      peers.connected(id, { directoryId, clusterId: '', founded: true, peerAddress: 'h:9' } as Hello);
    },
    dial: (): Record<string, string> => {
      peers.dial(transport);
      return Object.fromEntries(dialled);
    },
  };
}

function node(nodeId: string, peer: string): NodeRecord {
  const rest = { incarnation: 1, lastSequence: 0, up: true, mqtt: '', http: '', version: '', leaseMs: 1 };
  return { nodeId, peer, ...rest };
}

const received = (peers: Peers, from: string) => KINDS.filter((kind) => peers.mayReceive(from, MESSAGES[kind]));
const sendable = (peers: Peers, to: string) => KINDS.filter((kind) => peers.maySend(to, MESSAGES[kind]));

test('to and from the data directory that is a member everything goes', () => {
  for (const [voters, learners, outgoing] of [
    [['n1', 'n2'], [], []],
    [['n1'], ['n2'], []],
    [['n1'], [], ['n1', 'n2']],
  ]) {
    const { peers, hear } = make({ voters: voters ?? [], learners: learners ?? [], outgoing: outgoing ?? [] });
    hear('n2', 'd2');
    // Without a tag the name is all that there is to know.
    assert.equal([received(peers, 'n2'), sendable(peers, 'n2')], [KINDS, KINDS]);
    const tagged = make({
      voters: voters ?? [],
      learners: learners ?? [],
      outgoing: outgoing ?? [],
      memberTags: { n2: 'd2' },
    });
    tagged.hear('n2', 'd2');
    assert.equal([received(tagged.peers, 'n2'), sendable(tagged.peers, 'n2')], [KINDS, KINDS]);
    assert.equal([tagged.peers.isAdmitted('n2'), tagged.peers.isReplaced('n2')], [true, false]);
  }
});

test('no answer of another data directory of that name counts, and it gets no orders; its requests are heard', () => {
  for (const directoryId of ['other', '']) {
    const { peers, hear } = make({ voters: ['n1', 'n2'], memberTags: { n2: 'd2' } });
    hear('n2', directoryId);
    assert.equal(
      received(peers, 'n2'),
      KINDS.filter((kind) => !ANSWERS.includes(kind)),
    );
    assert.equal(
      sendable(peers, 'n2'),
      KINDS.filter((kind) => !ORDERS.includes(kind)),
    );
    assert.equal([peers.isAdmitted('n2'), peers.isReplaced('n2')], [false, true]);
  }
});

test('no answer counts of a node that is no member, or of one whose hello is not known', () => {
  const { peers, hear } = make({ voters: ['n1', 'n2'], memberTags: { n2: 'd2' } });
  hear('n9', 'd9');
  const heard = KINDS.filter((kind) => !ANSWERS.includes(kind));
  assert.equal(received(peers, 'n9'), heard);
  assert.equal(received(peers, 'n2'), heard, 'not connected');
  assert.equal([peers.isAdmitted('n2'), peers.isReplaced('n2')], [false, false]);
  hear('n2', 'd2');
  assert.equal(received(peers, 'n2'), KINDS);
  peers.disconnected('n2');
  assert.equal(received(peers, 'n2'), heard);
  assert.is(peers.get('n2'), undefined);
});

test('the rule follows the configuration in force', () => {
  const { peers, hear, now } = make({ voters: ['n1', 'n2'], memberTags: { n2: 'old' } });
  hear('n2', 'new');
  assert.not.ok(peers.mayReceive('n2', MESSAGES.appendResponse));
  now.configuration = { voters: ['n1'], learners: ['n2'], outgoing: [], memberTags: { n2: 'new' } };
  assert.equal([received(peers, 'n2'), sendable(peers, 'n2')], [KINDS, KINDS]);
});

test('without a configuration the setting says whom to dial; with one, who left it does not come back by it', () => {
  const { dial, now, peers } = make();
  assert.equal(dial(), { n2: 'h:2', n3: 'h:3' });
  now.configuration = { voters: ['n1', 'n2'], learners: [], outgoing: [] };
  peers.touch();
  assert.equal(dial(), { n2: 'h:2' });
});

test('addresses: what the node said in the log, what it was joined with, what the setting says; each once', () => {
  const { dial, state, peers } = make({ voters: ['n1', 'n2', 'n3'] });
  state.nodes.set('n2', node('n2', 'moved:22'));
  state.members.set('n2', { nodeId: 'n2', peer: 'joined:222', voter: true, replaces: null });
  state.nodes.set('n3', node('n3', 'h:3'));
  assert.equal(dial(), { n2: 'moved:22,joined:222,h:2', n3: 'h:3' });
  state.nodes.set('n2', node('n2', 'no address'));
  peers.touch();
  assert.equal(dial(), { n2: 'joined:222,h:2', n3: 'h:3' });
});

test('whoever goes by a configuration finds its members, also when nothing of them is applied here', () => {
  const { dial, state, now, peers, hear } = make({ voters: ['n1', 'n4'], memberAddresses: { n4: 'h:4' } });
  assert.equal(dial(), { n4: 'h:4' });
  assert.equal([peers.addressOf('n4'), peers.addressOf('n2')], ['h:4', '']);
  hear('n2', 'd2');
  assert.is(peers.addressOf('n2'), 'h:9', 'by its hello');
  state.members.set('n4', { nodeId: 'n4', peer: 'h:44', voter: true, replaces: null });
  state.nodes.set('n4', node('n4', 'no address'));
  peers.touch();
  assert.equal(dial(), { n4: 'h:44,h:4' }, 'what the log says is newer');
  assert.is(peers.addressOf('n4'), 'h:44');
  now.configuration = { voters: ['n1', 'n4'], learners: [], outgoing: [], memberAddresses: { n4: 'no address' } };
  peers.touch();
  assert.equal(dial(), { n4: 'h:44' });
});

test('a member whose address nobody knows is not dialled, until somebody does', () => {
  const { dial, state, peers } = make({ voters: ['n1', 'n4'] });
  assert.equal(dial(), {});
  state.members.set('n4', { nodeId: 'n4', peer: 'h:4', voter: true, replaces: null });
  peers.touch();
  assert.equal(dial(), { n4: 'h:4' });
});

test('a guest is dialled at the address given, until it has joined or is forgotten', () => {
  const { dial, peers, state, now } = make({ voters: ['n1'] });
  assert.equal(dial(), {});
  peers.invite('n4', { host: 'h', port: 4 });
  peers.invite('n5', { host: 'h', port: 5 });
  assert.equal(dial(), { n4: 'h:4', n5: 'h:5' });
  state.members.set('n4', { nodeId: 'n4', peer: 'h:4', voter: true, replaces: null });
  peers.forget('n4');
  peers.forget('n5');
  assert.equal(dial(), { n4: 'h:4' }, 'it has joined');
  state.members.delete('n4');
  now.configuration = { voters: ['n1'], learners: ['n4'], outgoing: [] };
  peers.touch();
  assert.equal(dial(), { n4: 'h:4' }, 'a member that is dialled stays so although no address is told any more');
});

test('nothing is told to the transport that it knows already, and this node does not dial itself', () => {
  const { dial, calls, peers } = make({ voters: ['n1', 'n2'], learners: ['n3'] });
  dial();
  dial();
  peers.touch();
  dial();
  assert.equal(calls, ['set n2', 'set n3']);
});

test('a node that is no member any more is let go only when it may leave', () => {
  const { dial, calls, now, peers } = make({ voters: ['n1', 'n2', 'n3'] });
  dial();
  now.configuration = { voters: ['n1', 'n2'], learners: [], outgoing: [] };
  now.mayLeave = false;
  peers.touch();
  assert.equal(dial(), { n2: 'h:2', n3: 'h:3' });
  // Without another word: what it waits for may change at any time.
  now.mayLeave = true;
  assert.equal(dial(), { n2: 'h:2' });
  assert.equal(calls.slice(2), ['remove n3']);
});

test.run();
