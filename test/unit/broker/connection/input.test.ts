import { LogBus } from '../../../support/log-bus.ts';
import { assert, suite } from '../../../support/suite.ts';
import { codeOf, connected, connectPacket, dial, goodbye, publish, SETTLE_MS } from '../support.ts';

const test = suite('broker: bad input');

/** Bytes of a 5.0 client that is connected, and the reason code of the DISCONNECT they earn. */
const AFTER_CONNECT: readonly (readonly [what: string, hex: string, code: number, error: string])[] = [
  ['a second CONNECT', '100d00044d5154540502000000000000', 0x82, 'REPEATED_CONNECT'],
  ['a packet only servers send', '20020000', 0x82, 'UNEXPECTED_PACKET_TYPE'],
  ['the reserved type', '0000', 0x81, 'RESERVED_PACKET_TYPE'],
  ['wrong flags', '8306000100000161', 0x81, 'RESERVED_FLAGS'],
  ['QoS 3', '36050001740001', 0x81, 'INVALID_QOS'],
  ['packet identifier 0', '3206000174000000', 0x82, 'PACKET_ID_ZERO'],
  ['PUBACK of packet identifier 0', '40020000', 0x82, 'PACKET_ID_ZERO'],
  ['a wildcard in a topic name', '30050001230000', 0x90, 'INVALID_TOPIC_NAME'],
  ['a filter that is none', '82080001000002236100', 0x8f, 'INVALID_TOPIC_FILTER'],
  ['a SUBSCRIBE without filter', '8203000100', 0x82, 'NO_TOPIC_FILTERS'],
  ['a packet too large', '30ffffff7f', 0x95, 'PACKET_TOO_LARGE'],
  ['a length that is none', '30ffffffff', 0x81, 'INVALID_REMAINING_LENGTH'],
  ['a packet that ends inside a field', '3003000974', 0x81, 'TRUNCATED'],
];

for (const [what, hex, code, error] of AFTER_CONNECT) {
  test(`${what}: DISCONNECT 0x${code.toString(16)}`, () => {
    const bus = new LogBus();
    const client = connected(bus, 'n1', 'a', {
      will: { topic: 'will', payload: Buffer.from('x'), qos: 0, retain: false },
    });
    const watcher = connected(bus, 'n2', 'watcher');
    watcher.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'will', qos: 1 }] });
    bus.run(SETTLE_MS);
    // What came before it is still answered.
    publish(client, 't', 'x', 1, { messageId: 1 });
    client.send({ cmd: 'pingreq' });
    client.sendBytes(Buffer.from(hex, 'hex'));
    bus.run(SETTLE_MS);
    client.next('pingresp');
    assert.is(goodbye(client), code);
    assert.is(bus.node('n1').broker.counters.protocolErrors.get(error), 1, 'counted under another code');
    assert.is(watcher.take('publish').topic, 'will');
    bus.assertForgotten();
  });
}

/** The first bytes of a connection, and the code of the CONNACK they earn; null when there is none. */
const BEFORE_CONNECT: readonly (readonly [what: string, hex: string, version: 4 | 5, code: number | null])[] = [
  ['another packet', 'c000', 5, null],
  ['another protocol', '100c00044854545004020000000000', 4, null],
  ['a version of the future', '100d00044d5154540602000000000000', 5, 0x84],
  ['a version of the past', '100c00044d515454020200000000', 4, 1],
  ['the reserved flag', '100d00044d5154540503000000000000', 5, 0x81],
  ['a truncated CONNECT', '100a00044d51545405020000', 5, 0x81],
  ['a packet too large', '10ffffff7f', 5, null],
];

for (const [what, hex, version, code] of BEFORE_CONNECT) {
  test(`${what} first: ${code === null ? 'no CONNACK' : `CONNACK 0x${code.toString(16)}`}`, () => {
    const bus = new LogBus();
    const client = bus.open('n1', version);
    client.sendBytes(Buffer.from(hex, 'hex'));
    bus.run(SETTLE_MS);
    assert.ok(client.isClosed);
    assert.equal(
      client.received.map((packet) => codeOf(packet as never)),
      code === null ? [] : [code],
    );
    bus.assertForgotten();
  });
}

test('before 5.0 the connection is closed without a word', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a', { version: 4 });
  client.sendBytes(Buffer.from('0000', 'hex'));
  bus.run(SETTLE_MS);
  assert.ok(client.isClosed);
  assert.equal(client.received, []);
  bus.assertForgotten();
});

test('AUTH without a method is a protocol error', () => {
  const bus = new LogBus();
  const client = connected(bus, 'n1', 'a');
  client.send({ cmd: 'auth', reasonCode: 0x19, properties: { authenticationMethod: 'x' } });
  bus.run(SETTLE_MS);
  assert.is(goodbye(client), 0x82);
  bus.assertForgotten();
});

test('bad bytes behind a CONNECT are seen after its CONNACK', () => {
  const bus = new LogBus();
  const client = dial(bus, 'n1', 'a');
  client.sendBytes(Buffer.from('0000', 'hex'));
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0);
  assert.is(goodbye(client), 0x81);
  bus.assertForgotten();
});

test('a packet comes in any number of pieces', () => {
  const bus = new LogBus();
  const client = bus.open('n1');
  const whole = dial(bus, 'n1', 'b');
  bus.run(SETTLE_MS);
  whole.next('connack');
  client.send = (packet) => {
    const pieces: Buffer[] = [];
    client.sendBytes = (bytes) => pieces.push(Buffer.from(bytes));
    Object.getPrototypeOf(client).send.call(client, packet);
    for (const byte of Buffer.concat(pieces)) client.socket.fromClient(Buffer.of(byte));
  };
  client.send(connectPacket('a'));
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0);
  publish(client, 't', 'x'.repeat(300), 1, { messageId: 1 });
  bus.run(SETTLE_MS);
  assert.is(client.next('puback').messageId, 1);
  bus.assertForgotten();
});

test('random bytes: every connection ends, and nothing is left', () => {
  const bus = new LogBus({ seed: 11 });
  const { scheduler } = bus;
  for (let round = 0; round < 300; round++) {
    const client = round % 2 === 0 ? bus.open('n1') : dial(bus, 'n2', `c${round}`);
    const bytes = Buffer.from(Array.from({ length: scheduler.integer(2, 40) }, () => scheduler.integer(0, 255)));
    bytes[1] = scheduler.integer(0, 38);
    client.sendBytes(bytes);
    bus.run(5);
  }
  bus.run(SETTLE_MS);
  bus.assertForgotten();
});

test.run();
