import { writeNodeDown } from '@quorate/broker';
import { assert, suite } from '../../../support/suite.ts';
import { Bench, type ConnectPart, PERSISTENT } from './support/log.ts';

/* MQTT 5.0 sections 3.1.2.5, 3.1.3.2.2 (Will Delay Interval) and the notes of 3.1.4 about takeovers. */

const test = suite('state: wills');

/** With a session `watcher` whose queue shows the wills that were sent. */
function watched(): Bench {
  const bench = new Bench();
  bench.connect('watcher', PERSISTENT, 'b');
  bench.subscribe('watcher', 'will');
  return bench;
}

const delayed = (delayIntervalSec: number, part: ConnectPart = PERSISTENT): ConnectPart => ({
  ...part,
  will: { delayIntervalSec },
});

test('a will without delay is sent when the connection is lost, once', () => {
  const bench = watched();
  bench.connect('c', delayed(0));
  bench.disconnect('c', true);
  bench.after(10_000_000);
  assert.is(bench.queued('watcher'), 'w');
});

test('a client that says goodbye takes its will along [MQTT-3.14.4-3]', () => {
  const bench = watched();
  bench.connect('c', delayed(5));
  bench.disconnect('c', false);
  bench.after(10_000_000);
  assert.is(bench.queued('watcher'), '');
});

test('a delayed will waits for its delay', () => {
  const bench = watched();
  bench.connect('c', delayed(5));
  bench.disconnect('c', true);
  bench.after(4_999);
  assert.is(bench.queued('watcher'), '');
  bench.after(1);
  assert.is(bench.queued('watcher'), 'w');
  bench.after(10_000_000);
  assert.is(bench.queued('watcher'), 'w');
});

test('a delayed will is sent when the session ends first', () => {
  const bench = watched();
  bench.connect('expires', delayed(500, { sessionExpiryIntervalSec: 2 }));
  bench.disconnect('expires', true);
  bench.after(2000);
  assert.is(bench.queued('watcher'), 'w');
  bench.connect('ends', delayed(500, {}));
  bench.disconnect('ends', true);
  assert.is(bench.queued('watcher'), 'w w');
  bench.connect('cut', delayed(500));
  bench.disconnect('cut', true, 0);
  assert.is(bench.queued('watcher'), 'w w w');
});

test('a reconnect within the delay cancels the will [MQTT-3.1.3-9]', () => {
  const bench = watched();
  bench.connect('c', delayed(5));
  bench.disconnect('c', true);
  bench.after(4_000);
  bench.connect('c', PERSISTENT);
  bench.after(10_000);
  bench.disconnect('c', true);
  bench.after(10_000_000);
  assert.is(bench.queued('watcher'), '');
});

test('the delay of an earlier connection says nothing about the will of a later one', () => {
  const bench = watched();
  bench.connect('c', delayed(5));
  bench.disconnect('c', true);
  bench.after(4_000);
  bench.connect('c', delayed(5));
  bench.after(2_000);
  assert.is(bench.queued('watcher'), '', 'while it is connected');
  bench.disconnect('c', true);
  bench.after(1_000);
  bench.connect('c', delayed(5));
  bench.disconnect('c', true);
  bench.after(4_500);
  assert.is(bench.queued('watcher'), '', 'before its own delay is over');
  bench.after(500);
  assert.is(bench.queued('watcher'), 'w');
});

test('a reconnect after the delay does not cancel it, although no Tick has come', () => {
  const bench = watched();
  bench.connect('c', delayed(5));
  bench.disconnect('c', true);
  bench.nowMs += 5_000;
  bench.connect('c', PERSISTENT);
  assert.is(bench.queued('watcher'), 'w');
});

test('Clean Start within the delay ends the old session and so sends its will', () => {
  const bench = watched();
  bench.connect('c', delayed(5));
  bench.disconnect('c', true);
  bench.connect('c', { ...PERSISTENT, cleanStart: true });
  assert.is(bench.queued('watcher'), 'w');
});

test('a takeover sends a will without delay, keeps back a delayed one, and sends any when the session ends', () => {
  const bench = watched();
  bench.connect('now', delayed(0));
  bench.connect('now', PERSISTENT);
  assert.is(bench.queued('watcher'), 'w');
  bench.connect('later', delayed(5));
  bench.connect('later', PERSISTENT);
  bench.after(10_000);
  assert.is(bench.queued('watcher'), 'w');
  bench.connect('clean', delayed(5));
  bench.connect('clean', { ...PERSISTENT, cleanStart: true });
  assert.is(bench.queued('watcher'), 'w w');
  bench.connect('short', delayed(5, {}));
  bench.connect('short', PERSISTENT);
  assert.is(bench.queued('watcher'), 'w w w');
});

test('the will of the newest CONNECT counts', () => {
  const bench = watched();
  bench.connect('c', { ...PERSISTENT, will: { delayIntervalSec: 5, payload: Buffer.from('old') } });
  bench.connect('c', { ...PERSISTENT, will: { payload: Buffer.from('new') } });
  bench.disconnect('c', true);
  assert.is(bench.queued('watcher'), 'new');
});

test('the wills of a lost node go out in the order of their sessions', () => {
  const bench = watched();
  for (const clientId of ['z', 'm', 'a']) {
    bench.connect(clientId, { ...PERSISTENT, will: { payload: Buffer.from(clientId) } });
  }
  // The order in which connections came to the node is another one.
  bench.connect('z', { ...PERSISTENT, will: { payload: Buffer.from('z2') } });
  bench.on('b', (writer) => writeNodeDown(writer, { nodeId: 'a', incarnation: 1, term: 1 }));
  assert.is(bench.queued('watcher'), 'z z2 m a');
});

test('a will expires its interval after it is published, not after CONNECT', () => {
  const bench = watched();
  bench.connect('c', { ...PERSISTENT, will: { delayIntervalSec: 5, properties: { messageExpiryIntervalSec: 7 } } });
  bench.after(100_000);
  bench.disconnect('c', true);
  bench.after(5_000);
  const { queue } = bench.session('watcher');
  assert.is(queue?.get(queue.headSequence)?.message.expiresAtMs, bench.nowMs + 7_000);
});

test('a retained will is retained, and is its own client’s too', () => {
  const bench = new Bench();
  bench.connect('c', { ...PERSISTENT, will: { retain: true } });
  bench.subscribe('c', 'will');
  bench.disconnect('c', true);
  assert.ok(bench.state.retained.get('will'));
  assert.is(bench.queued('c'), 'w');
});

test.run();
