import { decodePublish, type ProtocolVersion, type PublishPacket } from '@quorate/protocol';
import fc from 'fast-check';
import { assert, suite } from '../../../support/suite.ts';
import { bytes, decodeBody, decodeWhole, oracleEncode, protocolErrorOf } from './support.ts';

const test = suite('mqtt decode publish');
const VERSIONS = [3, 4, 5] as const;

function codeOf(header: number, body: Uint8Array, version: ProtocolVersion): string {
  return protocolErrorOf(() => decodeBody(header, body, version)).code;
}

/** Where the payload or, in 5.0, the property section begins. */
function head(topic: string | Uint8Array, qos: number): Buffer {
  return qos === 0 ? bytes(topic) : bytes(topic, 0x12, 0x34);
}

test('every version, QoS, retain and DUP', () => {
  for (const version of VERSIONS) {
    for (const qos of [0, 1, 2] as const) {
      for (const retain of [false, true]) {
        for (const dup of qos === 0 ? [false] : [false, true]) {
          const payload = Buffer.from([0, 1, 255]);
          const packet = { cmd: 'publish', topic: 'a/€', qos, retain, dup, payload, messageId: 0x1234 } as const;
          assert.equal(decodeWhole(oracleEncode(packet, version), version), {
            type: 'publish',
            topic: 'a/€',
            qos,
            retain,
            dup,
            packetId: qos === 0 ? 0 : 0x1234,
            payload,
            topicAlias: null,
            properties: null,
          });
        }
      }
    }
  }
});

test('the payload is a view of the input', () => {
  const buffer = bytes('t', 1, 2, 3);
  const { payload } = decodePublish(0x30, buffer, 0, buffer.length, 4);
  assert.is(payload.buffer, buffer.buffer);
  assert.is(payload.byteOffset, buffer.byteOffset + 3);
});

test('all 5.0 properties, as the oracle encodes them', () => {
  const encoded = oracleEncode(
    {
      cmd: 'publish',
      topic: 't',
      qos: 1,
      retain: false,
      dup: false,
      messageId: 1,
      payload: 'p',
      properties: {
        payloadFormatIndicator: false,
        messageExpiryInterval: 0,
        topicAlias: 65_535,
        responseTopic: 'r/€',
        correlationData: Buffer.from([1, 2, 3]),
        userProperties: { k: ['1', '2'] },
        contentType: '',
      },
    },
    5,
  );
  const packet = decodeWhole(encoded, 5) as PublishPacket;
  assert.is(packet.topicAlias, 65_535);
  assert.equal(packet.properties, {
    payloadFormatIndicator: 0,
    messageExpiryIntervalSec: 0,
    responseTopic: 'r/€',
    correlationData: Buffer.from([1, 2, 3]),
    userProperties: [
      ['k', '1'],
      ['k', '2'],
    ],
    contentType: '',
  });
});

test('a topic alias alone leaves the message without properties', () => {
  const packet = decodeBody(0x30, bytes('', 3, 0x23, 0, 7, 0xaa), 5) as PublishPacket;
  assert.is(packet.topic, '');
  assert.is(packet.topicAlias, 7);
  assert.is(packet.properties, null);
  assert.equal(packet.payload, Buffer.from([0xaa]));
});

test('faults of every version', () => {
  for (const version of VERSIONS) {
    const none = version === 5 ? bytes(0) : bytes();
    assert.is(codeOf(0x36, bytes(head('t', 1), none), version), 'INVALID_QOS');
    assert.is(codeOf(0x3e, bytes(head('t', 1), none), version), 'INVALID_QOS');
    assert.is(codeOf(0x38, bytes('t', none), version), 'DUP_WITH_QOS_0');
    for (const topic of ['#', '+', 'a/#', 'a/+/b', '€/#']) {
      assert.is(codeOf(0x30, bytes(topic, none), version), 'INVALID_TOPIC_NAME', topic);
    }
    assert.is(codeOf(0x30, bytes('', none), version), version === 5 ? 'TOPIC_MISSING' : 'INVALID_TOPIC_NAME');
    assert.is(codeOf(0x30, bytes('a\0', none), version), 'INVALID_UTF8');
    assert.is(codeOf(0x30, bytes(bytes(0, 3, 0xed, 0xa0, 0x80), none), version), 'INVALID_UTF8');
    assert.is(codeOf(0x32, bytes('t', 0, 0, none), version), 'PACKET_ID_ZERO');
    for (const qos of [0, 1, 2]) {
      const whole = bytes(head('topic', qos), none);
      for (let length = 0; length < whole.length; length++) {
        assert.is(codeOf(0x30 | (qos << 1), whole.subarray(0, length), version), 'TRUNCATED');
      }
    }
  }
});

const BAD_PROPERTIES: readonly [name: string, properties: Uint8Array, code: string, reasonCode: number][] = [
  ['topic alias 0', bytes(0x23, 0, 0), 'INVALID_TOPIC_ALIAS', 0x94],
  ['topic alias twice', bytes(0x23, 0, 1, 0x23, 0, 1), 'DUPLICATE_PROPERTY', 0x82],
  ['payload format 2', bytes(0x01, 2), 'INVALID_PROPERTY_VALUE', 0x82],
  ['payload format twice', bytes(0x01, 1, 0x01, 1), 'DUPLICATE_PROPERTY', 0x82],
  ['expiry twice', bytes(0x02, 0, 0, 0, 1, 0x02, 0, 0, 0, 1), 'DUPLICATE_PROPERTY', 0x82],
  ['content type twice', bytes(0x03, 'a', 0x03, 'a'), 'DUPLICATE_PROPERTY', 0x82],
  ['subscription identifier', bytes(0x0b, 1), 'SUBSCRIPTION_IDENTIFIER_FROM_CLIENT', 0x82],
  ['session expiry', bytes(0x11, 0, 0, 0, 1), 'PROPERTY_NOT_ALLOWED', 0x81],
  ['will delay', bytes(0x18, 0, 0, 0, 1), 'PROPERTY_NOT_ALLOWED', 0x81],
  ['reason string', bytes(0x1f, 'x'), 'PROPERTY_NOT_ALLOWED', 0x81],
  ['unknown', bytes(0x04, 0), 'UNKNOWN_PROPERTY', 0x81],
  ['response topic with a wildcard', bytes(0x08, 'a/#'), 'INVALID_TOPIC_NAME', 0x90],
  ['empty response topic', bytes(0x08, ''), 'INVALID_TOPIC_NAME', 0x90],
  ['invalid UTF-8', bytes(0x03, 0, 1, 0xff), 'INVALID_UTF8', 0x81],
  ['value that reaches into the payload', bytes(0x09, 0, 1), 'TRUNCATED', 0x81],
];

test('5.0 properties that are not allowed', () => {
  for (const [name, properties, code, reasonCode] of BAD_PROPERTIES) {
    const body = bytes('t', properties.length, properties, 'payload');
    const error = protocolErrorOf(() => decodeBody(0x30, body, 5));
    assert.is(error.code, code, name);
    assert.is(error.reasonCode, reasonCode, name);
  }
  assert.is(codeOf(0x30, bytes('t', 4, 0x23, 0, 1), 5), 'TRUNCATED', 'section longer than the packet');
  assert.is(codeOf(0x30, bytes('t', 0x83, 0x00, 0x23, 0, 1), 5), 'INVALID_VARIABLE_INTEGER');
  assert.is(codeOf(0x30, bytes('t', 0x80, 0x80, 0x80, 0x80, 0x01), 5), 'INVALID_VARIABLE_INTEGER');
});

test('3.x takes what would be properties as payload', () => {
  const { payload, properties } = decodeBody(0x30, bytes('t', 3, 0x23, 0, 0), 4) as PublishPacket;
  assert.equal(payload, Buffer.from([3, 0x23, 0, 0]));
  assert.is(properties, null);
});

test('what the oracle encodes is decoded', () => {
  const topic = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).filter((t) => !/[#+\0]|\p{Cs}/u.test(t));
  const payload = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(
      topic,
      payload,
      fc.constantFrom(0, 1, 2),
      fc.constantFrom(...VERSIONS),
      fc.integer({ min: 1, max: 65_535 }),
      (t, p, qos, version, messageId) => {
        const sent = { cmd: 'publish', topic: t, payload: Buffer.from(p), qos, messageId, retain: false, dup: false };
        const packet = decodeWhole(oracleEncode(sent as never, version), version) as PublishPacket;
        assert.is(packet.topic, t);
        assert.is(packet.qos, qos);
        assert.is(packet.packetId, qos === 0 ? 0 : messageId);
        assert.ok(Buffer.from(p).equals(packet.payload));
      },
    ),
    { numRuns: 500 },
  );
});

test.run();
