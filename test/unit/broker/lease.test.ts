import { LogBus } from '../../support/log-bus.ts';
import { assert, suite } from '../../support/suite.ts';
import { codeOf, connected, dial, goodbye, payloads, persistent, publish, SETTLE_MS, subscribed } from './support.ts';

const test = suite('broker: lease');

test('without a lease nothing leaves; when it is back, output goes on', () => {
  const bus = new LogBus();
  const client = persistent(bus, 'n1', 'a');
  subscribed(bus, client, 't');
  const listener = connected(bus, 'n1', 'listener');
  subscribed(bus, listener, 't');
  const publisher = connected(bus, 'n2', 'publisher');
  const node = bus.node('n1');
  // The entries reach n1, which can not prove in time that it may act on them.
  node.stalled = true;
  publish(client, 't', '1', 1, { messageId: 1 });
  publish(publisher, 't', '2', 1, { messageId: 1 });
  bus.run(100);
  node.disconnect();
  bus.run(1100);
  assert.not(node.broker.serving);
  node.stalled = false;
  node.apply();
  node.broker.sys.publish();
  client.send({ cmd: 'pingreq' });
  bus.run(500);
  assert.equal([client.received, listener.received], [[], []]);
  assert.is(node.broker.withheld.size, 2);
  node.reconnect();
  bus.run(500);
  assert.ok(node.broker.serving);
  client.take('puback');
  client.take('pingresp');
  assert.equal(payloads(client.takeAll('publish')).sort(), ['1', '2']);
  assert.equal(payloads(listener.takeAll('publish')).sort(), ['1', '2']);
  bus.assertForgotten();
});

test('a CONNACK that waits for the lease is no CONNACK yet: who loses its session then is refused', () => {
  const bus = new LogBus();
  const node = bus.node('n1');
  node.stalled = true;
  const client = dial(bus, 'n1', 'a');
  bus.run(50);
  dial(bus, 'n2', 'a');
  node.disconnect();
  bus.run(1100);
  node.stalled = false;
  node.apply();
  bus.run(50);
  assert.is(client.socket.connection?.phase, 'live');
  assert.equal(client.received, []);
  node.reconnect();
  bus.run(500);
  assert.is(codeOf(client.next('connack')), 0x88);
  assert.equal(client.received, []);
  bus.assertForgotten();
});

for (const how of ['bad input', 'the broker'] as const) {
  test(`a stale clock does not let anything out when ${how} closes the connection: the lease is looked at before`, () => {
    const bus = new LogBus({ tickIntervalMs: 5000 });
    const client = connected(bus, 'n1', 'a');
    const { connection } = client.socket;
    bus.node('n1').disconnect();
    bus.run(20);
    // In one turn of the event loop: output is gathered, the process is held up, the connection is closed.
    connection?.receive(Buffer.from('c000', 'hex'));
    bus.scheduler.nowMs += 2000;
    assert.ok(bus.node('n1').broker.serving, 'nobody has looked yet');
    if (how === 'bad input') connection?.receive(Buffer.from('0000', 'hex'));
    else connection?.fail('SERVER_SHUTTING_DOWN');
    bus.run(100);
    assert.equal(
      client.received.map(({ cmd }) => cmd),
      ['disconnect'],
    );
    bus.assertForgotten();
  });
}

test('after the grace period clients are let go, and their sessions are given back in the end', () => {
  const bus = new LogBus({ gracePeriodMs: 3000 });
  const newer = persistent(bus, 'n1', 'newer');
  const older = connected(bus, 'n1', 'older', { version: 4 });
  const silent = bus.open('n1');
  bus.node('n1').disconnect();
  bus.run(3500);
  assert.not(newer.isClosed || older.isClosed);
  bus.run(1500);
  assert.is(goodbye(newer), 0x9c);
  assert.ok(older.isClosed);
  assert.not(silent.isClosed);
  const again = dial(bus, 'n2', 'newer', { clean: false, expirySec: 60 });
  bus.run(SETTLE_MS);
  assert.is(again.next('connack').sessionPresent, true, 'the majority gave n1 up');
  bus.heal();
  bus.run(SETTLE_MS);
  assert.not(again.isClosed);
  bus.assertForgotten();
});

test('a node that was given up registers anew and serves; what it had proposed is void', () => {
  const bus = new LogBus({ gracePeriodMs: 60_000 });
  const watcher = persistent(bus, 'n2', 'watcher');
  subscribed(bus, watcher, '#');
  const client = connected(bus, 'n1', 'a', {
    will: { topic: 'will', payload: Buffer.from('a'), qos: 1, retain: false },
  });
  const node = bus.node('n1');
  node.disconnect();
  publish(client, 't', 'void', 1, { messageId: 1 });
  bus.run(5000);
  assert.is(watcher.take('publish').topic, 'will');
  const { incarnation } = node.broker.proposer;
  bus.heal();
  bus.run(1000);
  assert.ok(node.broker.proposer.incarnation > incarnation);
  assert.ok(node.broker.serving);
  assert.is(goodbye(client), 0x9c);
  assert.is(watcher.find('publish'), null, 'a batch of the old incarnation is applied');
  const again = connected(bus, 'n1', 'a');
  publish(again, 't', 'new', 1, { messageId: 1 });
  bus.run(SETTLE_MS);
  assert.equal(payloads(watcher.takeAll('publish')), ['new']);
  again.take('puback');
  bus.assertForgotten();
});

test('a CONNECT that waits for a quorum in vain is refused after the grace period', () => {
  const bus = new LogBus({ gracePeriodMs: 2000 });
  bus.held = true;
  const client = dial(bus, 'n1', 'a');
  bus.run(50);
  bus.node('n1').disconnect();
  bus.run(4000);
  assert.is(codeOf(client.next('connack')), 0x9c);
  assert.ok(client.isClosed);
  bus.assertForgotten();
});

test('a restarted node drops the connections of its last life', () => {
  const bus = new LogBus();
  const client = persistent(bus, 'n1', 'a');
  subscribed(bus, client, 't');
  bus.run(1500);
  bus.node('n1').restart();
  bus.run(1500);
  assert.ok(client.isClosed);
  publish(connected(bus, 'n2', 'publisher'), 't', 'x', 1, { messageId: 1 });
  const again = persistent(bus, 'n1', 'a');
  bus.run(SETTLE_MS);
  assert.equal(payloads(again.takeAll('publish')), ['x']);
  bus.assertForgotten();
});

test('drain: everybody is told to go, nobody is let in, and everything is handed to the log', () => {
  const bus = new LogBus();
  const client = persistent(bus, 'n1', 'a');
  const opened = bus.open('n1');
  bus.held = true;
  const claiming = dial(bus, 'n1', 'b');
  bus.run(20);
  const { broker } = bus.node('n1');
  broker.drain();
  assert.not(broker.settled);
  const late = dial(bus, 'n1', 'c');
  bus.run(20);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.is(goodbye(client), 0x8b);
  assert.is(codeOf(claiming.next('connack')), 0x88);
  assert.ok(opened.isClosed && late.isClosed);
  assert.ok(broker.settled);
  assert.is(bus.node('n2').broker.machine.state.sessions.get('a')?.owner, null);
  bus.assertForgotten();
});

test.run();
