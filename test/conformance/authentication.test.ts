import { assert, suite } from '../support/suite.ts';
import { AGAIN, auth, CONTINUE, guarded, METHOD, present, RIGHT } from '../unit/broker/access/support.ts';
import { codeOf, goodbye, publish, SETTLE_MS, subscribed } from '../unit/broker/support.ts';
import { shows } from './support/world.ts';

/*
 * Enhanced authentication: sections 3.15 and 4.12. Brokers of three nodes in one process, with a method of the test's own that
 * asks one question: what it asks and refuses is then for the test to say.
 */

const test = suite('conformance: authentication');

const SUCCESS = 0;
const NO_MATCHING_SUBSCRIBERS = 0x10;
const PROTOCOL_ERROR = 0x82;
const NOT_AUTHORIZED = 0x87;
const BAD_METHOD = 0x8c;
const TOO_LARGE = 0x95;

/** A cluster, and a client of it that has come in by the method. */
function welcome(): ReturnType<typeof guarded> & { client: ReturnType<typeof present> } {
  const world = guarded();
  const client = present(world.bus, 'n1', 'a');
  auth(client, CONTINUE, RIGHT);
  world.bus.run(SETTLE_MS);
  client.next('auth');
  assert.is(codeOf(client.next('connack')), SUCCESS);
  return { ...world, client };
}

shows(
  test,
  { 'v5.0': '3.15.2-2, 3.15.2-3' },
  'AUTH has neither reason string nor user properties; one that is too large without them is not sent',
  async () => {
    const { bus } = guarded();
    // 2 of the header, 1 reason code, 1 property length, 9 method, 3 + 13 data.
    const sizeBytes = 29;
    const client = present(bus, 'n1', 'a', { maximumPacketSize: sizeBytes });
    const other = present(bus, 'n1', 'b', { maximumPacketSize: sizeBytes - 1 });
    bus.run(SETTLE_MS);
    const packet = client.next('auth');
    assert.is((packet.length ?? 0) + 2, sizeBytes);
    assert.equal(Object.keys(packet.properties ?? {}).sort(), ['authenticationData', 'authenticationMethod']);
    assert.is(codeOf(other.next('connack')), TOO_LARGE);
    assert.ok(other.isClosed);
  },
);

shows(
  test,
  { 'v5.0': '4.12.0-1' },
  'a method that the server does not have is refused beside one that it has',
  async () => {
    const { bus, access } = guarded();
    access.methods = new Set(['OTHER']);
    const client = present(bus, 'n1', 'a');
    bus.run(SETTLE_MS);
    assert.is(codeOf(client.next('connack')), BAD_METHOD);
    assert.ok(client.isClosed);
  },
);

shows(
  test,
  { 'v5.0': '4.12.0-2, 4.12.0-5' },
  'AUTH that asks for more has 0x18, and all AUTH packets and CONNACK have the method of CONNECT',
  async () => {
    const { bus } = guarded();
    const client = present(bus, 'n1', 'a');
    bus.run(SETTLE_MS);
    const question = client.next('auth');
    assert.is(question.reasonCode, CONTINUE);
    assert.is(question.properties?.authenticationMethod, METHOD);
    auth(client, CONTINUE, RIGHT);
    bus.run(SETTLE_MS);
    const connack = client.next('connack');
    assert.is(codeOf(connack), SUCCESS);
    assert.is(connack.properties?.authenticationMethod, METHOD);
    auth(client, AGAIN, 'alice');
    auth(client, CONTINUE, RIGHT);
    bus.run(SETTLE_MS);
    for (const reasonCode of [CONTINUE, SUCCESS]) {
      const packet = client.next('auth');
      assert.is(packet.reasonCode, reasonCode);
      assert.is(packet.properties?.authenticationMethod, METHOD);
    }
  },
);

shows(
  test,
  { 'v5.0': '4.12.0-3, 4.12.0-5' },
  'AUTH of a client with another reason code or method closes the connection',
  async () => {
    for (const [reasonCode, method] of [
      [AGAIN, METHOD],
      [CONTINUE, 'OTHER'],
    ] as const) {
      const { bus } = guarded();
      const client = present(bus, 'n1', 'a');
      auth(client, reasonCode, RIGHT, method);
      bus.run(SETTLE_MS);
      client.next('auth');
      assert.is(codeOf(client.next('connack')), PROTOCOL_ERROR);
      assert.ok(client.isClosed);
    }
  },
);

shows(test, { 'v5.0': '3.15.2-1' }, 'AUTH with a reason code that it does not have closes the connection', async () => {
  const { bus, client } = welcome();
  auth(client, AGAIN, 'alice');
  bus.run(SETTLE_MS);
  assert.is(client.next('auth').reasonCode, CONTINUE);
  // In its place, and right but for the reason code.
  auth(client, NO_MATCHING_SUBSCRIBERS, RIGHT);
  bus.run(SETTLE_MS);
  assert.is(goodbye(client), PROTOCOL_ERROR);
});

shows(
  test,
  { 'v5.0': '4.12.0-4' },
  'the server may refuse at the first step and at the next, and closes the connection',
  async () => {
    const { bus, access } = guarded();
    const late = present(bus, 'n1', 'a');
    auth(late, CONTINUE, 'wrong');
    bus.run(SETTLE_MS);
    late.next('auth');
    assert.is(codeOf(late.next('connack')), NOT_AUTHORIZED);
    assert.ok(late.isClosed);
    access.beginExchange = () => ({
      step: (_data, done) => done({ kind: 'refused', refusal: { reasonCode: NOT_AUTHORIZED, detail: 'nobody' } }),
    });
    const early = present(bus, 'n1', 'b');
    bus.run(SETTLE_MS);
    assert.is(codeOf(early.next('connack')), NOT_AUTHORIZED);
    assert.ok(early.isClosed);
  },
);

shows(
  test,
  { 'v5.0': '3.1.2-30' },
  'what is neither AUTH nor DISCONNECT closes the connection before CONNACK, and is not carried out',
  async () => {
    const { bus, access } = guarded();
    access.authenticate = (_credentials, done) => done(access.granted(null, null));
    const client = present(bus, 'n1', 'a');
    publish(client, 't', 'x', 0, { retain: true });
    bus.run(SETTLE_MS);
    client.next('auth');
    assert.is(codeOf(client.next('connack')), PROTOCOL_ERROR);
    assert.ok(client.isClosed);
    assert.is(bus.node('n1').broker.machine.state.retained.size, 0);
  },
);

shows(test, { 'v5.0': '4.12.1-1' }, 're-authentication with another method closes the connection', async () => {
  const { bus, client } = welcome();
  auth(client, AGAIN, 'alice', 'OTHER');
  bus.run(SETTLE_MS);
  assert.is(goodbye(client), PROTOCOL_ERROR);
});

shows(
  test,
  { 'v5.0': '4.12.1-2' },
  'a failed re-authentication closes the connection; until then it is used',
  async () => {
    const { bus, client } = welcome();
    auth(client, AGAIN, 'alice');
    bus.run(SETTLE_MS);
    client.next('auth');
    subscribed(bus, client, 't');
    auth(client, CONTINUE, 'wrong');
    bus.run(SETTLE_MS);
    assert.is(goodbye(client), NOT_AUTHORIZED);
  },
);

test.run();
