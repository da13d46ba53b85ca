import type { Outcome } from '../history/operation.ts';

/** A PUBLISH of QoS 1 or 2 that is not finished. */
export interface Outgoing {
  readonly packetId: number;
  readonly topic: string;
  readonly value: string;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  readonly expirySec: number | undefined;
  readonly beginMs: number;
  /** `release`: PUBREC has come, PUBREL is what is sent (again). */
  phase: 'publish' | 'release';
  /** On how many connections the PUBLISH was sent. */
  sends: number;
  /** The connection on which the current packet of the exchange was sent last; 0 for none. */
  sentOn: number;
  /** `performance.now()` of that. */
  sentAtMs: number;
  readonly end: (outcome: Outcome) => void;
}

const MAX_PACKET_ID = 65_535;

/**
 * What a client keeps for a session, over connections (MQTT 5.0 section 4.1, 3.1.1 section 3.1.2.4): its unfinished
 * publications in the order in which they are to be sent again, and the Packet Identifiers of QoS 2 messages that it has
 * received and that are not released.
 */
export class SessionState {
  /** In the order of their PUBLISH packets; those with PUBREC are last, in the order of these [MQTT-4.6.0-4]. */
  readonly outgoing = new Map<number, Outgoing>();
  readonly incoming = new Set<number>();
  private lastId = 0;

  /** A Packet Identifier that no unfinished exchange has. @param taken others that are in use */
  freeId(taken: ReadonlyMap<number, unknown>): number {
    do {
      this.lastId = (this.lastId % MAX_PACKET_ID) + 1;
    } while (this.outgoing.has(this.lastId) || taken.has(this.lastId));
    return this.lastId;
  }

  /** PUBREC: from now on PUBREL is sent, after those that are being released already. */
  release(outgoing: Outgoing): void {
    outgoing.phase = 'release';
    outgoing.sentOn = 0;
    this.outgoing.delete(outgoing.packetId);
    this.outgoing.set(outgoing.packetId, outgoing);
  }

  /** The server has no such session, so the client must not have one either [MQTT-3.2.2-5]. */
  discard(): void {
    const unfinished = [...this.outgoing.values()];
    this.outgoing.clear();
    this.incoming.clear();
    for (const each of unfinished) each.end('unknown');
  }
}
