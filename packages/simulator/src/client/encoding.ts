import mqtt, { type Packet } from 'mqtt-packet';

/** Packets that are nothing but a kind and an identifier: half of what clients send. By kind, then by identifier. */
type Bare = ReadonlyMap<string, Map<number, Buffer>>;

function bare(): Bare {
  return new Map(['puback', 'pubrec', 'pubrel', 'pubcomp', 'pingreq'].map((kind) => [kind, new Map()]));
}

/** What mqtt-packet made of them the first time, by version. */
const encoded: Readonly<Record<4 | 5, Bare>> = { 4: bare(), 5: bare() };

/** A packet as bytes, which belong to the caller. */
export function encode(packet: Packet, version: 4 | 5): Buffer {
  const known = encoded[version].get(packet.cmd);
  if (known === undefined) return mqtt.generate(packet, { protocolVersion: version });
  const packetId = packet.messageId ?? 0;
  let bytes = known.get(packetId);
  if (bytes === undefined) {
    bytes = mqtt.generate(packet, { protocolVersion: version });
    known.set(packetId, bytes);
  }
  return Buffer.from(bytes);
}
