import { assert, suite } from '../support/suite.ts';
import { Property } from './support/answers.ts';
import {
  Ack,
  ack,
  binary,
  bytes,
  disconnect,
  type Part,
  PINGREQ,
  packet,
  publish,
  section,
  subscribe,
  Type,
  uint16,
  uint32,
  unsubscribe,
  type Version,
} from './support/wire.ts';
import { LIMITS, shows, World } from './support/world.ts';

/* Bytes that no packet may have: chapters 1 and 2, section 4.7, and the formats in chapter 3. */

const test = suite('conformance: format');
const world = new World(test);

const MALFORMED = 0x81;
const PROTOCOL_ERROR = 0x82;
const FILTER_INVALID = 0x8f;
const NAME_INVALID = 0x90;
const ALIAS_INVALID = 0x94;
const PACKET_TOO_LARGE = 0x95;

type Row = readonly [what: string, packet: Buffer, reasonCode: number];

/** Each of these packets, from a client that is connected, ends its connection. */
async function refusesEach(version: Version, rows: readonly Row[]): Promise<void> {
  for (const [what, wrong, reasonCode] of rows) {
    const client = await world.connected(version, { clientId: world.unique(what) });
    client.send(wrong);
    await client.closes(reasonCode);
  }
}

/** Fields that are no UTF-8 encoded strings. */
const NOT_UTF8: readonly Buffer[] = [
  binary(Buffer.from([0x61, 0xff])),
  binary(Buffer.from([0xc0, 0xaf])),
  binary(Buffer.from([0x61, 0xed, 0xa0, 0x80])),
  binary(Buffer.from([0xf4, 0x90, 0x80, 0x80])),
  binary(Buffer.from([0x61, 0x00, 0x62])),
];

shows(
  test,
  {
    'v3.1.1': '1.5.3-1, 1.5.3-2, 3.3.2-1, 3.8.3-1, 3.10.3-1, 4.7.3-2',
    'v5.0': '1.5.4-1, 1.5.4-2, 3.3.2-1, 3.8.3-1, 3.10.3-1, 4.7.3-2',
  },
  'topics and filters have to be UTF-8 without U+0000',
  async (version) => {
    const none = section(version);
    for (const bad of NOT_UTF8) {
      await refusesEach(version, [
        ['topic', packet(0x30, bad, none), MALFORMED],
        ['subscribe', packet(0x82, uint16(1), none, bad, 0), MALFORMED],
        ['unsubscribe', packet(0xa2, uint16(1), none, bad), MALFORMED],
      ]);
    }
  },
);

shows(
  test,
  { 'v5.0': '1.5.4-1, 1.5.7-1, 3.3.2-13, 3.3.2-19' },
  'strings among the properties have to be UTF-8 too, both of a pair',
  async (version) => {
    for (const bad of NOT_UTF8) {
      await refusesEach(version, [
        ['type', publish(version, { topic: 'a', properties: [Property.contentType, bad] }), MALFORMED],
        ['response', publish(version, { topic: 'a', properties: [Property.responseTopic, bad] }), MALFORMED],
        ['name', publish(version, { topic: 'a', properties: [Property.userProperty, bad, 'v'] }), MALFORMED],
        ['value', publish(version, { topic: 'a', properties: [Property.userProperty, 'n', bad] }), MALFORMED],
      ]);
    }
  },
);

shows(
  test,
  { 'v3.1.1': '1.5.3-3, 4.7.3-4', 'v5.0': '1.5.4-3, 4.7.3-4' },
  'U+FEFF stays, and nothing is normalized',
  async (version) => {
    const prefix = world.unique('exact');
    const names = ['\u{feff}x', 'x', 'X', '\u00e9', 'e\u0301', '/x', 'x/', 'x//', '\u{1f600}', ' x'];
    const watcher = await world.connected(version);
    for (const name of names) assert.equal(await watcher.subscribe(`${prefix}/${name}`, 1), [1]);
    for (const name of names) {
      await world.publish({ topic: `${prefix}/${name}`, payload: name, qos: 1 }, version);
      const { topic, payload, packetId } = await watcher.message();
      assert.equal([topic, payload], [`${prefix}/${name}`, name]);
      watcher.send(ack(Ack.puback, packetId));
    }
    await watcher.nothing();
  },
);

shows(test, { 'v5.0': '1.5.5-1' }, 'a variable byte integer has to be as short as it can be', async (version) => {
  await refusesEach(version, [
    ['remaining', Buffer.from([0xc0, 0x80, 0x00]), MALFORMED],
    ['remaining5', Buffer.from([0xc0, 0x80, 0x80, 0x80, 0x80, 0x01]), MALFORMED],
    ['properties', packet(0x30, 'a', 0x80, 0x00, 'p'), MALFORMED],
    ['identifier', subscribe(version, 1, [['a', 0]], Property.subscriptionIdentifier, 0x81, 0x00), MALFORMED],
  ]);
});

shows(
  test,
  {
    'v3.1.1': '2.2.2-1, 2.2.2-2, 3.6.1-1, 3.8.1-1, 3.10.1-1, 3.14.1-1',
    'v5.0': '2.1.3-1, 3.6.1-1, 3.8.1-1, 3.10.1-1, 3.14.1-1, 3.15.1-1',
  },
  'reserved flags of the fixed header have to be what they have to be',
  async (version) => {
    const filter: readonly Part[] = [uint16(1), section(version), 'a'];
    const bodies: readonly (readonly [type: number, right: number, body: Part])[] = [
      [4, 0, uint16(1)],
      [5, 0, uint16(1)],
      [6, 2, uint16(1)],
      [7, 0, uint16(1)],
      [8, 2, [filter, 0]],
      [10, 2, filter],
      [12, 0, []],
      [14, 0, []],
      ...(version === 5 ? ([[15, 0, [0x18, section(5, Property.authenticationMethod, 'm')]]] as const) : []),
    ];
    const rows = bodies.flatMap(([type, right, body]) =>
      [0, 1, 2, 4, 8, 15]
        .filter((flags) => flags !== right)
        .map((flags): Row => [`type${String(type)}`, packet((type << 4) | flags, body), MALFORMED]),
    );
    await refusesEach(version, rows);
  },
);

shows(test, { 'v3.1.1': '2.3.1-1', 'v5.0': '2.2.1-3' }, 'a packet identifier is never 0', async (version) => {
  await refusesEach(version, [
    ['qos1', publish(version, { topic: 'a', qos: 1, packetId: 0 }), PROTOCOL_ERROR],
    ['qos2', publish(version, { topic: 'a', qos: 2, packetId: 0 }), PROTOCOL_ERROR],
    ['subscribe', subscribe(version, 0, [['a', 0]]), PROTOCOL_ERROR],
    ['unsubscribe', unsubscribe(version, 0, ['a']), PROTOCOL_ERROR],
    ['puback', ack(Ack.puback, 0), PROTOCOL_ERROR],
    ['pubrel', ack(Ack.pubrel, 0), PROTOCOL_ERROR],
  ]);
});

shows(
  test,
  { 'v3.1.1': '3.3.1-2, 3.3.1-4', 'v5.0': '3.3.1-2, 3.3.1-4' },
  'QoS 3, and DUP on QoS 0',
  async (version) => {
    await refusesEach(version, [
      ['qos3', publish(version, { topic: 'a', qos: 3 }), MALFORMED],
      ['dup', publish(version, { topic: 'a', dup: true }), MALFORMED],
    ]);
  },
);

shows(
  test,
  { 'v3.1.1': '3.3.2-2, 4.7.1-1, 4.7.3-1', 'v5.0': '3.3.2-2, 3.3.2-14, 4.7.0-1, 4.7.3-1' },
  'a topic name has at least one character and no wildcard',
  async (version) => {
    const names = ['#', '+', 'a/#', 'a/+/b', 'a+'];
    await refusesEach(version, [
      ...names.map((topic): Row => ['wildcard', publish(version, { topic }), NAME_INVALID]),
      ['empty', publish(version, { topic: '' }), version === 5 ? PROTOCOL_ERROR : NAME_INVALID],
    ]);
    if (version === 4) return;
    const response = (topic: string): Part => [Property.responseTopic, topic];
    await refusesEach(version, [
      ['response', publish(version, { topic: 'a', properties: [response('r/+')] }), NAME_INVALID],
      ['response', publish(version, { topic: 'a', properties: [response('#')] }), NAME_INVALID],
    ]);
  },
);

shows(
  test,
  { 'v3.1.1': '4.7.1-2, 4.7.1-3, 4.7.3-1', 'v5.0': '4.7.1-1, 4.7.1-2, 4.7.3-1' },
  'wildcards of a filter are whole levels, # the last, and a filter is not empty',
  async (version) => {
    const filters = ['', 'a#', '#a', 'a/#/b', '#/', '##', 'a+', '+a', 'a/+b/c', '++', 'a/b+'];
    await refusesEach(version, [
      ...filters.map((filter): Row => ['filter', subscribe(version, 1, [[filter, 0]]), FILTER_INVALID]),
      ...filters.map((filter): Row => ['gone', unsubscribe(version, 1, [filter]), FILTER_INVALID]),
      [
        'second',
        subscribe(version, 1, [
          ['a', 0],
          ['b#', 0],
        ]),
        FILTER_INVALID,
      ],
    ]);
  },
);

shows(
  test,
  { 'v5.0': '4.8.2-1, 4.8.2-2, 3.8.3-4' },
  'filters of shared subscriptions: the form, and No Local',
  async (version) => {
    const filters = ['$share/', '$share//a', '$share/g', '$share/g/', '$share/g+/a', '$share/#/a', '$share/g/a#'];
    await refusesEach(version, [
      ...filters.map((filter): Row => ['share', subscribe(version, 1, [[filter, 0]]), FILTER_INVALID]),
      ['local', subscribe(version, 1, [['$share/g/a', 0x04]]), PROTOCOL_ERROR],
    ]);
  },
);

shows(
  test,
  { 'v3.1.1': '4.7.3-3', 'v5.0': '4.7.3-3' },
  'a topic name of 65,535 bytes is a topic name',
  async (version) => {
    const topic = world.unique('long').padEnd(65_535, 'x');
    const watcher = await world.subscriber(version, topic);
    await world.publish({ topic, payload: 'there' }, version);
    assert.is((await watcher.message()).topic.length, 65_535);
  },
);

shows(
  test,
  { 'v3.1.1': '3.8.3-3, 3-8.3-4, 3.10.3-2', 'v5.0': '3.8.3-2, 3.8.3-5, 3.10.3-2' },
  'SUBSCRIBE and UNSUBSCRIBE without filters, and options that are none',
  async (version) => {
    const options = (value: number): Buffer => subscribe(version, 1, [['a', value]]);
    await refusesEach(version, [
      ['subscribe', subscribe(version, 1, []), PROTOCOL_ERROR],
      ['unsubscribe', unsubscribe(version, 1, []), PROTOCOL_ERROR],
      ['qos3', options(3), PROTOCOL_ERROR],
      ['bit6', options(0x40), MALFORMED],
      ['bit7', options(0x80), MALFORMED],
      // What 5.0 has as options is reserved in 3.1.1.
      ...(version === 4 ? [4, 8, 16, 32].map((bit): Row => ['bit', options(bit), MALFORMED]) : []),
      ...(version === 5 ? [['handling', options(0x30), PROTOCOL_ERROR] as const] : []),
    ]);
  },
);

shows(
  test,
  { 'v3.1.1': '4.8.0-1', 'v5.0': '4.13.1-1' },
  'packets that end too early or too late, and those that only a server sends',
  async (version) => {
    await refusesEach(version, [
      ['topic', packet(0x30, uint16(5), 0x61), MALFORMED],
      ['id', packet(0x32, 'a', 1), MALFORMED],
      ['ack', packet(0x40, 1), MALFORMED],
      ['filter', packet(0x82, uint16(1), section(version), 'a'), MALFORMED],
      ['more', packet(0xc0, 0), MALFORMED],
      ['reserved', packet(0x00), MALFORMED],
      ['connack', packet(0x20, 0, 0), PROTOCOL_ERROR],
      ['suback', packet(0x90, uint16(1), 0), PROTOCOL_ERROR],
      ['unsuback', packet(0xb0, uint16(1)), PROTOCOL_ERROR],
      ['pingresp', packet(0xd0), PROTOCOL_ERROR],
      ...(version === 4 ? [['auth', packet(0xf0), MALFORMED] as const] : []),
    ]);
  },
);

/** Property, a value that it may have, a value that it must not have, and where a client may send it. */
const PROPERTIES: readonly (readonly [id: number, good: Part, bad: Part | null, where: string])[] = [
  [Property.payloadFormatIndicator, 1, 2, 'publish'],
  [Property.messageExpiryInterval, uint32(1), null, 'publish'],
  [Property.contentType, 'text', null, 'publish'],
  [Property.responseTopic, 'r', '', 'publish'],
  [Property.correlationData, binary(Buffer.from([1])), null, 'publish'],
  [Property.subscriptionIdentifier, 1, 0, 'subscribe'],
  [Property.sessionExpiryInterval, uint32(0), null, 'disconnect'],
  [Property.assignedClientIdentifier, 'id', null, ''],
  [Property.serverKeepAlive, uint16(1), null, ''],
  [Property.authenticationMethod, 'method', null, ''],
  [Property.authenticationData, 'data', null, ''],
  [Property.requestProblemInformation, 1, null, ''],
  [Property.willDelayInterval, uint32(1), null, ''],
  [Property.requestResponseInformation, 1, null, ''],
  [Property.responseInformation, 'info', null, ''],
  [Property.serverReference, 'there', null, ''],
  [Property.reasonString, 'why', null, 'puback disconnect'],
  [Property.receiveMaximum, uint16(1), null, ''],
  [Property.topicAliasMaximum, uint16(1), null, ''],
  [Property.topicAlias, uint16(1), uint16(0), 'publish'],
  [Property.maximumQoS, 1, null, ''],
  [Property.retainAvailable, 1, null, ''],
  [Property.maximumPacketSize, uint32(1), null, ''],
  [Property.wildcardSubscriptionAvailable, 1, null, ''],
  [Property.subscriptionIdentifiersAvailable, 1, null, ''],
  [Property.sharedSubscriptionAvailable, 1, null, ''],
];

/** A packet with these properties. */
const WITH_PROPERTIES: Readonly<Record<string, (...properties: Part[]) => Buffer>> = {
  publish: (...properties) => publish(5, { topic: 'properties', properties }),
  puback: (...properties) => packet(0x40, uint16(77), 0, section(5, ...properties)),
  subscribe: (...properties) => subscribe(5, 1, [['properties', 0]], ...properties),
  unsubscribe: (...properties) => packet(0xa2, uint16(1), section(5, ...properties), 'properties'),
  disconnect: (...properties) => disconnect(0, ...properties),
};

shows(
  test,
  { 'v5.0': '4.13.1-1, 3.3.4-6, 3.3.2-8' },
  'every property in a packet that does not have it, twice, and with a value that it can not have',
  async (version) => {
    for (const [id, good, bad, where] of PROPERTIES) {
      const rows: Row[] = [];
      for (const [name, make] of Object.entries(WITH_PROPERTIES)) {
        const what = `${name}${String(id)}`;
        if (where.split(' ').includes(name)) rows.push([what, make(id, good, id, good), PROTOCOL_ERROR]);
        else {
          const identifier = name === 'publish' && id === Property.subscriptionIdentifier;
          rows.push([what, make(id, good), identifier ? PROTOCOL_ERROR : MALFORMED]);
        }
      }
      const code = id === Property.topicAlias ? ALIAS_INVALID : id === Property.responseTopic ? NAME_INVALID : null;
      const make = WITH_PROPERTIES[where];
      if (bad !== null && make !== undefined) rows.push([`bad${String(id)}`, make(id, bad), code ?? PROTOCOL_ERROR]);
      await refusesEach(version, rows);
    }
    await refusesEach(
      version,
      Object.entries(WITH_PROPERTIES).map(([name, make]): Row => [name, make(0x7e, 1), MALFORMED]),
    );
  },
  { timeoutMs: 60_000 },
);

shows(
  test,
  { 'v5.0': '4.13.1-1' },
  'properties of CONNECT: twice, and with values that they can not have',
  async (version) => {
    const ids = Property;
    const rows: readonly (readonly [Part, code: number])[] = [
      [[ids.receiveMaximum, uint16(0)], PROTOCOL_ERROR],
      [[ids.maximumPacketSize, uint32(0)], PROTOCOL_ERROR],
      [[ids.requestProblemInformation, 2], PROTOCOL_ERROR],
      [[ids.requestResponseInformation, 2], PROTOCOL_ERROR],
      [[ids.authenticationData, 'data'], PROTOCOL_ERROR],
      [[ids.topicAlias, uint16(1)], MALFORMED],
      [[ids.willDelayInterval, uint32(1)], MALFORMED],
      [[0x7f, 1], MALFORMED],
      ...[
        bytes(ids.sessionExpiryInterval, uint32(1)),
        bytes(ids.receiveMaximum, uint16(1)),
        bytes(ids.maximumPacketSize, uint32(100)),
        bytes(ids.topicAliasMaximum, uint16(1)),
        bytes(ids.requestResponseInformation, 0),
        bytes(ids.requestProblemInformation, 0),
        bytes(ids.authenticationMethod, 'method'),
      ].map((property) => [[property, property], PROTOCOL_ERROR] as const),
    ];
    for (const [property, expected] of rows) {
      const [client, { code }] = await world.dial(version, { properties: [property] });
      assert.is(code, expected, bytes(property).toString('hex'));
      await client.closes();
    }
    const will = { topic: 'w', properties: [ids.topicAlias, uint16(1)] };
    const [client, { code }] = await world.dial(version, { will });
    assert.is(code, MALFORMED);
    await client.closes();
  },
);

shows(
  test,
  { 'v5.0': '3.4.2-1, 3.5.2-1, 3.6.2-1, 3.7.2-1, 3.14.2-1' },
  'reason codes that the packet does not have are refused',
  async (version) => {
    await refusesEach(version, [
      ['puback', ack(Ack.puback, 1, 0x92), PROTOCOL_ERROR],
      ['pubrec', ack(Ack.pubrec, 1, 0x01), PROTOCOL_ERROR],
      ['pubrel', ack(Ack.pubrel, 1, 0x10), PROTOCOL_ERROR],
      ['pubcomp', ack(Ack.pubcomp, 1, 0x80), PROTOCOL_ERROR],
      ['disconnect', disconnect(0x8e), PROTOCOL_ERROR],
    ]);
  },
);

shows(test, { 'v5.0': '4.12.0-7' }, 'AUTH of a client that announced no authentication method', async (version) => {
  const method = section(5, Property.authenticationMethod, 'm');
  await refusesEach(version, [
    ['continue', packet(0xf0, 0x18, method), PROTOCOL_ERROR],
    ['again', packet(0xf0, 0x19, method), PROTOCOL_ERROR],
  ]);
});

shows(
  test,
  { 'v5.0': '3.2.2-15' },
  'a packet of Maximum Packet Size is taken, one byte more is not',
  async (version) => {
    const topic = world.unique('size/');
    const headBytes = publish(version, { topic, qos: 1 }).length - 1 + 3;
    const largest = Buffer.alloc(LIMITS.maxPacketSizeBytes - headBytes, 'x');
    const client = await world.connected(version);
    const right = publish(version, { topic, qos: 1, payload: largest });
    assert.is(right.length, LIMITS.maxPacketSizeBytes);
    client.send(right);
    await client.ack(Type.puback);
    client.send(publish(version, { topic, qos: 1, payload: Buffer.concat([largest, Buffer.from('x')]) }), PINGREQ);
    await client.closes(PACKET_TOO_LARGE);
  },
);

test.run();
