import {
  type Connack,
  encodeAuth,
  encodeConnack,
  encodeDisconnect,
  encodeSuback,
  encodeUnsuback,
  PINGRESP,
  ReasonCode,
  writeAck,
} from '@quorate/protocol';
import { assert, suite } from '../../../support/suite.ts';
import { bytes, oracleDecode } from './support.ts';

const test = suite('mqtt encode');
const ACKS = ['puback', 'pubrec', 'pubrel', 'pubcomp'] as const;

test('CONNACK of 3.x', () => {
  assert.equal(encodeConnack({ sessionPresent: true, reasonCode: 0 }, 4), Buffer.from([0x20, 2, 1, 0]));
  assert.equal(encodeConnack({ sessionPresent: false, reasonCode: 0 }, 4), Buffer.from([0x20, 2, 0, 0]));
  assert.equal(
    encodeConnack({ sessionPresent: true, reasonCode: 0 }, 3),
    Buffer.from([0x20, 2, 0, 0]),
    '3.1 has no flag',
  );
  const refused = { sessionPresent: true, reasonCode: ReasonCode.notAuthorized, reasonString: 'no' };
  assert.equal(encodeConnack(refused, 4), Buffer.from([0x20, 2, 0, 5]));
  assert.equal(encodeConnack(refused, 3), Buffer.from([0x20, 2, 0, 5]));
});

test('CONNACK of 5.0, plain', () => {
  assert.equal(encodeConnack({ sessionPresent: true, reasonCode: 0 }, 5), Buffer.from([0x20, 3, 1, 0, 0]));
  assert.equal(encodeConnack({ sessionPresent: true, reasonCode: 0x88 }, 5), Buffer.from([0x20, 3, 0, 0x88, 0]));
});

test('CONNACK of 5.0 with everything', () => {
  const connack: Connack = {
    sessionPresent: true,
    reasonCode: 0,
    reasonString: 'r€',
    assignedClientId: 'auto-1',
    serverKeepAliveSec: 0,
    sessionExpiryIntervalSec: 4_294_967_295,
    receiveMaximum: 65_535,
    maximumQoS: 1,
    retainAvailable: false,
    maximumPacketSizeBytes: 4_294_967_295,
    topicAliasMaximum: 16,
    wildcardSubscriptionAvailable: true,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: true,
    responseInformation: 'resp/',
    serverReference: 'other:1883',
    authenticationMethod: 'SCRAM-SHA-256',
    authenticationData: Buffer.from([0, 255]),
    userProperties: [
      ['a', '1'],
      ['a', '2'],
    ],
  };
  const decoded = oracleDecode(encodeConnack(connack, 5), 5);
  assert.is(decoded['cmd'], 'connack');
  assert.is(decoded['sessionPresent'], true);
  assert.is(decoded['reasonCode'], 0);
  assert.equal(JSON.parse(JSON.stringify(decoded['properties'])), {
    reasonString: 'r€',
    assignedClientIdentifier: 'auto-1',
    serverKeepAlive: 0,
    sessionExpiryInterval: 4_294_967_295,
    receiveMaximum: 65_535,
    maximumQoS: 1,
    retainAvailable: false,
    maximumPacketSize: 4_294_967_295,
    topicAliasMaximum: 16,
    wildcardSubscriptionAvailable: true,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: true,
    responseInformation: 'resp/',
    serverReference: 'other:1883',
    authenticationMethod: 'SCRAM-SHA-256',
    authenticationData: { type: 'Buffer', data: [0, 255] },
    userProperties: { a: ['1', '2'] },
  });
});

test('values that do not fit are refused', () => {
  const base = { sessionPresent: false, reasonCode: 0 };
  assert.throws(
    () => encodeConnack({ ...base, receiveMaximum: 65_536 }, 5),
    (e: unknown) => e instanceof RangeError,
  );
  assert.throws(
    () => encodeConnack({ ...base, sessionExpiryIntervalSec: Infinity }, 5),
    (e: unknown) => e instanceof RangeError,
  );
  assert.throws(
    () => encodeDisconnect(0, 'x'.repeat(65_536), null),
    (e: unknown) => e instanceof RangeError,
  );
  assert.throws(
    () => writeAck(Buffer.alloc(6), 3, 'puback', 1, 0, 4),
    (e: unknown) => e instanceof RangeError,
  );
});

test('acks: four bytes, five with a 5.0 reason', () => {
  for (const type of ACKS) {
    for (const version of [3, 4, 5] as const) {
      const target = Buffer.alloc(12, 0xaa);
      assert.is(writeAck(target, 3, type, 0xfffe, 0, version), 7);
      const decoded = oracleDecode(target.subarray(3, 7), version);
      assert.is(decoded['cmd'], type);
      assert.is(decoded['messageId'], 0xfffe);
      assert.ok(
        target.subarray(0, 3).equals(Buffer.alloc(3, 0xaa)) && target.subarray(7).equals(Buffer.alloc(5, 0xaa)),
      );
    }
    const target = Buffer.alloc(5);
    const reason = type === 'puback' || type === 'pubrec' ? 0x97 : 0x92;
    assert.is(writeAck(target, 0, type, 1, reason, 5), 5);
    assert.is(oracleDecode(target, 5)['reasonCode'], reason);
    assert.is(writeAck(target, 0, type, 1, reason, 4), 4);
  }
});

test('SUBACK', () => {
  const codes = [0, 1, 2, 0x80, 0x87, 0x8f];
  assert.equal(oracleDecode(encodeSuback(0x102, codes, 5), 5)['granted'], codes);
  assert.equal(encodeSuback(0x102, codes, 4), bytes(0x90, 8, 1, 2, 0, 1, 2, 0x80, 0x80, 0x80));
  assert.equal(encodeSuback(0x102, codes, 3), bytes(0x90, 8, 1, 2, 0, 1, 2, 0, 0, 0));
  assert.is(oracleDecode(encodeSuback(0x102, codes, 4), 4)['messageId'], 0x102);
  const many = Array.from({ length: 300 }, () => 1);
  assert.equal(oracleDecode(encodeSuback(1, many, 4), 4)['granted'], many);
});

test('UNSUBACK', () => {
  assert.equal(oracleDecode(encodeUnsuback(7, [0, 0x11, 0x87], 5), 5)['granted'], [0, 0x11, 0x87]);
  assert.equal(encodeUnsuback(7, [0, 0x11], 4), bytes(0xb0, 2, 0, 7));
  assert.equal(encodeUnsuback(7, [0, 0x11], 3), bytes(0xb0, 2, 0, 7));
});

test('DISCONNECT', () => {
  assert.equal(encodeDisconnect(0x8e, null, null), bytes(0xe0, 2, 0x8e, 0));
  assert.is(oracleDecode(encodeDisconnect(0x8e, null, null), 5)['reasonCode'], 0x8e);
  const decoded = oracleDecode(encodeDisconnect(0x9c, 'moved €', 'n2:1883'), 5);
  assert.is(decoded['reasonCode'], 0x9c);
  assert.equal({ ...(decoded['properties'] as object) }, { reasonString: 'moved €', serverReference: 'n2:1883' });
});

test('AUTH', () => {
  assert.equal(encodeAuth(0x18, 'm', null), bytes(0xf0, 6, 0x18, 4, 0x15, 'm'));
  const decoded = oracleDecode(encodeAuth(0, 'SCRAM-SHA-256', Buffer.from([0, 255])), 5);
  assert.is(decoded['reasonCode'], 0);
  const properties = decoded['properties'] as { authenticationMethod: string; authenticationData: Buffer };
  assert.is(properties.authenticationMethod, 'SCRAM-SHA-256');
  assert.equal([...properties.authenticationData], [0, 255]);
  assert.throws(
    () => encodeAuth(0x18, 'm', Buffer.alloc(65_536)),
    (error: Error) => error instanceof RangeError,
  );
});

test('PINGRESP', () => {
  assert.is(oracleDecode(PINGRESP, 4)['cmd'], 'pingresp');
});

test.run();
