import {
  ItemState,
  type SharedStrategy,
  writeBegin,
  writeNodeDown,
  writeSettings,
  writeSharedStrategy,
  writeTick,
} from '@quorate/broker';
import { assert, suite } from '../../../support/suite.ts';
import { checkConsistency } from './support/digest.ts';
import { setLimit, withLimit } from './support/limits.ts';
import { Bench, PERSISTENT } from './support/log.ts';

/* DESIGN.md of the broker, "Shared subscriptions"; MQTT 5.0 section 4.8.2. */

const test = suite('state: shared subscriptions');

const FILTER = '$share/g/t/#';

/** A publisher `p` on node a, and members of one group. */
function benchOf(strategy: SharedStrategy = 'round_robin'): Bench {
  const bench = new Bench();
  bench.on('a', (writer) => writeSharedStrategy(writer, strategy));
  bench.connect('p');
  return bench;
}

function member(
  bench: Bench,
  clientId: string,
  part: Parameters<Bench['connect']>[1] = {},
  nodeId = 'a',
  qos = 2,
): void {
  bench.connect(clientId, part, nodeId);
  bench.subscribe(clientId, FILTER, { qos: qos as 0 | 1 | 2 });
}

function publish(bench: Bench, payloads: string, qos: 0 | 1 | 2 = 1, topic = 't'): void {
  for (const payload of payloads.split(' ')) bench.publish('p', topic, payload, { qos });
  checkConsistency(bench.state);
}

/** What a session holds, in its queue or its ledger. */
function has(bench: Bench, clientId: string): string {
  const { tracked } = bench.session(clientId);
  const payloads: string[] = [];
  for (let at = tracked?.headSequence ?? 0; at < (tracked?.nextSequence ?? 0); at++) {
    const item = tracked?.get(at) ?? null;
    if (item !== null) payloads.push(Buffer.from(item.message.payload).toString());
  }
  return payloads.join(' ');
}

function kept(bench: Bench, name = FILTER): string {
  const group = bench.state.groupsByName.get(name);
  assert.ok(group, `no group ${name}`);
  return [...group.queue].map(({ payload }) => Buffer.from(payload).toString()).join(' ');
}

function settleFirst(bench: Bench, clientId: string, count = 1): void {
  bench.settle(clientId, [bench.session(clientId).tracked?.headSequence ?? 0, count]);
  checkConsistency(bench.state);
}

function begin(bench: Bench, clientId: string, count: number): void {
  const { epoch, tracked } = bench.session(clientId);
  bench.on('a', (writer) => writeBegin(writer, { epoch, ranges: [tracked?.headSequence ?? 0, count] }));
}

function nodeDown(bench: Bench, nodeId: string): void {
  const incarnation = bench.state.nodes.get(nodeId)?.incarnation ?? 0;
  bench.on('a', (writer) => writeNodeDown(writer, { nodeId, incarnation, term: bench.term }));
  checkConsistency(bench.state);
}

test('each message goes once per group, and to every ordinary subscriber', () => {
  const bench = benchOf();
  for (const id of ['a', 'b']) member(bench, id);
  bench.connect('c', PERSISTENT);
  bench.subscribe('c', '$share/h/t');
  bench.subscribe('c', 't/+/#');
  bench.connect('d', PERSISTENT);
  bench.subscribe('d', 't/#');
  publish(bench, '1 2 3 4');
  assert.equal(
    [has(bench, 'a'), has(bench, 'b'), has(bench, 'c'), has(bench, 'd')],
    ['1 3', '2 4', '1 2 3 4', '1 2 3 4'],
  );
  assert.is(bench.state.subscriptions.size, 5);
});

test('one of several subscriptions of a client being shared: a copy for each, with its own identifier and QoS', () => {
  const bench = benchOf();
  bench.connect('c', PERSISTENT);
  bench.subscribe('c', FILTER, { qos: 1, retainAsPublished: true }, 7);
  bench.subscribe('c', 't', { qos: 2 }, 8);
  bench.subscribe('c', '$share/h/t', { qos: 0 });
  bench.sink.take('deliver');
  bench.publish('p', 't', 'x', { qos: 2, retain: true });
  const [delivered] = bench.sink.take('deliver');
  assert.equal(delivered?.slice(-3), [0, false, null], 'QoS, RETAIN, identifiers');
  const { queue } = bench.session('c');
  const items = [queue?.get(0), queue?.get(1)].map((item) => [item?.qos, item?.retain, item?.subscriptionIdentifiers]);
  assert.equal(items, [
    [2, false, [8]],
    [1, true, [7]],
  ]);
});

test('round robin over connected members by session number, also across a restart', () => {
  const bench = benchOf();
  for (const id of ['a', 'b', 'c']) member(bench, id, PERSISTENT);
  publish(bench, '1 2');
  bench.restart();
  publish(bench, '3 4');
  bench.disconnect('c');
  publish(bench, '5 6 7');
  bench.connect('c', PERSISTENT);
  assert.equal(has(bench, 'c'), '');
  assert.equal([has(bench, 'a'), has(bench, 'b')], ['1 4 5 7', '2 3 6']);
});

test('sticky: one member while it is connected and has room', () => {
  const bench = benchOf('sticky');
  for (const id of ['a', 'b', 'c']) member(bench, id, { receiveMaximum: 3 });
  publish(bench, '1 2 3 4');
  assert.equal([has(bench, 'a'), has(bench, 'b'), has(bench, 'c')], ['1 2 3', '4', '']);
  settleFirst(bench, 'a', 3);
  publish(bench, '5');
  assert.is(has(bench, 'b'), '4 5');
  bench.disconnect('b');
  publish(bench, '6');
  assert.equal([has(bench, 'a'), has(bench, 'c')], ['', '4 5 6'], 'what it had goes on, and so does the choice');
});

for (const strategy of ['hash_client_id', 'hash_topic'] as const) {
  test(`${strategy}: what belongs together stays at one member, and a member takes only its own part along`, () => {
    const bench = benchOf(strategy);
    for (const id of ['a', 'b', 'c']) member(bench, id, { receiveMaximum: 1 });
    const publishers = Array.from({ length: 12 }, (_, at) => `p${at}`);
    for (const id of publishers) bench.connect(id);
    const send = (round: string): void => {
      for (const [at, id] of publishers.entries()) {
        bench.publish(
          strategy === 'hash_topic' ? 'p' : id,
          strategy === 'hash_topic' ? `t/${at}` : 't',
          `${at}${round}`,
        );
      }
    };
    const holders = (): string[][] => ['a', 'b', 'c'].map((id) => has(bench, id).split(' '));
    send('x');
    send('y');
    const before = holders();
    for (const payloads of before) {
      assert.ok(payloads.length > 1, 'every member has a part');
      for (const payload of payloads) assert.ok(payloads.includes(payload.replace('y', 'x')));
    }
    bench.disconnect('b');
    checkConsistency(bench.state);
    const [a, , c] = ['a', 'p', 'c'].map((id) => has(bench, id).split(' '));
    assert.equal((a ?? []).slice(0, before[0]?.length), before[0]);
    assert.equal((c ?? []).slice(0, before[2]?.length), before[2]);
    assert.is((a ?? []).length + (c ?? []).length, 24, "the gone member's part went to the others");
  });
}

test('a hash strategy waits for the one whose part it is, beyond its Receive Maximum, and no other is held up', () => {
  const bench = benchOf('hash_topic');
  for (const id of ['a', 'b']) member(bench, id, { receiveMaximum: 1 });
  setLimit(bench, 'queuedMessagesPerSession', 3);
  // Which topic is whose is a matter of the hash.
  bench.publish('p', 't/0', 'x');
  const slow = has(bench, 'a') === 'x' ? 'a' : 'b';
  const other = slow === 'a' ? 'b' : 'a';
  for (let at = 1; at < 50 && has(bench, other) === ''; at++) bench.publish('p', `t/${at}`, `${at}`);
  publish(bench, 'y z full', 1, 't/0');
  assert.ok(kept(bench).length > 0, 'the queue of the group takes what the member can not');
  assert.ok(!has(bench, other).includes('full'));
  settleFirst(bench, slow, 3);
  assert.is(kept(bench), '');
});

test('a member holds no more than it may be sent; what it settles makes room, oldest first over its groups', () => {
  const bench = benchOf();
  bench.connect('a', { receiveMaximum: 2 });
  bench.subscribe('a', '$share/z/u');
  bench.subscribe('a', '$share/y/t');
  for (const [at, topic] of ['t', 'u', 'u', 't', 'u', 't'].entries()) bench.publish('p', topic, `${at}`);
  assert.is(has(bench, 'a'), '0 1');
  assert.equal([kept(bench, '$share/z/u'), kept(bench, '$share/y/t')], ['2 4', '3 5']);
  settleFirst(bench, 'a');
  assert.is(has(bench, 'a'), '1 2');
  settleFirst(bench, 'a', 2);
  assert.is(has(bench, 'a'), '3 4');
  setLimit(bench, 'sharedInflightPerSession', 1);
  assert.is(has(bench, 'a'), '3 4', 'what it has it keeps');
  settleFirst(bench, 'a');
  assert.is(has(bench, 'a'), '4', 'the limit of the cluster counts too');
  settleFirst(bench, 'a');
  assert.is(has(bench, 'a'), '5');
});

test('a long queue is given out in steps, in order, and the same after a restart', () => {
  const bench = benchOf('hash_topic');
  member(bench, 'a', PERSISTENT);
  bench.disconnect('a');
  publish(bench, '1 2 3 4 5 6 7 8');
  withLimit('effortPerTick', 3, () => {
    bench.connect('a', PERSISTENT);
    assert.equal([has(bench, 'a'), kept(bench)], ['1 2 3', '4 5 6 7 8']);
    assert.ok(bench.state.hasDue);
    bench.restart();
    assert.ok(bench.state.hasDue, 'a restored node knows that there is more');
    bench.on('a', writeTick);
    assert.equal([has(bench, 'a'), kept(bench)], ['1 2 3 4 5 6', '7 8']);
    publish(bench, '9');
    assert.equal([has(bench, 'a'), kept(bench)], ['1 2 3 4 5 6 7 8 9', ''], 'behind what waits');
    assert.not(bench.state.hasDue);
    bench.disconnect('a');
    publish(bench, '10 11 12 13');
    bench.connect('a', PERSISTENT);
    bench.disconnect('a');
    bench.on('a', writeTick);
    assert.not(bench.state.hasDue, 'nobody is there to be given the rest');
  });
  checkConsistency(bench.state);
});

test('nobody is connected: the group queues as one, and gives to whoever comes', () => {
  const bench = benchOf();
  for (const id of ['a', 'b']) member(bench, id, PERSISTENT);
  for (const id of ['a', 'b']) bench.disconnect(id);
  publish(bench, '1 2 3 4');
  assert.equal([kept(bench), has(bench, 'a'), has(bench, 'b')], ['1 2 3 4', '', '']);
  bench.restart();
  bench.connect('b', { ...PERSISTENT, receiveMaximum: 3 });
  assert.equal([kept(bench), has(bench, 'a'), has(bench, 'b')], ['4', '', '1 2 3']);
  member(bench, 'new');
  assert.equal([kept(bench), has(bench, 'new')], ['', '4']);
});

test('a full queue of a group refuses the newest, by count and by bytes, and gives up what expired first', () => {
  const bench = benchOf();
  member(bench, 'a', PERSISTENT);
  bench.disconnect('a');
  setLimit(bench, 'queuedMessagesPerGroup', 2);
  bench.publish('p', 't', '1', { properties: { messageExpiryIntervalSec: 5 } });
  publish(bench, '2 3');
  assert.equal(bench.sink.take('dropped'), [['dropped', 'p', 'shareQueueFull']]);
  bench.after(6000);
  publish(bench, '4');
  assert.equal(bench.sink.take('dropped'), [['dropped', 'p', 'expired']]);
  assert.is(kept(bench), '2 4');
  setLimit(bench, 'queuedMessagesPerGroup', 100);
  setLimit(bench, 'queuedBytesPerGroup', 6);
  publish(bench, '5 6');
  assert.is(kept(bench), '2 4 5');
});

test('what expired while it waited is given to nobody', () => {
  const bench = benchOf();
  member(bench, 'a', PERSISTENT);
  bench.disconnect('a');
  bench.publish('p', 't', '1', { properties: { messageExpiryIntervalSec: 5 } });
  publish(bench, '2');
  bench.after(6000);
  bench.connect('a', PERSISTENT);
  assert.is(has(bench, 'a'), '2');
  checkConsistency(bench.state);
});

const vanishes: Record<string, (bench: Bench) => void> = {
  disconnects: (bench) => bench.disconnect('a'),
  'is taken over with Clean Start': (bench) => bench.connect('a', { cleanStart: true }, 'b'),
  'is taken over, and its session ends with the connection': (bench) => bench.connect('a', {}, 'b'),
  'is lost with its node': (bench) => nodeDown(bench, 'b'),
};
for (const [how, vanish] of Object.entries(vanishes)) {
  for (const persistent of [true, false]) {
    if (persistent && how.includes('ends with')) continue;
    test(`a member ${how} (${persistent ? 'kept' : 'clean'} session): others get what it had, in order`, () => {
      const bench = benchOf();
      const part = persistent ? PERSISTENT : {};
      member(bench, 'a', part, 'b');
      member(bench, 'other', { receiveMaximum: 4 });
      publish(bench, '1 2 3 4 5 6');
      assert.equal([has(bench, 'a'), has(bench, 'other')], ['1 3 5', '2 4 6']);
      settleFirst(bench, 'a');
      bench.restart();
      vanish(bench);
      checkConsistency(bench.state);
      assert.equal([has(bench, 'other'), kept(bench)], ['2 4 6 3', '5'], 'no more than it has room for');
      settleFirst(bench, 'other', 3);
      assert.equal([has(bench, 'other'), kept(bench)], ['3 5', '']);
    });
  }
}

test('a lost node gives nothing from one of its members to another', () => {
  const bench = benchOf();
  for (const id of ['a', 'b']) member(bench, id, PERSISTENT, 'b');
  publish(bench, '1 2 3 4', 2);
  bench.sink.events.length = 0;
  nodeDown(bench, 'b');
  assert.equal(bench.sink.take('queued'), []);
  assert.equal([kept(bench), has(bench, 'a'), has(bench, 'b')], ['1 2 3 4', '', '']);
});

test('QoS 2: a delivery that was begun is finished with the same client, the others go on', () => {
  const bench = benchOf();
  member(bench, 'a', PERSISTENT);
  member(bench, 'other', { receiveMaximum: 10 });
  publish(bench, '1 2 3 4 5 6', 2);
  begin(bench, 'a', 2);
  bench.restart();
  bench.disconnect('a');
  checkConsistency(bench.state);
  assert.equal([has(bench, 'a'), has(bench, 'other')], ['1 3', '2 4 6 5']);
  bench.disconnect('other');
  bench.connect('a', { ...PERSISTENT, receiveMaximum: 3 });
  assert.equal([has(bench, 'a'), kept(bench)], ['1 3 2', '4 5 6'], 'what was begun still counts');
  const { queue } = bench.session('a');
  assert.is(queue?.get(queue.headSequence)?.state, ItemState.begun);
  bench.settle('a', [queue?.headSequence ?? 0, 1], true);
  assert.is(queue?.get(queue.headSequence)?.state, ItemState.received);
  bench.disconnect('a');
  member(bench, 'third', { receiveMaximum: 10 });
  assert.is(has(bench, 'third'), '2 4 5 6', 'nothing that may have been sent');
});

test('QoS 2: what was begun goes with the session, and to nobody else', () => {
  for (const end of ['clean', 'expires', 'clean start'] as const) {
    const bench = benchOf();
    member(bench, 'a', end === 'clean' ? {} : PERSISTENT);
    member(bench, 'other');
    publish(bench, '1 2 3', 2);
    begin(bench, 'a', 1);
    if (end === 'clean start') bench.connect('a', { cleanStart: true });
    else bench.disconnect('a');
    if (end === 'expires') bench.after(1_001_000);
    checkConsistency(bench.state);
    assert.equal([has(bench, 'other'), kept(bench)], ['2 3', ''], end);
  }
});

test('Begin marks nothing of another kind, of another connection, or that has gone back', () => {
  const bench = benchOf();
  member(bench, 'a', PERSISTENT);
  bench.subscribe('a', 't', { qos: 2 });
  publish(bench, '1', 2);
  publish(bench, '2', 1);
  begin(bench, 'a', 100);
  const { queue } = bench.session('a');
  const states = [0, 1, 2, 3].map((at) => queue?.get(at)?.state);
  assert.equal(states, [ItemState.queued, ItemState.begun, ItemState.queued, ItemState.queued]);
  const { epoch } = bench.session('a');
  publish(bench, '3', 2);
  bench.disconnect('a');
  bench.connect('a', PERSISTENT);
  const stale = bench.on('a', (writer) => writeBegin(writer, { epoch, ranges: [0, 100] }));
  assert.is(stale.kind, 'stale');
});

test('the same client on a new connection keeps what it has', () => {
  const bench = benchOf();
  member(bench, 'a', { ...PERSISTENT, receiveMaximum: 2 });
  member(bench, 'other', { receiveMaximum: 1 });
  publish(bench, '1 2 3 4');
  bench.connect('a', { ...PERSISTENT, receiveMaximum: 3 }, 'b');
  checkConsistency(bench.state);
  assert.equal([has(bench, 'a'), has(bench, 'other'), kept(bench)], ['1 3 4', '2', '']);
  const { queue, maybeSentBefore } = bench.session('a');
  assert.equal([queue?.headSequence, maybeSentBefore], [0, 2], 'at the same places, with DUP');
});

test('UNSUBSCRIBE: the client finishes what it has, and what it does not goes back when it leaves', () => {
  const bench = benchOf();
  member(bench, 'a', PERSISTENT);
  member(bench, 'other');
  publish(bench, '1 2 3');
  bench.unsubscribe('a', [FILTER]);
  publish(bench, '4');
  assert.equal([has(bench, 'a'), has(bench, 'other')], ['1 3', '2 4']);
  settleFirst(bench, 'a');
  bench.disconnect('a');
  checkConsistency(bench.state);
  assert.is(has(bench, 'other'), '2 4 3');
});

test('a group ends with its last member, with what it keeps; what a client has already stays its own', () => {
  const bench = benchOf();
  member(bench, 'a', { ...PERSISTENT, receiveMaximum: 1 });
  publish(bench, '1 2');
  bench.checkpoint();
  bench.unsubscribe('a', [FILTER]);
  assert.is(bench.state.groups.size, 0);
  assert.is(bench.publish('p', 't').kind, 'published');
  bench.disconnect('a');
  bench.restart();
  checkConsistency(bench.state);
  assert.is(has(bench, 'a'), '1');
  bench.connect('a', PERSISTENT);
  bench.subscribe('a', FILTER);
  assert.is(has(bench, 'a'), '1', 'another group of the same name');
});

test('members of QoS 0 get messages as they come, and nothing is kept for them', () => {
  const bench = benchOf();
  member(bench, 'zero', PERSISTENT, 'a', 0);
  publish(bench, '1');
  assert.is(bench.sink.take('deliver').length, 1);
  bench.disconnect('zero');
  publish(bench, '2');
  assert.is(kept(bench), '');
  member(bench, 'one', PERSISTENT);
  bench.disconnect('one');
  publish(bench, '3');
  assert.is(kept(bench), '3', 'for the one above QoS 0');
  bench.connect('zero', PERSISTENT);
  bench.sink.take('deliver');
  publish(bench, '4');
  assert.is(bench.sink.take('deliver').length, 1, 'who is connected gets something although others wait');
  assert.is(kept(bench), '3');
  bench.connect('one', { cleanStart: true });
  checkConsistency(bench.state);
  assert.is(kept(bench), '', 'and it goes with the last such member');
});

test('a QoS 0 message with RETAIN goes to one connected member, and no retained message comes with SUBSCRIBE', () => {
  const bench = benchOf();
  for (const id of ['a', 'b']) member(bench, id);
  bench.publish('p', 't', 'r', { qos: 0, retain: true });
  assert.is(bench.sink.take('deliver').length, 1);
  member(bench, 'c', PERSISTENT);
  assert.equal(bench.sink.take('deliver'), []);
  assert.is(has(bench, 'c'), '');
});

test('another strategy is for what comes, and gives out what it has room for', () => {
  const bench = benchOf();
  member(bench, 'a', { receiveMaximum: 1 });
  publish(bench, '1 2 3');
  assert.equal([has(bench, 'a'), kept(bench)], ['1', '2 3']);
  bench.on('a', (writer) => writeSharedStrategy(writer, 'hash_topic'));
  checkConsistency(bench.state);
  assert.equal([has(bench, 'a'), kept(bench)], ['1 2 3', '']);
  bench.restart();
  assert.is(bench.state.sharedStrategy, 'hash_topic');
});

test('behind a message too large for most, a smaller one goes to whoever has room for it', () => {
  const bench = benchOf();
  for (const id of ['a', 'b']) member(bench, id);
  setLimit(bench, 'queuedBytesPerSession', 10);
  publish(bench, 'aaaaaaa bbbbbbb large-one s');
  assert.is(kept(bench), 'large-one s');
  settleFirst(bench, 'a');
  assert.is(has(bench, 'a'), 'large-one');
  assert.is(has(bench, 'b'), 'bbbbbbb s');
});

test('drop_oldest in front of a message for another member gives that one out', () => {
  const bench = benchOf('hash_topic');
  for (const id of ['a', 'b']) member(bench, id);
  const topicOf = new Map<string, string>();
  for (let at = 0; topicOf.size < 2; at++) {
    publish(bench, 'x', 1, `t/${at}`);
    const [id] = ['a', 'b'].filter((each) => has(bench, each) !== '');
    topicOf.set(id as string, `t/${at}`);
    settleFirst(bench, id as string);
  }
  setLimit(bench, 'queuedMessagesPerSession', 1);
  setLimit(bench, 'queuedMessagesPerGroup', 2);
  bench.on('a', (writer) => writeSettings(writer, { fullQueuePolicy: 'drop_oldest' }));
  publish(bench, '1 2', 1, topicOf.get('a'));
  publish(bench, '3', 1, topicOf.get('b'));
  assert.is(kept(bench), '2 3', 'in order, so nothing goes past the first');
  publish(bench, '4', 1, topicOf.get('a'));
  assert.is(has(bench, 'a'), '1');
  assert.is(has(bench, 'b'), '3');
  assert.is(kept(bench), '4');
});

test.run();
