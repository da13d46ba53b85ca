import { LogBus } from '../../../support/log-bus.ts';
import { assert, suite } from '../../../support/suite.ts';
import { codeOf, connected, dial, persistent, publish, SETTLE_MS, subscribed } from '../support.ts';

const test = suite('connection: leaving');

test('DISCONNECT: the connection ends once that is in the log, so that the next one finds the session as it was left', () => {
  const bus = new LogBus();
  const client = persistent(bus, 'n1', 'a');
  bus.held = true;
  client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
  bus.run(300);
  assert.not(client.isClosed, 'not in the log yet');
  bus.heal();
  bus.run(SETTLE_MS);
  assert.ok(client.isClosed);
  assert.not(bus.node('n3').broker.machine.state.sessions.has('a'), 'its session has ended');
  bus.assertForgotten();
});

test('a client that leaves is sent nothing and read no further', () => {
  const bus = new LogBus();
  const watcher = connected(bus, 'n1', 'watcher');
  const client = persistent(bus, 'n1', 'a');
  subscribed(bus, client, 't');
  subscribed(bus, watcher, 'after');
  bus.held = true;
  client.send({ cmd: 'disconnect' });
  publish(client, 'after', 'x', 0);
  publish(watcher, 't', 'y', 0);
  bus.run(SETTLE_MS);
  bus.heal();
  bus.run(SETTLE_MS);
  assert.equal(client.received, []);
  assert.is(watcher.find('publish'), null);
  assert.ok(client.isClosed);
  bus.assertForgotten();
});

test('a DISCONNECT that does not get into the log does not hold the connection for ever', () => {
  const bus = new LogBus();
  const client = persistent(bus, 'n1', 'a');
  bus.held = true;
  client.send({ cmd: 'disconnect' });
  for (let second = 0; second < 30; second++) {
    // What it sends all the same is not heard.
    client.send({ cmd: 'pingreq' });
    bus.run(1_000);
  }
  assert.ok(client.isClosed);
  assert.is(client.find('disconnect'), null, 'there is nothing to say to a client that left');
  bus.heal();
  bus.run(SETTLE_MS);
  bus.assertForgotten();
});

for (const version of [4, 5] as const) {
  test(`DISCONNECT and the end of the client's side at once: no will, and no end before that is in the log (${version})`, () => {
    const bus = new LogBus();
    const watcher = connected(bus, 'n2', 'watcher');
    subscribed(bus, watcher, 'will');
    const will = { topic: 'will', payload: Buffer.from('x'), qos: 1, retain: false } as const;
    const client = persistent(bus, 'n1', 'a', { version, will });
    bus.held = true;
    client.send({ cmd: 'disconnect' });
    client.close();
    bus.run(300);
    assert.not(client.socket.ended, 'the client would connect elsewhere');
    bus.heal();
    bus.run(SETTLE_MS);
    assert.ok(client.socket.ended);
    assert.is(watcher.find('publish'), null);
    assert.is(bus.node('n3').broker.machine.state.sessions.get('a')?.will, null);
    bus.assertForgotten();
  });
}

test('the same of a client that is not read at that moment', () => {
  const bus = new LogBus({ limits: { maxUnappliedBytes: 100 } });
  const watcher = connected(bus, 'n2', 'watcher');
  subscribed(bus, watcher, 'will');
  const will = { topic: 'will', payload: Buffer.from('x'), qos: 1, retain: false } as const;
  const client = persistent(bus, 'n1', 'a', { will });
  bus.held = true;
  publish(client, 't', 'x'.repeat(200), 1, { messageId: 1 });
  bus.run(50);
  publish(client, 't', 'y', 1, { messageId: 2 });
  client.send({ cmd: 'disconnect' });
  client.close();
  bus.run(300);
  assert.ok(client.socket.paused);
  bus.heal();
  bus.run(SETTLE_MS * 4);
  assert.is(watcher.find('publish'), null);
  assert.ok(client.socket.ended);
  bus.assertForgotten();
});

test('a client that closes its side without DISCONNECT is gone, and its will is published', () => {
  const bus = new LogBus();
  const watcher = connected(bus, 'n2', 'watcher');
  subscribed(bus, watcher, 'will');
  const will = { topic: 'will', payload: Buffer.from('x'), qos: 1, retain: false } as const;
  const client = persistent(bus, 'n1', 'a', { will });
  client.close();
  bus.run(SETTLE_MS);
  assert.ok(client.socket.ended);
  watcher.take('publish');
  bus.assertForgotten();
});

test('a takeover that comes first ends the connection too', () => {
  const bus = new LogBus();
  const client = persistent(bus, 'n1', 'a');
  bus.held = true;
  const next = dial(bus, 'n2', 'a', { clean: false, expirySec: 3600 });
  bus.run(50);
  client.send({ cmd: 'disconnect' });
  bus.run(50);
  bus.heal();
  bus.run(SETTLE_MS * 20);
  assert.is(codeOf(next.next('connack')), 0);
  assert.ok(client.isClosed);
  assert.is(client.find('disconnect'), null);
  bus.assertForgotten();
});

test('a client that leaves and closes its side is forgotten', () => {
  const bus = new LogBus();
  const client = persistent(bus, 'n1', 'a');
  bus.held = true;
  client.send({ cmd: 'disconnect' });
  bus.run(50);
  client.reset();
  bus.run(50);
  bus.heal();
  bus.run(SETTLE_MS);
  bus.assertForgotten();
});

test.run();
