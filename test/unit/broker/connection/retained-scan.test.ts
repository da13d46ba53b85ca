import type { Broker } from '@quorate/broker';
import { LogBus, type LogBusOptions } from '../../../support/log-bus.ts';
import type { FakeClient } from '../../../support/log-bus-client.ts';
import { assert, suite } from '../../../support/suite.ts';
import { withLimit } from '../state/support/limits.ts';
import { connected, goodbye, persistent, publish, SETTLE_MS, subscribe } from '../support.ts';

/* A SUBSCRIBE that brings more retained messages than one step may read (`retainedWalk`). */

const test = suite('broker: retained messages in slices');
const TOPICS = 3000;

interface Stage {
  readonly bus: LogBus;
  readonly broker: Broker;
  readonly publisher: FakeClient;
}

/** Retained messages `old` of r/0 to r/2999, in turn of QoS 0 and 1. */
function stage(limits: LogBusOptions['limits'] = {}): Stage {
  const bus = new LogBus({ limits: { maxOutgoingBufferBytes: 10_000, ...limits } });
  const publisher = connected(bus, 'n2', 'publisher');
  for (let topic = 0; topic < TOPICS; topic++) {
    publish(publisher, `r/${topic}`, 'old', (topic % 2) as 0 | 1, { messageId: topic + 1, retain: true });
    if (topic % 50 === 49) bus.run(SETTLE_MS);
  }
  publisher.received.length = 0;
  assert.is(bus.node('n1').broker.retained.size, TOPICS);
  return { bus, broker: bus.node('n1').broker, publisher };
}

/** What a client got, by topic and in order; `*` behind what had RETAIN. */
function byTopic(client: FakeClient): Map<string, string> {
  const found = new Map<string, string>();
  for (const { topic, payload, retain } of client.takeAll('publish')) {
    const text = `${payload.toString()}${retain ? '*' : ''}`;
    const before = found.get(topic);
    found.set(topic, before === undefined ? text : `${before} ${text}`);
  }
  return found;
}

function inSlices(title: string, body: () => void): void {
  test(title, () => withLimit('retainedWalk', 100, body), { timeoutMs: 30_000 });
}

for (const [kind, connect] of [
  ['clean', connected],
  ['kept', persistent],
] as const) {
  inSlices(`every retained message comes once, behind the SUBACK, in several turns (${kind} session)`, () => {
    const { bus, broker } = stage();
    const client = connect(bus, 'n1', 'a');
    subscribe(client, 9, ['r/#', { topic: '+/7', qos: 1 }], 77);
    let turns = 0;
    const flush = broker.flush.bind(broker);
    broker.flush = () => {
      if (broker.scanning.size > 0) turns++;
      flush();
    };
    bus.run(5000);
    assert.ok(turns > 1, `${turns} turns`);
    assert.equal(client.next('suback').granted, [2, 1]);
    const got = byTopic(client);
    assert.is(got.size, TOPICS);
    for (const [topic, values] of got) assert.is(values, topic === 'r/7' ? 'old* old*' : 'old*', topic);
    assert.is(broker.scanning.size, 0);
    bus.assertForgotten();
  });
}

inSlices('who reads slowly gets what stood when it subscribed, each before what came to its topic later', () => {
  const { bus, broker, publisher } = stage();
  const client = connected(bus, 'n1', 'a', { receiveMaximum: 5 });
  client.socket.flowing = false;
  subscribe(client, 9, [{ topic: '#', qos: 1 }]);
  bus.run(SETTLE_MS);
  const late = connected(bus, 'n2', 'late');
  for (let change = 0; change < 100; change++) {
    const topic = `r/${2999 - change}`;
    // QoS 1, since QoS 0 may be dropped for who does not read: replaced, removed, and not touched but overtaken.
    const [payload, retain] = [['new', true] as const, ['', true] as const, ['new', false] as const][change % 3] ?? [];
    publish(late, topic, payload ?? '', 1, { messageId: change + 1, retain: retain ?? false });
    if (change % 20 === 19) bus.run(SETTLE_MS);
  }
  publish(late, 'r/x', 'new', 1, { messageId: 1000, retain: true });
  bus.run(SETTLE_MS);
  assert.is(broker.scanning.size, 1);
  assert.ok(client.socket.bufferedBytes < 12_000, `${client.socket.bufferedBytes} bytes wait in the socket`);
  client.socket.drain();
  client.socket.flowing = true;
  bus.run(60_000);
  const got = byTopic(client);
  assert.is(got.size, TOPICS + 1);
  assert.is(got.get('r/x'), 'new');
  for (let topic = 0; topic < TOPICS; topic++) {
    const change = 2999 - topic;
    // Of QoS 0, what is taken early finds no room in the socket: counted, as for every slow client.
    if (change < 100 && topic % 2 === 0) continue;
    const expected = change >= 100 ? 'old*' : change % 3 === 1 ? 'old* ' : 'old* new';
    assert.is(got.get(`r/${topic}`), expected, `r/${topic}`);
  }
  assert.is(broker.scanning.size, 0);
  assert.ok(publisher.received.length === 0);
  bus.assertForgotten();
});

inSlices('a queue smaller than the retained messages closes nobody, and a client that goes leaves nothing', () => {
  const { bus, broker } = stage({ maxQueuedMessages: 10 });
  const client = connected(bus, 'n1', 'a', { receiveMaximum: 3 });
  const gone = connected(bus, 'n1', 'gone');
  gone.socket.flowing = false;
  subscribe(gone, 9, [{ topic: 'r/#', qos: 1 }]);
  bus.run(SETTLE_MS);
  assert.is(broker.scanning.size, 1);
  gone.close();
  bus.run(SETTLE_MS);
  assert.is(broker.scanning.size, 0);
  subscribe(client, 9, [{ topic: 'r/#', qos: 1 }]);
  bus.run(60_000);
  assert.is(broker.scanning.size, 0);
  assert.is(byTopic(client).size, TOPICS);
  bus.assertForgotten();
});

inSlices('the seventeenth of such SUBSCRIBEs at once closes the connection', () => {
  const { bus } = stage();
  const client = connected(bus, 'n1', 'a');
  client.socket.flowing = false;
  for (let messageId = 1; messageId <= 17; messageId++) subscribe(client, messageId, [{ topic: 'r/#', qos: 0 }]);
  bus.run(SETTLE_MS);
  client.socket.drain();
  bus.run(SETTLE_MS);
  assert.is(goodbye(client), 0x97);
  bus.assertForgotten();
});

test.run();
