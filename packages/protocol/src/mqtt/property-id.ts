/** Property identifiers of MQTT 5.0 (section 2.2.2.2, table 2-4). All are below 128, so one byte each. */
export const PropertyId = {
  payloadFormatIndicator: 0x01,
  messageExpiryInterval: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscriptionIdentifier: 0x0b,
  sessionExpiryInterval: 0x11,
  assignedClientIdentifier: 0x12,
  serverKeepAlive: 0x13,
  authenticationMethod: 0x15,
  authenticationData: 0x16,
  requestProblemInformation: 0x17,
  willDelayInterval: 0x18,
  requestResponseInformation: 0x19,
  responseInformation: 0x1a,
  serverReference: 0x1c,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  maximumQoS: 0x24,
  retainAvailable: 0x25,
  userProperty: 0x26,
  maximumPacketSize: 0x27,
  wildcardSubscriptionAvailable: 0x28,
  subscriptionIdentifiersAvailable: 0x29,
  sharedSubscriptionAvailable: 0x2a,
} as const;

/** The property section of a packet that a client sends; a will has one of its own. */
export type PropertySection =
  | 'connect'
  | 'will'
  | 'publish'
  | 'ack'
  | 'subscribe'
  | 'unsubscribe'
  | 'disconnect'
  | 'auth';

const P = PropertyId;
const MESSAGE = [
  P.payloadFormatIndicator,
  P.messageExpiryInterval,
  P.contentType,
  P.responseTopic,
  P.correlationData,
  P.userProperty,
] as const;

const ALLOWED: Readonly<Record<PropertySection, ReadonlySet<number>>> = {
  connect: new Set([
    P.sessionExpiryInterval,
    P.receiveMaximum,
    P.maximumPacketSize,
    P.topicAliasMaximum,
    P.requestResponseInformation,
    P.requestProblemInformation,
    P.userProperty,
    P.authenticationMethod,
    P.authenticationData,
  ]),
  will: new Set([P.willDelayInterval, ...MESSAGE]),
  publish: new Set([P.topicAlias, ...MESSAGE]),
  ack: new Set([P.reasonString, P.userProperty]),
  subscribe: new Set([P.subscriptionIdentifier, P.userProperty]),
  unsubscribe: new Set([P.userProperty]),
  disconnect: new Set([P.sessionExpiryInterval, P.reasonString, P.userProperty]),
  auth: new Set([P.authenticationMethod, P.authenticationData, P.reasonString, P.userProperty]),
};

const KNOWN: ReadonlySet<number> = new Set(Object.values(PropertyId));

export function isKnownProperty(id: number): boolean {
  return KNOWN.has(id);
}

/** Whether a client may send the property there (table 2-4 and the packet's own section; server-only ones are out). */
export function isPropertyAllowed(id: number, section: PropertySection): boolean {
  return ALLOWED[section].has(id);
}
