import type { NodeId } from '@quorate/consensus';
import { ConnectionPurpose, type Hello } from '@quorate/protocol';
import { PeerAddresses } from './addresses.ts';
import type { TransportContext } from './context.ts';
import type { InboundConnection } from './inbound.ts';
import { OutboundLink } from './outbound.ts';
import type { HostPort } from './types.ts';

/** What a peer tells the transport. */
export interface PeerEvents {
  /** Both main connections are up. */
  connected(peer: Peer, hello: Hello): void;
  /** One of them is gone. Once per loss. */
  disconnected(peer: Peer): void;
}

/**
 * Another node and the connections with it: a main one in each direction, and one for bulk in each direction while
 * there is bulk. A bulk connection lives inside of the life of the main ones and with the same process: it is neither
 * dialled nor taken without them, and ends with them.
 */
export class Peer {
  readonly id: NodeId;
  readonly link: OutboundLink;
  readonly bulk: OutboundLink;
  /** True for a node that nobody named but itself. */
  introduced: boolean;
  private readonly addresses: PeerAddresses;
  private readonly context: TransportContext;
  private readonly events: PeerEvents;
  private inbound: InboundConnection | null = null;
  private inboundBulk: InboundConnection | null = null;
  /** The process that introduced itself last. */
  private session: string | null = null;
  private bothUp = false;
  private bulkIdleIntervals = 0;

  constructor(
    id: NodeId,
    addresses: readonly HostPort[],
    introduced: boolean,
    context: TransportContext,
    events: PeerEvents,
  ) {
    this.id = id;
    this.introduced = introduced;
    this.context = context;
    this.events = events;
    this.addresses = new PeerAddresses(addresses);
    this.link = new OutboundLink(id, ConnectionPurpose.main, this.addresses, context, {
      up: (hello) => {
        this.answered(hello);
      },
      down: () => {
        this.lost();
      },
    });
    this.bulk = new OutboundLink(id, ConnectionPurpose.bulk, this.addresses, context, {
      up: (hello) => {
        if (!this.bothUp || hello.session !== this.session) this.bulk.giveUp('answered by another process');
      },
      down: () => undefined,
    });
  }

  /** Both main connections are up, with the same process. */
  get connected(): boolean {
    return this.bothUp;
  }

  /** True while there is any connection with it. */
  get inTouch(): boolean {
    return this.inbound !== null || this.link.hello !== null;
  }

  /** Replaces the addresses that were given. A connection at one that stays in the list stays. */
  setAddresses(addresses: readonly HostPort[]): void {
    const added = this.addresses.set(addresses);
    this.link.addressesChanged();
    if (added === null || this.link.hello !== null) return;
    this.link.hurryTo(added);
  }

  /** The peer has dialled this node. */
  called(connection: InboundConnection, hello: Hello): void {
    if (hello.purpose === ConnectionPurpose.bulk) {
      this.calledForBulk(connection, hello);
      return;
    }
    const old = this.inbound;
    const restarted = this.session !== null && this.session !== hello.session;
    this.inbound = connection;
    this.session = hello.session;
    if (old !== null) {
      this.lost();
      this.inboundBulk?.close('the main connection was replaced');
      old.close('replaced by a newer connection');
    }
    const moved = this.learnAddress(hello);
    // Another process than before: a connection to it leads to a dead one, and an attempt under way may.
    if (restarted) this.link.reset('the peer restarted');
    else if (moved && this.link.hello === null) this.link.reset('the peer is at another address');
    else this.link.nudge();
    this.checkConnected();
  }

  /** An inbound connection of this peer is of no more use. */
  inboundGone(connection: InboundConnection): void {
    if (this.inboundBulk === connection) this.inboundBulk = null;
    if (this.inbound !== connection) return;
    this.inbound = null;
    this.inboundBulk?.close('the main connection is gone');
    this.lost();
  }

  /** Whether bulk can be sent now. Dials if there is no connection for it. */
  prepareBulk(): boolean {
    if (!this.bothUp) return false;
    if (this.bulk.hello === null) {
      if (this.bulk.idle) this.bulkIdleIntervals = 0;
      this.bulk.prefer(this.link.address);
      this.bulk.ensureDialled();
      return false;
    }
    return this.bulk.writable;
  }

  /** To be called when the bulk connection took something. */
  usedBulk(): void {
    this.bulkIdleIntervals = 0;
  }

  /** Called at every ping interval. */
  keepAlive(): void {
    const { pingIntervalMs, bulkIdleMs } = this.context.limits;
    this.link.ping();
    // Not only for want of bulk: a bulk connection that is stuck takes nothing either, and is dialled anew when wanted.
    if (++this.bulkIdleIntervals * pingIntervalMs >= bulkIdleMs) this.closeBulk('nothing was sent for long');
    if (this.inbound === null || this.inbound.checkHeard()) return;
    this.inbound.close('nothing was heard for too long');
    this.link.reset('nothing was heard from the peer for too long');
  }

  /** Ends all connections for good. Resolves when what was written has left, or the time is over. */
  async stop(graceMs: number, reason: string): Promise<void> {
    const stopped = Promise.all([this.link.stop(graceMs), this.bulk.stop(graceMs)]);
    this.inboundBulk?.close(reason);
    this.inbound?.close(reason);
    this.inbound = null;
    this.inboundBulk = null;
    this.lost();
    await stopped;
  }

  private answered(hello: Hello): void {
    const caller = this.inbound?.hello?.session;
    this.session = hello.session;
    if (caller !== undefined && caller !== hello.session) this.inbound?.close('the peer restarted');
    this.checkConnected();
  }

  private calledForBulk(connection: InboundConnection, hello: Hello): void {
    if (this.inbound?.hello?.session !== hello.session) {
      connection.close('bulk without a main connection');
      return;
    }
    const old = this.inboundBulk;
    this.inboundBulk = connection;
    old?.close('replaced by a newer connection');
  }

  /** @returns true when the peer says that it is at an address that was not known */
  private learnAddress(hello: Hello): boolean {
    const { clusterId } = this.context.ownHello(ConnectionPurpose.main);
    // Before both know that they are of one cluster, an address is a stranger's word.
    if (clusterId === '' || hello.clusterId !== clusterId || hello.peerAddress === '') return false;
    const learned = this.addresses.learn(hello.peerAddress);
    if (learned === null) return false;
    if (learned.isNew || this.link.hello === null) this.link.prefer(learned.address);
    return learned.isNew;
  }

  private checkConnected(): void {
    const { hello } = this.link;
    const caller = this.inbound?.hello;
    if (this.bothUp || hello === null || caller === undefined || caller === null) return;
    if (hello.session !== caller.session) return;
    this.bothUp = true;
    this.events.connected(this, hello);
  }

  private lost(): void {
    if (!this.bothUp) return;
    this.bothUp = false;
    this.closeBulk('the peer was lost');
    this.events.disconnected(this);
  }

  private closeBulk(reason: string): void {
    this.bulkIdleIntervals = 0;
    this.bulk.close(reason);
  }
}
