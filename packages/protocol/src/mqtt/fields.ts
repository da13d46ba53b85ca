import type { MessageProperties } from './packets.ts';
import { PropertyId } from './property-id.ts';

/** The fields of outgoing packets (MQTT 5.0 section 1.5). What does not fit its field is this server's own mistake: RangeError. */

export const MAX_VARIABLE_INTEGER = 268_435_455;
const EMPTY = Buffer.alloc(0);

/** Bytes of a Variable Byte Integer: 1 to 4. */
export function variableIntegerSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value <= MAX_VARIABLE_INTEGER) return 4;
  throw new RangeError(`${value} is too large for a variable byte integer`);
}

/** Returns the offset behind it. */
export function writeVariableInteger(target: Buffer, offset: number, value: number): number {
  let rest = value;
  while (rest >= 0x80) {
    target[offset++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[offset++] = rest;
  return offset;
}

export function writeUint16(target: Buffer, offset: number, value: number): number {
  target[offset] = value >>> 8;
  target[offset + 1] = value;
  return offset + 2;
}

export function writeUint32(target: Buffer, offset: number, value: number): number {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
  return offset + 4;
}

/** A whole packet from its first byte and the parts of its body. */
export function packet(firstByte: number, parts: readonly Uint8Array[]): Buffer {
  let remainingLength = 0;
  for (const part of parts) remainingLength += part.length;
  const bytes = Buffer.allocUnsafe(1 + variableIntegerSize(remainingLength) + remainingLength);
  bytes[0] = firstByte;
  let offset = writeVariableInteger(bytes, 1, remainingLength);
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** UTF-8 encoded string: length and bytes. */
export function stringField(text: string): Buffer {
  const length = Buffer.byteLength(text);
  if (length > 0xffff) throw new RangeError(`${length} bytes in a field of at most 65535`);
  const field = Buffer.allocUnsafe(2 + length);
  field.write(text, writeUint16(field, 0, length));
  return field;
}

/** Binary data: length and bytes. */
export function lengthPrefixed(bytes: Uint8Array): Buffer {
  if (bytes.length > 0xffff) throw new RangeError(`${bytes.length} bytes in a field of at most 65535`);
  const field = Buffer.allocUnsafe(2 + bytes.length);
  writeUint16(field, 0, bytes.length);
  field.set(bytes, 2);
  return field;
}

/** A property section: its length and the properties. */
export function propertySection(properties: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(properties);
  const section = Buffer.allocUnsafe(variableIntegerSize(body.length) + body.length);
  section.set(body, writeVariableInteger(section, 0, body.length));
  return section;
}

export function byteProperty(id: number, value: number | boolean): Buffer {
  return Buffer.from([id, Number(value)]);
}

export function uint16Property(id: number, value: number): Buffer {
  if (!(value >= 0 && value <= 0xffff)) throw new RangeError(`property ${id} is ${value}`);
  return Buffer.from([id, value >>> 8, value]);
}

export function uint32Property(id: number, value: number): Buffer {
  if (!(value >= 0 && value <= 0xffff_ffff)) throw new RangeError(`property ${id} is ${value}`);
  const property = Buffer.from([id, 0, 0, 0, 0]);
  writeUint32(property, 1, value);
  return property;
}

export function stringProperty(id: number, text: string): Buffer {
  return Buffer.concat([Buffer.from([id]), stringField(text)]);
}

export function binaryProperty(id: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([id]), lengthPrefixed(bytes)]);
}

export function userProperty(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([PropertyId.userProperty]), stringField(name), stringField(value)]);
}

/** The properties of an application message without the expiry interval, which counts down, and without the section's length. */
export function messagePropertyBytes(properties: MessageProperties | null): Buffer {
  if (properties === null) return EMPTY;
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = properties;
  const parts: Buffer[] = [];
  if (payloadFormatIndicator !== undefined) {
    parts.push(byteProperty(PropertyId.payloadFormatIndicator, payloadFormatIndicator));
  }
  if (contentType !== undefined) parts.push(stringProperty(PropertyId.contentType, contentType));
  if (responseTopic !== undefined) parts.push(stringProperty(PropertyId.responseTopic, responseTopic));
  if (correlationData !== undefined) {
    parts.push(Buffer.from([PropertyId.correlationData]), lengthPrefixed(correlationData));
  }
  for (const [name, value] of userProperties ?? []) parts.push(userProperty(name, value)); // in order [MQTT-3.3.2-18]
  return Buffer.concat(parts);
}
