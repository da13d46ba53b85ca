import {
  type ClientPacket,
  decodeConnect,
  decodePacket,
  isValidTopicFilter,
  isValidTopicName,
  PacketFramer,
  ProtocolError,
  type ProtocolVersion,
} from '@quorate/protocol';
import fc from 'fast-check';
import { assert, suite } from '../../../support/suite.ts';
import { bytes, decodeBody, decodeConnectBody, oracleDecode } from './support.ts';

const test = suite('mqtt fuzz');
const VERSIONS = [3, 4, 5] as const;

/** First byte and body. All are valid; those of 5.0 carry every kind of property. */
type Seed = readonly [header: number, body: Buffer, version: ProtocolVersion];

const MESSAGE = bytes(0x01, 1, 0x02, 0, 0, 0, 9, 0x03, 'ct', 0x08, 'r/t', 0x09, 'cd', 0x26, 'k', 'v', 0x26, 'k', 'w');
const CONNECT = bytes(
  0x11,
  0,
  0,
  0,
  9,
  0x21,
  0,
  9,
  0x27,
  0,
  0,
  9,
  9,
  0x22,
  0,
  9,
  0x19,
  1,
  0x17,
  0,
  0x15,
  'm',
  0x16,
  'd',
);
const WILL = bytes(0x18, 0, 0, 0, 1, MESSAGE);
const REASON = bytes(0x1f, 'why', 0x26, 'k', 'v');

function seedsOf(version: ProtocolVersion): Seed[] {
  const section = (properties: Uint8Array): Buffer => (version === 5 ? bytes(properties.length, properties) : bytes());
  const credentials = bytes('u', 'p');
  const name = version === 3 ? 'MQIsdp' : 'MQTT';
  const connect = bytes(
    name,
    version,
    0xf6,
    0,
    60,
    section(CONNECT),
    'cli€nt',
    section(WILL),
    'w/t',
    'pay',
    credentials,
  );
  const options = version === 5 ? 0x2d : 1;
  const alias = bytes(0x23, 0, 9);
  const seeds: Seed[] = [
    [0x10, connect, version],
    [0x31, bytes('t/€', section(bytes(alias, MESSAGE)), 'payload'), version],
    [0x3a, bytes('topic', 1, 2, section(MESSAGE), 'payload'), version],
    [0x82, bytes(0, 1, section(bytes(0x0b, 0xff, 0x7f, 0x26, 'k', 'v')), 'a/+/#', options, '$share/g/x', 1), version],
    [0xa2, bytes(0, 1, section(bytes(0x26, 'k', 'v')), 'a/+/#', '$share/g/x'), version],
    [0xc0, bytes(), version],
    [0xe0, version === 5 ? bytes(4, section(bytes(0x11, 0, 0, 0, 1, REASON))) : bytes(), version],
  ];
  for (const header of [0x40, 0x50, 0x62, 0x70]) {
    seeds.push([header, version === 5 ? bytes(1, 2, 0, section(REASON)) : bytes(1, 2), version]);
  }
  if (version === 5) seeds.push([0xf0, bytes(0x18, section(bytes(0x15, 'm', 0x16, 'd', REASON))), version]);
  return seeds;
}

const SEEDS: readonly Seed[] = VERSIONS.flatMap(seedsOf);

type Mutation = (body: Buffer) => Buffer;

const at = fc.nat({ max: 200 });
const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 2, 0x23, 0x2b, 0x7f, 0x80, 0xff, 0xed));
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(at, byte).map(
    ([i, b]): Mutation =>
      (body) => {
        const copy = Buffer.from(body);
        if (copy.length > 0) copy[i % copy.length] = b;
        return copy;
      },
  ),
  fc.tuple(at, fc.nat({ max: 7 })).map(
    ([i, bit]): Mutation =>
      (body) => {
        const copy = Buffer.from(body);
        if (copy.length > 0) copy[i % copy.length]! ^= 1 << bit;
        return copy;
      },
  ),
  at.map(
    (i): Mutation =>
      (body) =>
        body.subarray(0, i % (body.length + 1)),
  ),
  fc.tuple(at, byte).map(
    ([i, b]): Mutation =>
      (body) => {
        const cut = i % (body.length + 1);
        return bytes(body.subarray(0, cut), b, body.subarray(cut));
      },
  ),
  fc.tuple(at, at).map(
    ([i, j]): Mutation =>
      (body) => {
        const [from, to] = [i % (body.length + 1), j % (body.length + 1)].sort((a, b) => a - b) as [number, number];
        return bytes(body.subarray(0, to), body.subarray(from)); // a slice twice
      },
  ),
);

function decode([header, body, version]: Seed): ClientPacket {
  return header >> 4 === 1 ? decodeConnectBody(body, {}, header) : decodeBody(header, body, version);
}

function lengthBytes(length: number): number[] {
  return length < 128 ? [length] : [(length & 0x7f) | 0x80, ...lengthBytes(length >> 7)];
}

/** What a decoded packet must be, whatever its bytes were. */
function checkInvariants(packet: ClientPacket): void {
  switch (packet.type) {
    case 'connect':
      assert.ok(packet.will === null || isValidTopicName(packet.will.topic));
      assert.ok(packet.receiveMaximum > 0 && packet.maximumPacketSizeBytes > 0);
      break;
    case 'publish':
      assert.ok(isValidTopicName(packet.topic) || (packet.topic === '' && packet.topicAlias !== null));
      assert.ok(packet.qos === 0 ? packet.packetId === 0 && !packet.dup : packet.packetId > 0);
      assert.is.not(packet.topicAlias, 0);
      break;
    case 'subscribe':
      assert.ok(packet.subscriptions.length > 0 && packet.packetId > 0);
      for (const { filter } of packet.subscriptions) assert.ok(isValidTopicFilter(filter));
      break;
    case 'unsubscribe':
      assert.ok(packet.filters.length > 0 && packet.packetId > 0);
      for (const filter of packet.filters) assert.ok(isValidTopicFilter(filter));
      break;
    default:
      if ('packetId' in packet) assert.ok(packet.packetId > 0);
  }
}

/** What this decoder accepts, mqtt-packet accepts too and reads the same. */
function compareWithOracle(packet: ClientPacket, [header, body, version]: Seed): void {
  // 3.1's freedoms and 5.0 reason codes that mqtt-packet does not know are this decoder's own.
  if (version === 3) return;
  const decoded = oracleDecode(bytes(header, ...lengthBytes(body.length), body), version);
  assert.is(decoded['cmd'], packet.type);
  if ('packetId' in packet && packet.packetId !== 0) assert.is(decoded['messageId'], packet.packetId);
  if (packet.type === 'publish') {
    assert.is(decoded['topic'], packet.topic);
    assert.ok((decoded['payload'] as Buffer).equals(packet.payload));
    assert.is(decoded['qos'], packet.qos);
  } else if (packet.type === 'connect') {
    assert.is(decoded['clientId'], packet.clientId);
    assert.is(decoded['keepalive'], packet.keepAliveSec);
    assert.is(decoded['username'] ?? null, packet.username);
  } else if (packet.type === 'subscribe') {
    const filters = (decoded['subscriptions'] as { topic: string; qos: number }[]).map(({ topic, qos }) => ({
      topic,
      qos,
    }));
    assert.equal(
      filters,
      packet.subscriptions.map(({ filter, qos }) => ({ topic: filter, qos })),
    );
  } else if (packet.type === 'unsubscribe') {
    assert.equal(decoded['unsubscriptions'], packet.filters);
  }
}

test('the seeds are valid', () => {
  for (const seed of SEEDS) {
    const packet = decode(seed);
    checkInvariants(packet);
    compareWithOracle(packet, seed);
  }
});

test('mutated packets are decoded soundly or refused with a ProtocolError', () => {
  let accepted = 0;
  let refused = 0;
  const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fc.constantFrom(...SEEDS), mutations, ([header, body, version], changes) => {
      const mutated: Seed = [header, changes.reduce((b, change) => change(b), body), version];
      let packet: ClientPacket;
      try {
        packet = decode(mutated);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        refused++;
        return;
      }
      accepted++;
      checkInvariants(packet);
      if (packet.type !== 'connect' || packet.protocolVersion === version) compareWithOracle(packet, mutated);
    }),
    { numRuns: 3000 },
  );
  assert.ok(accepted > 100 && refused > 100, `${accepted} accepted, ${refused} refused`);
});

test('random bytes through framer and decoders never throw anything but ProtocolError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(...VERSIONS), fc.boolean(), (raw, version, first) => {
      const framer = new PacketFramer(100);
      framer.push(Buffer.from(raw));
      try {
        while (framer.next()) {
          const { header, buffer, start, end } = framer;
          checkInvariants(
            first ? decodeConnect(header, buffer, start, end) : decodePacket(header, buffer, start, end, version),
          );
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
    }),
    { numRuns: 10_000 },
  );
});

test('random bodies of every packet type', () => {
  const small = fc.array(fc.oneof(byte, fc.integer({ min: 0, max: 6 })), { maxLength: 24 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 255 }), small, fc.constantFrom(...VERSIONS), (header, raw, version) => {
      const body = Buffer.from(raw);
      try {
        checkInvariants(decodePacket(header, body, 0, body.length, version));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
    }),
    { numRuns: 10_000 },
  );
});

test.run();
