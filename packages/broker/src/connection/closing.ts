import { ReasonCode } from '@quorate/protocol';

/**
 * Why a server closes a connection that speaks the protocol correctly: stable code (log, metrics label), the 5.0 reason
 * code of DISCONNECT or CONNACK, and a sentence. What a client does wrong on the wire is in PROTOCOL_ERRORS.
 */
export const CLOSE_REASONS = {
  SESSION_TAKEN_OVER: [ReasonCode.sessionTakenOver, 'another connection uses this client id'],
  KEEP_ALIVE_TIMEOUT: [ReasonCode.keepAliveTimeout, 'nothing was heard for one and a half times the keep alive'],
  CONNECT_TIMEOUT: [ReasonCode.maximumConnectTime, 'no CONNECT arrived in time'],
  SERVER_SHUTTING_DOWN: [ReasonCode.serverShuttingDown, 'this node is shutting down'],
  NO_QUORUM: [ReasonCode.useAnotherServer, 'this node has lost the majority of the cluster; connect to another one'],
  SERVER_UNAVAILABLE: [ReasonCode.serverUnavailable, 'this node is not in contact with a majority of the cluster'],
  SERVER_BUSY: [ReasonCode.serverBusy, 'this node has as many connections as it is configured for'],
  SLOW_CONSUMER: [ReasonCode.quotaExceeded, 'the client takes its messages too slowly'],
  QUOTA_EXCEEDED: [ReasonCode.quotaExceeded, 'a limit of the cluster is reached'],
  RECEIVE_MAXIMUM_EXCEEDED: [ReasonCode.receiveMaximumExceeded, 'more unacknowledged messages than Receive Maximum'],
  TOPIC_ALIAS_INVALID: [ReasonCode.topicAliasInvalid, 'the topic alias is unknown or too large'],
  TOPIC_NAME_INVALID: [ReasonCode.topicNameInvalid, 'the topic name is not accepted'],
  PAYLOAD_FORMAT_INVALID: [
    ReasonCode.payloadFormatInvalid,
    'the payload is not the UTF-8 that its indicator announces',
  ],
  ANSWER_TOO_LARGE: [
    ReasonCode.packetTooLarge,
    'the answer would be larger than the Maximum Packet Size of the client',
  ],
  CLIENT_ID_INVALID: [ReasonCode.clientIdentifierNotValid, 'an empty client id needs a clean session'],
  BAD_AUTHENTICATION_METHOD: [
    ReasonCode.badAuthenticationMethod,
    'the authentication method is not one that this server has',
  ],
  BAD_CREDENTIALS: [ReasonCode.badUserNameOrPassword, 'the user name or the password is not right'],
  NOT_AUTHORIZED: [ReasonCode.notAuthorized, 'not authorized'],
  WILL_NOT_AUTHORIZED: [ReasonCode.notAuthorized, 'the client may not publish its will'],
  BANNED: [ReasonCode.banned, 'banned'],
  TOO_MANY_ATTEMPTS: [ReasonCode.connectionRateExceeded, 'too many attempts to connect'],
  AUTHENTICATION_UNAVAILABLE: [ReasonCode.serverUnavailable, 'the credentials can not be looked at just now'],
  AUTHENTICATION_BUSY: [ReasonCode.serverBusy, 'this node is looking at the credentials of too many clients'],
  AUTHENTICATION_TIMEOUT: [ReasonCode.notAuthorized, 'the authentication did not end in time'],
  AUTHENTICATION_EXPIRED: [ReasonCode.maximumConnectTime, 'the credentials have expired'],
  UNEXPECTED_AUTH: [ReasonCode.protocolError, 'AUTH without an authentication method in CONNECT'],
  AUTH_OUT_OF_PLACE: [ReasonCode.protocolError, 'AUTH is not the next packet of this authentication'],
  EXPIRY_INVALID: [ReasonCode.protocolError, 'a session without expiry can not be given one at DISCONNECT'],
} as const satisfies Record<string, readonly [reasonCode: number, sentence: string]>;

export type CloseReason = keyof typeof CLOSE_REASONS;

const REFUSALS: ReadonlyMap<number, CloseReason> = new Map([
  [ReasonCode.badUserNameOrPassword, 'BAD_CREDENTIALS'],
  [ReasonCode.notAuthorized, 'NOT_AUTHORIZED'],
  [ReasonCode.serverUnavailable, 'AUTHENTICATION_UNAVAILABLE'],
  [ReasonCode.banned, 'BANNED'],
  [ReasonCode.badAuthenticationMethod, 'BAD_AUTHENTICATION_METHOD'],
  [ReasonCode.quotaExceeded, 'QUOTA_EXCEEDED'],
  [ReasonCode.connectionRateExceeded, 'TOO_MANY_ATTEMPTS'],
]);

/** What stands for the reason code of a `Refusal`. */
export function closeReasonOf(reasonCode: number): CloseReason {
  return REFUSALS.get(reasonCode) ?? 'NOT_AUTHORIZED';
}
