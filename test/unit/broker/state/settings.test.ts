import {
  ByteReader,
  ByteWriter,
  CommandType,
  changedSettings,
  defaultLimits,
  LIMIT_NAMES,
  LIMIT_RANGES,
  NewerVersionError,
  readSettings,
  type SettingsChange,
  writeSettings,
} from '@quorate/broker';
import { assert, suite } from '../../../support/suite.ts';
import { checkConsistency } from './support/digest.ts';
import { setLimit } from './support/limits.ts';
import { Bench, PERSISTENT } from './support/log.ts';

/* The limits of the state and what a full queue gives up: part of the state, changed by a command. */

const test = suite('state: settings');

function set(bench: Bench, change: SettingsChange): void {
  assert.is(bench.on('a', (writer) => writeSettings(writer, change)).kind, 'ok');
}

/** A subscriber `c` of `a` with a kept session, and a publisher `p`. */
function subscribed(part: Parameters<Bench['connect']>[1] = {}): Bench {
  const bench = new Bench();
  bench.connect('p');
  bench.connect('c', { ...PERSISTENT, ...part });
  bench.subscribe('c', 'a');
  return bench;
}

function publish(bench: Bench, payloads: string, topic = 'a'): void {
  for (const payload of payloads.split(' ')) bench.publish('p', topic, payload);
  checkConsistency(bench.state);
}

test('every limit is changed alone, by the ends of its range, and is in the records of a checkpoint', () => {
  const bench = new Bench();
  for (const name of LIMIT_NAMES) {
    for (const value of [LIMIT_RANGES[name].min, LIMIT_RANGES[name].max]) {
      const expected = { ...bench.state.limits, [name]: value };
      setLimit(bench, name, value);
      assert.equal(bench.state.limits, expected);
      bench.restart();
      assert.equal(bench.state.limits, expected, `${name} is restored`);
    }
  }
  set(bench, { fullQueuePolicy: 'drop_oldest' });
  bench.restart();
  assert.is(bench.state.fullQueuePolicy, 'drop_oldest');
  assert.is(bench.state.limits.sessions, LIMIT_RANGES.sessions.max, 'what was not named stayed');
});

test('the defaults are within the ranges and need no record', () => {
  const bench = new Bench();
  const limits = defaultLimits();
  for (const name of LIMIT_NAMES) {
    const { min, max } = LIMIT_RANGES[name];
    assert.ok(limits[name] >= min && limits[name] <= max, name);
  }
  const kind = 15;
  setLimit(bench, 'sessions', 7);
  assert.is(bench.checkpoint().puts.filter(([key]) => key[0] === kind).length, 1);
  set(bench, { limits, fullQueuePolicy: 'drop_newest' });
  assert.is(changedSettings(bench.state), null);
  const { puts, deletes } = bench.checkpoint();
  assert.equal([puts.filter(([key]) => key[0] === kind).length, deletes.map(([first]) => first)], [0, [kind]]);
});

test('a setting that a later version added is refused, not skipped', () => {
  const writer = new ByteWriter(64);
  writeSettings(writer, { limits: { sessions: 5, retainedBytes: 70_000 }, fullQueuePolicy: 'drop_oldest' });
  const bytes = writer.copy();
  assert.is(bytes[0], CommandType.settings);
  const body = Buffer.from(bytes.subarray(5));
  const known = { limits: { sessions: 5, retainedBytes: 70_000 }, fullQueuePolicy: 'drop_oldest' };
  assert.equal(readSettings(new ByteReader(body)), known);
  // Pairs of one byte and eight.
  const other = (at: number, change: (to: Buffer) => void): void => {
    const changed = Buffer.from(body);
    change(changed.subarray(at));
    const message = /is not known to this version: upgrade this node/;
    assert.throws(
      () => readSettings(new ByteReader(changed)),
      (error: Error) => error instanceof NewerVersionError && message.test(error.message),
    );
  };
  other(0, (to) => to.writeUInt8(10));
  other(0, (to) => to.writeDoubleBE(0, 1));
  other(18, (to) => to.writeDoubleBE(2, 1));
});

test('a limit below what a queue holds drops nothing of it, refuses what comes, and holds again below it', () => {
  const bench = subscribed();
  publish(bench, '1 2 3 4 5');
  setLimit(bench, 'queuedMessagesPerSession', 3);
  publish(bench, '6');
  assert.equal(bench.sink.take('dropped'), [['dropped', 'c', 'queueFull']]);
  bench.restart();
  assert.is(bench.queued('c'), '1 2 3 4 5');
  bench.settle('c', [0, 2]);
  publish(bench, '7');
  assert.is(bench.queued('c'), '3 4 5');
  bench.settle('c', [2, 1]);
  publish(bench, '8 9');
  assert.is(bench.queued('c'), '4 5 8');
});

test('limits of retained messages below what there is: each stays, may be replaced by one no larger, and be removed', () => {
  const bench = new Bench();
  bench.connect('p');
  const retain = (topic: string, payload: string): string => {
    const result = bench.publish('p', topic, payload, { retain: true });
    checkConsistency(bench.state);
    return result.kind;
  };
  for (const topic of ['r/1', 'r/2', 'r/3']) retain(topic, 'four');
  const weight = bench.state.retained.sizeBytes;
  setLimit(bench, 'retainedBytes', weight - 1);
  retain('r/1', 'same');
  assert.is(bench.state.retained.sizeBytes, weight);
  assert.equal(bench.sink.take('dropped'), []);
  retain('r/1', 'large');
  assert.equal(bench.sink.take('dropped'), [['dropped', 'p', 'retainedQuotaExceeded']]);
  retain('r/1', 'small');
  bench.sink.take('dropped');
  retain('r/1', '');
  retain('r/2', 'large');
  assert.equal(bench.sink.take('dropped'), [], 'below the limit it may grow again');
  setLimit(bench, 'retainedMessages', 1);
  assert.is(bench.state.retained.size, 2);
  retain('r/3', 'new');
  retain('r/1', 'new');
  assert.equal(bench.sink.take('dropped'), [['dropped', 'p', 'retainedQuotaExceeded']], 'a further topic only');
  assert.is(bench.state.retained.size, 2);
});

test('fewer sessions than there are: all stay and come back, nobody new comes in', () => {
  const bench = subscribed();
  bench.connect('d', PERSISTENT);
  bench.disconnect('d');
  setLimit(bench, 'sessions', 1);
  assert.is(bench.state.sessions.size, 3);
  assert.is(bench.tryConnect('new').kind, 'refused');
  assert.is(bench.tryConnect('d', PERSISTENT).kind, 'connected');
  setLimit(bench, 'sessions', 4);
  assert.is(bench.tryConnect('new').kind, 'connected');
});

test('more room than before: what waited for it in a share group is given out at once', () => {
  const bench = new Bench();
  bench.connect('p');
  setLimit(bench, 'sharedInflightPerSession', 1);
  bench.connect('m', PERSISTENT);
  bench.subscribe('m', '$share/g/a');
  publish(bench, '1 2 3');
  assert.is(bench.queued('m'), '1');
  setLimit(bench, 'sharedInflightPerSession', 2);
  assert.is(bench.queued('m'), '1 2');
  checkConsistency(bench.state);
});

test('drop_oldest: without a client the front goes, one count each, and only as much as has to', () => {
  const bench = subscribed();
  bench.disconnect('c');
  setLimit(bench, 'queuedMessagesPerSession', 3);
  set(bench, { fullQueuePolicy: 'drop_oldest' });
  publish(bench, '1 2 3 4 5');
  assert.is(bench.queued('c'), '3 4 5');
  const dropped = ['dropped', 'c', 'queueFull'];
  assert.equal(bench.sink.take('dropped'), [dropped, dropped]);
  bench.restart();
  setLimit(bench, 'queuedMessagesPerSession', 100);
  setLimit(bench, 'queuedBytesPerSession', 10);
  publish(bench, 'sixsix!');
  assert.is(bench.queued('c'), '5 sixsix!');
  assert.equal(bench.sink.take('dropped'), [dropped, dropped]);
  publish(bench, 'larger-than-the-whole-queue');
  assert.is(bench.queued('c'), '5 sixsix!', 'nothing is given up for what finds no room anyway');
  assert.equal(bench.sink.take('dropped'), [dropped]);
  bench.connect('c', PERSISTENT);
  publish(bench, 'newest');
  assert.is(bench.queued('c'), '5 sixsix!', 'with a client the newest goes: the others may be on their way');
});

test('drop_oldest gives up nothing that the client may have been sent', () => {
  const bench = subscribed({ receiveMaximum: 1 });
  setLimit(bench, 'queuedMessagesPerSession', 2);
  set(bench, { fullQueuePolicy: 'drop_oldest' });
  publish(bench, '1 2');
  bench.disconnect('c');
  publish(bench, '3');
  assert.is(bench.queued('c'), '1 2');
  assert.equal(bench.sink.take('dropped'), [['dropped', 'c', 'queueFull']]);
});

test('drop_oldest in a share group: the oldest message that no member has', () => {
  const bench = new Bench();
  bench.connect('p');
  bench.connect('m', PERSISTENT);
  bench.subscribe('m', '$share/g/a');
  bench.disconnect('m');
  setLimit(bench, 'queuedMessagesPerGroup', 2);
  set(bench, { fullQueuePolicy: 'drop_oldest' });
  publish(bench, '1 2 3');
  assert.equal(bench.sink.take('dropped'), [['dropped', 'p', 'shareQueueFull']]);
  bench.connect('m', PERSISTENT);
  assert.is(bench.queued('m'), '2 3');
  checkConsistency(bench.state);
});

test.run();
