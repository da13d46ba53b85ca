import { NEVER_EXPIRES, writeDisconnect, writeNodeDown } from '@quorate/broker';
import { assert, suite } from '../../../support/suite.ts';
import { checkConsistency } from './support/digest.ts';
import { withLimit } from './support/limits.ts';
import { Bench, PERSISTENT } from './support/log.ts';

/* MQTT 5.0 sections 3.1.2.4 (Clean Start), 3.1.2.11.2 (Session Expiry Interval), 3.14.2.2.2 and 4.1, and ownership. */

const test = suite('state: sessions');

test('a session without expiry ends with its connection and leaves nothing', () => {
  const bench = new Bench();
  bench.connect('c');
  bench.subscribe('c', 'a/#');
  bench.disconnect('c');
  assert.is(bench.state.sessions.size, 0);
  assert.is(bench.state.subscriptions.size, 0);
  checkConsistency(bench.state);
});

test('a session with expiry is there again, with its subscriptions and its messages', () => {
  const bench = new Bench();
  bench.connect('c', PERSISTENT);
  bench.subscribe('c', 'a');
  bench.disconnect('c');
  bench.connect('p');
  bench.publish('p', 'a', '1');
  bench.connect('c', PERSISTENT, 'b');
  assert.equal(bench.sink.take('connected').at(-1)?.slice(2), [true, null]);
  assert.is(bench.queued('c'), '1');
  assert.is(bench.session('c').subscriptions.size, 1);
});

test('Clean Start begins a new session and forgets the old queue [MQTT-3.1.2-4]', () => {
  const bench = new Bench();
  bench.connect('c', PERSISTENT);
  bench.subscribe('c', 'a');
  bench.disconnect('c');
  bench.connect('p');
  bench.publish('p', 'a', '1');
  const { number } = bench.session('c');
  bench.connect('c', { ...PERSISTENT, cleanStart: true });
  assert.equal(bench.sink.take('connected').at(-1)?.slice(2), [false, null]);
  assert.is.not(bench.session('c').number, number);
  assert.is(bench.queued('c'), '');
  assert.is(bench.state.subscriptions.size, 0);
});

test('a session expires its interval after the connection closed, not before', () => {
  const bench = new Bench();
  bench.connect('c', { sessionExpiryIntervalSec: 10 });
  bench.after(60_000);
  assert.is(bench.session('c').owner, 'a', 'the interval does not run while the client is connected');
  bench.disconnect('c');
  bench.after(9_999);
  assert.ok(bench.state.sessions.has('c'));
  bench.after(1);
  assert.not(bench.state.sessions.has('c'));
});

test('a reconnect stops the expiry, and the next close starts it anew', () => {
  const bench = new Bench();
  bench.connect('c', { sessionExpiryIntervalSec: 10 });
  bench.disconnect('c');
  bench.after(6_000);
  bench.connect('c', { sessionExpiryIntervalSec: 10 });
  bench.after(6_000);
  assert.ok(bench.state.sessions.has('c'));
  bench.disconnect('c');
  bench.after(6_000);
  assert.ok(bench.state.sessions.has('c'));
  bench.after(4_000);
  assert.not(bench.state.sessions.has('c'));
});

test('who connects after the expiry finds no session although no Tick has come', () => {
  const bench = new Bench();
  bench.connect('c', { sessionExpiryIntervalSec: 10 });
  bench.disconnect('c');
  bench.nowMs += 10_000;
  bench.connect('c', { sessionExpiryIntervalSec: 10 });
  assert.equal(bench.sink.take('connected').at(-1)?.slice(2), [false, null]);
});

test('0xFFFFFFFF never expires', () => {
  const bench = new Bench();
  bench.connect('c', { sessionExpiryIntervalSec: NEVER_EXPIRES });
  bench.disconnect('c');
  bench.after(200 * 365 * 86_400_000);
  assert.ok(bench.state.sessions.has('c'));
});

test('DISCONNECT replaces the interval: shorter, endless, and none at all', () => {
  const bench = new Bench();
  for (const clientId of ['short', 'endless', 'none']) bench.connect(clientId, PERSISTENT);
  bench.disconnect('short', false, 1);
  bench.disconnect('endless', false, NEVER_EXPIRES);
  bench.disconnect('none', false, 0);
  assert.not(bench.state.sessions.has('none'));
  bench.after(1000);
  assert.equal([...bench.state.sessions.keys()], ['endless']);
  bench.after(1e12);
  assert.equal([...bench.state.sessions.keys()], ['endless']);
});

test('DISCONNECT gives no expiry to a session that had none: nobody kept its queue', () => {
  const bench = new Bench();
  bench.connect('c');
  bench.disconnect('c', false, 100);
  assert.not(bench.state.sessions.has('c'));
});

test('an interval of 0 in a later CONNECT ends the session with that connection', () => {
  const bench = new Bench();
  bench.connect('c', PERSISTENT);
  bench.disconnect('c');
  bench.connect('c', { sessionExpiryIntervalSec: 0 });
  assert.equal(bench.sink.take('connected').at(-1)?.slice(2), [true, null]);
  bench.disconnect('c');
  assert.not(bench.state.sessions.has('c'));
  checkConsistency(bench.state);
});

test('a takeover tells the old node who has the session now, and the old epoch is worth nothing', () => {
  const bench = new Bench();
  const old = bench.connect('c', PERSISTENT, 'a');
  bench.sink.events.length = 0;
  const epoch = bench.connect('c', PERSISTENT, 'b');
  assert.ok(epoch > old);
  assert.equal(bench.sink.events[1], ['lost', 'c', 'a', old, 'takenOver', epoch, 'b']);
  assert.equal(bench.sink.events[2], ['connected', epoch, true, 'a']);
  const late = bench.on('a', (writer) =>
    writeDisconnect(writer, { epoch: old, publishWill: true, sessionExpiryIntervalSec: 0 }),
  );
  assert.is(late.kind, 'stale');
  assert.is(bench.session('c').owner, 'b');
});

test('a takeover of a session without expiry begins a new one', () => {
  const bench = new Bench();
  bench.connect('c');
  bench.connect('c', PERSISTENT, 'b');
  assert.equal(bench.sink.take('connected').at(-1)?.slice(2), [false, 'a']);
  assert.is(bench.queued('c'), '', 'and it has a queue');
});

test('a node that is given up loses its clients; one that comes back has none', () => {
  const bench = new Bench();
  bench.connect('c', PERSISTENT, 'a');
  bench.connect('d', {}, 'a');
  bench.connect('e', PERSISTENT, 'b');
  bench.sink.events.length = 0;
  const down = bench.on('b', (writer) => writeNodeDown(writer, { nodeId: 'a', incarnation: 1, term: 1 }));
  assert.is(down.kind, 'ok');
  assert.equal(
    bench.sink.events.filter((event) => event[0] === 'lost').map((event) => event[1]),
    ['c', 'd'],
  );
  assert.is(bench.session('c').owner, null);
  assert.not(bench.state.sessions.has('d'));
  assert.is(bench.session('e').owner, 'b');
  bench.nodeUp('b');
  assert.is(bench.session('e').owner, null);
  checkConsistency(bench.state);
});

test('a node is given up only by the leader of the term, only under its incarnation, and once', () => {
  const bench = new Bench();
  const down = (incarnation: number, term: number): string =>
    bench.on('b', (writer) => writeNodeDown(writer, { nodeId: 'a', incarnation, term })).kind;
  bench.connect('c', PERSISTENT);
  bench.term = 2;
  assert.is(down(1, 1), 'stale');
  assert.is(down(2, 2), 'stale');
  assert.is(bench.session('c').owner, 'a');
  assert.is(down(1, 2), 'ok');
  assert.is(down(1, 2), 'stale');
});

test('after an orderly close, as many messages as the window holds may have been sent, settled ones not counted', () => {
  const bench = new Bench();
  bench.connect('c', { ...PERSISTENT, receiveMaximum: 2 });
  bench.subscribe('c', 'a');
  bench.connect('p');
  for (const payload of '012345') bench.publish('p', 'a', payload);
  // 0 and 2 are in flight: 1 was acknowledged behind 0.
  bench.settle('c', [1, 1]);
  bench.disconnect('c');
  assert.is(bench.session('c').maybeSentBefore, 3);
});

test('after a close that nobody announced, everything within reach of a Packet Identifier may have been sent', () => {
  const bench = new Bench();
  bench.connect('c', { ...PERSISTENT, receiveMaximum: 1 });
  bench.subscribe('c', 'a');
  bench.connect('p');
  for (const payload of '012') bench.publish('p', 'a', payload);
  // The old owner may have had 0 and 1 acknowledged without the state hearing of it, and have sent 2.
  bench.connect('c', PERSISTENT, 'b');
  assert.is(bench.session('c').maybeSentBefore, 3);
  bench.publish('p', 'a', '3');
  assert.is(bench.session('c').maybeSentBefore, 3);
});

test('clients that come and go do not pile up timers', () => {
  const bench = new Bench();
  for (let round = 0; round < 3000; round++) {
    bench.connect('c', { sessionExpiryIntervalSec: 1_000_000, will: { delayIntervalSec: 1000 } });
    bench.disconnect('c');
  }
  assert.ok(bench.state.timers.size < 1100, `${bench.state.timers.size} timers`);
});

test('a session beyond the limit is refused, those that are there go on', () => {
  withLimit('sessions', 2, () => {
    const bench = new Bench();
    bench.connect('a', PERSISTENT);
    bench.connect('b');
    assert.is(bench.tryConnect('c').kind, 'refused');
    assert.equal([...bench.state.sessions.keys()], ['a', 'b']);
    bench.connect('a', PERSISTENT, 'b');
    assert.is(bench.session('a').owner, 'b');
    bench.disconnect('b');
    bench.connect('c');
    assert.equal([...bench.state.sessions.keys()], ['a', 'c']);
    checkConsistency(bench.state);
  });
});

test.run();
