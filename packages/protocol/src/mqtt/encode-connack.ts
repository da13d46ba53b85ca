import {
  binaryProperty,
  byteProperty,
  packet,
  propertySection,
  stringProperty,
  uint16Property,
  uint32Property,
  userProperty,
} from './fields.ts';
import type { Connack, ProtocolVersion } from './packets.ts';
import { PropertyId } from './property-id.ts';
import { connackReturnCode } from './reason-codes.ts';

const CONNACK = 0x20;

/**
 * CONNACK (MQTT 5.0 section 3.2). A refusal never says "session present" [MQTT-3.2.2-6]; 3.1 has no such flag; 3.x gets
 * the return code and none of the properties.
 * @throws RangeError when a value does not fit its property
 */
export function encodeConnack(connack: Connack, version: ProtocolVersion): Buffer {
  const { sessionPresent, reasonCode } = connack;
  const flags = sessionPresent && reasonCode === 0 && version !== 3 ? 1 : 0;
  if (version !== 5) return Buffer.from([CONNACK, 2, flags, connackReturnCode(reasonCode)]);
  return packet(CONNACK, [Buffer.from([flags, reasonCode]), propertySection(properties(connack))]);
}

type Key = Exclude<keyof Connack, 'sessionPresent' | 'reasonCode' | 'userProperties'>;
type Encoder<T> = (id: number, value: T) => Buffer;

/** One row per property of section 3.2.2.3. */
const PROPERTIES: { readonly [K in Key]: readonly [id: number, encode: Encoder<NonNullable<Connack[K]>>] } = {
  sessionExpiryIntervalSec: [PropertyId.sessionExpiryInterval, uint32Property],
  receiveMaximum: [PropertyId.receiveMaximum, uint16Property],
  maximumQoS: [PropertyId.maximumQoS, byteProperty],
  retainAvailable: [PropertyId.retainAvailable, byteProperty],
  maximumPacketSizeBytes: [PropertyId.maximumPacketSize, uint32Property],
  assignedClientId: [PropertyId.assignedClientIdentifier, stringProperty],
  topicAliasMaximum: [PropertyId.topicAliasMaximum, uint16Property],
  reasonString: [PropertyId.reasonString, stringProperty],
  wildcardSubscriptionAvailable: [PropertyId.wildcardSubscriptionAvailable, byteProperty],
  subscriptionIdentifiersAvailable: [PropertyId.subscriptionIdentifiersAvailable, byteProperty],
  sharedSubscriptionAvailable: [PropertyId.sharedSubscriptionAvailable, byteProperty],
  serverKeepAliveSec: [PropertyId.serverKeepAlive, uint16Property],
  responseInformation: [PropertyId.responseInformation, stringProperty],
  serverReference: [PropertyId.serverReference, stringProperty],
  authenticationMethod: [PropertyId.authenticationMethod, stringProperty],
  authenticationData: [PropertyId.authenticationData, binaryProperty],
};

const KEYS = Object.keys(PROPERTIES) as Key[];

function properties(connack: Connack): Buffer[] {
  const parts: Buffer[] = [];
  for (const key of KEYS) addProperty(parts, connack, key);
  for (const [name, value] of connack.userProperties ?? []) parts.push(userProperty(name, value));
  return parts;
}

function addProperty<K extends Key>(parts: Buffer[], connack: Connack, key: K): void {
  const value = connack[key];
  if (value === undefined) return;
  const [id, encode] = PROPERTIES[key];
  parts.push(encode(id, value));
}
