import type { ProtocolVersion, SubscribePacket, UnsubscribePacket } from '@quorate/protocol';
import { assert, suite } from '../../../support/suite.ts';
import { bytes, decodeBody, decodeWhole, oracleEncode, protocolErrorOf } from './support.ts';

const test = suite('mqtt decode subscribe');
const VERSIONS = [3, 4, 5] as const;
const SUBSCRIBE = 0x82;
const UNSUBSCRIBE = 0xa2;

/** Packet identifier 1 and, for 5.0, no properties. */
function head(version: ProtocolVersion): Buffer {
  return version === 5 ? bytes(0, 1, 0) : bytes(0, 1);
}

function codeOf(header: number, body: Uint8Array, version: ProtocolVersion): string {
  return protocolErrorOf(() => decodeBody(header, body, version)).code;
}

test('SUBSCRIBE as the oracle encodes it', () => {
  for (const version of VERSIONS) {
    const subscriptions = [
      { topic: 'a/#', qos: 0 as const },
      { topic: '€/+', qos: 1 as const },
      { topic: '$share/g/a', qos: 2 as const },
    ];
    const packet = decodeWhole(oracleEncode({ cmd: 'subscribe', messageId: 65_535, subscriptions }, version), version);
    const options = { noLocal: false, retainAsPublished: false, retainHandling: 0 };
    assert.equal(packet, {
      type: 'subscribe',
      packetId: 65_535,
      subscriptions: subscriptions.map(({ topic, qos }) => ({ filter: topic, qos, ...options })),
      subscriptionIdentifier: null,
      userProperties: [],
    });
  }
});

test('SUBSCRIBE with everything of 5.0', () => {
  const encoded = oracleEncode(
    {
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: 'a', qos: 1, nl: true, rap: true, rh: 2 }],
      properties: { subscriptionIdentifier: 268_435_455, userProperties: { k: 'v' } },
    },
    5,
  );
  assert.equal(decodeWhole(encoded, 5), {
    type: 'subscribe',
    packetId: 1,
    subscriptions: [{ filter: 'a', qos: 1, noLocal: true, retainAsPublished: true, retainHandling: 2 }],
    subscriptionIdentifier: 268_435_455,
    userProperties: [['k', 'v']],
  });
});

test('UNSUBSCRIBE as the oracle encodes it', () => {
  for (const version of VERSIONS) {
    const unsubscriptions = ['a/#', '€', '$share/g/+'];
    const packet = decodeWhole(oracleEncode({ cmd: 'unsubscribe', messageId: 9, unsubscriptions }, version), version);
    assert.equal(packet, { type: 'unsubscribe', packetId: 9, filters: unsubscriptions, userProperties: [] });
  }
  const body = bytes(0, 1, 7, 0x26, 'k', 'v', 'a');
  assert.equal((decodeBody(UNSUBSCRIBE, body, 5) as UnsubscribePacket).userProperties, [['k', 'v']]);
});

test('without topic filters', () => {
  for (const version of VERSIONS) {
    for (const header of [SUBSCRIBE, UNSUBSCRIBE]) {
      const error = protocolErrorOf(() => decodeBody(header, head(version), version));
      assert.is(error.code, 'NO_TOPIC_FILTERS');
      assert.is(error.reasonCode, 0x82);
    }
  }
});

test('illegal topic filters', () => {
  for (const version of VERSIONS) {
    for (const filter of ['', 'a#', 'a/#/b', '+a', 'a/b+', '$share/g', '$share//a', '$share/+/a', '$share/g/']) {
      const subscribe = protocolErrorOf(() => decodeBody(SUBSCRIBE, bytes(head(version), 'ok', 0, filter, 0), version));
      assert.is(subscribe.code, 'INVALID_TOPIC_FILTER', filter);
      assert.is(subscribe.reasonCode, 0x8f);
      assert.is(codeOf(UNSUBSCRIBE, bytes(head(version), 'ok', filter), version), 'INVALID_TOPIC_FILTER', filter);
    }
    for (const filter of [bytes('a\0'), bytes(0, 1, 0x80), bytes(0, 3, 0xed, 0xa0, 0x80)]) {
      assert.is(codeOf(SUBSCRIBE, bytes(head(version), filter, 0), version), 'INVALID_UTF8');
      assert.is(codeOf(UNSUBSCRIBE, bytes(head(version), filter), version), 'INVALID_UTF8');
    }
  }
});

test('packet identifier 0 and truncation', () => {
  for (const version of VERSIONS) {
    assert.is(codeOf(SUBSCRIBE, bytes(0, 0, 0, 'a', 0), version), 'PACKET_ID_ZERO');
    assert.is(codeOf(UNSUBSCRIBE, bytes(0, 0, 0, 'a'), version), 'PACKET_ID_ZERO');
    const subscribe = bytes(head(version), 'abc', 0);
    for (let length = 0; length < subscribe.length; length++) {
      const expected = length === head(version).length ? 'NO_TOPIC_FILTERS' : 'TRUNCATED';
      assert.is(codeOf(SUBSCRIBE, subscribe.subarray(0, length), version), expected);
      if (length < subscribe.length - 1) {
        assert.is(codeOf(UNSUBSCRIBE, subscribe.subarray(0, length), version), expected);
      }
    }
  }
});

test('subscription options', () => {
  for (const version of VERSIONS) {
    for (let options = 0; options < 256; options++) {
      const body = bytes(head(version), 'a', options);
      const qos3 = (options & 3) === 3;
      if (version === 5) {
        if (qos3 || (options & 0x30) === 0x30 || (options & 0xc0) !== 0) {
          const { reasonCode } = protocolErrorOf(() => decodeBody(SUBSCRIBE, body, version));
          assert.ok(reasonCode === 0x81 || reasonCode === 0x82);
          continue;
        }
      } else if (qos3 || (version === 4 && options > 2)) {
        assert.type(codeOf(SUBSCRIBE, body, version), 'string');
        continue;
      }
      const [subscription] = (decodeBody(SUBSCRIBE, body, version) as SubscribePacket).subscriptions;
      assert.equal(subscription, {
        filter: 'a',
        qos: options & 3,
        noLocal: version === 5 && (options & 4) !== 0,
        retainAsPublished: version === 5 && (options & 8) !== 0,
        retainHandling: version === 5 ? options >> 4 : 0,
      });
    }
  }
  assert.is(codeOf(SUBSCRIBE, bytes(head(5), 'a', 0x40), 5), 'RESERVED_SUBSCRIPTION_OPTIONS');
  assert.is(codeOf(SUBSCRIBE, bytes(head(5), 'a', 0x30), 5), 'INVALID_SUBSCRIPTION_OPTIONS');
  assert.is(codeOf(SUBSCRIBE, bytes(head(5), '$share/g/a', 0x04), 5), 'INVALID_SUBSCRIPTION_OPTIONS', 'no local');
});

test('5.0 properties that are not allowed', () => {
  const bad: readonly [properties: Uint8Array, code: string][] = [
    [bytes(0x0b, 0), 'INVALID_PROPERTY_VALUE'],
    [bytes(0x0b, 1, 0x0b, 2), 'DUPLICATE_PROPERTY'],
    [bytes(0x0b, 0x80, 0x00), 'INVALID_VARIABLE_INTEGER'],
    [bytes(0x0b, 0x80, 0x80, 0x80, 0x80, 0x01), 'INVALID_VARIABLE_INTEGER'],
    [bytes(0x1f, 'x'), 'PROPERTY_NOT_ALLOWED'],
    [bytes(0x05, 'x'), 'UNKNOWN_PROPERTY'],
  ];
  for (const [properties, code] of bad) {
    assert.is(codeOf(SUBSCRIBE, bytes(0, 1, properties.length, properties, 'a', 0), 5), code);
  }
  assert.is(codeOf(UNSUBSCRIBE, bytes(0, 1, 2, 0x0b, 1, 'a'), 5), 'PROPERTY_NOT_ALLOWED');
});

test.run();
