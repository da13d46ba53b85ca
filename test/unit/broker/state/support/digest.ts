import {
  changedSettings,
  ItemState,
  type Message,
  pick,
  type Session,
  type ShareGroup,
  type State,
} from '@quorate/broker';
import type { StateRecord } from '../../../../../packages/broker/src/state/records.ts';
import {
  cursorRecord,
  documentRecord,
  groupItemRecord,
  groupRecord,
  itemRecord,
  memberRecord,
  messageRecord,
  metaRecord,
  nodeRecord,
  RecordKind,
  retainedRecord,
  sessionRecord,
  settingsRecord,
  sharedStrategyRecord,
} from '../../../../../packages/broker/src/state/records.ts';
import { assert } from '../../../../support/suite.ts';

/** Everything that decides what a state does next, as plain values in an order that does not depend on its history. */
export function digest(state: State): unknown {
  const { nowMs, appliedIndex, appliedTerm, clusterId, nextEpoch, nextSessionNumber, nextMessageId } = state;
  return {
    counters: { nowMs, appliedIndex, appliedTerm, clusterId, nextEpoch, nextSessionNumber, nextMessageId },
    nodes: [...state.nodes.values()].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)).map((node) => ({ ...node })),
    members: [...state.members.values()]
      .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
      .map((member) => ({ ...member })),
    documents: [...state.documents.values()]
      .map((each) => ({ ...each, bytes: Buffer.from(each.bytes).toString('hex') }))
      .sort((a, b) => a.collection - b.collection || (a.name < b.name ? -1 : 1)),
    sessions: [...state.sessionsByNumber.values()].sort((a, b) => a.number - b.number).map(sessionDigest),
    retained: retainedOf(state).map(messageDigest),
    retainedBytes: state.retained.sizeBytes,
    subscriptions: state.subscriptions.size,
    sharedStrategy: state.sharedStrategy,
    limits: { ...state.limits },
    fullQueuePolicy: state.fullQueuePolicy,
    groups: [...state.groups.values()].map(groupDigest),
  };
}

function retainedOf(state: State): Message[] {
  const found: Message[] = [];
  state.retained.forEach((message) => found.push(message));
  return found.sort((a, b) => a.id - b.id);
}

/** Everything but members, which are what the sessions say: `checkConsistency` compares. */
function groupDigest({ number, name, filter, last, queueing, queue, members, connected }: ShareGroup): unknown {
  return {
    ...{ number, name, filter, last, queueing, sizeBytes: queue.sizeBytes },
    members: [...members.keys()].sort((a, b) => a - b),
    connected: connected.map(({ session }) => session.number),
    queue: [...queue].map(messageDigest),
  };
}

function messageDigest(message: Message): unknown {
  const { id, topic, qos, retain, properties, expiresAtMs, payload, references, sizeBytes, publisherHash } = message;
  const bytes = Buffer.from(payload).toString('hex');
  const { correlationData, ...others } = properties ?? {};
  const correlation = correlationData === undefined ? null : Buffer.from(correlationData).toString('hex');
  return { id, topic, qos, retain, others, correlation, expiresAtMs, bytes, references, sizeBytes, publisherHash };
}

function sessionDigest(session: Session): unknown {
  const { number, clientId, epoch, owner, protocolVersion, expiryIntervalSec, receiveMaximum, will } = session;
  const { expiresAtMs, willAtMs, maybeSentBefore, tracked: queue, held, ledger } = session;
  const willBytes = will === null ? null : Buffer.from(will.payload).toString('hex');
  const items: unknown[] = [];
  for (let sequence = queue?.headSequence ?? 0; sequence < (queue?.nextSequence ?? 0); sequence++) {
    const item = queue?.get(sequence) ?? null;
    items.push(item === null ? null : { ...item, message: messageDigest(item.message) });
  }
  return {
    ...{ number, clientId, epoch, owner, protocolVersion, expiryIntervalSec, receiveMaximum, expiresAtMs, willAtMs },
    will: will === null ? null : { ...will, payload: willBytes },
    ...{ maybeSentBefore, held, hasLedger: ledger !== null },
    incoming: [...session.incoming].sort((a, b) => a - b),
    // Their order is part of the session's record.
    subscriptions: [...session.subscriptions.values()].map((subscription) => ({ ...subscription })),
    queue: queue === null ? null : { ...boundsOf(queue), items },
  };
}

function boundsOf(queue: NonNullable<Session['queue']>): Record<string, number> {
  const { headSequence, nextSequence, count, sizeBytes } = queue;
  return { headSequence, nextSequence, count, sizeBytes };
}

/** What the parts of a state say about each other has to agree. */
export function checkConsistency(state: State): void {
  const references = new Map<Message, number>();
  const byId = new Map<number, Message>();
  const see = (message: Message): void => {
    const other = byId.get(message.id);
    assert.ok(other === undefined || other === message, `two objects for message ${message.id}`);
    byId.set(message.id, message);
  };
  let subscriptions = 0;
  for (const session of state.sessions.values()) {
    assert.is(state.sessionsByNumber.get(session.number), session);
    assert.is(state.live.get(session.epoch), session.owner === null ? undefined : session);
    if (session.owner !== null) assert.ok(state.owned.get(session.owner)?.has(session));
    subscriptions += session.subscriptions.size;
    checkShares(state, session);
    if (session.queue === null)
      assert.is(session.expiryIntervalSec, 0, 'a session that outlives its client has a queue');
    for (const message of messagesOf(session)) {
      see(message);
      references.set(message, (references.get(message) ?? 0) + 1);
    }
  }
  for (const group of state.groups.values()) {
    for (const message of group.queue) {
      see(message);
      references.set(message, (references.get(message) ?? 0) + 1);
    }
  }
  for (const message of retainedOf(state)) {
    see(message);
    if (!references.has(message)) references.set(message, 0);
  }
  for (const [message, count] of references) assert.is(message.references, count, `references of ${message.id}`);
  assert.is(state.sessionsByNumber.size, state.sessions.size);
  checkGroups(state);
  assert.is(state.subscriptions.size, subscriptions);
  const owned = [...state.owned.values()].reduce((sum, sessions) => sum + sessions.size, 0);
  assert.is(owned, state.live.size);
  const documents = [...state.documents.values()];
  assert.is(state.documents.size, documents.length);
  assert.is(state.documents.expiring, documents.filter((each) => each.expiresAtMs !== Number.POSITIVE_INFINITY).length);
  assert.ok(state.documents.pendingExpiries >= state.documents.expiring, 'one that expires is waited for');
  assert.ok(state.timers.size <= 4 * state.sessions.size + 1024 + 2, 'stale timers pile up');
}

/** DESIGN.md of the broker, "Invariants of share groups". */
function checkGroups(state: State): void {
  let members = 0;
  assert.is(state.groupsByName.size, state.groups.size);
  assert.equal(
    [...state.groups.keys()],
    [...state.groups.keys()].sort((a, b) => a - b),
  );
  for (const group of state.groups.values()) {
    const { name, queue, connected } = group;
    members += group.members.size;
    assert.is(state.groupsByName.get(name), group);
    assert.ok(group.members.size > 0, `${name} has no member`);
    const expected = [...group.members.values()].filter(({ session }) => session.owner !== null);
    expected.sort((a, b) => a.session.number - b.session.number);
    assert.equal(
      connected.map(({ session }) => session.number),
      expected.map(({ session }) => session.number),
    );
    for (const member of group.members.values()) {
      assert.ok(member.session.shares?.includes(group), `${member.session.clientId} does not know of ${name}`);
      assert.equal(member.subscription, member.session.subscriptions.get(name));
    }
    for (const member of connected) assert.is(member, group.members.get(member.session.number));
    assert.is(group.queueing, [...group.members.values()].filter(({ subscription }) => subscription.qos > 0).length);
    const ids = [...queue].map(({ id }) => id);
    assert.equal(
      ids,
      [...new Set(ids)].sort((a, b) => a - b),
      `queue of ${name}`,
    );
    assert.is(queue.count, ids.length);
    if (group.queueing === 0) assert.is(queue.count, 0, `${name} keeps messages for nobody`);
    const { first } = queue;
    const able = first === null ? null : pick(group, state, first, group.last, 'queueing');
    const isStranded = able !== null && !state.handing.has(group);
    assert.not(isStranded, `a message of ${name} is stranded while ${able?.session.clientId} has room`);
  }
  for (const group of state.handing) assert.is(state.groups.get(group.number), group, 'a group that is gone');
  const shares = [...state.sessions.values()].reduce((sum, { shares: own }) => sum + (own?.length ?? 0), 0);
  assert.is(shares, members);
  assert.is(state.subscriptions.sharedCount, members);
}

function checkShares(state: State, session: Session): void {
  const { tracked, ledger, queue, subscriptions, shares, owner, clientId } = session;
  const names = [...subscriptions.keys()].filter((filter) => filter.startsWith('$share/'));
  assert.equal(names.sort(), (shares ?? []).map(({ name }) => name).sort(), `shares of ${clientId}`);
  assert.ok(ledger === null || queue === null, `${clientId} has a queue and a ledger`);
  let held = 0;
  const seen = new Set<string>();
  for (let sequence = tracked?.headSequence ?? 0; sequence < (tracked?.nextSequence ?? 0); sequence++) {
    const item = tracked?.get(sequence) ?? null;
    if (item === null) continue;
    if (ledger !== null) assert.ok(item.share !== 0, `${clientId} has an ordinary message in its ledger`);
    if (item.share === 0) continue;
    held++;
    const key = `${item.share} ${item.message.id}`;
    assert.ok(!seen.has(key), `${clientId} has message ${item.message.id} twice`);
    seen.add(key);
    const queued = state.groups.get(item.share)?.queue ?? [];
    for (const message of queued) assert.ok(message !== item.message, `message ${message.id} is at two places`);
    const theirs = item.qos === 2 && item.state !== ItemState.queued;
    if (owner === null && state.groups.has(item.share)) assert.ok(theirs, `${clientId} is gone with a shared message`);
  }
  assert.is(session.held, held);
}

function messagesOf(session: Session): Message[] {
  const queue = session.tracked;
  const found: Message[] = [];
  let sizeBytes = 0;
  for (let sequence = queue?.headSequence ?? 0; sequence < (queue?.nextSequence ?? 0); sequence++) {
    const message = queue?.get(sequence)?.message;
    if (message === undefined) continue;
    found.push(message);
    sizeBytes += message.sizeBytes;
  }
  assert.is(queue?.count ?? 0, found.length);
  assert.is(queue?.sizeBytes ?? 0, sizeBytes);
  return found;
}

/** All records of `state`, as if the state store had been empty: what it has to hold after a checkpoint. */
export function dumpOf(state: State): Map<string, string> {
  const dump = new Map<string, string>();
  const put = ([key, value]: StateRecord): void => {
    dump.set(Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex'));
  };
  put(metaRecord(state));
  for (const node of state.nodes.values()) put(nodeRecord(node));
  for (const member of state.members.values()) put(memberRecord(member));
  for (const document of state.documents.values()) put(documentRecord(document));
  for (const session of state.sessions.values()) {
    put(sessionRecord(session));
    put(cursorRecord(session));
    const queue = session.tracked;
    for (let sequence = queue?.headSequence ?? 0; sequence < (queue?.nextSequence ?? 0); sequence++) {
      const item = queue?.get(sequence);
      if (item == null) continue;
      put(itemRecord(session.number, sequence, item));
      put(messageRecord(item.message));
    }
  }
  for (const message of retainedOf(state)) put(retainedRecord(message));
  for (const group of state.groups.values()) {
    put(groupRecord(group));
    for (const message of group.queue) {
      put(groupItemRecord(group.number, message.id));
      put(messageRecord(message));
    }
  }
  if (state.sharedStrategy !== 'round_robin') put(sharedStrategyRecord(state.sharedStrategy));
  const changed = changedSettings(state);
  if (changed !== null) put(settingsRecord(changed));
  return dump;
}

/** A cursor that says nothing is the same as none: sessions without traffic are spared it. */
export function withoutIdleCursors(records: Iterable<readonly [string, string]>): (readonly [string, string])[] {
  const kind = RecordKind.cursor.toString(16).padStart(2, '0');
  // Format and session number, then head, next and maybeSentBefore as doubles and the number of packet ids: all zero.
  const idle = /^01.{16}0{56}$/;
  return [...records].filter(([key, value]) => !key.startsWith(kind) || !idle.test(value)).sort();
}
