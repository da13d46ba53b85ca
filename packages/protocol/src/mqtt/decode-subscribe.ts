import { ProtocolError } from './errors.ts';
import type {
  ProtocolVersion,
  QoS,
  SubscribePacket,
  SubscriptionRequest,
  UnsubscribePacket,
  UserProperty,
} from './packets.ts';
import { readProperties } from './properties.ts';
import type { PacketReader } from './reader.ts';
import { isValidTopicFilter, parseSharedFilter } from './topics.ts';

const NO_USER_PROPERTIES: readonly UserProperty[] = [];

/** SUBSCRIBE after its fixed header (MQTT 5.0 section 3.8). */
export function readSubscribe(reader: PacketReader, version: ProtocolVersion): SubscribePacket {
  const packetId = reader.packetId();
  const properties = version === 5 ? readProperties(reader, 'subscribe') : null;
  const subscriptions: SubscriptionRequest[] = [];
  do {
    if (reader.remaining === 0) throw new ProtocolError('NO_TOPIC_FILTERS'); // [MQTT-3.8.3-2]
    const filter = readFilter(reader);
    subscriptions.push(subscription(filter, reader.byte(), version));
  } while (reader.remaining > 0);
  return {
    type: 'subscribe',
    packetId,
    subscriptions,
    subscriptionIdentifier: properties?.subscriptionIdentifier ?? null,
    userProperties: properties?.userProperties ?? NO_USER_PROPERTIES,
  };
}

/** UNSUBSCRIBE after its fixed header (MQTT 5.0 section 3.10). */
export function readUnsubscribe(reader: PacketReader, version: ProtocolVersion): UnsubscribePacket {
  const packetId = reader.packetId();
  const properties = version === 5 ? readProperties(reader, 'unsubscribe') : null;
  const filters: string[] = [];
  do {
    if (reader.remaining === 0) throw new ProtocolError('NO_TOPIC_FILTERS'); // [MQTT-3.10.3-2]
    filters.push(readFilter(reader));
  } while (reader.remaining > 0);
  return {
    type: 'unsubscribe',
    packetId,
    filters,
    userProperties: properties?.userProperties ?? NO_USER_PROPERTIES,
  };
}

function readFilter(reader: PacketReader): string {
  const filter = reader.string();
  if (!isValidTopicFilter(filter)) throw new ProtocolError('INVALID_TOPIC_FILTER');
  return filter;
}

/** Subscription Options of 5.0 (section 3.8.3.1), Requested QoS of 3.x. */
function subscription(filter: string, options: number, version: ProtocolVersion): SubscriptionRequest {
  const qos = options & 3;
  if (qos === 3) throw new ProtocolError('INVALID_SUBSCRIPTION_OPTIONS', 'QoS 3');
  if (version !== 5) {
    // 3.1 does not use the other bits, 3.1.1 reserves them [MQTT-3-8.3-4].
    if (version === 4 && options > 2) throw new ProtocolError('RESERVED_SUBSCRIPTION_OPTIONS');
    return { filter, qos: qos as QoS, noLocal: false, retainAsPublished: false, retainHandling: 0 };
  }
  if ((options & 0xc0) !== 0) throw new ProtocolError('RESERVED_SUBSCRIPTION_OPTIONS'); // [MQTT-3.8.3-5]
  const retainHandling = (options >> 4) & 3;
  if (retainHandling === 3) throw new ProtocolError('INVALID_SUBSCRIPTION_OPTIONS', 'retain handling 3');
  const noLocal = (options & 0x04) !== 0;
  if (noLocal && parseSharedFilter(filter) !== null) {
    throw new ProtocolError('INVALID_SUBSCRIPTION_OPTIONS', 'no local on a shared subscription'); // [MQTT-3.8.3-4]
  }
  return {
    filter,
    qos: qos as QoS,
    noLocal,
    retainAsPublished: (options & 0x08) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}
