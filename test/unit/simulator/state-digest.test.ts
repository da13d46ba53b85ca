import { ItemState, LIMIT_NAMES, Message, MessageQueue, Session, ShareGroup, State } from '@quorate/broker';
import { describeState, StateDigest } from '@quorate/simulator';
import { assert, suite } from '../../support/suite.ts';

/* What nodes are compared by: it must see whatever the description of a state shows. */

const test = suite('simulator: digest of a state');

function message(id: number, topic: string, expiresAtMs = Number.POSITIVE_INFINITY): Message {
  return new Message(id, topic, 1, false, null, expiresAtMs, Buffer.from(`p/${id}`));
}

function nodeRecord(nodeId: string): Parameters<State['nodes']['set']>[1] {
  const addresses = { mqtt: '', http: '', peer: '' };
  return { nodeId, incarnation: 1, lastSequence: 7, up: true, ...addresses, version: '1', leaseMs: 300 };
}

function session(number: number, clientId: string): Session {
  const made = new Session(number, clientId, number + 10);
  made.owner = 'n1';
  made.will = { topic: 'w', qos: 1, retain: false, delayIntervalSec: 3, payload: Buffer.from('bye'), properties: null };
  for (const filter of ['a/#', 'b']) {
    const flags = { noLocal: false, retainAsPublished: false, retainHandling: 0 as const };
    made.subscriptions.set(filter, { filter, qos: 1, ...flags, identifier: null });
  }
  made.incoming.add(3);
  made.incoming.add(9);
  made.queue = new MessageQueue(4);
  for (let id = 1; id <= 3; id++) {
    const flags = { qos: 1 as const, retain: false, subscriptionIdentifiers: id === 2 ? [5] : null, share: 0 };
    made.queue.push({ message: message(id, 'a/b', id * 1_000), ...flags, state: ItemState.queued });
  }
  return made;
}

/** @param backwards whether its maps are filled the other way round */
function state(backwards = false): State {
  const made = new State();
  made.nowMs = 123_456_789_012;
  made.appliedIndex = 32;
  made.clusterId = 'c';
  const ids = backwards ? [3, 2, 1] : [1, 2, 3];
  for (const id of ids) {
    made.nodes.set(`n${id}`, nodeRecord(`n${id}`));
    made.members.set(`n${id}`, { nodeId: `n${id}`, peer: `h:${id}`, voter: true, replaces: null });
    made.sessions.set(`s${id}`, session(id, `s${id}`));
    made.retained.set(`r/${id}`, message(100 + id, `r/${id}`));
  }
  return made;
}

function sessionOf(of: State): Session {
  return of.sessions.get('s2') as Session;
}

function queueOf(of: State): MessageQueue {
  return sessionOf(of).queue as MessageQueue;
}

const CHANGES: Readonly<Record<string, (of: State) => void>> = {
  'the clock': (of) => (of.nowMs += 1),
  'the clock, by 2^32 ms': (of) => (of.nowMs += 2 ** 32),
  'the applied index': (of) => (of.appliedIndex += 1),
  'the applied term': (of) => (of.appliedTerm += 1),
  'the cluster': (of) => (of.clusterId = null),
  'the next epoch': (of) => (of.nextEpoch += 1),
  'the next session': (of) => (of.nextSessionNumber += 1),
  'the next message': (of) => (of.nextMessageId += 1),
  'a node': (of) => ((of.nodes.get('n2') as { up: boolean }).up = false),
  'a node less': (of) => of.nodes.delete('n2'),
  'a member': (of) => of.members.set('n2', { nodeId: 'n2', peer: 'h:2', voter: false, replaces: null }),
  'a member less': (of) => of.members.delete('n3'),
  'a session less': (of) => of.sessions.delete('s1'),
  'an owner': (of) => (sessionOf(of).owner = null),
  'an epoch': (of) => (sessionOf(of).epoch += 1),
  'a protocol version': (of) => (sessionOf(of).protocolVersion = 5),
  'an expiry interval': (of) => (sessionOf(of).expiryIntervalSec = 1),
  'an expiry': (of) => (sessionOf(of).expiresAtMs = 0),
  'a window': (of) => (sessionOf(of).receiveMaximum = 1),
  'when a will is due': (of) => (sessionOf(of).willAtMs = 0),
  'what was sent before': (of) => (sessionOf(of).maybeSentBefore += 1),
  'a will less': (of) => (sessionOf(of).will = null),
  'a will, in place': (of) => ((sessionOf(of).will?.payload as Uint8Array)[2] = 0),
  'a subscription less': (of) => sessionOf(of).subscriptions.delete('b'),
  'a subscription, in place': (of) => ((sessionOf(of).subscriptions.get('b') as { qos: number }).qos = 2),
  'a packet identifier': (of) => sessionOf(of).incoming.delete(9),
  'no queue': (of) => (sessionOf(of).queue = null),
  'a queue that is empty': (of) => (sessionOf(of).queue = new MessageQueue(4)),
  'where a queue begins': (of) => (sessionOf(of).queue = new MessageQueue(5)),
  'a message more': (of) => queueOf(of).push({ ...(queueOf(of).get(4) as object) } as never),
  'what was received': (of) => ((queueOf(of).get(5) as { state: number }).state = ItemState.received),
  'an identifier': (of) => ((queueOf(of).get(5)?.subscriptionIdentifiers as number[])[0] = 6),
  'a QoS': (of) => ((queueOf(of).get(6) as { qos: number }).qos = 2),
  'a payload, in place': (of) => ((queueOf(of).get(6)?.message.payload as Uint8Array)[0] = 0),
  'when a message expires': (of) => ((queueOf(of).get(6)?.message as { expiresAtMs: number }).expiresAtMs += 1),
  'whose a message is': (of) => ((queueOf(of).get(6) as { share: number }).share = 1),
  'who published it': (of) => ((queueOf(of).get(6)?.message as { publisherHash: number }).publisherHash = 1),
  'how many are shared': (of) => (sessionOf(of).held = 1),
  'a ledger': (of) => {
    sessionOf(of).ledger = queueOf(of);
    sessionOf(of).queue = null;
  },
  ...Object.fromEntries(LIMIT_NAMES.map((name) => [`limit ${name}`, (of: State) => (of.limits[name] -= 1)])),
  'the policy of full queues': (of) => (of.fullQueuePolicy = 'drop_oldest'),
  'the strategy': (of) => (of.sharedStrategy = 'sticky'),
  'a share group': (of) => of.addGroup(new ShareGroup(7, '$share/g/a')),
  'whom it chose': (of) => {
    of.addGroup(new ShareGroup(7, '$share/g/a'));
    (of.groups.get(7) as ShareGroup).last = 1;
  },
  'what it keeps': (of) => {
    of.addGroup(new ShareGroup(7, '$share/g/a'));
    of.groups.get(7)?.queue.push(message(9, 'a', 1));
  },
  'a retained message less': (of) => of.retained.delete('r/1'),
  'a retained message, in place': (of) => ((of.retained.get('r/1')?.payload as Uint8Array)[2] = 0),
};

test('equal states have equal digests, in whatever order they became so', () => {
  const digest = new StateDigest();
  assert.is(describeState(state(true)), describeState(state()));
  assert.is(digest.of(state(true)), digest.of(state()));
});

test('any change that the description shows changes the digest', () => {
  const digest = new StateDigest();
  const seen = new Map([[digest.of(state()), 'nothing']]);
  const before = describeState(state());
  for (const [what, change] of Object.entries(CHANGES)) {
    const changed = state();
    digest.of(changed);
    change(changed);
    assert.is.not(describeState(changed), before, what);
    const found = digest.of(changed);
    assert.is(seen.get(found), undefined, `${what} looks like ${seen.get(found)}`);
    seen.set(found, what);
  }
});

test.run();
