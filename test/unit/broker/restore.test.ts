import { type State, StateLoader, StateMachine, takeCheckpoint } from '@quorate/broker';
import { LogBus } from '../../support/log-bus.ts';
import { assert, suite } from '../../support/suite.ts';
import { RecordingSink } from './state/support/log.ts';
import { codeOf, connected, dial, goodbye, payloads, persistent, publish, SETTLE_MS, subscribed } from './support.ts';

/* A snapshot takes the place of the state of a running node (Broker.restore). */

const test = suite('broker: restore');
const NODE = { mqtt: '', http: '', peer: '', version: '0.0.0', leaseMs: 1000 };
const SERVER_UNAVAILABLE = 0x88;
const USE_ANOTHER_SERVER = 0x9c;

/** The state at the end of the log, by way of the records of a checkpoint: as another node's snapshot would bring it. */
function snapshotOf(bus: LogBus): State {
  const machine = new StateMachine(new RecordingSink());
  for (const entry of bus.entries) machine.apply(entry);
  const { puts, appliedIndex, appliedTerm } = takeCheckpoint(machine.state);
  const loader = new StateLoader();
  const records = puts.map(([key, value]) => [Buffer.from(key).toString('latin1'), key, value] as const);
  for (const [, key, value] of records.sort(([a], [b]) => (a < b ? -1 : 1))) loader.add(key, value);
  return loader.finish(appliedIndex, appliedTerm);
}

test('connections, proposals and fences of the old state are gone, and the new one is what is served', () => {
  const bus = new LogBus();
  const node = bus.node('n1');
  const { broker } = node;
  const kept = persistent(bus, 'n1', 'kept');
  subscribed(bus, kept, 't');
  const clean = connected(bus, 'n1', 'clean');
  subscribed(bus, clean, 't');
  const publisher = connected(bus, 'n2', 'publisher');
  const pending = dial(bus, 'n1', 'pending');
  node.stalled = true;
  publish(kept, 'u', 'from the old life', 1, { messageId: 9 });
  publish(publisher, 't', 'missed', 1, { messageId: 1, retain: true });
  bus.run(SETTLE_MS);
  assert.ok(broker.proposer.unappliedBytes > 0);
  const silent = bus.open('n1');

  const before = broker.machine;
  const state = snapshotOf(bus);
  broker.restore(state);
  assert.not(broker.machine === before);
  assert.is(broker.machine.state, state);
  assert.equal([broker.registered, broker.serving], [false, false]);
  const sizes = [broker.connections, broker.paused, broker.withheld, broker.settling, broker.fencing];
  assert.equal(
    sizes.map(({ size }) => size),
    [0, 0, 0, 0, 0],
  );
  assert.is(broker.proposer.unappliedBytes, 0);
  const entries = bus.entries.length;
  bus.run(SETTLE_MS);
  assert.is(bus.entries.length, entries, 'nothing of the old incarnation is proposed any more');
  for (const client of [kept, clean]) assert.is(goodbye(client), USE_ANOTHER_SERVER);
  assert.ok(pending.isClosed);
  assert.not(silent.isClosed, 'one that has not said CONNECT has nothing of the old state');
  const early = dial(bus, 'n1', 'early');
  bus.run(SETTLE_MS);
  assert.is(codeOf(early.next('connack')), SERVER_UNAVAILABLE);

  node.stalled = false;
  broker.register((state.nodes.get('n1')?.incarnation ?? 0) + 1, NODE);
  node.apply();
  bus.run(SETTLE_MS);
  assert.ok(broker.registered && broker.serving);
  assert.is(bus.node('n2').broker.machine.state.sessions.get('kept')?.owner, null);
  bus.run(1000);
  const again = persistent(bus, 'n1', 'kept');
  bus.run(SETTLE_MS);
  assert.equal(payloads(again.takeAll('publish')), ['missed']);
  assert.is(node.digest(), bus.node('n2').digest());
});

test('what the snapshot does not tell of takeovers is waited out: one lease, also for a session that nobody has', () => {
  const bus = new LogBus();
  const node = bus.node('n1');
  const owner = persistent(bus, 'n2', 'a');
  bus.run(2000);
  owner.send({ cmd: 'disconnect' });
  bus.run(SETTLE_MS);
  const state = snapshotOf(bus);
  assert.is(state.sessions.get('a')?.owner, null);
  const restoredAtMs = bus.scheduler.nowMs;
  node.broker.restore(state);
  node.broker.register(2, NODE);
  bus.run(SETTLE_MS);
  const next = dial(bus, 'n1', 'a', { clean: false, expirySec: 3600 });
  bus.run(restoredAtMs + bus.options.leaseMs - 20 - bus.scheduler.nowMs);
  assert.is(node.broker.fencing.size, 1);
  assert.equal(next.received, []);
  bus.run(100);
  assert.is(codeOf(next.next('connack')), 0);
});

test('a batch of the voided incarnation that comes by in the log is nobody’s, and its NodeUp registers nobody', () => {
  const bus = new LogBus();
  const node = bus.node('n1');
  const client = connected(bus, 'n1', 'a');
  node.stalled = true;
  const state = snapshotOf(bus);
  // Behind the snapshot: batches of the incarnation that is void when they are applied here.
  publish(client, 't', 'late', 1, { messageId: 1 });
  bus.run(SETTLE_MS);
  assert.ok(bus.entries.length > state.appliedIndex);
  node.broker.restore(state);
  node.stalled = false;
  node.apply();
  assert.is(node.broker.machine.state.appliedIndex, bus.entries.length);
  node.broker.nodeChanged('n1', node.broker.proposer.incarnation, true);
  assert.not(node.broker.registered);
  node.broker.register(2, NODE);
  bus.run(SETTLE_MS);
  assert.ok(node.broker.registered);
});

test('a state that lies behind what was applied is refused', () => {
  const bus = new LogBus();
  bus.run(SETTLE_MS);
  const state = snapshotOf(bus);
  connected(bus, 'n1', 'a');
  assert.throws(() => bus.node('n1').broker.restore(state), /restored over/);
});

test.run();
