import { decodePublish } from './decode-publish.ts';
import { readSubscribe, readUnsubscribe } from './decode-subscribe.ts';
import { ProtocolError } from './errors.ts';
import type { AckPacket, AuthPacket, ClientPacket, DisconnectPacket, ProtocolVersion } from './packets.ts';
import { readProperties } from './properties.ts';
import { PacketReader } from './reader.ts';
import { ReasonCode } from './reason-codes.ts';

/** Reason codes of PUBACK and PUBREC (MQTT 5.0 tables 3-4 and 3-5). */
const RECEIVED_REASONS: ReadonlySet<number> = new Set([
  ReasonCode.success,
  ReasonCode.noMatchingSubscribers,
  ReasonCode.unspecifiedError,
  ReasonCode.implementationSpecificError,
  ReasonCode.notAuthorized,
  ReasonCode.topicNameInvalid,
  ReasonCode.packetIdentifierInUse,
  ReasonCode.quotaExceeded,
  ReasonCode.payloadFormatInvalid,
]);

/** Reason codes of PUBREL and PUBCOMP (tables 3-6 and 3-7). */
const RELEASE_REASONS: ReadonlySet<number> = new Set([ReasonCode.success, ReasonCode.packetIdentifierNotFound]);

/** Reason codes of DISCONNECT that a client may send (table 3-10). */
const DISCONNECT_REASONS: ReadonlySet<number> = new Set([
  ReasonCode.normalDisconnection,
  ReasonCode.disconnectWithWill,
  ReasonCode.unspecifiedError,
  ReasonCode.malformedPacket,
  ReasonCode.protocolError,
  ReasonCode.implementationSpecificError,
  ReasonCode.topicNameInvalid,
  ReasonCode.receiveMaximumExceeded,
  ReasonCode.topicAliasInvalid,
  ReasonCode.packetTooLarge,
  ReasonCode.messageRateTooHigh,
  ReasonCode.quotaExceeded,
  ReasonCode.administrativeAction,
  ReasonCode.payloadFormatInvalid,
]);

/** Reason codes of AUTH that a client may send (table 3-11; Success is the server's). */
const AUTH_REASONS: ReadonlySet<number> = new Set([ReasonCode.continueAuthentication, ReasonCode.reAuthenticate]);

const NO_FLAGS = 0;
/** The flags that PUBREL, SUBSCRIBE and UNSUBSCRIBE must have (section 2.1.3). */
const FLAGS_0010 = 2;

/**
 * Decodes any packet after CONNECT. `buffer[start .. end)` is the body as {@link PacketFramer} cuts it; nothing outside
 * is read. All that can be told from one packet and the version is checked. Packets that are valid only in some states
 * are let through.
 *
 * @throws ProtocolError
 */
export function decodePacket(
  header: number,
  buffer: Buffer,
  start: number,
  end: number,
  version: ProtocolVersion,
): ClientPacket {
  const reader = new PacketReader(buffer, start, end);
  switch (header >> 4) {
    case 1:
      throw new ProtocolError('REPEATED_CONNECT'); // [MQTT-3.1.0-2]
    case 3:
      return decodePublish(header, buffer, start, end, version);
    case 4:
      checkFlags(header, NO_FLAGS, version);
      return readAck('puback', reader, version, RECEIVED_REASONS);
    case 5:
      checkFlags(header, NO_FLAGS, version);
      return readAck('pubrec', reader, version, RECEIVED_REASONS);
    case 6:
      checkFlags(header, FLAGS_0010, version); // [MQTT-3.6.1-1]
      return readAck('pubrel', reader, version, RELEASE_REASONS);
    case 7:
      checkFlags(header, NO_FLAGS, version);
      return readAck('pubcomp', reader, version, RELEASE_REASONS);
    case 8:
      checkFlags(header, FLAGS_0010, version); // [MQTT-3.8.1-1]
      return readSubscribe(reader, version);
    case 10:
      checkFlags(header, FLAGS_0010, version); // [MQTT-3.10.1-1]
      return readUnsubscribe(reader, version);
    case 12:
      checkFlags(header, NO_FLAGS, version);
      reader.finish();
      return { type: 'pingreq' };
    case 14:
      checkFlags(header, NO_FLAGS, version); // [MQTT-3.14.1-1]
      return readDisconnect(reader, version);
    case 15:
      if (version !== 5) break;
      checkFlags(header, NO_FLAGS, version); // [MQTT-3.15.1-1]
      return readAuth(reader);
    case 2:
    case 9:
    case 11:
    case 13:
      throw new ProtocolError('UNEXPECTED_PACKET_TYPE', `type ${header >> 4}`);
    default:
      break;
  }
  throw new ProtocolError('RESERVED_PACKET_TYPE', `type ${header >> 4}`);
}

/**
 * The packet identifier of an ack, for the hot path: the caller has seen that the header is exactly right and the body has two
 * bytes or more. Two bytes are a whole ack in every version (5.0: reason code 0).
 *
 * @throws ProtocolError PACKET_ID_ZERO
 */
export function readPacketId(buffer: Buffer, start: number): number {
  const packetId = (buffer[start]! << 8) | buffer[start + 1]!;
  if (packetId === 0) throw new ProtocolError('PACKET_ID_ZERO');
  return packetId;
}

/** 3.1 does not use these flags (and sets DUP on a repeated PUBREL, SUBSCRIBE or UNSUBSCRIBE); later versions fix them. */
function checkFlags(header: number, expected: number, version: ProtocolVersion): void {
  if ((header & 0x0f) !== expected && version !== 3) throw new ProtocolError('RESERVED_FLAGS');
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP: 5.0 may leave out the properties, and the reason code with them (section 3.4.2). */
function readAck(
  type: AckPacket['type'],
  reader: PacketReader,
  version: ProtocolVersion,
  reasons: ReadonlySet<number>,
): AckPacket {
  const packetId = reader.packetId();
  let reasonCode: number = ReasonCode.success;
  if (version === 5 && reader.remaining > 0) {
    reasonCode = readReason(reader, reasons);
    if (reader.remaining > 0) readProperties(reader, 'ack');
  }
  reader.finish();
  return { type, packetId, reasonCode };
}

/** DISCONNECT (section 3.14): empty in 3.x; 5.0 may leave out the properties, and the reason code with them. */
function readDisconnect(reader: PacketReader, version: ProtocolVersion): DisconnectPacket {
  let reasonCode: number = ReasonCode.normalDisconnection;
  let sessionExpiryIntervalSec: number | null = null;
  let reasonString: string | null = null;
  if (version === 5 && reader.remaining > 0) {
    reasonCode = readReason(reader, DISCONNECT_REASONS);
    if (reader.remaining > 0) ({ sessionExpiryIntervalSec, reasonString } = readProperties(reader, 'disconnect'));
  }
  reader.finish();
  return { type: 'disconnect', reasonCode, sessionExpiryIntervalSec, reasonString };
}

/**
 * AUTH (section 3.15). Only Success may be sent without its fields, and that is the server's, so from a client everything is there.
 * The authentication data is a copy, as it outlives the input.
 */
function readAuth(reader: PacketReader): AuthPacket {
  const reasonCode = reader.remaining === 0 ? ReasonCode.success : reader.byte();
  if (!AUTH_REASONS.has(reasonCode)) throw invalidReason(reasonCode);
  const { authenticationMethod, authenticationData } = readProperties(reader, 'auth');
  reader.finish();
  if (authenticationMethod === null) throw new ProtocolError('AUTHENTICATION_METHOD_MISSING');
  return {
    type: 'auth',
    reasonCode,
    authenticationMethod,
    authenticationData: authenticationData === null ? null : new Uint8Array(authenticationData),
  };
}

function readReason(reader: PacketReader, allowed: ReadonlySet<number>): number {
  const reasonCode = reader.byte();
  if (!allowed.has(reasonCode)) throw invalidReason(reasonCode);
  return reasonCode;
}

function invalidReason(reasonCode: number): ProtocolError {
  return new ProtocolError('INVALID_REASON_CODE', `0x${reasonCode.toString(16).padStart(2, '0')}`);
}
