import { writeSharedStrategy } from '@quorate/broker';
import type { LogBus } from '../../../support/log-bus.ts';
import { assert, suite } from '../../../support/suite.ts';
import { payloads, publish, SETTLE_MS, subscribed } from '../support.ts';
import { guarded, loggedIn, loggedInToStay } from './support.ts';

/* What a member of a share group may not have any more is still its group's. */

const test = suite('broker: access and shared subscriptions');

const TOPICS = ['t/1', 't/2', 't/3', 't/4', 't/5', 't/6', 't/7', 't/8'];

/** By topic, a member's own queue takes more than it may have in flight. */
function byTopic(bus: LogBus): void {
  const { broker } = bus.node('n1');
  writeSharedStrategy(broker.proposer.open(), 'hash_topic');
  broker.proposer.added(broker.unowned, 0, 0);
  bus.run(SETTLE_MS);
}

for (const [kind, join] of [
  ['clean', loggedIn],
  ['kept', loggedInToStay],
] as const) {
  for (const qos of [1, 2] as const) {
    test(`QoS ${qos}, a ${kind} session: what waits for a member that may not have it goes to the others`, () => {
      const { bus, access } = guarded();
      byTopic(bus);
      // It acknowledges nothing, and has room for one message at a time.
      const denied = join(bus, 'n1', 'denied', { receiveMaximum: 1, user: 'denied' });
      denied.autoAck = false;
      const other = join(bus, 'n2', 'other', { user: 'other' });
      for (const member of [denied, other]) subscribed(bus, member, { topic: '$share/g/t/+', qos });
      const publisher = loggedIn(bus, 'n3', 'publisher', { user: 'publisher' });
      let id = 1;
      for (const topic of [...TOPICS, ...TOPICS]) publish(publisher, topic, `${id}`, qos, { messageId: id++ });
      bus.run(SETTLE_MS);
      const inFlight = denied.takeAll('publish');
      const sent = payloads(inFlight);
      assert.is(sent.length, 1, 'one is in flight, others wait');
      access.user('denied').maySubscribe = () => false;
      for (const { broker } of bus.nodes) broker.accessChanged();
      bus.run(SETTLE_MS);
      // There is room again: what waits is looked at.
      const { messageId = 0 } = inFlight[0] ?? {};
      denied.send({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId });
      bus.run(SETTLE_MS);
      if (qos === 2) denied.send({ cmd: 'pubcomp', messageId });
      bus.run(SETTLE_MS);
      assert.equal(denied.takeAll('publish'), []);
      denied.close();
      bus.run(SETTLE_MS * 2);
      const got = payloads(other.takeAll('publish'));
      const all = Array.from({ length: 16 }, (_, at) => `${at + 1}`);
      const missing = all.filter((payload) => !got.includes(payload));
      assert.equal(missing, sent);
    });
  }
}

test.run();
