import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet';
import type { Will } from '../history/operation.ts';
import type { ClientIdentity } from './recording-client.ts';
import type { Outgoing } from './session.ts';
import type { ProtocolVersion } from './wire.ts';

/** Where a node takes MQTT clients. */
export interface NodeAddress {
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

/** MQTT 3.1.1 has no Session Expiry Interval: what a server keeps such a session for at least is taken to be a day. */
export const SESSION_OF_311_SEC = 86_400;

/** CONNECT of this client. */
export function connectPacket(identity: ClientIdentity, will: Will | undefined): IConnectPacket {
  const { clientId, version, sessionExpirySec, keepAliveSec, username, password } = identity;
  return {
    ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: version, clientId, keepalive: keepAliveSec },
    clean: sessionExpirySec === 0,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password: Buffer.from(password) }),
    ...(version === 5 && sessionExpirySec > 0 && { properties: { sessionExpiryInterval: sessionExpirySec } }),
    ...(will !== undefined && {
      will: {
        ...{ topic: will.topic, payload: Buffer.from(will.value), qos: will.qos, retain: false },
        ...(version === 5 && { properties: { willDelayInterval: will.delaySec } }),
      },
    }),
  };
}

/** PUBLISH, with DUP when it was sent before [MQTT-3.3.1-1]. */
export function publishPacket(outgoing: Outgoing, version: ProtocolVersion): IPublishPacket {
  const { topic, value, qos, retain, packetId, sends, expirySec } = outgoing;
  return {
    ...{ cmd: 'publish', topic, payload: value, qos, retain, messageId: packetId, dup: sends > 0 },
    ...(version === 5 && expirySec !== undefined && { properties: { messageExpiryInterval: expirySec } }),
  };
}

/** The reason code of an answer; 0 where it has none. */
export function reasonOf(packet: Packet): number {
  return 'reasonCode' in packet ? (packet.reasonCode ?? 0) : 0;
}

/** The reason code for the only filter of a SUBSCRIBE or UNSUBSCRIBE; UNSUBACK has none in 3.1.1. */
export function grantedCode(packet: Packet): number {
  const granted = 'granted' in packet ? (packet.granted as readonly unknown[] | undefined)?.[0] : undefined;
  return typeof granted === 'number' ? granted : 0;
}
