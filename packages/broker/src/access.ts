import type { QoS } from '@quorate/protocol';

/** What a client shows of itself when it connects. */
export interface Credentials {
  /** Empty when the client leaves it to the server. */
  readonly clientId: string;
  readonly userName: string | null;
  readonly password: Uint8Array | null;
  /** The certificate that the TLS handshake verified, or null. */
  readonly certificate: CertificateNames | null;
  /** The client's own address, from the PROXY header if the listener takes one. */
  readonly remoteAddress: string;
  readonly protocolVersion: 3 | 4 | 5;
}

/** The names in a client's certificate. */
export interface CertificateNames {
  readonly commonName: string | null;
  /** Subject alternative names with their kind in front: `DNS:pump.example`, `URI:urn:device:7`, `email:a@b.c`. */
  readonly subjectAltNames: readonly string[];
}

/**
 * What an authenticated client may do. Asked for every PUBLISH: answers are from memory and cost little. They follow
 * changes of the rules by themselves.
 */
export interface Grant {
  /** Whom the client has proven to be; null for an anonymous one. Logged, and the user of `%u`. */
  readonly userName: string | null;
  /** Monotonic milliseconds (`BrokerEnvironment.nowMs`) at which the credentials end, or Infinity. */
  readonly expiresAtMs: number;
  mayPublish(topic: string, qos: QoS, retain: boolean): boolean;
  /**
   * Also asked for the topic of a message that may have come by a subscription of before: who may subscribe to just that
   * topic may have it.
   *
   * @param filter without `$share/{group}/`
   */
  maySubscribe(filter: string, qos: QoS): boolean;
  /** What has come to stand against the client (its user is gone, it is banned), or null. */
  revoked(): Refusal | null;
}

/** Why a client is not let in. */
export interface Refusal {
  /**
   * For CONNACK of 5.0: 0x86, 0x87, 0x88, 0x8a, 0x8c, 0x97, 0x9f; anything else counts as 0x87. 3.x is given what stands for
   * it, and so is DISCONNECT of 5.0, which does not have all of them.
   */
  readonly reasonCode: number;
  /** For the log alone: a client is not told which part was wrong. */
  readonly detail: string;
}

export type AuthenticationOutcome =
  | { readonly kind: 'granted'; readonly grant: Grant; readonly data: Uint8Array | null }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The exchange goes on: AUTH 0x18 with this data (MQTT 5.0 section 4.12). Never of `authenticate`. */
  | { readonly kind: 'continue'; readonly data: Uint8Array };

/** One enhanced authentication (MQTT 5.0 section 4.12). */
export interface AuthenticationExchange {
  /**
   * Takes the Authentication Data of CONNECT or AUTH, null when there is none. `done` is called exactly once, perhaps
   * before this returns, perhaps when the connection is gone. Not called again before that.
   */
  step(data: Uint8Array | null, done: (outcome: AuthenticationOutcome) => void): void;
}

/**
 * Who may come in, and as whom. What a broker needs of the node's identity part; without one everybody may do everything.
 * When rules or users have changed, tell `Broker.accessChanged`: only then is looked at what clients have already.
 */
export interface AccessControl {
  /**
   * CONNECT without an Authentication Method. `done` is called exactly once, perhaps before this returns, perhaps when the
   * connection is gone.
   */
  authenticate(credentials: Credentials, done: (outcome: AuthenticationOutcome) => void): void;
  /**
   * CONNECT with an Authentication Method, or a re-authentication, whose user must be `expectedUserName`. Null when the
   * method is not one of ours: reason code 0x8c.
   */
  beginExchange(
    method: string,
    credentials: Credentials,
    expectedUserName: string | null,
  ): AuthenticationExchange | null;
}
