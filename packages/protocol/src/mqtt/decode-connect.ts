import { ProtocolError } from './errors.ts';
import type { ConnectPacket, ProtocolVersion, QoS, Will } from './packets.ts';
import { isPayloadFormatValid } from './payload-format.ts';
import { type ClientProperties, readProperties } from './properties.ts';
import { PacketReader } from './reader.ts';

/** What this server accepts in a CONNECT beyond what the specification says. Absent is the specification's bound. */
export interface ConnectLimits {
  /** Longest client identifier in bytes of UTF-8 (the 23 of 3.1 is never enforced). */
  readonly maxClientIdBytes?: number;
}

const PACKET_TYPE_CONNECT = 1;
/** Bit 7 of the protocol level: the client is a bridge (mosquitto's private extension, 3.1 and 3.1.1 only). */
const BRIDGE_BIT = 0x80;

const FLAG_RESERVED = 0x01;
const FLAG_CLEAN_START = 0x02;
const FLAG_WILL = 0x04;
const FLAG_WILL_RETAIN = 0x20;
const FLAG_PASSWORD = 0x40;
const FLAG_USERNAME = 0x80;
const WILL_DETAILS = 0x38;

interface ProtocolLevel {
  readonly version: ProtocolVersion;
  readonly bridge: boolean;
}

/**
 * Decodes the first packet of a connection (MQTT 5.0, 3.1.1 and 3.1 section 3.1). All that can be told from this packet alone is
 * checked; an empty client identifier is left to the caller, who may have one to assign (or refuses: 3.1, and 3.1.1
 * without Clean Session [MQTT-3.1.3-8]). Binary fields are copies, as they outlive the input.
 *
 * @throws ProtocolError with `protocolVersion` set as soon as the bytes tell it: what to encode the refusing CONNACK for
 */
export function decodeConnect(
  header: number,
  buffer: Buffer,
  start: number,
  end: number,
  limits: ConnectLimits = {},
): ConnectPacket {
  if (header >> 4 !== PACKET_TYPE_CONNECT) throw new ProtocolError('NOT_CONNECT', `packet type ${header >> 4}`);
  const reader = new PacketReader(buffer, start, end);
  const level = readProtocolLevel(reader);
  try {
    return readConnect(header, reader, level, limits);
  } catch (error) {
    if (error instanceof ProtocolError) error.protocolVersion = level.version;
    throw error;
  }
}

/** Protocol name and level [MQTT-3.1.2-1, -2]. */
function readProtocolLevel(reader: PacketReader): ProtocolLevel {
  const name = reader.string();
  if (name !== 'MQTT' && name !== 'MQIsdp') throw new ProtocolError('UNKNOWN_PROTOCOL_NAME');
  const level = reader.byte();
  if (name === 'MQIsdp' && (level & ~BRIDGE_BIT) === 3) return { version: 3, bridge: level !== 3 };
  if (name === 'MQTT' && (level & ~BRIDGE_BIT) === 4) return { version: 4, bridge: level !== 4 };
  if (name === 'MQTT' && level === 5) return { version: 5, bridge: false };
  const error = new ProtocolError('UNSUPPORTED_PROTOCOL_VERSION', `${name} level ${level}`);
  // The nearest version, whose CONNACK the client will understand most probably.
  error.protocolVersion = name === 'MQIsdp' ? 3 : level > 5 && level < BRIDGE_BIT ? 5 : 4;
  throw error;
}

function readConnect(header: number, reader: PacketReader, level: ProtocolLevel, limits: ConnectLimits): ConnectPacket {
  const { version, bridge } = level;
  // 3.1 says "not used" where later versions say "must be zero".
  if (version !== 3 && (header & 0x0f) !== 0) throw new ProtocolError('RESERVED_FLAGS');
  const flags = reader.byte();
  if (version !== 3) checkFlags(flags, version);
  const keepAliveSec = reader.uint16();
  const properties = version === 5 ? readProperties(reader, 'connect') : null;
  if (properties !== null && properties.authenticationData !== null && properties.authenticationMethod === null) {
    throw new ProtocolError('AUTHENTICATION_METHOD_MISSING');
  }
  const idStart = reader.position;
  const clientId = reader.string();
  if (reader.position - idStart - 2 > (limits.maxClientIdBytes ?? Number.POSITIVE_INFINITY)) {
    throw new ProtocolError('CLIENT_ID_TOO_LONG');
  }
  const will = (flags & FLAG_WILL) === 0 ? null : readWill(reader, flags, version);
  const username = hasField(reader, flags, FLAG_USERNAME, version) ? reader.string() : null;
  const password = hasField(reader, flags, FLAG_PASSWORD, version) ? copy(reader.binary()) : null;
  if (version === 3 && password !== null && username === null) throw new ProtocolError('INVALID_CONNECT_FLAGS');
  reader.finish();
  return {
    type: 'connect',
    protocolVersion: version,
    bridge,
    clientId,
    cleanStart: (flags & FLAG_CLEAN_START) !== 0,
    keepAliveSec,
    username,
    password,
    will,
    ...connectProperties(properties),
  };
}

/** What 3.1.1 and 5.0 forbid in the flags themselves [MQTT-3.1.2-3, -11 to -15]; 3.1.1 also a password alone [MQTT-3.1.2-22]. */
function checkFlags(flags: number, version: ProtocolVersion): void {
  if ((flags & FLAG_RESERVED) !== 0) throw new ProtocolError('INVALID_CONNECT_FLAGS', 'reserved bit');
  if ((flags & FLAG_WILL) === 0 && (flags & WILL_DETAILS) !== 0) {
    throw new ProtocolError('INVALID_CONNECT_FLAGS', 'will QoS or will retain without will');
  }
  if (version === 4 && (flags & FLAG_PASSWORD) !== 0 && (flags & FLAG_USERNAME) === 0) {
    throw new ProtocolError('INVALID_CONNECT_FLAGS', 'password without user name');
  }
}

/**
 * Whether a field that the flags announce is there. 3.1 alone lets the remaining length overrule the flags: "the User Name
 * flag is set, but the User Name string is missing. This is valid" (section 3.1, so too the password).
 */
function hasField(reader: PacketReader, flags: number, flag: number, version: ProtocolVersion): boolean {
  return (flags & flag) !== 0 && (version !== 3 || reader.remaining > 0);
}

function readWill(reader: PacketReader, flags: number, version: ProtocolVersion): Will {
  const qos = (flags >> 3) & 3;
  if (qos === 3) throw new ProtocolError('INVALID_QOS', 'of the will');
  const properties = version === 5 ? readProperties(reader, 'will') : null;
  const topic = reader.topicName();
  if (topic === '') throw new ProtocolError('INVALID_TOPIC_NAME', 'empty will topic');
  const payload = copy(reader.binary());
  const message = properties?.message ?? null;
  if (!isPayloadFormatValid(payload, message)) throw new ProtocolError('INVALID_PAYLOAD_FORMAT', 'of the will');
  if (message?.correlationData !== undefined) message.correlationData = copy(message.correlationData);
  return {
    topic,
    payload,
    qos: qos as QoS,
    retain: (flags & FLAG_WILL_RETAIN) !== 0,
    delayIntervalSec: properties?.willDelayIntervalSec ?? 0,
    properties: message,
  };
}

type ConnectProperties = Pick<
  ConnectPacket,
  | 'sessionExpiryIntervalSec'
  | 'receiveMaximum'
  | 'maximumPacketSizeBytes'
  | 'topicAliasMaximum'
  | 'requestResponseInformation'
  | 'requestProblemInformation'
  | 'authenticationMethod'
  | 'authenticationData'
  | 'userProperties'
>;

/** With the defaults of MQTT 5.0 section 3.1.2.11 for what is absent. */
function connectProperties(properties: ClientProperties | null): ConnectProperties {
  const data = properties?.authenticationData ?? null;
  return {
    sessionExpiryIntervalSec: properties?.sessionExpiryIntervalSec ?? 0,
    receiveMaximum: properties?.receiveMaximum ?? 65_535,
    maximumPacketSizeBytes: properties?.maximumPacketSizeBytes ?? Number.POSITIVE_INFINITY,
    topicAliasMaximum: properties?.topicAliasMaximum ?? 0,
    requestResponseInformation: properties?.requestResponseInformation ?? false,
    requestProblemInformation: properties?.requestProblemInformation ?? true,
    authenticationMethod: properties?.authenticationMethod ?? null,
    authenticationData: data === null ? null : copy(data),
    userProperties: properties?.userProperties ?? [],
  };
}

/** With memory of its own: neither the input chunk nor Node's shared pool stays alive for it. */
function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
