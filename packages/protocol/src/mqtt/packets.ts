/**
 * MQTT control packets as values: what the codec yields and takes. One shape for 3.1 (MQIsdp), 3.1.1 and 5.0;
 * what a version does not have is absent. Names are the specification's.
 */

/** 3 = MQIsdp (3.1), 4 = 3.1.1, 5 = 5.0. */
export type ProtocolVersion = 3 | 4 | 5;
export type QoS = 0 | 1 | 2;
export type UserProperty = readonly [name: string, value: string];

/** Properties of an application message, of PUBLISH and of a will (MQTT 5.0 section 3.3.2.3). */
export interface MessageProperties {
  readonly payloadFormatIndicator?: 0 | 1;
  readonly messageExpiryIntervalSec?: number;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  readonly userProperties?: readonly UserProperty[];
}

export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly delayIntervalSec: number;
  readonly properties: MessageProperties | null;
}

export interface ConnectPacket {
  readonly type: 'connect';
  readonly protocolVersion: ProtocolVersion;
  /** A bridge announced itself with bit 7 of the protocol level (as mosquitto's try_private). */
  readonly bridge: boolean;
  /** Empty when the client asks for an assigned one. */
  readonly clientId: string;
  /** Clean Session (3.x) or Clean Start (5.0). */
  readonly cleanStart: boolean;
  readonly keepAliveSec: number;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  readonly will: Will | null;
  /** 5.0 only; absent values are the specification's defaults. */
  readonly sessionExpiryIntervalSec: number;
  /** 65,535 unless the client said otherwise. */
  readonly receiveMaximum: number;
  /** Infinity unless the client set one. */
  readonly maximumPacketSizeBytes: number;
  readonly topicAliasMaximum: number;
  readonly requestResponseInformation: boolean;
  readonly requestProblemInformation: boolean;
  readonly authenticationMethod: string | null;
  readonly authenticationData: Uint8Array | null;
  readonly userProperties: readonly UserProperty[];
}

/** A PUBLISH as it was received. `payload` is a view of the input buffer. */
export interface PublishPacket {
  readonly type: 'publish';
  /** May be empty with 5.0 when `topicAlias` is set. */
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 for QoS 0. */
  readonly packetId: number;
  readonly payload: Uint8Array;
  readonly topicAlias: number | null;
  readonly properties: MessageProperties | null;
}

export interface AckPacket {
  readonly type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';
  readonly packetId: number;
  /** 0 unless 5.0 says otherwise. */
  readonly reasonCode: number;
}

export interface SubscriptionRequest {
  readonly filter: string;
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}

export interface SubscribePacket {
  readonly type: 'subscribe';
  readonly packetId: number;
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly subscriptionIdentifier: number | null;
  readonly userProperties: readonly UserProperty[];
}

export interface UnsubscribePacket {
  readonly type: 'unsubscribe';
  readonly packetId: number;
  readonly filters: readonly string[];
  readonly userProperties: readonly UserProperty[];
}

export interface PingreqPacket {
  readonly type: 'pingreq';
}

export interface DisconnectPacket {
  readonly type: 'disconnect';
  readonly reasonCode: number;
  readonly sessionExpiryIntervalSec: number | null;
  readonly reasonString: string | null;
}

export interface AuthPacket {
  readonly type: 'auth';
  readonly reasonCode: number;
  readonly authenticationMethod: string | null;
  readonly authenticationData: Uint8Array | null;
}

/** What a client may send. */
export type ClientPacket =
  | ConnectPacket
  | PublishPacket
  | AckPacket
  | SubscribePacket
  | UnsubscribePacket
  | PingreqPacket
  | DisconnectPacket
  | AuthPacket;

export interface Connack {
  readonly sessionPresent: boolean;
  /** A 5.0 reason code; the encoder maps it to the 3.x return code for older clients. */
  readonly reasonCode: number;
  readonly reasonString?: string;
  readonly assignedClientId?: string;
  readonly serverKeepAliveSec?: number;
  readonly sessionExpiryIntervalSec?: number;
  readonly receiveMaximum?: number;
  readonly maximumQoS?: 0 | 1;
  readonly retainAvailable?: boolean;
  readonly maximumPacketSizeBytes?: number;
  readonly topicAliasMaximum?: number;
  readonly wildcardSubscriptionAvailable?: boolean;
  readonly subscriptionIdentifiersAvailable?: boolean;
  readonly sharedSubscriptionAvailable?: boolean;
  readonly responseInformation?: string;
  readonly serverReference?: string;
  /** That of CONNECT, when it had one [MQTT-4.12.0-5]. */
  readonly authenticationMethod?: string;
  readonly authenticationData?: Uint8Array;
  readonly userProperties?: readonly UserProperty[];
}

/** An application message on its way to subscribers; the same object is encoded for every one of them. */
export interface OutgoingMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly properties: MessageProperties | null;
}
