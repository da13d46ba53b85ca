import { exactlyOnce, type HistoryEvent, historyOf, order, queue } from '@quorate/jepsen-style-tests';
import { assert, suite } from '../../support/suite.ts';
import { close, connect, deliver, finds, publish, subscribe } from './histories.ts';

const test = suite('partition tests: checkers of delivery and order');

const [delivery, totalOrder] = queue.checkers as [(typeof queue.checkers)[0], (typeof queue.checkers)[0]];

const subscribed = (client = 's'): HistoryEvent[] => [connect(client, 0, 1), subscribe(client, 2, 3)];

test('good: first deliveries in order, repetitions with DUP', () => {
  finds(delivery, [
    ...subscribed(),
    publish('p', 'a', 10, 20),
    publish('p', 'b', 12, 21),
    deliver('s', 'a', 15),
    deliver('s', 'b', 16),
    close('s', 17, 17),
    connect('s', 20, 30, { sessionPresent: true }),
    deliver('s', 'a', 31, { dup: true }),
    deliver('s', 'b', 32, { dup: true }),
  ]);
});

test('good: what began before the SUBACK, what is unknown and what was refused need not arrive', () => {
  finds(delivery, [
    ...subscribed(),
    publish('p', 'early', 2.5, 20),
    publish('p', 'unknown', 10, 20, { outcome: 'unknown' }),
    publish('p', 'refused', 11, 20, { outcome: 'fail' }),
    publish('p', 'elsewhere', 12, 20, { topic: 'u' }),
  ]);
});

test('good: unknown ones may arrive', () => {
  finds(delivery, [...subscribed(), publish('p', 'a', 10, 20, { outcome: 'unknown' }), deliver('s', 'a', 500)]);
});

test('lost: acknowledged, and not delivered to a subscriber of before', () => {
  finds(delivery, [...subscribed(), publish('p', 'a', 10, 20)], 'lost');
  finds(delivery, [...subscribed(), publish('p', 'a', 10, 20, { qos: 2 })], 'lost');
  // Handed to nobody: the client had another message under this Packet Identifier.
  const hidden = deliver('s', 'a', 15, { qos: 2, first: false });
  finds(delivery, [...subscribed(), publish('p', 'a', 10, 20, { qos: 2 }), hidden], 'lost');
});

test('lost: of two subscribers one has it', () => {
  finds(delivery, [...subscribed('s'), ...subscribed('r'), publish('p', 'a', 10, 20), deliver('s', 'a', 15)], 'lost');
});

test('session lost: and with it the subscription', () => {
  finds(
    delivery,
    [...subscribed(), close('s', 5, 5), publish('p', 'a', 10, 20), connect('s', 30, 31, { sessionPresent: false })],
    'session lost',
  );
});

test('good: a session that starts clean, or had expired, is a new one', () => {
  finds(delivery, [...subscribed(), close('s', 5, 5), connect('s', 30, 31, { cleanStart: true })]);
  const short = { sessionExpirySec: 2 };
  finds(delivery, [connect('s', 0, 1, short), close('s', 5, 5), connect('s', 3_000, 3_001, short)]);
});

test('duplicate without DUP', () => {
  const twice = [...subscribed(), deliver('s', 'a', 15), deliver('s', 'a', 16)];
  finds(delivery, [...twice, publish('p', 'a', 10, 20)], 'duplicate without DUP');
  // Its publisher sent it again, so it may be there twice.
  finds(delivery, [...twice, publish('p', 'a', 10, 20, { sends: 2 })]);
});

test('delivered twice: QoS 2, whatever its publisher sent', () => {
  const qos2 = { qos: 2, sends: 3 } as const;
  const again = deliver('s', 'a', 16, { qos: 2, packetId: 2, dup: true });
  finds(exactlyOnce.checkers[0] as typeof delivery, [
    ...subscribed(),
    publish('p', 'a', 10, 20, qos2),
    deliver('s', 'a', 15, { qos: 2 }),
    { ...again, first: false, packetId: 1 },
  ]);
  finds(
    delivery,
    [...subscribed(), publish('p', 'a', 10, 20, qos2), deliver('s', 'a', 15, { qos: 2 }), again],
    'delivered twice',
  );
});

test('reordered: first deliveries against their publisher', () => {
  const published = [publish('p', 'a', 10, 20), publish('p', 'b', 12, 21)];
  finds(delivery, [...subscribed(), ...published, deliver('s', 'b', 15), deliver('s', 'a', 16)], 'reordered');
  // Of two publishers, or two topics, nothing is said here.
  const other = [publish('p', 'a', 10, 20), publish('q', 'b', 12, 21)];
  finds(delivery, [...subscribed(), ...other, deliver('s', 'b', 15), deliver('s', 'a', 16)]);
});

test('phantom: never published, under another topic, or refused', () => {
  finds(delivery, [...subscribed(), deliver('s', 'x', 15)], 'phantom');
  finds(delivery, [...subscribed(), publish('p', 'x', 10, 20, { topic: 'u' }), deliver('s', 'x', 15)], 'phantom');
  const refused = publish('p', 'x', 10, 20, { outcome: 'fail' });
  finds(delivery, [...subscribed(), refused, deliver('s', 'x', 15)], 'refused but delivered');
});

const two = (first: readonly string[], second: readonly string[]): HistoryEvent[] => [
  ...subscribed('s'),
  ...subscribed('r'),
  ...[...new Set([...first, ...second])].map((value, at) => publish(`p${at}`, value, 10, 20)),
  ...first.map((value, at) => deliver('s', value, 30 + at)),
  ...second.map((value, at) => deliver('r', value, 30 + at)),
];

test('order differs between two subscribers', () => {
  finds(totalOrder, two(['a', 'b', 'c'], ['a', 'b', 'c']));
  finds(totalOrder, two(['a', 'b', 'c'], ['a', 'c']));
  finds(totalOrder, two(['a', 'b', 'a', 'c'], ['a', 'b', 'c']));
  finds(totalOrder, two(['a', 'b', 'c'], ['a', 'c', 'b']), 'order differs');
  finds(totalOrder, two(['a', 'b', 'c', 'd'], ['d', 'a']), 'order differs');
});

test('two that disagree are told with their four deliveries', () => {
  const { anomalies } = totalOrder(historyOf(two(['a', 'b', 'c'], ['a', 'c', 'b'])));
  assert.equal(
    anomalies.map(({ sentence }) => sentence),
    ['s received b before c, r the other way round'],
  );
  assert.is(anomalies[0]?.proof.length, 4);
});

test('order differs between three, though no two of them disagree', () => {
  const ring = [...two(['a', 'b'], ['b', 'c']), ...subscribed('q'), deliver('q', 'c', 30), deliver('q', 'a', 31)];
  finds(order.checkers[1] as typeof totalOrder, ring, 'order differs');
});

test('good: who subscribed between two copies of a QoS 1 message saw the second one only', () => {
  finds(totalOrder, [
    ...subscribed('s'),
    publish('p', 'a', 10, 60, { sends: 2 }),
    publish('q', 'b', 40, 50),
    deliver('s', 'a', 20),
    connect('r', 25, 26),
    subscribe('r', 30, 31),
    deliver('s', 'b', 45),
    deliver('r', 'b', 45),
    deliver('r', 'a', 55),
  ]);
});

test.run();
