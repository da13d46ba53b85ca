import { decodePacket, type ProtocolVersion, ReasonCode, readPacketId } from '@quorate/protocol';
import { assert, suite } from '../../../support/suite.ts';
import { bytes, decodeBody, decodeWhole, oracleEncode, protocolErrorOf } from './support.ts';

const test = suite('mqtt decode');
const VERSIONS = [3, 4, 5] as const;
const ACKS = [
  ['puback', 0x40],
  ['pubrec', 0x50],
  ['pubrel', 0x62],
  ['pubcomp', 0x70],
] as const;

function codeOf(header: number, body: Uint8Array, version: ProtocolVersion): string {
  return protocolErrorOf(() => decodeBody(header, body, version)).code;
}

for (const [type, header] of ACKS) {
  test(`${type}: two bytes in every version`, () => {
    for (const version of VERSIONS) {
      assert.equal(decodeBody(header, bytes(0x12, 0x34), version), { type, packetId: 0x1234, reasonCode: 0 });
      assert.is(decodeWhole(oracleEncode({ cmd: type, messageId: 7 }, version), version).type, type);
      assert.is(codeOf(header, bytes(0, 0), version), 'PACKET_ID_ZERO');
      assert.is(codeOf(header, bytes(), version), 'TRUNCATED');
      assert.is(codeOf(header, bytes(1), version), 'TRUNCATED');
    }
  });

  test(`${type}: 5.0 reason codes and properties`, () => {
    const failure = type === 'puback' || type === 'pubrec' ? 0x97 : 0x92;
    const other = type === 'puback' || type === 'pubrec' ? 0x92 : 0x97;
    const expected = { type, packetId: 1, reasonCode: failure };
    assert.equal(decodeBody(header, bytes(0, 1, failure), 5), expected);
    assert.equal(decodeBody(header, bytes(0, 1, failure, 0), 5), expected);
    const properties = bytes(0x1f, 'reason', 0x26, 'a', 'b', 0x26, 'a', 'b');
    assert.equal(decodeBody(header, bytes(0, 1, failure, properties.length, properties), 5), expected);
    assert.is(codeOf(header, bytes(0, 1, other), 5), 'INVALID_REASON_CODE');
    assert.is(codeOf(header, bytes(0, 1, 0x01), 5), 'INVALID_REASON_CODE');
    assert.is(codeOf(header, bytes(0, 1, failure, 3, 0x23, 0, 1), 5), 'PROPERTY_NOT_ALLOWED');
    assert.is(codeOf(header, bytes(0, 1, failure, 8, 0x1f, 'a', 0x1f, 'a'), 5), 'DUPLICATE_PROPERTY');
    assert.is(codeOf(header, bytes(0, 1, failure, 4, 0x1f, 'a', 9), 5), 'TRAILING_BYTES');
    assert.is(codeOf(header, bytes(0, 1, failure, 5), 5), 'TRUNCATED');
  });

  test(`${type}: nothing after the packet identifier in 3.x`, () => {
    assert.is(codeOf(header, bytes(0, 1, 0), 3), 'TRAILING_BYTES');
    assert.is(codeOf(header, bytes(0, 1, 0), 4), 'TRAILING_BYTES');
  });
}

test('readPacketId', () => {
  assert.is(readPacketId(bytes(9, 0xff, 0xfe), 1), 0xfffe);
  assert.is(protocolErrorOf(() => readPacketId(bytes(9, 0, 0), 1)).code, 'PACKET_ID_ZERO');
});

test('reserved flags of every type; 3.1 does not use them', () => {
  const bodies: readonly [header: number, body: Buffer, body5: Buffer][] = [
    ...ACKS.map(([, header]) => [header, bytes(0, 1), bytes(0, 1)] as [number, Buffer, Buffer]),
    [0x82, bytes(0, 1, 'a', 0), bytes(0, 1, 0, 'a', 0)],
    [0xa2, bytes(0, 1, 'a'), bytes(0, 1, 0, 'a')],
    [0xc0, bytes(), bytes()],
    [0xe0, bytes(), bytes()],
    [0xf0, bytes(), bytes(0x18, 4, 0x15, 'm')],
  ];
  for (const [header, body, body5] of bodies) {
    for (let flags = 0; flags < 16; flags++) {
      const sent = (header & 0xf0) | flags;
      const isAuth = header === 0xf0;
      if (sent === header) {
        assert.type(decodeBody(sent, body5, 5).type, 'string');
        if (!isAuth) assert.type(decodeBody(sent, body, 4).type, 'string');
      } else {
        assert.is(codeOf(sent, body5, 5), 'RESERVED_FLAGS');
        assert.is(codeOf(sent, body, 4), isAuth ? 'RESERVED_PACKET_TYPE' : 'RESERVED_FLAGS');
      }
      if (!isAuth) assert.type(decodeBody(sent, body, 3).type, 'string');
    }
  }
});

test('packet types that a client must not send', () => {
  for (const version of VERSIONS) {
    for (const header of [0x20, 0x90, 0xb0, 0xd0]) {
      const error = protocolErrorOf(() => decodeBody(header, bytes(0, 1), version));
      assert.is(error.code, 'UNEXPECTED_PACKET_TYPE');
      assert.is(error.reasonCode, ReasonCode.protocolError);
    }
    assert.is(codeOf(0x00, bytes(), version), 'RESERVED_PACKET_TYPE');
    assert.is(codeOf(0x10, bytes('MQTT', 4, 2, 0, 0, 'c'), version), 'REPEATED_CONNECT');
  }
  assert.is(codeOf(0xf0, bytes(), 3), 'RESERVED_PACKET_TYPE');
  assert.is(codeOf(0xf0, bytes(), 4), 'RESERVED_PACKET_TYPE');
});

test('PINGREQ has no body', () => {
  for (const version of VERSIONS) {
    assert.equal(decodeWhole(oracleEncode({ cmd: 'pingreq' }, version), version), { type: 'pingreq' });
    assert.is(codeOf(0xc0, bytes(0), version), 'TRAILING_BYTES');
  }
});

test('DISCONNECT', () => {
  const normal = { type: 'disconnect', reasonCode: 0, sessionExpiryIntervalSec: null, reasonString: null };
  for (const version of VERSIONS) assert.equal(decodeBody(0xe0, bytes(), version), normal);
  assert.is(codeOf(0xe0, bytes(0), 3), 'TRAILING_BYTES');
  assert.is(codeOf(0xe0, bytes(0), 4), 'TRAILING_BYTES');
  assert.equal(decodeBody(0xe0, bytes(4), 5), { ...normal, reasonCode: 4 });
  assert.equal(decodeBody(0xe0, bytes(0, 0), 5), normal);
  const properties = { sessionExpiryInterval: 4_294_967_295, reasonString: 'bye', userProperties: { a: 'b' } };
  const full = oracleEncode({ cmd: 'disconnect', reasonCode: 0x80, properties }, 5);
  assert.equal(decodeWhole(full, 5), {
    ...normal,
    reasonCode: 0x80,
    sessionExpiryIntervalSec: 4_294_967_295,
    reasonString: 'bye',
  });
  for (const reason of [0x01, 0x05, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x9c, 0xa2, 0xff]) {
    assert.is(codeOf(0xe0, bytes(reason), 5), 'INVALID_REASON_CODE', `reason ${reason}`);
  }
  assert.is(codeOf(0xe0, bytes(0, 4, 0x1c, 'x'), 5), 'PROPERTY_NOT_ALLOWED', 'server reference');
  assert.is(codeOf(0xe0, bytes(0, 10, 0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1), 5), 'DUPLICATE_PROPERTY');
  assert.is(codeOf(0xe0, bytes(0, 0, 0), 5), 'TRAILING_BYTES');
});

test('AUTH', () => {
  for (const reasonCode of [0x18, 0x19]) {
    const properties = { authenticationMethod: 'SCRAM', authenticationData: Buffer.from([1, 0]), reasonString: 'r' };
    const encoded = oracleEncode({ cmd: 'auth', reasonCode, properties } as never, 5);
    assert.equal(decodeWhole(encoded, 5), {
      type: 'auth',
      reasonCode,
      authenticationMethod: 'SCRAM',
      authenticationData: Uint8Array.of(1, 0),
    });
  }
  assert.is(codeOf(0xf0, bytes(), 5), 'INVALID_REASON_CODE', 'Success is for the server to send');
  assert.is(codeOf(0xf0, bytes(0x00, 4, 0x15, 'm'), 5), 'INVALID_REASON_CODE');
  assert.is(codeOf(0xf0, bytes(0x18), 5), 'TRUNCATED');
  assert.is(codeOf(0xf0, bytes(0x18, 0), 5), 'AUTHENTICATION_METHOD_MISSING');
  assert.is(codeOf(0xf0, bytes(0x18, 4, 0x16, 'm'), 5), 'AUTHENTICATION_METHOD_MISSING');
  assert.is(codeOf(0xf0, bytes(0x18, 4, 0x15, 'm', 1), 5), 'TRAILING_BYTES');
});

test('an offset that is not zero', () => {
  const buffer = bytes(0xff, 0xff, 0x00, 0x05, 0xff);
  assert.equal(decodePacket(0x40, buffer, 2, 4, 4), { type: 'puback', packetId: 5, reasonCode: 0 });
});

test.run();
