import type { MessageProperties, UserProperty, Will } from '@quorate/protocol';
import type { ByteReader, ByteWriter } from './bytes.ts';

const HAS_FORMAT = 1;
const HAS_EXPIRY = 2;
const HAS_CONTENT_TYPE = 4;
const HAS_RESPONSE_TOPIC = 8;
const HAS_CORRELATION = 16;
const HAS_USER = 32;

/** Properties of an application message, in log entries and in state records alike. */
export function writeProperties(writer: ByteWriter, properties: MessageProperties): void {
  const { payloadFormatIndicator, messageExpiryIntervalSec, contentType } = properties;
  const { responseTopic, correlationData, userProperties } = properties;
  let present = 0;
  if (payloadFormatIndicator !== undefined) present |= HAS_FORMAT;
  if (messageExpiryIntervalSec !== undefined) present |= HAS_EXPIRY;
  if (contentType !== undefined) present |= HAS_CONTENT_TYPE;
  if (responseTopic !== undefined) present |= HAS_RESPONSE_TOPIC;
  if (correlationData !== undefined) present |= HAS_CORRELATION;
  if (userProperties !== undefined && userProperties.length > 0) present |= HAS_USER;
  writer.u8(present);
  if (payloadFormatIndicator !== undefined) writer.u8(payloadFormatIndicator);
  if (messageExpiryIntervalSec !== undefined) writer.u32(messageExpiryIntervalSec);
  if (contentType !== undefined) writer.string(contentType);
  if (responseTopic !== undefined) writer.string(responseTopic);
  if (correlationData !== undefined) writer.bytes(correlationData);
  if ((present & HAS_USER) !== 0 && userProperties !== undefined) {
    writer.u32(userProperties.length);
    for (const [name, value] of userProperties) {
      writer.string(name);
      writer.string(value);
    }
  }
}

export function readProperties(reader: ByteReader): MessageProperties {
  const present = reader.u8();
  const properties: { -readonly [Name in keyof MessageProperties]: MessageProperties[Name] } = {};
  if ((present & HAS_FORMAT) !== 0) properties.payloadFormatIndicator = reader.u8() === 1 ? 1 : 0;
  if ((present & HAS_EXPIRY) !== 0) properties.messageExpiryIntervalSec = reader.u32();
  if ((present & HAS_CONTENT_TYPE) !== 0) properties.contentType = reader.string();
  if ((present & HAS_RESPONSE_TOPIC) !== 0) properties.responseTopic = reader.string();
  if ((present & HAS_CORRELATION) !== 0) properties.correlationData = Buffer.from(reader.bytes());
  if ((present & HAS_USER) !== 0) {
    const userProperties: UserProperty[] = [];
    for (let count = reader.u32(); count > 0; count--) userProperties.push([reader.string(), reader.string()]);
    properties.userProperties = userProperties;
  }
  return properties;
}

/** What properties weigh against a limit: about their size on the wire, the same on every node. */
export function propertiesSizeBytes(properties: MessageProperties): number {
  const { contentType, responseTopic, correlationData, userProperties } = properties;
  let sizeBytes = (contentType?.length ?? 0) + (responseTopic?.length ?? 0) + (correlationData?.length ?? 0);
  for (const [name, value] of userProperties ?? []) sizeBytes += name.length + value.length + 4;
  return sizeBytes;
}

export function writeWill(writer: ByteWriter, will: Will): void {
  writer.u8(will.qos | (will.retain ? 4 : 0) | (will.properties !== null ? 8 : 0));
  writer.u32(will.delayIntervalSec);
  writer.string(will.topic);
  if (will.properties !== null) writeProperties(writer, will.properties);
  writer.bytes(will.payload);
}

export function readWill(reader: ByteReader): Will {
  const flags = reader.u8();
  const delayIntervalSec = reader.u32();
  const topic = reader.string();
  const properties = (flags & 8) !== 0 ? readProperties(reader) : null;
  return {
    topic,
    payload: reader.bytes(),
    qos: (flags & 3) as 0 | 1 | 2,
    retain: (flags & 4) !== 0,
    delayIntervalSec,
    properties,
  };
}
