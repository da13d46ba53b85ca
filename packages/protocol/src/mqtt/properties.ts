import { ProtocolError } from './errors.ts';
import type { MessageProperties, UserProperty } from './packets.ts';
import { isKnownProperty, isPropertyAllowed, PropertyId, type PropertySection } from './property-id.ts';
import type { PacketReader } from './reader.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** All that a client's packet can carry as properties; absent is absent. */
export interface ClientProperties {
  /** Null when the packet has none of the message properties. */
  message: Writable<MessageProperties> | null;
  userProperties: UserProperty[] | null;
  topicAlias: number | null;
  subscriptionIdentifier: number | null;
  sessionExpiryIntervalSec: number | null;
  receiveMaximum: number | null;
  maximumPacketSizeBytes: number | null;
  topicAliasMaximum: number | null;
  requestResponseInformation: boolean | null;
  requestProblemInformation: boolean | null;
  willDelayIntervalSec: number | null;
  authenticationMethod: string | null;
  authenticationData: Buffer | null;
  reasonString: string | null;
}

function noProperties(): ClientProperties {
  return {
    message: null,
    userProperties: null,
    topicAlias: null,
    subscriptionIdentifier: null,
    sessionExpiryIntervalSec: null,
    receiveMaximum: null,
    maximumPacketSizeBytes: null,
    topicAliasMaximum: null,
    requestResponseInformation: null,
    requestProblemInformation: null,
    willDelayIntervalSec: null,
    authenticationMethod: null,
    authenticationData: null,
    reasonString: null,
  };
}

/**
 * Reads a property section, its length included (MQTT 5.0 section 2.2.2): only properties that a client may send there,
 * each at most once except User Property, values in range. Binary values are views of the packet.
 */
export function readProperties(reader: PacketReader, section: PropertySection): ClientProperties {
  const properties = noProperties();
  const length = reader.variableInteger();
  if (length === 0) return properties;
  if (length > reader.remaining) throw new ProtocolError('TRUNCATED', 'property length');
  const packetEnd = reader.end;
  reader.end = reader.position + length;
  // One bit per identifier: 0 to 31 and 32 to 63.
  let seenLow = 0;
  let seenHigh = 0;
  while (reader.remaining > 0) {
    const id = reader.variableInteger();
    checkAllowed(id, section);
    if (id !== PropertyId.userProperty) {
      const bit = 1 << (id & 31);
      const seen = id < 32 ? seenLow : seenHigh;
      if ((seen & bit) !== 0) throw new ProtocolError('DUPLICATE_PROPERTY', hex(id));
      if (id < 32) seenLow |= bit;
      else seenHigh |= bit;
    }
    if (!readMessageProperty(reader, id, properties)) readOtherProperty(reader, id, properties);
  }
  reader.end = packetEnd;
  if (section === 'publish' || section === 'will') moveUserPropertiesToMessage(properties);
  return properties;
}

function checkAllowed(id: number, section: PropertySection): void {
  if (isPropertyAllowed(id, section)) return;
  if (!isKnownProperty(id)) throw new ProtocolError('UNKNOWN_PROPERTY', hex(id));
  if (section === 'publish' && id === PropertyId.subscriptionIdentifier) {
    throw new ProtocolError('SUBSCRIPTION_IDENTIFIER_FROM_CLIENT');
  }
  throw new ProtocolError('PROPERTY_NOT_ALLOWED', `${hex(id)} in ${section}`);
}

/** The properties of an application message (section 3.3.2.3); false when it is none of them. */
function readMessageProperty(reader: PacketReader, id: number, properties: ClientProperties): boolean {
  switch (id) {
    case PropertyId.payloadFormatIndicator:
      message(properties).payloadFormatIndicator = flag(reader, id) ? 1 : 0;
      return true;
    case PropertyId.messageExpiryInterval:
      message(properties).messageExpiryIntervalSec = reader.uint32();
      return true;
    case PropertyId.contentType:
      message(properties).contentType = reader.string();
      return true;
    case PropertyId.responseTopic: {
      const topic = reader.topicName(); // no wildcards [MQTT-3.3.2-14]
      if (topic === '') throw new ProtocolError('INVALID_TOPIC_NAME', 'empty response topic');
      message(properties).responseTopic = topic;
      return true;
    }
    case PropertyId.correlationData:
      message(properties).correlationData = reader.binary();
      return true;
    default:
      return false;
  }
}

function readOtherProperty(reader: PacketReader, id: number, properties: ClientProperties): void {
  switch (id) {
    case PropertyId.userProperty:
      properties.userProperties ??= [];
      properties.userProperties.push([reader.string(), reader.string()]);
      return;
    case PropertyId.topicAlias: {
      const alias = reader.uint16();
      if (alias === 0) throw new ProtocolError('INVALID_TOPIC_ALIAS'); // [MQTT-3.3.2-8]
      properties.topicAlias = alias;
      return;
    }
    case PropertyId.subscriptionIdentifier:
      properties.subscriptionIdentifier = notZero(reader.variableInteger(), id);
      return;
    case PropertyId.sessionExpiryInterval:
      properties.sessionExpiryIntervalSec = reader.uint32();
      return;
    case PropertyId.receiveMaximum:
      properties.receiveMaximum = notZero(reader.uint16(), id);
      return;
    case PropertyId.maximumPacketSize:
      properties.maximumPacketSizeBytes = notZero(reader.uint32(), id);
      return;
    case PropertyId.topicAliasMaximum:
      properties.topicAliasMaximum = reader.uint16();
      return;
    case PropertyId.requestResponseInformation:
      properties.requestResponseInformation = flag(reader, id);
      return;
    case PropertyId.requestProblemInformation:
      properties.requestProblemInformation = flag(reader, id);
      return;
    case PropertyId.willDelayInterval:
      properties.willDelayIntervalSec = reader.uint32();
      return;
    case PropertyId.authenticationMethod:
      properties.authenticationMethod = reader.string();
      return;
    case PropertyId.authenticationData:
      properties.authenticationData = reader.binary();
      return;
    case PropertyId.reasonString:
      properties.reasonString = reader.string();
      return;
    default:
      throw new Error(`property ${hex(id)} is allowed but has no reader`);
  }
}

function moveUserPropertiesToMessage(properties: ClientProperties): void {
  if (properties.userProperties === null) return;
  message(properties).userProperties = properties.userProperties;
  properties.userProperties = null;
}

function message(properties: ClientProperties): Writable<MessageProperties> {
  properties.message ??= {};
  return properties.message;
}

function flag(reader: PacketReader, id: number): boolean {
  const value = reader.byte();
  if (value > 1) throw new ProtocolError('INVALID_PROPERTY_VALUE', `${hex(id)} is ${value}`);
  return value === 1;
}

function notZero(value: number, id: number): number {
  if (value === 0) throw new ProtocolError('INVALID_PROPERTY_VALUE', `${hex(id)} is 0`);
  return value;
}

function hex(id: number): string {
  return `0x${id.toString(16).padStart(2, '0')}`;
}
