import { ProtocolError } from './errors.ts';
import type { ProtocolVersion, PublishPacket, QoS } from './packets.ts';
import { readProperties } from './properties.ts';
import { PacketReader } from './reader.ts';
import { readTopicNameUtf8 } from './utf8.ts';

/**
 * Decodes a PUBLISH (MQTT 5.0 section 3.3). The hot path, so it reads by hand: without properties it makes three objects, the
 * packet, its topic and the view of its payload. Payload and correlation data are views of `buffer`. Whether the payload is what
 * the payload format indicator says is not checked (an acknowledgement can refuse that), nor whether the alias is known.
 *
 * @throws ProtocolError
 */
export function decodePublish(
  header: number,
  buffer: Buffer,
  start: number,
  end: number,
  version: ProtocolVersion,
): PublishPacket {
  const qos = (header >> 1) & 3;
  if (qos === 3) throw new ProtocolError('INVALID_QOS'); // [MQTT-3.3.1-4]
  const dup = (header & 0x08) !== 0;
  if (dup && qos === 0) throw new ProtocolError('DUP_WITH_QOS_0'); // [MQTT-3.3.1-2]

  if (end - start < 2) throw new ProtocolError('TRUNCATED');
  const topicStart = start + 2;
  let position = topicStart + ((buffer[start]! << 8) | buffer[start + 1]!);
  if (position > end) throw new ProtocolError('TRUNCATED', 'topic name');
  const topic = readTopicNameUtf8(buffer, topicStart, position); // [MQTT-3.3.2-1, -2]

  let packetId = 0;
  if (qos !== 0) {
    if (end - position < 2) throw new ProtocolError('TRUNCATED', 'packet identifier');
    packetId = (buffer[position]! << 8) | buffer[position + 1]!;
    if (packetId === 0) throw new ProtocolError('PACKET_ID_ZERO'); // [MQTT-2.2.1-3]
    position += 2;
  }

  let topicAlias: number | null = null;
  let properties: PublishPacket['properties'] = null;
  if (version === 5) {
    if (position < end && buffer[position] === 0) {
      position += 1;
    } else {
      const reader = new PacketReader(buffer, position, end);
      const read = readProperties(reader, 'publish');
      topicAlias = read.topicAlias;
      properties = read.message;
      position = reader.position;
    }
  }
  if (topic === '' && topicAlias === null) {
    throw version === 5 ? new ProtocolError('TOPIC_MISSING') : new ProtocolError('INVALID_TOPIC_NAME', 'empty');
  }
  return {
    type: 'publish',
    topic,
    qos: qos as QoS,
    retain: (header & 0x01) !== 0,
    dup,
    packetId,
    payload: buffer.subarray(position, end),
    topicAlias,
    properties,
  };
}
