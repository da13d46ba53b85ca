import {
  type ClientPacket,
  type ConnectLimits,
  decodeConnect,
  decodePacket,
  PacketFramer,
  ProtocolError,
  type ProtocolVersion,
} from '@quorate/protocol';
import * as mqttPacket from 'mqtt-packet';
import { assert } from '../../../support/suite.ts';

/** Bytes from bytes, one-byte numbers and strings with their two-byte length. */
export function bytes(...parts: readonly (number | string | Uint8Array)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? stringField(part) : toBytes(part))));
}

function toBytes(part: number | Uint8Array): Uint8Array {
  return typeof part === 'number' ? Buffer.from([part]) : part;
}

function stringField(text: string): Buffer {
  const utf8 = Buffer.from(text);
  return Buffer.concat([Buffer.from([utf8.length >> 8, utf8.length & 0xff]), utf8]);
}

type Decode = (buffer: Buffer, start: number, end: number) => ClientPacket;

/**
 * Decodes a body that lies between other bytes, twice with different ones: what is around the packet must make no difference,
 * neither to the packet nor to the error.
 */
function decodeBetween(body: Uint8Array, decode: Decode): ClientPacket {
  const outcomes = [0x00, 0xff, 0x41].map((filler) => {
    const buffer = Buffer.concat([Buffer.alloc(7, filler), body, Buffer.alloc(70_000, filler)]);
    const before = Buffer.from(buffer);
    try {
      return { packet: decode(buffer, 7, 7 + body.length) };
    } catch (error) {
      assert.instance(error, ProtocolError, `not a ProtocolError: ${String(error)}`);
      return { error: error as ProtocolError };
    } finally {
      assert.ok(buffer.equals(before), 'the decoder wrote to its input');
    }
  });
  const [first, ...others] = outcomes;
  for (const other of others) {
    assert.is(other.error?.code, first!.error?.code, 'error depends on bytes outside the packet');
    assert.equal(other.packet, first!.packet, 'packet depends on bytes outside');
  }
  if (first!.error !== undefined) throw first!.error;
  return first!.packet;
}

/** A body without its fixed header, through decodePacket. */
export function decodeBody(header: number, body: Uint8Array, version: ProtocolVersion): ClientPacket {
  return decodeBetween(body, (buffer, start, end) => decodePacket(header, buffer, start, end, version));
}

/** The body of a CONNECT. */
export function decodeConnectBody(body: Uint8Array, limits: ConnectLimits = {}, header = 0x10): ClientPacket {
  return decodeBetween(body, (buffer, start, end) => decodeConnect(header, buffer, start, end, limits));
}

/** A whole packet, which must be one: through the framer and the decoder. */
export function decodeWhole(packet: Uint8Array, version: ProtocolVersion): ClientPacket {
  const framer = new PacketFramer(Number.POSITIVE_INFINITY);
  framer.push(Buffer.from(packet));
  assert.ok(framer.next(), 'not a whole packet');
  const body = framer.buffer.subarray(framer.start, framer.end);
  const decoded =
    framer.header >> 4 === 1 ? decodeConnectBody(body, {}, framer.header) : decodeBody(framer.header, body, version);
  assert.not(framer.next(), 'more than one packet');
  return decoded;
}

/** The ProtocolError that `run` throws. Anything else, and nothing at all, is a failure. */
export function protocolErrorOf(run: () => unknown): ProtocolError {
  try {
    run();
  } catch (error) {
    assert.instance(error, ProtocolError, `not a ProtocolError: ${String(error)}`);
    return error as ProtocolError;
  }
  assert.unreachable('nothing was thrown');
  throw new Error('unreachable');
}

/** mqtt-packet as an independent encoder. */
export function oracleEncode(packet: mqttPacket.Packet, version: ProtocolVersion): Buffer {
  return mqttPacket.generate(packet, { protocolVersion: version });
}

/** mqtt-packet as an independent decoder: the bytes must be exactly one packet. */
export function oracleDecode(packet: Uint8Array, version: ProtocolVersion): Record<string, unknown> {
  const parser = mqttPacket.parser({ protocolVersion: version });
  const packets: Record<string, unknown>[] = [];
  const failures: Error[] = [];
  parser.on('packet', (decoded: unknown) => packets.push(decoded as Record<string, unknown>));
  parser.on('error', (error: Error) => failures.push(error));
  const left = parser.parse(Buffer.from(packet));
  if (failures[0] !== undefined) throw failures[0];
  assert.is(left, 0, 'bytes left over');
  assert.is(packets.length, 1);
  const { length, ...rest } = packets[0]!;
  assert.type(length, 'number');
  return { ...rest };
}
