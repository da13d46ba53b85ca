import {
  encodePublishQoS0,
  type MessageProperties,
  type OutgoingMessage,
  type PublishExtras,
  publishSizeBytes,
  writePublish,
} from '@quorate/protocol';
import fc from 'fast-check';
import { assert, suite } from '../../../support/suite.ts';
import { decodeWhole, oracleDecode } from './support.ts';

const test = suite('mqtt encode publish');

const PLAIN: OutgoingMessage = { topic: 'a/b', payload: Buffer.from('payload'), properties: null };
const RICH: OutgoingMessage = {
  topic: 'r/€',
  payload: Uint8Array.of(0, 1, 2),
  properties: {
    payloadFormatIndicator: 1,
    messageExpiryIntervalSec: 100,
    contentType: 'text/plain',
    responseTopic: 'reply',
    correlationData: Uint8Array.of(9, 0, 9),
    userProperties: [
      ['k', '1'],
      ['k', '2'],
    ],
  },
};

function encode(message: OutgoingMessage, qos: 0 | 1 | 2, version: 3 | 4 | 5, extras: PublishExtras | null): Buffer {
  const size = publishSizeBytes(message, qos, version, extras);
  const target = Buffer.alloc(size + 5, 0xaa);
  assert.is(writePublish(target, 2, message, qos, true, true, 0xfffe, version, extras), size + 2);
  assert.ok(target.subarray(0, 2).equals(Buffer.alloc(2, 0xaa)), 'nothing before');
  assert.ok(target.subarray(size + 2).equals(Buffer.alloc(3, 0xaa)), 'nothing behind');
  return target.subarray(2, size + 2);
}

test('every version and QoS', () => {
  for (const version of [3, 4, 5] as const) {
    for (const qos of [0, 1, 2] as const) {
      for (const message of [PLAIN, RICH]) {
        const decoded = oracleDecode(encode(message, qos, version, null), version);
        assert.is(decoded['topic'], message.topic);
        assert.is(decoded['qos'], qos);
        assert.is(decoded['retain'], true);
        assert.is(decoded['dup'], qos > 0, 'never DUP with QoS 0');
        assert.is(decoded['messageId'], qos === 0 ? undefined : 0xfffe);
        assert.ok(Buffer.from(message.payload).equals(decoded['payload'] as Buffer));
      }
    }
  }
});

test('properties and extras of 5.0', () => {
  const extras = {
    subscriptionIdentifiers: [1, 127, 128, 268_435_455],
    topicAlias: 65_535,
    messageExpiryIntervalSec: 0,
  };
  const { properties } = oracleDecode(encode(RICH, 1, 5, extras), 5) as { properties: Record<string, unknown> };
  assert.equal(
    { ...properties, userProperties: { ...(properties['userProperties'] as object) } },
    {
      payloadFormatIndicator: true,
      messageExpiryInterval: 0,
      contentType: 'text/plain',
      responseTopic: 'reply',
      correlationData: Buffer.from([9, 0, 9]),
      userProperties: { k: ['1', '2'] },
      topicAlias: 65_535,
      subscriptionIdentifier: [1, 127, 128, 268_435_455],
    },
  );
  const own = oracleDecode(encode(RICH, 1, 5, null), 5) as { properties: Record<string, unknown> };
  assert.is(own.properties['messageExpiryInterval'], 100);
  assert.is(own.properties['topicAlias'], undefined);
  for (const version of [3, 4] as const) {
    assert.ok(encode(RICH, 1, version, extras).equals(encode({ ...RICH, properties: null }, 1, version, null)));
  }
});

test('a known alias instead of the topic', () => {
  const extras = { subscriptionIdentifiers: [], topicAlias: 3, messageExpiryIntervalSec: null };
  const decoded = decodeWhole(encodePublishQoS0({ ...PLAIN, topic: '' }, false, 5, extras), 5);
  assert.is(decoded.type === 'publish' && decoded.topicAlias, 3);
  assert.is(decoded.type === 'publish' && decoded.topic, '');
});

test('QoS 0 in a buffer of its own', () => {
  for (const version of [3, 4, 5] as const) {
    for (const retain of [false, true]) {
      const decoded = oracleDecode(encodePublishQoS0(RICH, retain, version, null), version);
      assert.is(decoded['retain'], retain);
      assert.is(decoded['qos'], 0);
      assert.is(decoded['dup'], false);
    }
  }
});

test('lengths at every edge of the remaining length', () => {
  for (const size of [
    0, 121, 122, 123, 124, 16_377, 16_378, 16_379, 16_380, 2_097_145, 2_097_146, 2_097_147, 2_097_148,
  ]) {
    const message = { topic: 'abc', payload: Buffer.alloc(size, 7), properties: null };
    const encoded = encodePublishQoS0(message, false, 4, null);
    assert.is(encoded.length, publishSizeBytes(message, 0, 4, null));
    assert.is((oracleDecode(encoded, 4)['payload'] as Buffer).length, size);
  }
});

test('what does not fit is refused before anything is written', () => {
  const size = publishSizeBytes(PLAIN, 1, 4, null);
  const target = Buffer.alloc(size + 1);
  const isRangeError = (error: unknown): boolean => error instanceof RangeError;
  assert.throws(() => writePublish(target, 2, PLAIN, 1, false, false, 1, 4, null), isRangeError);
  assert.throws(() => writePublish(target, 0, PLAIN, 1, false, false, 0, 4, null), isRangeError, 'packet identifier 0');
  assert.throws(() => writePublish(target, 0, PLAIN, 1, false, false, 65_536, 4, null), isRangeError);
  assert.throws(() => publishSizeBytes({ ...PLAIN, topic: 'x'.repeat(65_536) }, 0, 4, null), isRangeError);
  assert.ok(target.equals(Buffer.alloc(size + 1)));
});

const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((t) => !/\0|\p{Cs}/u.test(t));
const topic = text.filter((t) => t !== '' && !/[#+]/.test(t));
const properties: fc.Arbitrary<MessageProperties> = fc.record(
  {
    payloadFormatIndicator: fc.constantFrom(0 as const, 1 as const),
    messageExpiryIntervalSec: fc.integer({ min: 0, max: 4_294_967_295 }),
    contentType: text,
    responseTopic: topic,
    correlationData: fc.uint8Array({ maxLength: 200 }),
    userProperties: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 8 }),
  },
  { requiredKeys: [], noNullPrototype: true },
);

test('what is encoded decodes to itself, several packets in one buffer', () => {
  const message = fc.record(
    {
      topic,
      payload: fc.uint8Array({ maxLength: 300 }),
      properties: fc.option(properties),
      qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
      flag: fc.boolean(),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 5 }),
      fc.constantFrom(3 as const, 4 as const, 5 as const),
      (all, version) => {
        const size = all.reduce((sum, m) => sum + publishSizeBytes(m, m.qos, version, null), 0);
        const target = Buffer.alloc(size);
        const starts: number[] = [];
        let offset = 0;
        for (const m of all) {
          starts.push(offset);
          offset = writePublish(target, offset, m, m.qos, m.flag, m.flag, 77, version, null);
        }
        assert.is(offset, size);
        all.forEach((m, i) => {
          const decoded = decodeWhole(target.subarray(starts[i], starts[i + 1] ?? size), version);
          if (decoded.type !== 'publish') throw new Error(decoded.type);
          const { payload, properties: got, ...rest } = decoded;
          assert.equal(rest, {
            type: 'publish',
            topic: m.topic,
            qos: m.qos,
            retain: m.flag,
            dup: m.flag && m.qos > 0,
            packetId: m.qos === 0 ? 0 : 77,
            topicAlias: null,
          });
          assert.ok(Buffer.from(m.payload).equals(payload));
          const sent =
            version === 5 && m.properties !== null && Object.keys(m.properties).length > 0 ? m.properties : null;
          assert.equal(plain(got), plain(sent));
        });
      },
    ),
    { numRuns: 300 },
  );
});

/** Binary as hexadecimal, so that Buffer and Uint8Array compare by content. */
function plain(value: MessageProperties | null): unknown {
  if (value?.correlationData === undefined) return value;
  return { ...value, correlationData: Buffer.from(value.correlationData).toString('hex') };
}

test.run();
