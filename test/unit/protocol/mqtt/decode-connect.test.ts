import type { ConnectPacket, ProtocolVersion } from '@quorate/protocol';
import { assert, suite } from '../../../support/suite.ts';
import { bytes, decodeConnectBody, decodeWhole, oracleEncode, protocolErrorOf } from './support.ts';

const test = suite('mqtt decode connect');

const NAMES: Readonly<Record<ProtocolVersion, string>> = { 3: 'MQIsdp', 4: 'MQTT', 5: 'MQTT' };

/** Protocol name, level and flags, keep alive 60, and for 5.0 the properties. */
function start(version: ProtocolVersion, flags: number, properties: Uint8Array = bytes()): Buffer {
  const section = version === 5 ? bytes(properties.length, properties) : bytes();
  return bytes(NAMES[version], version, flags, 0, 60, section);
}

function errorOf(
  body: Uint8Array,
  header = 0x10,
): { code: string; reasonCode: number; version: ProtocolVersion | null } {
  const error = protocolErrorOf(() => decodeConnectBody(body, {}, header));
  return { code: error.code, reasonCode: error.reasonCode, version: error.protocolVersion };
}

const DEFAULTS: ConnectPacket = {
  type: 'connect',
  protocolVersion: 4,
  bridge: false,
  clientId: 'c',
  cleanStart: true,
  keepAliveSec: 60,
  username: null,
  password: null,
  will: null,
  sessionExpiryIntervalSec: 0,
  receiveMaximum: 65_535,
  maximumPacketSizeBytes: Number.POSITIVE_INFINITY,
  topicAliasMaximum: 0,
  requestResponseInformation: false,
  requestProblemInformation: true,
  authenticationMethod: null,
  authenticationData: null,
  userProperties: [],
};

for (const version of [3, 4, 5] as const) {
  test(`smallest, version ${version}`, () => {
    const packet = decodeConnectBody(bytes(start(version, 2), 'c'));
    assert.equal(packet, { ...DEFAULTS, protocolVersion: version });
  });

  test(`everything, version ${version}, as the oracle encodes it`, () => {
    const v5 = version === 5;
    const encoded = oracleEncode(
      {
        cmd: 'connect',
        protocolId: NAMES[version] as 'MQTT',
        protocolVersion: version,
        clean: false,
        clientId: 'a client id with more than 23 characters €',
        keepalive: 65_535,
        username: 'üser',
        password: Buffer.from([0, 255, 1]),
        will: {
          topic: 'will/€',
          payload: Buffer.from([1, 0, 2]),
          qos: 2,
          retain: true,
          ...(v5 && {
            properties: {
              willDelayInterval: 7,
              payloadFormatIndicator: true,
              messageExpiryInterval: 4_294_967_295,
              contentType: 'text',
              responseTopic: 'r/t',
              correlationData: Buffer.from([9, 0]),
              userProperties: { a: ['1', '2'], b: '3' },
            },
          }),
        },
        ...(v5 && {
          properties: {
            sessionExpiryInterval: 4_294_967_295,
            receiveMaximum: 1,
            maximumPacketSize: 100,
            topicAliasMaximum: 65_535,
            requestResponseInformation: true,
            requestProblemInformation: false,
            userProperties: { x: 'y' },
            authenticationMethod: 'SCRAM',
            authenticationData: Buffer.from([1, 2]),
          },
        }),
      },
      version,
    );
    const common: ConnectPacket = {
      ...DEFAULTS,
      protocolVersion: version,
      clientId: 'a client id with more than 23 characters €',
      cleanStart: false,
      keepAliveSec: 65_535,
      username: 'üser',
      password: Uint8Array.of(0, 255, 1),
      will: {
        topic: 'will/€',
        payload: Uint8Array.of(1, 0, 2),
        qos: 2,
        retain: true,
        delayIntervalSec: v5 ? 7 : 0,
        properties: v5
          ? {
              payloadFormatIndicator: 1,
              messageExpiryIntervalSec: 4_294_967_295,
              contentType: 'text',
              responseTopic: 'r/t',
              correlationData: Uint8Array.of(9, 0),
              userProperties: [
                ['a', '1'],
                ['a', '2'],
                ['b', '3'],
              ],
            }
          : null,
      },
    };
    const expected: ConnectPacket = {
      ...common,
      sessionExpiryIntervalSec: 4_294_967_295,
      receiveMaximum: 1,
      maximumPacketSizeBytes: 100,
      topicAliasMaximum: 65_535,
      requestResponseInformation: true,
      requestProblemInformation: false,
      userProperties: [['x', 'y']],
      authenticationMethod: 'SCRAM',
      authenticationData: Uint8Array.of(1, 2),
    };
    assert.equal(decodeWhole(encoded, version), v5 ? expected : common);
  });

  test(`every prefix is refused, version ${version}`, () => {
    const whole = bytes(start(version, 0xee), 'c', version === 5 ? 0 : bytes(), 'w', 'p', 'user', 'pass');
    assert.is((decodeConnectBody(whole) as ConnectPacket).username, 'user');
    for (let length = 0; length < whole.length; length++) {
      // 3.1: the remaining length overrules the flags of user name and password.
      if (version === 3 && (length === whole.length - 6 || length === whole.length - 12)) continue;
      const { code } = errorOf(whole.subarray(0, length));
      assert.is(code, 'TRUNCATED', `${length} of ${whole.length} bytes`);
    }
    assert.equal(errorOf(bytes(whole, 0)), { code: 'TRAILING_BYTES', reasonCode: 0x81, version });
  });
}

test('binary fields do not alias the input', () => {
  const body = bytes(
    start(5, 0xce, bytes(0x15, 'm', 0x16, 'data')),
    'c',
    bytes(5, 0x09, 'cd'),
    'w',
    'will',
    'u',
    'secret',
  );
  const packet = decodeConnectBody(body) as ConnectPacket;
  for (const field of [
    packet.password,
    packet.will?.payload,
    packet.will?.properties?.correlationData,
    packet.authenticationData,
  ]) {
    assert.ok(field !== undefined && field !== null && field.length === field.buffer.byteLength);
  }
});

test('an empty client id is for the connection to judge', () => {
  for (const version of [3, 4, 5] as const) {
    for (const flags of [0, 2]) {
      const packet = decodeConnectBody(bytes(start(version, flags), '')) as ConnectPacket;
      assert.is(packet.clientId, '');
      assert.is(packet.cleanStart, flags === 2);
    }
  }
});

test('protocol names and levels', () => {
  const bridge31 = decodeConnectBody(bytes('MQIsdp', 0x83, 2, 0, 60, 'c')) as ConnectPacket;
  assert.ok(bridge31.bridge && bridge31.protocolVersion === 3);
  const bridge311 = decodeConnectBody(bytes('MQTT', 0x84, 2, 0, 60, 'c')) as ConnectPacket;
  assert.ok(bridge311.bridge && bridge311.protocolVersion === 4);
  const unsupported: [name: string, level: number, answerWith: ProtocolVersion][] = [
    ['MQTT', 3, 4],
    ['MQTT', 0, 4],
    ['MQTT', 6, 5],
    ['MQTT', 127, 5],
    ['MQTT', 0x83, 4],
    ['MQTT', 0x85, 4],
    ['MQIsdp', 4, 3],
    ['MQIsdp', 5, 3],
    ['MQIsdp', 0x84, 3],
  ];
  for (const [name, level, version] of unsupported) {
    const expected = { code: 'UNSUPPORTED_PROTOCOL_VERSION', reasonCode: 0x84, version };
    assert.equal(errorOf(bytes(name, level, 2, 0, 60, 'c')), expected, `${name} ${level}`);
  }
  for (const name of ['', 'mqtt', 'MQTTX', 'HTTP']) {
    const expected = { code: 'UNKNOWN_PROTOCOL_NAME', reasonCode: 0x84, version: null };
    assert.equal(errorOf(bytes(name, 4, 2, 0, 60, 'c')), expected, name);
  }
});

test('another packet type first', () => {
  for (const header of [0x00, 0x20, 0x30, 0xc0, 0xf0]) {
    assert.equal(errorOf(bytes(start(4, 2), 'c'), header), { code: 'NOT_CONNECT', reasonCode: 0x82, version: null });
  }
});

test('fixed header flags: reserved, but unused in 3.1', () => {
  for (const version of [4, 5] as const) {
    for (const flags of [1, 2, 4, 8]) {
      assert.equal(errorOf(bytes(start(version, 2), 'c'), 0x10 | flags), {
        code: 'RESERVED_FLAGS',
        reasonCode: 0x81,
        version,
      });
    }
  }
  assert.is(decodeConnectBody(bytes(start(3, 2), 'c'), {}, 0x1a).type, 'connect');
});

test('CONNECT flags that contradict each other', () => {
  for (const version of [4, 5] as const) {
    for (const flags of [0x01, 0x03, 0x08, 0x10, 0x18, 0x20, 0x38]) {
      const { code, version: answerWith } = errorOf(bytes(start(version, flags), 'c'));
      assert.is(code, 'INVALID_CONNECT_FLAGS', `flags ${flags}`);
      assert.is(answerWith, version);
    }
  }
  const passwordAlone = bytes(start(4, 0x42), 'c', 'secret');
  assert.is(errorOf(passwordAlone).code, 'INVALID_CONNECT_FLAGS');
  assert.is(errorOf(bytes(start(3, 0x42), 'c', 'secret')).code, 'INVALID_CONNECT_FLAGS');
  const allowed = decodeConnectBody(bytes(start(5, 0x42), 'c', 'secret')) as ConnectPacket;
  assert.is(allowed.username, null);
  assert.equal(allowed.password, new Uint8Array(Buffer.from('secret')));
});

test('3.1 ignores unused flags and allows announced credentials to be missing', () => {
  assert.is((decodeConnectBody(bytes(start(3, 0x3b), 'c')) as ConnectPacket).will, null);
  const none = decodeConnectBody(bytes(start(3, 0xc2), 'c')) as ConnectPacket;
  assert.is(none.username, null);
  assert.is(none.password, null);
  const half = decodeConnectBody(bytes(start(3, 0xc2), 'c', 'user')) as ConnectPacket;
  assert.is(half.username, 'user');
  assert.is(half.password, null);
});

test('wills', () => {
  for (const version of [3, 4, 5] as const) {
    const properties = version === 5 ? bytes(0) : bytes();
    const will = (flags: number, topic: string | Uint8Array): Buffer =>
      bytes(start(version, flags), 'c', properties, topic, 'payload');
    assert.is(errorOf(will(0x1e, 'w')).code, 'INVALID_QOS');
    assert.equal(errorOf(will(0x06, '')), { code: 'INVALID_TOPIC_NAME', reasonCode: 0x90, version });
    assert.is(errorOf(will(0x06, 'a/#')).code, 'INVALID_TOPIC_NAME');
    assert.is(errorOf(will(0x06, 'a/+')).code, 'INVALID_TOPIC_NAME');
    assert.is(errorOf(will(0x06, 'a\0')).code, 'INVALID_UTF8');
    assert.is(errorOf(will(0x06, bytes(0, 2, 0xc0, 0x80))).code, 'INVALID_UTF8');
  }
});

test('strings are strict UTF-8', () => {
  for (const version of [3, 4, 5] as const) {
    const surrogate = bytes(0, 3, 0xed, 0xa0, 0x80);
    assert.equal(errorOf(bytes(start(version, 2), surrogate)), { code: 'INVALID_UTF8', reasonCode: 0x81, version });
    assert.is(errorOf(bytes(start(version, 2), 'a\0b')).code, 'INVALID_UTF8');
    assert.is(errorOf(bytes(start(version, 0x82), 'c', surrogate)).code, 'INVALID_UTF8');
  }
});

test('client id limit', () => {
  const body = bytes(start(5, 2), '€uro');
  assert.is(decodeConnectBody(body, { maxClientIdBytes: 6 }).type, 'connect');
  const error = protocolErrorOf(() => decodeConnectBody(body, { maxClientIdBytes: 5 }));
  assert.is(error.code, 'CLIENT_ID_TOO_LONG');
  assert.is(error.reasonCode, 0x85);
});

const BAD_PROPERTIES: readonly [name: string, properties: Uint8Array, code: string][] = [
  ['receive maximum 0', bytes(0x21, 0, 0), 'INVALID_PROPERTY_VALUE'],
  ['maximum packet size 0', bytes(0x27, 0, 0, 0, 0), 'INVALID_PROPERTY_VALUE'],
  ['request response information 2', bytes(0x19, 2), 'INVALID_PROPERTY_VALUE'],
  ['request problem information 255', bytes(0x17, 255), 'INVALID_PROPERTY_VALUE'],
  ['session expiry twice', bytes(0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1), 'DUPLICATE_PROPERTY'],
  ['topic alias maximum twice', bytes(0x22, 0, 1, 0x22, 0, 1), 'DUPLICATE_PROPERTY'],
  ['authentication data without method', bytes(0x16, 'x'), 'AUTHENTICATION_METHOD_MISSING'],
  ['unknown property', bytes(0x00), 'UNKNOWN_PROPERTY'],
  ['unknown property beyond the table', bytes(0x7f, 0), 'UNKNOWN_PROPERTY'],
  ['non-minimal property identifier', bytes(0xa1, 0x00, 0, 1), 'INVALID_VARIABLE_INTEGER'],
  ['topic alias', bytes(0x23, 0, 1), 'PROPERTY_NOT_ALLOWED'],
  ['will delay outside the will', bytes(0x18, 0, 0, 0, 1), 'PROPERTY_NOT_ALLOWED'],
  ['assigned client id', bytes(0x12, 'x'), 'PROPERTY_NOT_ALLOWED'],
  ['server keep alive', bytes(0x13, 0, 1), 'PROPERTY_NOT_ALLOWED'],
  ['truncated value', bytes(0x21, 0), 'TRUNCATED'],
  ['value beyond the section', bytes(0x15, 0, 9), 'TRUNCATED'],
  ['user property without value', bytes(0x26, 'x'), 'TRUNCATED'],
  ['U+0000 in a user property', bytes(0x26, 'x', 'a\0'), 'INVALID_UTF8'],
];

test('5.0 properties that are not allowed', () => {
  for (const [name, properties, code] of BAD_PROPERTIES) {
    const error = errorOf(bytes(start(5, 2, properties), 'client identifier'));
    assert.is(error.code, code, name);
    assert.is(error.version, 5, name);
  }
  assert.is(errorOf(bytes('MQTT', 5, 2, 0, 60, 100, 'c')).code, 'TRUNCATED', 'section beyond the packet');
  assert.is(
    errorOf(bytes('MQTT', 5, 2, 0, 60, 0x80, 0x00, 'c')).code,
    'INVALID_VARIABLE_INTEGER',
    'non-minimal length',
  );
});

test('user properties may repeat and keep their order', () => {
  const properties = bytes(0x26, 'b', '1', 0x26, 'a', '2', 0x26, 'b', '1');
  const packet = decodeConnectBody(bytes(start(5, 2, properties), 'c')) as ConnectPacket;
  assert.equal(packet.userProperties, [
    ['b', '1'],
    ['a', '2'],
    ['b', '1'],
  ]);
});

test.run();
