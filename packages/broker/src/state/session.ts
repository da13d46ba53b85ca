import type { QoS, Will } from '@quorate/protocol';
import type { MessageQueue, QueueItem } from './queue.ts';
import type { ShareGroup } from './share-group.ts';

/** Session Expiry Interval that never ends (MQTT 5.0 section 3.1.2.11.2). */
export const NEVER_EXPIRES = 0xffffffff;

export interface Subscription {
  readonly filter: string;
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  readonly identifier: number | null;
}

/** Replicated state of one client id. */
export class Session {
  /** Never reused; the session's key in the subscription table and in the state store. */
  readonly number: number;
  readonly clientId: string;
  /** Grows with every CONNECT anywhere in the cluster; names one ownership of one session. */
  epoch: number;
  /** The node whose client this is; null while no client is connected. */
  owner: string | null = null;
  protocolVersion = 4;
  expiryIntervalSec = 0;
  receiveMaximum = 65_535;
  will: Will | null = null;
  /** Cluster time in ms; Infinity when not running. */
  expiresAtMs = Number.POSITIVE_INFINITY;
  willAtMs = Number.POSITIVE_INFINITY;
  readonly subscriptions = new Map<string, Subscription>();
  /** Packet Identifiers of QoS 2 messages from the client that it has not released yet [MQTT-4.3.3-10]. */
  readonly incoming = new Set<number>();
  /**
   * Messages for the client: replicated for a session that outlives its connection, null for one that does not;
   * its owner keeps that queue, and it dies with the connection.
   */
  queue: MessageQueue | null = null;
  /**
   * For a session without that queue, from its first shared subscription on: the shared messages it was given, and only
   * they, so that others get them when its node is lost.
   */
  ledger: MessageQueue | null = null;
  /** Items in either of them that a share group gave. */
  held = 0;
  /** Share groups that it is a member of, by number; null without any, as almost always. */
  shares: readonly ShareGroup[] | null = null;
  /** Messages below this sequence number may have been sent by an earlier owner: resend them with DUP. */
  maybeSentBefore = 0;

  /** True once a checkpoint has handed it to the state store. */
  stored = false;
  // Where the state store stands: sequence numbers [storedHead, storedNext) have records, except holes.
  storedHead = 0;
  storedNext = 0;
  /** Sequence numbers in the stored range whose record is out of date. */
  changedItems = new Set<number>();
  /** Where the queue ended at the checkpoint that is being gathered, if something was queued since; else -1. */
  endAtCheckpoint = -1;

  constructor(number: number, clientId: string, epoch: number) {
    this.number = number;
    this.clientId = clientId;
    this.epoch = epoch;
  }

  /** What of its messages is replicated: the queue, or the ledger. */
  get tracked(): MessageQueue | null {
    return this.queue ?? this.ledger;
  }

  /** Takes a message out of `tracked`, to be called behind `State.changingQueue`; null when it is not there. */
  settle(queue: MessageQueue, sequence: number): QueueItem | null {
    const item = queue.settle(sequence);
    if (item === null) return null;
    if (item.share !== 0) this.held--;
    this.noteChanged(sequence);
    return item;
  }

  /** The item at this place is not what the state store holds. */
  noteChanged(sequence: number): void {
    if (sequence >= this.storedHead && sequence < this.storedNext) this.changedItems.add(sequence);
  }
}
