import { assert, suite } from '../../../support/suite.ts';
import { bytes, decodeBody, decodeConnectBody, protocolErrorOf } from './support.ts';

const test = suite('mqtt properties');

/** A valid value of every property (MQTT 5.0 table 2-4). */
const VALUES: ReadonlyMap<number, Buffer> = new Map([
  [0x01, bytes(1)],
  [0x02, bytes(0, 0, 0, 1)],
  [0x03, bytes('s')],
  [0x08, bytes('s')],
  [0x09, bytes('b')],
  [0x0b, bytes(1)],
  [0x11, bytes(0, 0, 0, 1)],
  [0x12, bytes('s')],
  [0x13, bytes(0, 1)],
  [0x15, bytes('s')],
  [0x16, bytes('b')],
  [0x17, bytes(1)],
  [0x18, bytes(0, 0, 0, 1)],
  [0x19, bytes(1)],
  [0x1a, bytes('s')],
  [0x1c, bytes('s')],
  [0x1f, bytes('s')],
  [0x21, bytes(0, 1)],
  [0x22, bytes(0, 1)],
  [0x23, bytes(0, 1)],
  [0x24, bytes(1)],
  [0x25, bytes(1)],
  [0x26, bytes('n', 'v')],
  [0x27, bytes(0, 0, 0, 1)],
  [0x28, bytes(1)],
  [0x29, bytes(1)],
  [0x2a, bytes(1)],
]);

const MESSAGE = [0x01, 0x02, 0x03, 0x08, 0x09, 0x26];

interface Section {
  readonly name: string;
  readonly allowed: readonly number[];
  /** Decodes a packet that has these properties, and whatever else it must have. */
  readonly decode: (properties: Buffer) => unknown;
}

function section(properties: Buffer): Buffer {
  return bytes(properties.length, properties);
}

const METHOD = bytes(0x15, 'm');

const SECTIONS: readonly Section[] = [
  {
    name: 'connect',
    allowed: [0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
    decode: (p) => decodeConnectBody(bytes('MQTT', 5, 2, 0, 0, section(p[0] === 0x16 ? bytes(METHOD, p) : p), 'c')),
  },
  {
    name: 'will',
    allowed: [0x18, ...MESSAGE],
    decode: (p) => decodeConnectBody(bytes('MQTT', 5, 6, 0, 0, 0, 'c', section(p), 'topic', 'payload')),
  },
  {
    name: 'publish',
    allowed: [0x23, ...MESSAGE],
    decode: (p) => decodeBody(0x30, bytes('topic', section(p), 'payload'), 5),
  },
  ...[0x40, 0x50, 0x62, 0x70].map((header) => ({
    name: `ack 0x${header.toString(16)}`,
    allowed: [0x1f, 0x26],
    decode: (p: Buffer) => decodeBody(header, bytes(0, 1, 0, section(p)), 5),
  })),
  {
    name: 'subscribe',
    allowed: [0x0b, 0x26],
    decode: (p) => decodeBody(0x82, bytes(0, 1, section(p), 'filter', 0), 5),
  },
  {
    name: 'unsubscribe',
    allowed: [0x26],
    decode: (p) => decodeBody(0xa2, bytes(0, 1, section(p), 'filter'), 5),
  },
  {
    name: 'disconnect',
    allowed: [0x11, 0x1f, 0x26],
    decode: (p) => decodeBody(0xe0, bytes(0, section(p)), 5),
  },
  {
    name: 'auth',
    allowed: [0x15, 0x16, 0x1f, 0x26],
    decode: (p) => decodeBody(0xf0, bytes(0x18, section(p[0] === 0x15 ? p : bytes(METHOD, p))), 5),
  },
];

for (const { name, allowed, decode } of SECTIONS) {
  test(`${name}: exactly the properties of the specification, once`, () => {
    for (let id = 0; id < 128; id++) {
      const value = VALUES.get(id);
      const property = bytes(id, value ?? bytes(0, 0));
      const what = `property 0x${id.toString(16)}`;
      if (allowed.includes(id)) {
        decode(property);
        if (id === 0x26) decode(bytes(property, property));
        else assert.is(protocolErrorOf(() => decode(bytes(property, property))).code, 'DUPLICATE_PROPERTY', what);
        for (let length = 1; length < property.length; length++) {
          assert.is(protocolErrorOf(() => decode(property.subarray(0, length))).code, 'TRUNCATED', what);
        }
        continue;
      }
      const error = protocolErrorOf(() => decode(property));
      if (value === undefined) assert.is(error.code, 'UNKNOWN_PROPERTY', what);
      else if (name === 'publish' && id === 0x0b) assert.is(error.code, 'SUBSCRIPTION_IDENTIFIER_FROM_CLIENT');
      else assert.is(error.code, 'PROPERTY_NOT_ALLOWED', what);
    }
  });
}

test.run();
