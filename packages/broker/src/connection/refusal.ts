import { encodeConnack, encodeDisconnect, type ProtocolVersion, ReasonCode } from '@quorate/protocol';

/**
 * Whether a CONNACK can tell a client of this version what was wrong with the bytes of its CONNECT. Before 5.0 it can in two
 * cases; a CONNECT that is malformed otherwise is answered with the end of the connection [MQTT-3.1.4-1, 3.1.1].
 */
export function isRefusalKnown(reasonCode: number, version: ProtocolVersion): boolean {
  if (version === 5) return true;
  return reasonCode === ReasonCode.unsupportedProtocolVersion || reasonCode === ReasonCode.clientIdentifierNotValid;
}

/** Reasons to close that CONNACK has no code for (MQTT 5.0 table 3-1), and what it says instead. */
const CONNACK_CODES: ReadonlyMap<number, number> = new Map([
  [ReasonCode.sessionTakenOver, ReasonCode.serverUnavailable],
  [ReasonCode.serverShuttingDown, ReasonCode.serverUnavailable],
  [ReasonCode.maximumConnectTime, ReasonCode.notAuthorized],
]);

/** The same for DISCONNECT (table 3-10). */
const DISCONNECT_CODES: ReadonlyMap<number, number> = new Map([
  [ReasonCode.badUserNameOrPassword, ReasonCode.notAuthorized],
  [ReasonCode.badAuthenticationMethod, ReasonCode.notAuthorized],
  [ReasonCode.banned, ReasonCode.administrativeAction],
  [ReasonCode.serverUnavailable, ReasonCode.serverBusy],
]);

/**
 * CONNACK that refuses. 5.0 is told the sentence if that makes the packet no larger than the client takes [MQTT-3.2.2-19];
 * null when even the code alone is too large [MQTT-3.1.2-24].
 */
export function encodeRefusal(
  reasonCode: number,
  sentence: string | null,
  version: ProtocolVersion,
  maximumPacketSizeBytes: number,
): Buffer | null {
  const refusal = { sessionPresent: false, reasonCode: CONNACK_CODES.get(reasonCode) ?? reasonCode };
  if (version === 5 && sentence !== null) {
    const packet = encodeConnack({ ...refusal, reasonString: sentence }, version);
    if (packet.length <= maximumPacketSizeBytes) return packet;
  }
  const packet = encodeConnack(refusal, version);
  return packet.length <= maximumPacketSizeBytes ? packet : null;
}

/** DISCONNECT to a 5.0 client, with the sentence if that fits [MQTT-3.14.2-3]. */
export function encodeGoodbye(reasonCode: number, sentence: string, maximumPacketSizeBytes: number): Buffer {
  const code = DISCONNECT_CODES.get(reasonCode) ?? reasonCode;
  const packet = encodeDisconnect(code, sentence, null);
  return packet.length <= maximumPacketSizeBytes ? packet : encodeDisconnect(code, null, null);
}
