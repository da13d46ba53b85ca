import {
  messagePropertyBytes,
  stringField,
  variableIntegerSize,
  writeUint16,
  writeUint32,
  writeVariableInteger,
} from './fields.ts';
import type { MessageProperties, OutgoingMessage, ProtocolVersion, QoS } from './packets.ts';
import { PropertyId } from './property-id.ts';

/** What differs between two subscribers' copies of one message. 5.0 only; older versions ignore it. */
export interface PublishExtras {
  /** Of all the client's subscriptions that match [MQTT-3.3.4-3], each 1 to 268,435,455. */
  readonly subscriptionIdentifiers: readonly number[];
  /** 1 to 65,535. The topic is sent along; a message whose topic is empty uses an alias that the client knows. */
  readonly topicAlias: number | null;
  /** Overrides the message's own: what is left of it [MQTT-3.3.2-6]. */
  readonly messageExpiryIntervalSec: number | null;
}

/**
 * The last topic and the last properties encoded. A fan-out encodes one message for many subscribers in a row, and a size
 * is always followed by a write, so one entry catches nearly all. Nothing but speed depends on it.
 */
let lastTopic = '';
let lastTopicField: Buffer = stringField('');
let lastProperties: MessageProperties | null = null;
let lastPropertyBytes: Buffer = messagePropertyBytes(null);

function topicField(topic: string): Buffer {
  if (topic !== lastTopic) {
    lastTopicField = stringField(topic);
    lastTopic = topic;
  }
  return lastTopicField;
}

function propertyBytes(properties: MessageProperties | null): Buffer {
  if (properties !== lastProperties) {
    lastPropertyBytes = messagePropertyBytes(properties);
    lastProperties = properties;
  }
  return lastPropertyBytes;
}

/**
 * The whole PUBLISH in bytes, fixed header included: what counts against a client's Maximum Packet Size [MQTT-3.1.2-24].
 * @throws RangeError when the message cannot be encoded at all
 */
export function publishSizeBytes(
  message: OutgoingMessage,
  qos: QoS,
  version: ProtocolVersion,
  extras: PublishExtras | null,
): number {
  const remainingLength = remainingLengthOf(message, qos, version, extras);
  return 1 + variableIntegerSize(remainingLength) + remainingLength;
}

/**
 * Writes a PUBLISH at `offset` of `target`, which must have room for {@link publishSizeBytes}, and returns the offset behind it.
 * `packetId` is not written for QoS 0.
 * @throws RangeError when it does not fit
 */
export function writePublish(
  target: Buffer,
  offset: number,
  message: OutgoingMessage,
  qos: QoS,
  retain: boolean,
  dup: boolean,
  packetId: number,
  version: ProtocolVersion,
  extras: PublishExtras | null,
): number {
  const { payload } = message;
  const remainingLength = remainingLengthOf(message, qos, version, extras);
  const packetEnd = offset + 1 + variableIntegerSize(remainingLength) + remainingLength;
  if (packetEnd > target.length) throw new RangeError(`PUBLISH ends at ${packetEnd}, target at ${target.length}`);
  if (qos !== 0 && !(packetId > 0 && packetId <= 0xffff)) throw new RangeError(`packet identifier ${packetId}`);

  target[offset] = 0x30 | (dup && qos !== 0 ? 0x08 : 0) | (qos << 1) | (retain ? 0x01 : 0);
  let position = writeVariableInteger(target, offset + 1, remainingLength);
  const topic = topicField(message.topic);
  target.set(topic, position);
  position += topic.length;
  if (qos !== 0) position = writeUint16(target, position, packetId);
  if (version === 5) position = writeProperties(target, position, message.properties, extras);
  target.set(payload, position);
  position += payload.length;
  if (position !== packetEnd) throw new Error(`PUBLISH of ${packetEnd - offset} bytes has ${position - offset}`);
  return position;
}

/** A QoS 0 PUBLISH in a buffer of its own, to be shared by all subscribers that get the same. */
export function encodePublishQoS0(
  message: OutgoingMessage,
  retain: boolean,
  version: ProtocolVersion,
  extras: PublishExtras | null,
): Buffer {
  const bytes = Buffer.allocUnsafe(publishSizeBytes(message, 0, version, extras));
  writePublish(bytes, 0, message, 0, retain, false, 0, version, extras);
  return bytes;
}

function remainingLengthOf(
  message: OutgoingMessage,
  qos: QoS,
  version: ProtocolVersion,
  extras: PublishExtras | null,
): number {
  let length = topicField(message.topic).length + (qos === 0 ? 0 : 2) + message.payload.length;
  if (version === 5) {
    const properties = propertyLengthOf(message.properties, extras);
    length += variableIntegerSize(properties) + properties;
  }
  return length;
}

function propertyLengthOf(properties: MessageProperties | null, extras: PublishExtras | null): number {
  let length = propertyBytes(properties).length;
  if (expiryOf(properties, extras) !== undefined) length += 5;
  if (extras !== null) {
    if (extras.topicAlias !== null) length += 3;
    for (const id of extras.subscriptionIdentifiers) length += 1 + variableIntegerSize(id);
  }
  return length;
}

function writeProperties(
  target: Buffer,
  offset: number,
  properties: MessageProperties | null,
  extras: PublishExtras | null,
): number {
  let position = writeVariableInteger(target, offset, propertyLengthOf(properties, extras));
  const expiry = expiryOf(properties, extras);
  if (expiry !== undefined) {
    target[position] = PropertyId.messageExpiryInterval;
    position = writeUint32(target, position + 1, expiry);
  }
  if (extras !== null) {
    if (extras.topicAlias !== null) {
      target[position] = PropertyId.topicAlias;
      position = writeUint16(target, position + 1, extras.topicAlias);
    }
    for (const id of extras.subscriptionIdentifiers) {
      target[position] = PropertyId.subscriptionIdentifier;
      position = writeVariableInteger(target, position + 1, id);
    }
  }
  const bytes = propertyBytes(properties);
  target.set(bytes, position);
  return position + bytes.length;
}

function expiryOf(properties: MessageProperties | null, extras: PublishExtras | null): number | undefined {
  return extras?.messageExpiryIntervalSec ?? properties?.messageExpiryIntervalSec;
}
