import { StateMachine, writeNodeDown, writePublish } from '@quorate/broker';
import { assert, suite } from '../../support/suite.ts';
import { digest } from '../broker/state/support/digest.ts';
import { Bench, PERSISTENT, RecordingSink } from '../broker/state/support/log.ts';

/* What makes replicas of other state machines differ, and what is peculiar to JavaScript. The whole list is docs/pitfalls.md. */

const test = suite('pitfalls: state machine');

/** Names that an object would list in another order than a Map does, and in that order when they are filled in. */
const NUMERIC = ['b', '10', '9', 'a', '2', '0'];
/** Names that every object has already. */
const INHERITED = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];

/** A session that every message is queued for. */
function watched(): Bench {
  const bench = new Bench();
  bench.connect('watcher', PERSISTENT);
  bench.subscribe('watcher', '#');
  return bench;
}

/** The log of a bench, applied by another node. */
function replayed(bench: Bench): { readonly machine: StateMachine; readonly sink: RecordingSink } {
  const sink = new RecordingSink();
  const machine = new StateMachine(sink);
  for (const entry of bench.log) machine.apply(entry);
  return { machine, sink };
}

test('the keys of a JavaScript object: client ids and topics that look like numbers keep the order of the log', () => {
  const bench = watched();
  for (const name of NUMERIC) {
    bench.connect(name, { ...PERSISTENT, will: { payload: Buffer.from(name) } });
    bench.subscribe(name, 'all');
    bench.publish(name, `kept/${name}`, name, { retain: true });
  }
  bench.sink.events.length = 0;
  bench.publish('watcher', 'all', 'x');
  assert.equal(
    bench.sink.take('queued').map(([, clientId]) => clientId),
    ['watcher', ...NUMERIC],
    'subscribers in the order of their sessions',
  );
  const expected = [...NUMERIC, 'x', ...NUMERIC].join(' ');
  bench.on('b', (writer) => writeNodeDown(writer, { nodeId: 'a', incarnation: 1, term: 1 }));
  assert.is(bench.queued('watcher'), expected, 'wills in the order of their sessions');
  const before = digest(bench.state);
  bench.restart();
  assert.equal(digest(bench.state), before);
  bench.nodeUp('a', 2);
  bench.connect('late', PERSISTENT);
  bench.subscribe('late', 'kept/#');
  assert.is(bench.queued('late'), NUMERIC.join(' '), 'retained messages in the order of the log, after a restart too');
});

test('the prototype of a JavaScript object: names that every object has are names like others', () => {
  const bench = watched();
  for (const name of INHERITED) {
    bench.connect(name, PERSISTENT);
    bench.subscribe(name, `${name}/+`);
    bench.publish('watcher', `${name}/constructor`, name, {
      retain: true,
      properties: { userProperties: [['__proto__', name]] },
    });
  }
  const check = (): void => {
    for (const name of INHERITED) {
      assert.is(bench.queued(name), name);
      assert.is(Buffer.from(bench.state.retained.get(`${name}/constructor`)?.payload ?? []).toString(), name);
      assert.is(bench.state.retained.get(name), undefined);
    }
    assert.equal([bench.state.sessions.size, bench.state.retained.size], [INHERITED.length + 1, INHERITED.length]);
  };
  check();
  const before = digest(bench.state);
  bench.restart();
  check();
  assert.equal(digest(bench.state), before);
});

test('cockroach#7353: a refusal is a value, the same on every replica', () => {
  const bench = watched();
  bench.connect('clean');
  bench.apply([
    bench.seal('a', (writer) => writePublish(writer, 999, 1, false, 1, 't', null, Buffer.from('stale'))),
    bench.sealAhead('a', (writer) => writePublish(writer, 999, 1, false, 1, 't', null, Buffer.from('early'))),
    bench.seal('b', (writer) => writePublish(writer, bench.session('clean').epoch, 1, false, 1, '', null, Buffer.of())),
  ]);
  const first = replayed(bench);
  const second = replayed(bench);
  assert.equal(first.sink.results, second.sink.results);
  assert.equal(first.sink.events, second.sink.events);
  assert.ok(first.sink.results.some(({ kind }) => kind === 'stale'));
  assert.ok(first.sink.events.some(([kind, , , , accepted]) => kind === 'batch' && accepted === false));
  assert.equal(digest(first.machine.state), digest(bench.state));
});

test('local clocks: a replica that applies the log years later gets the same state', () => {
  const bench = watched();
  bench.connect('gone', { sessionExpiryIntervalSec: 5 });
  bench.publish('watcher', 'short', 'x', { retain: true, properties: { messageExpiryIntervalSec: 5 } });
  bench.disconnect('gone');
  bench.after(4_999);
  const before = digest(bench.state);
  const realNow = Date.now;
  Date.now = () => realNow() + 10 * 365 * 86_400_000;
  try {
    const { machine } = replayed(bench);
    assert.equal(digest(machine.state), before);
    assert.ok(machine.state.sessions.has('gone'));
    assert.ok(machine.state.retained.get('short'));
  } finally {
    Date.now = realNow;
  }
});

test.run();
