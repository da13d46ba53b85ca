import { isDeepStrictEqual } from 'node:util';
import {
  type AckPacket,
  type ClientPacket,
  decodeConnect,
  decodePacket,
  isValidTopicFilter,
  isValidTopicName,
  PacketFramer,
  ProtocolError,
  type ProtocolVersion,
  type PublishPacket,
  publishSizeBytes,
  writeAck,
  writePublish,
} from '@quorate/protocol';
import { Dice } from './dice.ts';
import { FuzzFailure, kindOf, messageOf, minimise } from './failure.ts';
import { connect, DIALECTS, type Dialect, input } from './grammar.ts';
import { mutate } from './mutate.ts';
import { inPieces } from './script.ts';

/* Bytes through framer and decoders, as a connection does it: nothing but ProtocolError may come of them. */

const MAX_PACKET_SIZE_BYTES = 64 * 1024;
/** One in so many inputs also goes through in pieces, and another one among other bytes: that must make no difference. */
const SPLIT_ONE_IN = 8;
const MINIMISE_ATTEMPTS = 5_000;

/** A stream of a client: from its beginning (null), or once it is connected with a version. */
export interface CodecInput {
  readonly version: ProtocolVersion | null;
  readonly bytes: Buffer;
}

/** The input of this number: bytes of no meaning, packets, broken packets. */
export function codecInput(dice: Dice): CodecInput {
  const dialect: Dialect = dice.pick(DIALECTS);
  const kind = dice.below(20);
  if (kind === 0) return { version: dice.oneIn(4) ? null : dialect, bytes: dice.bytes(dice.below(64)) };
  if (kind < 4) {
    const bytes = connect(dice, dialect);
    return { version: null, bytes: dice.oneIn(3) ? bytes : mutate(bytes, dice) };
  }
  const { bytes } = input(dice, dialect, 2);
  return { version: dialect, bytes: dice.oneIn(6) ? Buffer.concat([bytes, input(dice, dialect, 2).bytes]) : bytes };
}

type Outcome = readonly (ClientPacket | string)[];

/** The same packet with other bytes around it, which are not its own and must make no difference. */
function decodeAmong(filler: number, header: number, body: Buffer, version: ProtocolVersion | null): ClientPacket {
  const buffer = Buffer.concat([Buffer.alloc(5, filler), body, Buffer.alloc(200, filler)]);
  const [start, end] = [5, 5 + body.length];
  return decodeHere(header, buffer, start, end, version);
}

function decodeHere(
  header: number,
  buffer: Buffer,
  start: number,
  end: number,
  version: ProtocolVersion | null,
): ClientPacket {
  return version === null
    ? decodeConnect(header, buffer, start, end)
    : decodePacket(header, buffer, start, end, version);
}

/** @param filler when given, each packet is decoded among bytes of this value */
function decodeStream({ version, bytes }: CodecInput, pieces: readonly Buffer[], filler?: number): Outcome {
  const framer = new PacketFramer(MAX_PACKET_SIZE_BYTES);
  const outcome: (ClientPacket | string)[] = [];
  let current = version;
  try {
    for (const piece of pieces) {
      // A chunk belongs to the framer: each piece is one of its own, as a socket's are.
      framer.push(pieces.length === 1 ? piece : Buffer.from(piece));
      while (framer.next()) {
        const { header, buffer, start, end } = framer;
        const packet =
          filler === undefined
            ? decodeHere(header, buffer, start, end, current)
            : decodeAmong(filler, header, buffer.subarray(start, end), current);
        if (packet.type === 'connect') current = packet.protocolVersion;
        outcome.push(packet);
        checkPacket(packet, end - start, current ?? 4);
      }
      demand(framer.bufferedBytes <= bytes.length, 'the framer holds more than it was given');
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    outcome.push(error.code);
  }
  demand(outcome.length <= bytes.length / 2 + 1, 'more packets than there were bytes for');
  return outcome;
}

function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** What a decoded packet must be, whatever its bytes were; it has no more parts than there were bytes for. */
function checkPacket(packet: ClientPacket, bodyBytes: number, version: ProtocolVersion): void {
  switch (packet.type) {
    case 'connect':
      demand(packet.will === null || isValidTopicName(packet.will.topic), 'no valid will topic');
      demand(packet.receiveMaximum > 0 && packet.maximumPacketSizeBytes > 0, 'a limit of 0');
      demand(packet.userProperties.length * 5 <= bodyBytes, 'user properties');
      return;
    case 'publish':
      demand(packet.topicAlias !== 0, 'alias 0');
      demand(isValidTopicName(packet.topic) || (packet.topic === '' && packet.topicAlias !== null), 'no valid topic');
      demand(packet.qos === 0 ? packet.packetId === 0 && !packet.dup : packet.packetId > 0, 'packet identifier');
      demand(packet.payload.length <= bodyBytes, 'a payload that was not sent');
      demand((packet.properties?.userProperties?.length ?? 0) * 5 <= bodyBytes, 'user properties');
      return checkPublishAgain(packet, version);
    case 'subscribe':
      demand(packet.subscriptions.length > 0 && packet.packetId > 0, 'an empty SUBSCRIBE');
      demand(packet.subscriptions.length * 3 <= bodyBytes, 'filters');
      demand(
        packet.subscriptions.every(({ filter }) => isValidTopicFilter(filter)),
        'no valid filter',
      );
      return;
    case 'unsubscribe':
      demand(packet.filters.length > 0 && packet.packetId > 0, 'an empty UNSUBSCRIBE');
      demand(packet.filters.length * 2 <= bodyBytes && packet.filters.every(isValidTopicFilter), 'no valid filter');
      return;
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return checkAckAgain(packet, version);
    case 'pingreq':
    case 'disconnect':
    case 'auth':
      return;
  }
}

/** Encoded as for a subscriber, it decodes to the same. */
function checkPublishAgain(packet: PublishPacket, version: ProtocolVersion): void {
  const { topicAlias, qos } = packet;
  // An empty topic stands for an alias, which the version that has none can not have sent.
  const extras =
    topicAlias === null ? null : { topicAlias, subscriptionIdentifiers: [], messageExpiryIntervalSec: null };
  const sizeBytes = publishSizeBytes(packet, qos, version, extras);
  const target = Buffer.alloc(sizeBytes);
  const end = writePublish(target, 0, packet, qos, packet.retain, packet.dup, packet.packetId, version, extras);
  demand(end === sizeBytes, 'a size that is not the size');
  const framer = new PacketFramer(Number.MAX_SAFE_INTEGER);
  framer.push(target);
  demand(framer.next(), 'an encoded PUBLISH that is not whole');
  const again = decodePacket(framer.header, framer.buffer, framer.start, framer.end, version);
  demand(again.type === 'publish', 'an encoded PUBLISH that is none');
  const { payload, properties, ...rest } = again;
  const { payload: had, properties: hadProperties, ...hadRest } = packet;
  demand(isDeepStrictEqual(rest, hadRest), 'PUBLISH is not what was encoded');
  demand(Buffer.compare(payload, had) === 0, 'the payload is not what was encoded');
  demand(isDeepStrictEqual(properties, hadProperties), 'the properties are not what was encoded');
}

function checkAckAgain(packet: AckPacket, version: ProtocolVersion): void {
  const target = Buffer.alloc(5);
  const end = writeAck(target, 0, packet.type, packet.packetId, packet.reasonCode, version);
  const again = decodePacket(target[0]!, target, 2, end, version);
  demand(isDeepStrictEqual(again, packet), 'an acknowledgement is not what was encoded');
}

/** @param dice for the places where the input is cut; null: at every place, which is for a single input */
export function checkCodec(given: CodecInput, dice: Dice | null): Outcome {
  const before = Buffer.from(given.bytes);
  const whole = decodeStream(given, [given.bytes]);
  demand(before.equals(given.bytes), 'the input was written to');
  if (dice === null) {
    for (let at = 0; at <= Math.min(given.bytes.length, 2_000); at++) {
      compare(whole, decodeStream(given, [given.bytes.subarray(0, at), given.bytes.subarray(at)]));
    }
    compareAmong(given, whole);
    return whole;
  }
  const how = dice.below(SPLIT_ONE_IN);
  if (how === 0) compare(whole, decodeStream(given, inPieces(given.bytes, dice)));
  else if (how === 1) compareAmong(given, whole);
  return whole;
}

function compareAmong(given: CodecInput, whole: Outcome): void {
  for (const filler of [0x00, 0x41, 0xff]) {
    const among = decodeStream(given, [given.bytes], filler);
    demand(isDeepStrictEqual(plain(whole), plain(among)), `among bytes ${filler} it is not the same`);
  }
}

function compare(whole: Outcome, pieces: Outcome): void {
  demand(isDeepStrictEqual(plain(whole), plain(pieces)), 'in pieces it is not the same as whole');
}

/** Views of different buffers are the same if their bytes are. */
function plain(outcome: Outcome): unknown {
  return outcome.map((each) =>
    typeof each === 'string' || each.type !== 'publish' ? each : { ...each, payload: Buffer.from(each.payload) },
  );
}

export interface CodecCounts {
  inputs: number;
  accepted: number;
  refused: Map<string, number>;
}

/** Runs inputs of a seed; `progress` is told each number before its input is tried. */
export async function runCodec(seed: number, inputs: number, progress: (number: number) => void): Promise<CodecCounts> {
  const counts: CodecCounts = { inputs: 0, accepted: 0, refused: new Map() };
  for (let number = 0; number < inputs; number++) {
    progress(number);
    const dice = new Dice(seed, number);
    const given = codecInput(dice);
    try {
      const outcome = checkCodec(given, dice);
      const last = outcome.at(-1);
      if (typeof last === 'string') counts.refused.set(last, (counts.refused.get(last) ?? 0) + 1);
      else counts.accepted++;
    } catch (error) {
      throw await codecFailure(given, error);
    }
    counts.inputs++;
  }
  return counts;
}

function failureOf(given: CodecInput): string | null {
  try {
    checkCodec(given, null);
    return null;
  } catch (error) {
    return kindOf(error);
  }
}

async function codecFailure({ version, bytes }: CodecInput, error: unknown): Promise<FuzzFailure> {
  const kind = kindOf(error);
  const fails = (left: readonly number[]): boolean => failureOf({ version, bytes: Buffer.from(left) }) === kind;
  const least = Buffer.from(fails([...bytes]) ? await minimise([...bytes], fails, MINIMISE_ATTEMPTS) : bytes);
  const lines = ['codec', `${version === null ? 'connect' : String(version)} ${least.toString('hex')}`];
  return new FuzzFailure(messageOf(error), lines, error);
}

/** Does again what {@link FuzzFailure.lines} say; throws if it still fails. */
export function replayCodec(lines: readonly string[]): void {
  const [version = '', hex = ''] = (lines[0] ?? '').split(' ');
  const bytes = Buffer.from(hex, 'hex');
  checkCodec({ version: version === 'connect' ? null : (Number(version) as ProtocolVersion), bytes }, null);
}
