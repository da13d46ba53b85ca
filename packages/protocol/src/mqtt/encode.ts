import { binaryProperty, packet, propertySection, stringProperty, writeUint16 } from './fields.ts';
import type { AckPacket, ProtocolVersion } from './packets.ts';
import { PropertyId } from './property-id.ts';

export type AckType = AckPacket['type'];

/** First bytes; PUBREL has its fixed flag [MQTT-3.6.1-1]. */
const ACK_HEADERS: Readonly<Record<AckType, number>> = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 };

const SUBACK = 0x90;
const UNSUBACK = 0xb0;
const DISCONNECT = 0xe0;
const AUTH = 0xf0;
/** The lowest reason code that is a failure, and the only failure of a 3.1.1 SUBACK. */
const FAILURE = 0x80;
const NO_PROPERTIES = Buffer.from([0]);

/** One for all, written to every socket: never to be changed. */
export const PINGRESP: Buffer = Buffer.from([0xd0, 0]);

/**
 * Writes PUBACK, PUBREC, PUBREL or PUBCOMP at `offset` and returns the offset behind it: 4 bytes, or 5 with a 5.0 reason code
 * other than Success. 3.x has no reason codes: a caller that must refuse closes the connection instead.
 * @throws RangeError when it does not fit
 */
export function writeAck(
  target: Buffer,
  offset: number,
  type: AckType,
  packetId: number,
  reasonCode: number,
  version: ProtocolVersion,
): number {
  const withReason = version === 5 && reasonCode !== 0;
  const ackEnd = offset + (withReason ? 5 : 4);
  if (ackEnd > target.length) throw new RangeError(`${type} ends at ${ackEnd}, target at ${target.length}`);
  target[offset] = ACK_HEADERS[type];
  target[offset + 1] = withReason ? 3 : 2;
  writeUint16(target, offset + 2, packetId);
  if (withReason) target[offset + 4] = reasonCode;
  return ackEnd;
}

/**
 * SUBACK, one reason code per filter in the SUBSCRIBE's order [MQTT-3.8.4-6]. 3.1.1 has one failure, 0x80. 3.1 has none: a
 * refused filter is answered with QoS 0, the least that can be said.
 */
export function encodeSuback(packetId: number, reasonCodes: readonly number[], version: ProtocolVersion): Buffer {
  const codes = Buffer.from(reasonCodes);
  if (version !== 5) {
    for (let i = 0; i < codes.length; i++) if (codes[i]! >= FAILURE) codes[i] = version === 4 ? FAILURE : 0;
  }
  return withPacketId(SUBACK, packetId, version === 5 ? [NO_PROPERTIES, codes] : [codes]);
}

/** UNSUBACK; 3.x has no reason codes. */
export function encodeUnsuback(packetId: number, reasonCodes: readonly number[], version: ProtocolVersion): Buffer {
  return withPacketId(UNSUBACK, packetId, version === 5 ? [NO_PROPERTIES, Buffer.from(reasonCodes)] : []);
}

/**
 * DISCONNECT from the server: 5.0 only. Always in its long form: clients' parsers have been seen to stumble over the short ones.
 * @throws RangeError when a string is longer than 65,535 bytes
 */
export function encodeDisconnect(
  reasonCode: number,
  reasonString: string | null,
  serverReference: string | null,
): Buffer {
  const properties: Buffer[] = [];
  if (reasonString !== null) properties.push(stringProperty(PropertyId.reasonString, reasonString));
  if (serverReference !== null) properties.push(stringProperty(PropertyId.serverReference, serverReference));
  return packet(DISCONNECT, [Buffer.from([reasonCode]), propertySection(properties)]);
}

/**
 * AUTH (MQTT 5.0 section 3.15): 0x18 asks for more, 0x00 ends a re-authentication. Without reason string and user properties, so
 * these never make it larger than a client takes [MQTT-3.15.2-2, -3].
 * @throws RangeError when method or data is longer than 65,535 bytes
 */
export function encodeAuth(reasonCode: number, method: string, data: Uint8Array | null): Buffer {
  const properties = [stringProperty(PropertyId.authenticationMethod, method)];
  if (data !== null) properties.push(binaryProperty(PropertyId.authenticationData, data));
  return packet(AUTH, [Buffer.from([reasonCode]), propertySection(properties)]);
}

function withPacketId(firstByte: number, packetId: number, parts: readonly Uint8Array[]): Buffer {
  const id = Buffer.allocUnsafe(2);
  writeUint16(id, 0, packetId);
  return packet(firstByte, [id, ...parts]);
}
