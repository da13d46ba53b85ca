import {
  type Connack,
  decodePacket,
  encodeConnack,
  encodeDisconnect,
  encodePublishQoS0,
  encodeSuback,
  encodeUnsuback,
  type MessageProperties,
  PacketFramer,
  PINGRESP,
  type PublishPacket,
  publishSizeBytes,
  type UserProperty,
  writeAck,
  writePublish,
} from '@quorate/protocol';
import fc from 'fast-check';
import { assert, suite } from '../../../support/suite.ts';
import { decodeWhole, oracleDecode } from './support.ts';

/* Every packet that this side encodes says, to a decoder that is not ours, what went in; and to ours, where there is one. */

const test = suite('mqtt round trip');

const VERSIONS = [3, 4, 5] as const;
const RUNS = { numRuns: 500 };
const version = fc.constantFrom(...VERSIONS);
const packetId = fc.integer({ min: 1, max: 0xffff });
const uint16 = fc.integer({ min: 1, max: 0xffff });
const uint32 = fc.integer({ min: 1, max: 0xffffffff });
/** What a string may hold: no U+0000, no lone surrogates. */
const text = fc.string({ unit: 'binary', maxLength: 40 }).map((raw) => raw.replaceAll('\u0000', ''));
const topic = text.map((raw) => raw.replaceAll(/[#+]/g, '') || 't');
/** mqtt-packet loses an empty value when another one of the same name follows. */
const pairs = fc.array(
  fc.tuple(
    text,
    text.map((raw) => raw || 'v'),
  ),
  { minLength: 1, maxLength: 4 },
);

/** mqtt-packet gathers user properties in an object without a prototype, values of one name in an array. */
function gathered(given: readonly UserProperty[] | undefined): Record<string, string | string[]> | undefined {
  if (given === undefined) return undefined;
  const byName = new Map<string, string[]>();
  for (const [name, value] of given) byName.set(name, [...(byName.get(name) ?? []), value]);
  return Object.fromEntries([...byName].map(([name, values]) => [name, values.length === 1 ? values[0]! : values]));
}

function plain(properties: unknown): Record<string, unknown> {
  const { userProperties, ...rest } = (properties ?? {}) as Record<string, unknown>;
  return { ...rest, ...(userProperties !== undefined && { userProperties: { ...(userProperties as object) } }) };
}

/** Without what is absent. */
function present(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

test('CONNACK', () => {
  const properties = fc.record({
    sessionExpiryIntervalSec: optional(uint32),
    receiveMaximum: optional(uint16),
    maximumQoS: optional(fc.constantFrom(0, 1)),
    retainAvailable: optional(fc.boolean()),
    maximumPacketSizeBytes: optional(uint32),
    assignedClientId: optional(text),
    topicAliasMaximum: optional(uint16),
    reasonString: optional(text),
    wildcardSubscriptionAvailable: optional(fc.boolean()),
    subscriptionIdentifiersAvailable: optional(fc.boolean()),
    sharedSubscriptionAvailable: optional(fc.boolean()),
    serverKeepAliveSec: optional(uint16),
    responseInformation: optional(text),
    serverReference: optional(text),
    userProperties: optional(pairs),
  });
  const code = fc.constantFrom(0, 0x80, 0x84, 0x87, 0x88, 0x89, 0x95);
  fc.assert(
    fc.property(fc.boolean(), code, properties, (sessionPresent, reasonCode, given) => {
      const connack = {
        sessionPresent,
        reasonCode,
        ...(present(given) as Omit<Connack, 'sessionPresent' | 'reasonCode'>),
      };
      const decoded = oracleDecode(encodeConnack(connack, 5), 5);
      assert.is(decoded['sessionPresent'], sessionPresent && reasonCode === 0);
      assert.is(decoded['reasonCode'], reasonCode);
      assert.equal(
        plain(decoded['properties']),
        present({
          sessionExpiryInterval: given.sessionExpiryIntervalSec,
          receiveMaximum: given.receiveMaximum,
          maximumQoS: given.maximumQoS,
          retainAvailable: given.retainAvailable,
          maximumPacketSize: given.maximumPacketSizeBytes,
          assignedClientIdentifier: given.assignedClientId,
          topicAliasMaximum: given.topicAliasMaximum,
          reasonString: given.reasonString,
          wildcardSubscriptionAvailable: given.wildcardSubscriptionAvailable,
          subscriptionIdentifiersAvailable: given.subscriptionIdentifiersAvailable,
          sharedSubscriptionAvailable: given.sharedSubscriptionAvailable,
          serverKeepAlive: given.serverKeepAliveSec,
          responseInformation: given.responseInformation,
          serverReference: given.serverReference,
          userProperties: gathered(given.userProperties),
        }),
      );
      const older = oracleDecode(encodeConnack(connack, 4), 4);
      assert.is(older['sessionPresent'], sessionPresent && reasonCode === 0);
      assert.is(older['returnCode'] === 0, reasonCode === 0);
    }),
    RUNS,
  );
});

test('SUBACK and UNSUBACK', () => {
  const codes = fc.array(fc.constantFrom(0, 1, 2, 0x80, 0x87, 0x8f, 0x97, 0xa2), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(packetId, codes, (id, reasonCodes) => {
      const suback = oracleDecode(encodeSuback(id, reasonCodes, 5), 5);
      assert.equal([suback['cmd'], suback['messageId'], suback['granted']], ['suback', id, reasonCodes]);
      const older = oracleDecode(encodeSuback(id, reasonCodes, 4), 4);
      assert.equal([older['messageId'], older['granted']], [id, reasonCodes.map((code) => Math.min(code, 0x80))]);
      const unsubscribed = reasonCodes.map((code) => (code < 0x80 ? 0 : code === 0xa2 || code === 0x97 ? 0x80 : code));
      const unsuback = oracleDecode(encodeUnsuback(id, unsubscribed, 5), 5);
      assert.equal([unsuback['cmd'], unsuback['messageId'], unsuback['granted']], ['unsuback', id, unsubscribed]);
      assert.is(oracleDecode(encodeUnsuback(id, unsubscribed, 4), 4)['messageId'], id);
    }),
    RUNS,
  );
});

test('DISCONNECT and PINGRESP', () => {
  const code = fc.constantFrom(0x81, 0x82, 0x8b, 0x8d, 0x8e, 0x93, 0x94, 0x95, 0x97, 0x99, 0x9c);
  fc.assert(
    fc.property(code, fc.option(text), fc.option(text), (reasonCode, reasonString, serverReference) => {
      const decoded = oracleDecode(encodeDisconnect(reasonCode, reasonString, serverReference), 5);
      assert.is(decoded['reasonCode'], reasonCode);
      const wanted = { reasonString: reasonString ?? undefined, serverReference: serverReference ?? undefined };
      assert.equal(plain(decoded['properties']), present(wanted));
    }),
    RUNS,
  );
  for (const each of VERSIONS) assert.is(oracleDecode(PINGRESP, each)['cmd'], 'pingresp');
});

test('PUBACK, PUBREC, PUBREL and PUBCOMP', () => {
  const type = fc.constantFrom('puback', 'pubrec', 'pubrel', 'pubcomp');
  fc.assert(
    fc.property(type, packetId, version, fc.boolean(), (kind, id, level, isBad) => {
      const failure = kind === 'puback' || kind === 'pubrec' ? 0x97 : 0x92;
      const reasonCode = isBad ? failure : 0;
      const target = Buffer.alloc(5);
      const packet = target.subarray(0, writeAck(target, 0, kind, id, reasonCode, level));
      const seen = level === 5 ? reasonCode : 0;
      assert.equal(decodeWhole(packet, level), { type: kind, packetId: id, reasonCode: seen });
      const decoded = oracleDecode(packet, level);
      assert.equal([decoded['cmd'], decoded['messageId'], decoded['reasonCode'] ?? 0], [kind, id, seen]);
    }),
    RUNS,
  );
});

const message = fc.record({
  topic,
  payload: fc.uint8Array({ maxLength: 300 }),
  properties: fc.option(
    fc
      .record({
        payloadFormatIndicator: optional(fc.constantFrom(0, 1)),
        messageExpiryIntervalSec: optional(uint32),
        contentType: optional(text),
        responseTopic: optional(topic),
        correlationData: optional(fc.uint8Array({ maxLength: 20 })),
        userProperties: optional(pairs),
      })
      .map((given) => present(given) as MessageProperties),
  ),
});

test('PUBLISH', () => {
  const extras = fc.record({
    subscriptionIdentifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { maxLength: 3 }),
    topicAlias: fc.option(uint16),
    messageExpiryIntervalSec: fc.option(uint32),
  });
  const qos = fc.constantFrom(0, 1, 2);
  fc.assert(
    fc.property(message, qos, fc.boolean(), fc.boolean(), packetId, version, fc.option(extras), (...given) => {
      const [sent, level, retain, dup, id, protocol, more] = given;
      const target = Buffer.alloc(publishSizeBytes(sent, level, protocol, more));
      const end = writePublish(target, 0, sent, level, retain, dup, id, protocol, more);
      assert.is(end, target.length);
      const decoded = oracleDecode(target, protocol);
      assert.equal([decoded['topic'], decoded['qos'], decoded['retain']], [sent.topic, level, retain]);
      assert.is(decoded['messageId'], level === 0 ? undefined : id);
      assert.is(decoded['dup'], level > 0 && dup);
      assert.ok(Buffer.from(sent.payload).equals(decoded['payload'] as Buffer));
      if (protocol === 5) {
        const { payloadFormatIndicator, messageExpiryIntervalSec, correlationData, userProperties, ...rest } =
          sent.properties ?? {};
        const identifiers = more?.subscriptionIdentifiers ?? [];
        const wanted = present({
          ...rest,
          payloadFormatIndicator: payloadFormatIndicator === undefined ? undefined : payloadFormatIndicator === 1,
          messageExpiryInterval: more?.messageExpiryIntervalSec ?? messageExpiryIntervalSec,
          correlationData: correlationData === undefined ? undefined : Buffer.from(correlationData),
          userProperties: gathered(userProperties),
          topicAlias: more?.topicAlias ?? undefined,
          subscriptionIdentifier:
            identifiers.length === 0 ? undefined : identifiers.length === 1 ? identifiers[0] : identifiers,
        });
        assert.equal(plain(decoded['properties']), wanted);
      }
      // A client may send all of it but Subscription Identifiers: then our own decoder reads it, too.
      if ((more?.subscriptionIdentifiers.length ?? 0) > 0 && protocol === 5) return;
      const again = decodeWhole(target, protocol) as PublishPacket;
      assert.equal([again.topic, again.qos, again.retain], [sent.topic, level, retain]);
      assert.ok(Buffer.from(again.payload).equals(Buffer.from(sent.payload)));
    }),
    RUNS,
  );
});

test('PUBLISH of QoS 0, encoded once for many', () => {
  fc.assert(
    fc.property(message, version, fc.boolean(), (sent, protocol, retain) => {
      const target = Buffer.alloc(publishSizeBytes(sent, 0, protocol, null));
      writePublish(target, 0, sent, 0, retain, false, 0, protocol, null);
      assert.ok(encodePublishQoS0(sent, retain, protocol, null).equals(target));
    }),
    RUNS,
  );
});

test('a packet in a stream that is cut at every place is the same packet, and nothing is held for long', () => {
  const payload = Buffer.alloc(3_000, 0x70);
  const sent = { topic: 'cut', payload, properties: null };
  const packet = Buffer.alloc(publishSizeBytes(sent, 1, 5, null));
  writePublish(packet, 0, sent, 1, false, false, 7, 5, null);
  const stream = Buffer.concat([packet, packet]);
  for (let at = 0; at <= stream.length; at++) {
    const framer = new PacketFramer(packet.length);
    let seen = 0;
    for (const piece of [stream.subarray(0, at), stream.subarray(at)]) {
      framer.push(Buffer.from(piece));
      while (framer.next()) {
        const decoded = decodePacket(framer.header, framer.buffer, framer.start, framer.end, 5) as PublishPacket;
        assert.ok(payload.equals(decoded.payload));
        seen++;
      }
    }
    assert.is(seen, 2, `cut at ${String(at)}`);
    assert.is(framer.bufferedBytes, 0);
  }
});

test('what is allocated is in proportion to what arrived, not to what was announced', () => {
  const allocate = Buffer.allocUnsafeSlow;
  let allocatedBytes = 0;
  Buffer.allocUnsafeSlow = (size) => {
    allocatedBytes += size;
    return allocate(size);
  };
  try {
    for (const arriving of [0, 1, 1_000, 100_000]) {
      allocatedBytes = 0;
      const framer = new PacketFramer(Number.MAX_SAFE_INTEGER);
      // PUBLISH, 268,435,455 bytes to follow.
      framer.push(Buffer.from('30ffffff7f', 'hex'));
      assert.not(framer.next());
      for (let at = 0; at < arriving; at += 100) {
        framer.push(Buffer.alloc(Math.min(100, arriving - at)));
        assert.not(framer.next());
      }
      // Doubling: 2 n in the end, 2 n before, and so on.
      assert.ok(allocatedBytes <= 4 * arriving + 2_048, `${String(allocatedBytes)} bytes for ${String(arriving)}`);
    }
  } finally {
    Buffer.allocUnsafeSlow = allocate;
  }
});

test.run();
