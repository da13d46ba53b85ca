/** One message that a client publishes, or has published. */
export interface Outgoing {
  readonly packetId: number;
  readonly topic: string;
  readonly payload: string;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  /** Message Expiry Interval, 0 for none. */
  readonly expirySec: number;
  /** It has left once, so that it carries DUP from now on. */
  sent: boolean;
  /** QoS 2: PUBREC has come, PUBREL is due. */
  released: boolean;
}

/**
 * The client's half of an MQTT session (MQTT 5.0 section 4.1): it survives reconnects, and is thrown away when the server says
 * that it has none.
 */
export class ClientSession {
  /** Not acknowledged, in the order of sending [MQTT-4.6.0-1]. */
  readonly outgoing = new Map<number, Outgoing>();
  /** QoS 2 Packet Identifiers received and not released [MQTT-4.3.3-2]. */
  readonly incoming = new Set<number>();
  /** Filters whose SUBACK has come, with the moment at which it did. */
  readonly subscribedMs = new Map<string, number>();
  #nextPacketId = 1;

  packetId(): number {
    for (;;) {
      const id = this.#nextPacketId;
      this.#nextPacketId = id === 0xffff ? 1 : id + 1;
      if (!this.outgoing.has(id)) return id;
    }
  }
}
