/** MQTT 5.0 reason codes (section 2.4, table 2-6), by the specification's names. */
export const ReasonCode = {
  success: 0x00,
  /** DISCONNECT: close normally, do not publish the will. */
  normalDisconnection: 0x00,
  /** SUBACK. */
  grantedQoS0: 0x00,
  grantedQoS1: 0x01,
  grantedQoS2: 0x02,
  disconnectWithWill: 0x04,
  noMatchingSubscribers: 0x10,
  noSubscriptionExisted: 0x11,
  continueAuthentication: 0x18,
  reAuthenticate: 0x19,
  unspecifiedError: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecificError: 0x83,
  unsupportedProtocolVersion: 0x84,
  clientIdentifierNotValid: 0x85,
  badUserNameOrPassword: 0x86,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverBusy: 0x89,
  banned: 0x8a,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdentifierInUse: 0x91,
  packetIdentifierNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  messageRateTooHigh: 0x96,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  retainNotSupported: 0x9a,
  qosNotSupported: 0x9b,
  useAnotherServer: 0x9c,
  serverMoved: 0x9d,
  sharedSubscriptionsNotSupported: 0x9e,
  connectionRateExceeded: 0x9f,
  maximumConnectTime: 0xa0,
  subscriptionIdentifiersNotSupported: 0xa1,
  wildcardSubscriptionsNotSupported: 0xa2,
} as const;

const NAMES: ReadonlyMap<number, string> = namesByCode();

function namesByCode(): Map<number, string> {
  const names = new Map<number, string>();
  for (const [key, code] of Object.entries(ReasonCode)) {
    // 0x00 has three names; the first, "success", is the one that is right everywhere.
    if (names.has(code)) continue;
    const words = key.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
    names.set(code, words.replace('qo s', 'QoS ').replace(/^qos/, 'QoS'));
  }
  return names;
}

/** A reason code in words, for logs and reason strings: `not authorized`; `reason code 0x7b` when there is no such code. */
export function reasonName(code: number): string {
  return NAMES.get(code) ?? `reason code 0x${code.toString(16).padStart(2, '0')}`;
}

/**
 * The 3.x CONNACK return code (3.1.1 table 3.1, 0 to 5) that says most nearly what a 5.0 reason code says.
 * Refusals that 3.x has no word for become 3, server unavailable: the only one that does not blame the client's
 * identifier, credentials or rights, so that a client retries instead of giving up.
 */
export function connackReturnCode(reasonCode: number): number {
  switch (reasonCode) {
    case ReasonCode.success:
      return 0;
    case ReasonCode.unsupportedProtocolVersion:
      return 1;
    case ReasonCode.clientIdentifierNotValid:
      return 2;
    case ReasonCode.badUserNameOrPassword:
    case ReasonCode.badAuthenticationMethod:
      return 4;
    case ReasonCode.notAuthorized:
    case ReasonCode.banned:
    case ReasonCode.topicNameInvalid:
    case ReasonCode.retainNotSupported:
    case ReasonCode.qosNotSupported:
      return 5;
    default:
      return 3;
  }
}
