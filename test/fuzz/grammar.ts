import * as wire from '../conformance/support/wire.ts';
import { type Dice, weighted } from './dice.ts';
import { mutate } from './mutate.ts';
import { properties } from './properties.ts';

/** What a client speaks. 3.1 has the packets of 3.1.1 and another CONNECT. */
export type Dialect = 3 | 4 | 5;
export const DIALECTS: readonly Dialect[] = [3, 4, 5];

/** Few names, so that connections meet: on the same session, the same topics, the same Packet Identifiers. */
export const CLIENT_IDS = Array.from({ length: 12 }, (_none, at) => `hostile-${String(at)}`);
const TOPICS = ['f', 'f/a', 'f/a/b', 'f/a/b/c', 'f//x', '/f', 'f/', 'f/€', 'f/\u{1F600}', 'F/a', 'f/$SYS'];
const ODD_TOPICS = [
  '',
  '/',
  '//',
  '$SYS/x',
  '$SYS/#',
  '$share',
  '$share/g/f',
  'f/+',
  '#',
  '+',
  'f/#/a',
  'f/a+',
  'f\u0000',
  '\uFEFF',
];
const FILTERS = [
  'f/#',
  '+/+',
  'f/+',
  'f/+/b',
  '#',
  '/+',
  'f/a',
  'f',
  '+',
  'f/a/#',
  '$SYS/#',
  '$SYS/broker/uptime',
  '+/a/+/c',
];
const ODD_FILTERS = [
  '',
  '#/f',
  'f/#/a',
  'f+',
  '+f',
  'f/a#',
  '$share/g/f/#',
  '$share//f',
  '$share/g',
  '$share/+/f',
  '$share/g/',
  '\u0000',
];
const MAX_PACKET_ID = 0xffff;

export function wireVersion(dialect: Dialect): wire.Version {
  return dialect === 5 ? 5 : 4;
}

function deep(dice: Dice): string {
  return Array.from({ length: dice.pick([2, 15, 16, 17, 200]) }, () => 'd').join('/');
}

/** Seldom as long as a string can be. */
function long(dice: Dice): string {
  return 'l'.repeat(dice.oneIn(20) ? dice.between(65_530, 65_535) : dice.between(100, 300));
}

export function topic(dice: Dice): string {
  if (dice.oddly(40)) return dice.pick(ODD_TOPICS);
  if (dice.oddly(40)) return deep(dice);
  return dice.oneIn(60) ? long(dice) : dice.pick(TOPICS);
}

function filter(dice: Dice): string {
  if (dice.oddly(20)) return dice.pick(ODD_FILTERS);
  if (dice.oddly(40)) return deep(dice);
  return dice.oneIn(60) ? `${long(dice)}/+` : dice.pick(FILTERS);
}

/** Mostly small ones, which meet those that others and the server use; seldom 0. */
function packetId(dice: Dice): number {
  if (dice.oddly(60)) return dice.pick([0, MAX_PACKET_ID, 0x100, 0x8000]);
  return dice.between(1, 12);
}

function payload(dice: Dice): Buffer {
  if (dice.oddly(300)) return Buffer.alloc(dice.pick([16_000, 65_000, 70_000]), 0x70);
  return dice.oneIn(4) ? dice.bytes(dice.below(40)) : Buffer.from('payload'.slice(dice.below(8)));
}

type Maker = (dice: Dice, dialect: Dialect) => Buffer;

const publish: Maker = (dice, dialect) => {
  const qos = dice.oddly(60) ? 3 : dice.below(3);
  return wire.publish(wireVersion(dialect), {
    topic: topic(dice),
    payload: payload(dice),
    qos,
    packetId: packetId(dice),
    retain: dice.oneIn(5),
    // DUP is an error with QoS 0.
    dup: dice.oneIn(8) && (qos > 0 || !dice.isCareful),
    properties: dialect === 5 && dice.oneIn(3) ? properties(dice, 'publish') : [],
  });
};

const subscribe: Maker = (dice, dialect) => {
  const count = dice.oddly(30) ? dice.pick([0, 30, 60]) : dice.between(1, 3);
  const options = (): number => (dice.oddly(30) ? dice.below(256) : dice.below(3) | optionBits(dice, dialect));
  return wire.subscribe(
    wireVersion(dialect),
    packetId(dice),
    Array.from({ length: count }, () => [filter(dice), options()] as const),
    ...(dialect === 5 && dice.oneIn(3) ? properties(dice, 'subscribe') : []),
  );
};

/** No Local, Retain As Published and Retain Handling. */
function optionBits(dice: Dice, dialect: Dialect): number {
  return dialect === 5 ? (dice.below(4) << 2) | (dice.below(3) << 4) : 0;
}

const unsubscribe: Maker = (dice, dialect) =>
  wire.unsubscribe(
    wireVersion(dialect),
    packetId(dice),
    Array.from({ length: dice.oddly(30) ? 0 : dice.between(1, 3) }, () => filter(dice)),
  );

const ACKS = [wire.Ack.puback, wire.Ack.pubrec, wire.Ack.pubrel, wire.Ack.pubrel, wire.Ack.pubcomp];
const ACK_REASONS = [0x00, 0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x92, 0x97, 0x99, 0x01, 0xff];

const acknowledgement: Maker = (dice, dialect) => {
  const first = dice.pick(ACKS);
  if (dialect !== 5 || dice.oneIn(2)) return wire.ack(first, packetId(dice));
  const section = wire.section(5, ...properties(dice, 'ack'));
  return wire.packet(
    first,
    wire.uint16(packetId(dice)),
    dice.pick(dice.isCareful ? [0] : ACK_REASONS),
    dice.oneIn(3) ? section : [],
  );
};

const DISCONNECT_REASONS = [0x00, 0x00, 0x04, 0x80, 0x82, 0x8e, 0x98, 0x01, 0xff];

const disconnect: Maker = (dice, dialect) => {
  if (dialect !== 5 || dice.oneIn(2)) return wire.disconnect();
  return wire.disconnect(dice.pick(DISCONNECT_REASONS), ...(dice.oneIn(2) ? properties(dice, 'disconnect') : []));
};

const auth: Maker = (dice) =>
  wire.packet(0xf0, dice.pick([0x00, 0x18, 0x19, 0x80]), wire.section(5, ...properties(dice, 'auth')));

/** What only a server sends, the reserved types, and flags that a type must not have. */
const nonsense: Maker = (dice) => wire.packet(dice.below(256), dice.bytes(dice.below(12)));

/** A CONNECT, mostly one that is accepted. */
export const connect: Maker = (dice, dialect) => {
  // Without a name it gets one of its own: a session under it must not stay, nobody would come back to it.
  const clientId = dice.oneIn(15) ? '' : dice.oddly(100) ? long(dice) : dice.pick(CLIENT_IDS);
  const clean = clientId === '' || dice.oneIn(2);
  const credentials = dice.oneIn(10) ? { username: 'user', password: 'secret' } : {};
  const will = {
    topic: topic(dice),
    payload: 'will',
    qos: dice.oddly(40) ? 3 : dice.below(3),
    retain: dice.oneIn(4),
    properties: dialect === 5 && dice.oneIn(2) ? properties(dice, 'will') : [],
  };
  return wire.connect({
    version: wireVersion(dialect),
    clientId,
    clean,
    keepAliveSec: dice.pick([0, 0, 1, 60, 65_535]),
    ...(dice.oneIn(3) && { will }),
    ...credentials,
    ...(dialect === 3 && { name: 'MQIsdp', level: 3 }),
    // A bridge.
    ...(dialect !== 5 && dice.oneIn(10) && { level: dialect | 0x80 }),
    properties: dialect === 5 && dice.oneIn(2) ? properties(dice, clientId === '' ? 'passing' : 'connect') : [],
  });
};

const makers = weighted<Maker>([
  [34, publish],
  [12, subscribe],
  [6, unsubscribe],
  [22, acknowledgement],
  [6, () => wire.PINGREQ],
]);

/** What ends a connection, if the server does as it should: a script full of it would never get far. */
const enders = weighted<Maker>([
  [4, disconnect],
  [2, auth],
  [2, connect],
  [4, nonsense],
]);

export interface Input {
  readonly bytes: Buffer;
  /** Most servers would close the connection for it. */
  readonly isLast: boolean;
}

/** A packet of a client that is connected. Seldom one that does not belong there, and one of `oneIn` is broken. */
export function input(dice: Dice, dialect: Dialect, oneIn: number): Input {
  const isEnder = dice.oneIn(dice.isCareful ? 400 : 80);
  const bytes = (isEnder ? enders : makers)(dice)(dice, dialect);
  if (!dice.oneIn(dice.isCareful ? 10 * oneIn : oneIn)) return { bytes, isLast: isEnder };
  return { bytes: mutate(bytes, dice), isLast: true };
}
