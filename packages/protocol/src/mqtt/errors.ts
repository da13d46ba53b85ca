import type { ProtocolVersion } from './packets.ts';
import { ReasonCode } from './reason-codes.ts';

const { malformedPacket, protocolError } = ReasonCode;

/**
 * Everything that can be wrong with what a client sent: the stable code (logs and metrics use it as a label), the 5.0
 * reason code for CONNACK or DISCONNECT, and a sentence. Malformed (0x81) is what cannot be parsed, protocol error
 * (0x82) what parses but is not allowed (MQTT 5.0 section 4.13.1); where the specification has a more exact code it is used.
 */
export const PROTOCOL_ERRORS = {
  // Fixed header and framing.
  INVALID_REMAINING_LENGTH: [malformedPacket, 'remaining length is longer than four bytes or not minimal'],
  PACKET_TOO_LARGE: [ReasonCode.packetTooLarge, 'packet is larger than the maximum packet size'],
  RESERVED_PACKET_TYPE: [malformedPacket, 'packet type is reserved'],
  RESERVED_FLAGS: [malformedPacket, 'reserved flags of the fixed header are not what the packet type requires'],
  UNEXPECTED_PACKET_TYPE: [protocolError, 'packet type is one that only a server sends'],
  NOT_CONNECT: [protocolError, 'first packet is not CONNECT'],
  REPEATED_CONNECT: [protocolError, 'CONNECT after the first packet'],
  // Fields.
  TRUNCATED: [malformedPacket, 'packet ends inside a field'],
  TRAILING_BYTES: [malformedPacket, 'bytes after the end of the packet'],
  INVALID_UTF8: [malformedPacket, 'string is not UTF-8 or contains U+0000'],
  INVALID_VARIABLE_INTEGER: [malformedPacket, 'variable byte integer is longer than four bytes or not minimal'],
  PACKET_ID_ZERO: [protocolError, 'packet identifier is 0'],
  INVALID_REASON_CODE: [protocolError, 'reason code is not one that a client may send in this packet'],
  // Properties.
  UNKNOWN_PROPERTY: [malformedPacket, 'no such property'],
  PROPERTY_NOT_ALLOWED: [malformedPacket, 'property is not allowed in this packet'],
  SUBSCRIPTION_IDENTIFIER_FROM_CLIENT: [protocolError, 'a client must not send a subscription identifier in PUBLISH'],
  DUPLICATE_PROPERTY: [protocolError, 'property appears more than once'],
  INVALID_PROPERTY_VALUE: [protocolError, 'property value is out of range'],
  AUTHENTICATION_METHOD_MISSING: [protocolError, 'authentication without an authentication method'],
  AUTHENTICATION_UNFINISHED: [protocolError, 'only AUTH or DISCONNECT may come before the authentication has ended'],
  // CONNECT.
  UNKNOWN_PROTOCOL_NAME: [ReasonCode.unsupportedProtocolVersion, 'protocol name is neither MQTT nor MQIsdp'],
  UNSUPPORTED_PROTOCOL_VERSION: [ReasonCode.unsupportedProtocolVersion, 'protocol level is not supported'],
  INVALID_CONNECT_FLAGS: [malformedPacket, 'CONNECT flags contradict each other or use the reserved bit'],
  CLIENT_ID_TOO_LONG: [ReasonCode.clientIdentifierNotValid, 'client identifier is longer than this server accepts'],
  // Topics.
  INVALID_TOPIC_NAME: [ReasonCode.topicNameInvalid, 'topic name is empty or contains a wildcard'],
  TOPIC_MISSING: [protocolError, 'neither topic name nor topic alias'],
  INVALID_TOPIC_ALIAS: [ReasonCode.topicAliasInvalid, 'topic alias is 0'],
  INVALID_TOPIC_FILTER: [ReasonCode.topicFilterInvalid, 'topic filter is empty or its wildcards are misplaced'],
  INVALID_QOS: [malformedPacket, 'QoS is 3'],
  INVALID_PAYLOAD_FORMAT: [ReasonCode.payloadFormatInvalid, 'payload is not the UTF-8 that its indicator announces'],
  DUP_WITH_QOS_0: [malformedPacket, 'DUP is set on QoS 0'],
  NO_TOPIC_FILTERS: [protocolError, 'no topic filter'],
  INVALID_SUBSCRIPTION_OPTIONS: [protocolError, 'subscription options are not valid'],
  RESERVED_SUBSCRIPTION_OPTIONS: [malformedPacket, 'reserved bits of the subscription options are set'],
} as const satisfies Record<string, readonly [reasonCode: number, sentence: string]>;

export type ProtocolErrorCode = keyof typeof PROTOCOL_ERRORS;

/** What a client sent breaks the protocol: its connection must be closed (MQTT 5.0 section 4.13, 3.1.1 section 4.8). */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  /** A key of {@link PROTOCOL_ERRORS}. */
  readonly code: ProtocolErrorCode;
  /** The 5.0 reason code to close with. */
  readonly reasonCode: number;
  /**
   * Only from decodeConnect: the version whose CONNACK the client can be expected to read. Null when the bytes before
   * the failure do not tell; such a client gets no CONNACK, the connection is just closed.
   */
  protocolVersion: ProtocolVersion | null = null;

  constructor(code: ProtocolErrorCode, detail?: string) {
    const [reasonCode, sentence] = PROTOCOL_ERRORS[code];
    super(detail === undefined ? sentence : `${sentence}: ${detail}`);
    this.code = code;
    this.reasonCode = reasonCode;
  }
}
