import type { IPublishPacket, Packet } from 'mqtt-packet';
import { demand } from '../world/violation.ts';
import type { Client } from './client.ts';

/** An application message as a client got it. */
export interface Received {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly dup: boolean;
}

const ERROR = 0x80;

/** PUBLISH and the acknowledgements in both directions (MQTT 5.0 section 4.3). */
export function receive(client: Client, packet: Packet): void {
  const { session, options } = client;
  const packetId = packet.messageId ?? 0;
  switch (packet.cmd) {
    case 'publish':
      return publish(client, packet);
    case 'pubrel':
      session.incoming.delete(packetId);
      client.send({ cmd: 'pubcomp', messageId: packetId });
      return;
    case 'puback': {
      const message = session.outgoing.get(packetId);
      demand(message?.qos === 1, 'ack-of-nothing', () => `${client.name}: PUBACK ${packetId} answers nothing`);
      session.outgoing.delete(packetId);
      demand((packet.reasonCode ?? 0) < ERROR, 'refused', () => `${client.name}: PUBACK refuses ${message.payload}`);
      options.world.note(client.name, 'puback', message.payload);
      options.watcher.acknowledged(client, message);
      client.released();
      return;
    }
    case 'pubrec': {
      const message = session.outgoing.get(packetId);
      demand(message?.qos === 2, 'ack-of-nothing', () => `${client.name}: PUBREC ${packetId} answers nothing`);
      demand((packet.reasonCode ?? 0) < ERROR, 'refused', () => `${client.name}: PUBREC refuses ${message.payload}`);
      options.world.note(client.name, 'pubrec', message.payload);
      if (!message.released) options.watcher.acknowledged(client, message);
      message.released = true;
      client.send({ cmd: 'pubrel', messageId: packetId });
      return;
    }
    case 'pubcomp': {
      const message = session.outgoing.get(packetId);
      demand(message?.released === true, 'ack-of-nothing', () => `${client.name}: PUBCOMP ${packetId} answers nothing`);
      session.outgoing.delete(packetId);
      client.released();
      return;
    }
    default:
      options.world.note(client.name, 'got', packet.cmd);
  }
}

function publish(client: Client, packet: IPublishPacket): void {
  const { session, options } = client;
  const { topic, qos, retain, dup } = packet;
  const packetId = packet.messageId ?? 0;
  const payload = packet.payload.toString();
  options.world.note(client.name, 'message', payload, qos, dup, packetId);
  // A retained message that the subscription brought, as against one that was just published.
  if (retain) client.registerValue(topic, payload);
  if (qos === 2) {
    const again = session.incoming.has(packetId);
    session.incoming.add(packetId);
    client.send({ cmd: 'pubrec', messageId: packetId });
    if (again) return;
  } else if (qos === 1) client.send({ cmd: 'puback', messageId: packetId });
  options.watcher.delivered(client, { topic, payload, qos, retain, dup });
}
