import {
  checkAvailability,
  expiry,
  type HistoryEvent,
  historyOf,
  ownership,
  shared,
  visibility,
  wills,
} from '@quorate/jepsen-style-tests';
import { assert, suite } from '../../support/suite.ts';
import { close, connect, deliver, fault, finds, publish, subscribe } from './histories.ts';

const test = suite('partition tests: checkers of ownership, visibility, wills, groups, expiry and availability');

type Check = (typeof shared.checkers)[0];
const [checkOwnership] = ownership.checkers as [Check];
const [checkVisibility] = visibility.checkers as [Check];
const [checkWills] = wills.checkers as [Check];
const [checkShared] = shared.checkers as [Check];
const [checkExpiry] = expiry.checkers as [Check];

/* Ownership: clients a and b use the client id `id`; b is accepted from 100 to 110. */

const id = { clientId: 'id' };
const owners: HistoryEvent[] = [
  connect('a', 0, 10, id),
  subscribe('a', 12, 14),
  connect('b', 100, 110, { ...id, sessionPresent: true }),
  close('a', 200, 200, { ...id, how: 'server' }),
];

test('ownership, good: what the older began before, and what was published before, may still come', () => {
  finds(checkOwnership, [
    ...owners,
    publish('a', 'x', 105, 150, { topic: 'out' }),
    publish('p', 'm', 90, 120, { qos: 2 }),
    deliver('a', 'm', 160, { ...id, qos: 2 }),
    deliver('b', 'm', 161, { ...id, qos: 2, dup: true }),
    publish('a', 'y', 120, 200.5, { topic: 'out', outcome: 'unknown' }),
  ]);
});

test('ownership, good: the older began it, and had it acknowledged when it was the owner again', () => {
  finds(checkOwnership, [
    ...owners,
    publish('a', 'x', 150, 320, { topic: 'out', sends: 2 }),
    connect('a', 300, 310, { ...id, sessionPresent: true }),
  ]);
});

test('ownership, good: of two that connected at the same time nobody knows which is the younger', () => {
  finds(checkOwnership, [
    ...[connect('a', 0, 10, id), connect('b', 5, 110, { ...id, sessionPresent: true })],
    publish('a', 'x', 120, 150, { topic: 'out' }),
    publish('b', 'y', 120, 150, { topic: 'out' }),
  ]);
});

test('ownership: an acknowledgement to the older of what it began after the younger was accepted', () => {
  finds(checkOwnership, [...owners, publish('a', 'x', 111, 150, { topic: 'out' })], 'two owners');
  finds(checkOwnership, [...owners, subscribe('a', 111, 150)], 'two owners');
});

test('ownership: the older is delivered what was published after the younger was accepted', () => {
  const late = publish('p', 'm', 120, 130, { qos: 2 });
  finds(checkOwnership, [...owners, late, deliver('a', 'm', 140, { ...id, qos: 2 })], 'two owners');
});

test('ownership: forked session, lost message, message given out twice', () => {
  finds(checkOwnership, [...owners, connect('b', 300, 310, id)], 'forked session');
  finds(checkOwnership, [...owners, publish('p', 'm', 20, 30, { qos: 2 })], 'lost');
  const message = publish('p', 'm', 20, 30, { qos: 2 });
  const first = deliver('a', 'm', 40, { ...id, qos: 2 });
  finds(checkOwnership, [...owners, message, first, deliver('b', 'm', 120, { ...id, qos: 2 })], 'delivered twice');
  const other = deliver('b', 'm', 120, { ...id, qos: 2, dup: true, packetId: 2 });
  finds(checkOwnership, [...owners, message, first, other], 'delivered twice');
});

/* Visibility: v subscribes and publishes a fence. */

const visitor: HistoryEvent[] = [
  connect('v', 0, 1, { cleanStart: true }),
  subscribe('v', 2, 10),
  publish('v', 'fence', 50, 60),
  deliver('v', 'fence', 59),
];

test('visibility: what is acknowledged between SUBACK and fence comes before the fence', () => {
  const message = publish('p', 'm', 20, 30);
  finds(checkVisibility, [...visitor, message, deliver('v', 'm', 35)]);
  finds(checkVisibility, [...visitor, publish('p', 'm', 9, 30), publish('p', 'n', 20, 51)]);
  finds(checkVisibility, [...visitor, message], 'not visible');
  finds(checkVisibility, [...visitor, message, deliver('v', 'm', 65)], 'not visible');
});

test('visibility: on a connection that lasts, it comes without a fence too', () => {
  const patient = [...visitor.slice(0, 2), publish('p', 'm', 20, 30)];
  finds(checkVisibility, [...patient, close('v', 5_000, 5_000)]);
  finds(checkVisibility, [...patient, close('v', 15_000, 15_000)], 'not visible');
  finds(checkVisibility, [...patient, close('v', 15_000, 15_000), ...fault(1, 'kill', 1_000, 4_000, ['n1'])]);
});

/* Wills: w watches, m has a will. */

const watcher: HistoryEvent[] = [
  connect('w', 0, 1),
  subscribe('w', 2, 3),
  close('w', 90_000, 90_000, { how: 'disconnect' }),
];
const mortal = (delaySec: number) =>
  connect('m', 10, 20, { keepAliveSec: 2, will: { topic: 't', value: 'dead', qos: 2, delaySec } });
const dead = (atMs: number, more = {}) => deliver('w', 'dead', atMs, { qos: 2, ...more });
const left = (confirmed: boolean) => close('m', 100, 110, { how: 'disconnect', confirmed });

test('wills: sent once after a cut, with and without delay', () => {
  finds(checkWills, [...watcher, mortal(0), close('m', 100, 100), dead(150)]);
  finds(checkWills, [...watcher, mortal(3), close('m', 100, 100), dead(3_300)]);
  finds(checkWills, [...watcher, mortal(0), close('m', 100, 100)], 'will lost');
  finds(checkWills, [...watcher, mortal(0), close('m', 89_000, 89_000)]);
  finds(
    checkWills,
    [...watcher, mortal(0), close('m', 100, 100), dead(150), dead(160, { packetId: 2 })],
    'will sent twice',
  );
});

test('wills: not after DISCONNECT, unless it may have been lost', () => {
  finds(checkWills, [...watcher, mortal(0), left(true)]);
  finds(checkWills, [...watcher, mortal(0), left(true), dead(150)], 'will wrongly sent');
  finds(checkWills, [...watcher, mortal(0), left(false), dead(150)]);
  finds(checkWills, [...watcher, mortal(0), left(true), dead(150), ...fault(1, 'kill', 1_000, 4_000, ['n1'])]);
});

test('wills: a delayed one is not sent when the client is back in time, and is when it is not', () => {
  const back = (beginMs: number) => connect('m', beginMs, beginMs + 10, { sessionPresent: true });
  finds(checkWills, [...watcher, mortal(3), close('m', 100, 100), back(500)]);
  finds(checkWills, [...watcher, mortal(3), close('m', 100, 100), back(500), dead(3_500)], 'will wrongly sent');
  finds(checkWills, [...watcher, mortal(0), close('m', 100, 100), back(500)], 'will lost');
  finds(checkWills, [...watcher, mortal(3), close('m', 100, 100), back(9_000)], 'will lost');
});

test('wills: neither before their delay nor long after', () => {
  finds(checkWills, [...watcher, mortal(3), close('m', 100, 100), dead(1_000)], 'will too early');
  finds(checkWills, [...watcher, mortal(0), close('m', 100, 100), dead(20_000)], 'will too late');
  const broken = fault(1, 'isolate', 100, 12_000, ['n1']);
  finds(checkWills, [...watcher, mortal(0), close('m', 100, 100), dead(20_000), ...broken]);
});

/* Shared subscriptions: members a and b. */

const filter = '$share/g/t';
const members: HistoryEvent[] = ['a', 'b'].flatMap((name) => [connect(name, 0, 1), subscribe(name, 2, 3, { filter })]);

test('shared subscriptions: each message to one member', () => {
  const [one, two] = [publish('p', 'x', 10, 20), publish('p', 'y', 11, 20, { qos: 2 })];
  const y = deliver('b', 'y', 16, { qos: 2 });
  finds(checkShared, [...members, one, two, deliver('a', 'x', 15), deliver('b', 'x', 16, { dup: true }), y]);
  finds(checkShared, [...members, one, two, deliver('a', 'x', 15)], 'stranded');
  finds(checkShared, [...members, one, two, y], 'stranded');
  const again = deliver('a', 'y', 17, { qos: 2, dup: true });
  finds(checkShared, [...members, one, two, deliver('a', 'x', 15), y, again], 'delivered twice');
  finds(checkShared, [...members, deliver('a', 'z', 15)], 'phantom');
  // Members whose sessions end with their connections may be gone.
  const guests = ['a', 'b'].flatMap((name) => [
    connect(name, 0, 1, { sessionExpirySec: 0 }),
    subscribe(name, 2, 3, { filter }),
  ]);
  finds(checkShared, [...guests, one]);
  finds(checkShared, [...guests, ...members.slice(2).map((each) => ({ ...each, client: 'c' })), one], 'stranded');
});

/* Expiry: s was away when a message with 2 s was published from 10 to 20. */

const brief = publish('p', 'm', 10, 20, { expirySec: 2 });
const connectedAt = (beginMs: number) => connect('s', beginMs, beginMs + 10, { sessionPresent: true });

test('expiry of messages: not after their time, and counted down', () => {
  finds(checkExpiry, [brief, connectedAt(1_000), deliver('s', 'm', 1_020, { expirySec: 1 })]);
  finds(checkExpiry, [brief, connectedAt(5_000), deliver('s', 'm', 5_020, { expirySec: 1 })], 'delivered after expiry');
  const faults = fault(1, 'isolate', 1_000, 2_000, ['n1']);
  finds(checkExpiry, [brief, connectedAt(5_000), deliver('s', 'm', 5_020, { expirySec: 1 }), ...faults]);
  // Long after the fault nothing was acknowledged yet: time stood still.
  const work = (ms: number) => publish('q', `w${String(ms)}`, ms, ms);
  const late = [brief, connectedAt(15_000), deliver('s', 'm', 15_020, { expirySec: 1 })];
  finds(checkExpiry, [...late, ...faults, work(900), work(14_900)]);
  finds(checkExpiry, [...late, ...faults, work(900), work(8_000), work(14_900)], 'delivered after expiry');
  finds(checkExpiry, [...late, work(900), work(14_900)], 'delivered after expiry');
  const long = { ...brief, expirySec: 30 };
  finds(checkExpiry, [long, connectedAt(9_000), deliver('s', 'm', 9_020, { expirySec: 21 })]);
  finds(
    checkExpiry,
    [long, connectedAt(9_000), deliver('s', 'm', 9_020, { expirySec: 30 })],
    'expiry not counted down',
  );
  finds(checkExpiry, [long, connectedAt(9_000), deliver('s', 'm', 9_020)], 'expiry not counted down');
  finds(checkExpiry, [long, connectedAt(9_000), deliver('s', 'm', 9_020, { expirySec: 3 })], 'expiry not counted down');
});

test('expiry of sessions: there before their time, gone after it', () => {
  const session = { sessionExpirySec: 5, keepAliveSec: 2 };
  const first = [connect('s', 0, 10, session), close('s', 100, 110, { how: 'disconnect', confirmed: true })];
  finds(checkExpiry, [...first, connect('s', 2_000, 2_010, { ...session, sessionPresent: true })]);
  finds(checkExpiry, [...first, connect('s', 2_000, 2_010, session)], 'session lost');
  finds(checkExpiry, [...first, connect('s', 9_000, 9_010, session)]);
  finds(
    checkExpiry,
    [...first, connect('s', 9_000, 9_010, { ...session, sessionPresent: true })],
    'session outlived its expiry',
  );
  // Cut: the server may learn of it only by keep alive.
  const cut = [connect('s', 0, 10, session), close('s', 100, 110)];
  finds(checkExpiry, [...cut, connect('s', 9_000, 9_010, { ...session, sessionPresent: true })]);
});

/* Availability: an acknowledgement every 100 ms, none from n1 and n2 in the first 2 s of the fault. */

const steady = (gapMs: number): HistoryEvent[] =>
  Array.from({ length: 400 }, (_none, at) => at * 100)
    .filter((ms) => ms < 10_000 || ms >= 10_000 + gapMs)
    .map((ms, at) => publish(`p${at % 5}`, String(at), ms, ms + 10, { node: ['n1', 'n2'][at % 2] as string }));

test('availability: the longest gap and the recoveries of each fault', () => {
  const isolated = fault(1, 'isolate', 10_000, 20_000, ['n3']);
  const events = [...steady(2_000), ...isolated, publish('q', 'minority', 11_000, 11_010, { node: 'n3' })];
  const { faults, summaries, verdict } = checkAvailability(historyOf(events), { nodes: ['n1', 'n2', 'n3'] });
  assert.is(verdict, 'ok');
  assert.equal(faults[0]?.nodes, ['n1', 'n2']);
  // From the last acknowledgement before it.
  assert.is(faults[0]?.longestGapMs, 2_100);
  assert.is(faults[0]?.recoveryAfterBeginMs, 2_010);
  assert.is(faults[0]?.recoveryAfterEndMs, 110);
  assert.equal(summaries, [
    {
      ...{ name: 'isolate', count: 1, withMajority: 1, gapMedianMs: 2_100, gapWorstMs: 2_100 },
      recoveryMedianMs: 2_010,
      recoveryWorstMs: 2_010,
    },
  ]);
});

test('availability: nodes that a fault concerns and that are expected to serve', () => {
  const clocks = fault(1, 'clock jump', 10_000, 20_000, ['n1', 'n2', 'n3']).map((event) => ({ ...event, out: [] }));
  const check: Check = (history) => checkAvailability(history, { nodes: ['n1', 'n2', 'n3'], boundMs: 5_000 });
  finds(check, [...steady(2_000), ...clocks]);
  finds(check, [...steady(9_000), ...clocks], 'majority does not serve');
});

test('availability: summaries are of faults that were alone, and recover from the end where no majority was left', () => {
  const nodes = ['n1', 'n2', 'n3'];
  const two = [...fault(1, 'kill', 10_000, 13_000, ['n2', 'n3']), ...fault(2, 'kill', 20_000, 21_000, ['n3'])];
  const alone = checkAvailability(historyOf([...steady(4_000), ...two]), { nodes });
  assert.equal(
    alone.summaries.map(({ count, withMajority, recoveryMedianMs, recoveryWorstMs }) => [
      ...[count, withMajority, recoveryMedianMs, recoveryWorstMs],
    ]),
    [[2, 1, 560, 1_010]],
  );
  const beside = fault(3, 'delay', 20_500, 22_000, ['n1']);
  const { summaries } = checkAvailability(historyOf([...steady(4_000), ...two, ...beside]), { nodes });
  assert.equal(
    summaries.map(({ name, count }) => [name, count]),
    [['kill', 1]],
  );
});

test('availability: a gap that was there long before a fault is none of its', () => {
  // Two of three are killed from 10 to 17 s, and publishing goes on at 19 s; another fault begins at 18 s.
  const two = [...fault(1, 'kill', 10_000, 17_000, ['n2', 'n3']), ...fault(2, 'kill', 18_000, 21_000, ['n3'])];
  const { faults } = checkAvailability(historyOf([...steady(9_000), ...two]), {
    nodes: ['n1', 'n2', 'n3'],
    boundMs: 5_000,
  });
  assert.equal(
    faults.map(({ longestGapMs }) => longestGapMs),
    [9_100, 1_010],
  );
});

test('availability: a majority that does not serve', () => {
  const check: Check = (history) => checkAvailability(history, { nodes: ['n1', 'n2', 'n3'], boundMs: 5_000 });
  finds(check, [...steady(2_000), ...fault(1, 'kill', 10_000, 20_000, ['n3'])]);
  finds(check, [...steady(9_000), ...fault(1, 'kill', 10_000, 20_000, ['n3'])], 'majority does not serve');
  const { anomalies } = check(historyOf([...steady(9_000), ...fault(1, 'kill', 10_000, 20_000, ['n3'])]));
  const proof = anomalies[0]?.proof ?? [];
  assert.is(proof.length, 2, 'the last acknowledgement before the gap and the first one after it');
  assert.ok((proof[0]?.endMs ?? 0) < 10_000 && (proof[1]?.endMs ?? 0) > 15_000, 'the gap lies between them');
  // Two of three, by one fault or by two: there is no majority that could serve.
  finds(check, [...steady(9_000), ...fault(1, 'kill', 10_000, 20_000, ['n2', 'n3'])]);
  finds(check, [
    ...steady(9_000),
    ...fault(1, 'kill', 9_000, 20_000, ['n3']),
    ...fault(2, 'pause', 10_000, 15_000, ['n2']),
  ]);
});

test.run();
