import { ItemState, sequenceOf } from '@quorate/broker';
import type { Client } from '../client/client.ts';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import type { Wire } from '../cluster/wire.ts';
import { demand } from '../world/violation.ts';
import type { World } from '../world/world.ts';
import type { Reference } from './reference.ts';

const CONNACK = 2;
const PUBLISH = 3;
const PUBACK = 4;
const PUBREC = 5;
const PUBREL = 6;
const DISCONNECT = 14;
const DUP = 0x08;

export interface ServingCheckerOptions {
  readonly world: World;
  readonly reference: Reference;
  /** How long a node may go on serving after it has lost touch with the majority, in true time. */
  readonly leaseMs: number;
  /** A node has told a client that it was accepted. */
  readonly onAccepted: (node: SimulatedNode, clientId: string, epoch: number) => void;
}

/** What leaves a node's sockets, packet by packet: P1, P2, P6 and the server's half of P5. */
export class ServingChecker {
  readonly #options: ServingCheckerOptions;
  readonly #clients = new Map<Wire, Client>();
  /** Who was told last that it has the client id. */
  readonly #owners = new Map<string, Wire>();
  /** By session number: the highest place in its queue that was sent. */
  readonly #sent = new Map<number, number>();
  /** Since when a node has had no majority in reach. */
  readonly #cutOffSinceMs = new Map<string, number>();
  /** By payload: the Message Expiry Interval, in milliseconds. */
  readonly #expiries = new Map<string, number>();
  packets = 0;
  acks = 0;
  released = 0;
  expiring = 0;

  constructor(options: ServingCheckerOptions) {
    this.#options = options;
  }

  connected(client: Client, wire: Wire): void {
    this.#clients.set(wire, client);
  }

  /** A message with this payload has a Message Expiry Interval. */
  expires(payload: string, expirySec: number): void {
    this.#expiries.set(payload, expirySec * 1000);
  }

  /** The node can, or can not any more, exchange messages with a majority. */
  reach(nodeId: string, majority: boolean): void {
    if (majority) this.#cutOffSinceMs.delete(nodeId);
    else if (!this.#cutOffSinceMs.has(nodeId)) this.#cutOffSinceMs.set(nodeId, this.#options.world.nowMs);
  }

  wrote(node: SimulatedNode, wire: Wire, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const header = bytes[at] as number;
      let length = 0;
      let shift = 0;
      let start = at + 1;
      for (let digit = 0x80; digit >= 0x80; shift += 7) {
        digit = bytes[start++] as number;
        length += (digit & 0x7f) * 2 ** shift;
      }
      const end = start + length;
      demand(end <= bytes.length, 'whole-packets', () => `${node.id} wrote part of a packet to ${wire.clientName}`);
      this.packets++;
      this.#packet(node, wire, header, bytes, start, end);
      at = end;
    }
  }

  #packet(node: SimulatedNode, wire: Wire, header: number, bytes: Buffer, start: number, end: number): void {
    const type = header >> 4;
    if (type === DISCONNECT) return;
    const client = this.#clients.get(wire);
    if (client === undefined) return;
    const { clientId } = client.plan;
    if (type === CONNACK) {
      if (bytes[start + 1] !== 0) return;
      this.#owners.set(clientId, wire);
      const epoch = wire.connection?.epoch ?? 0;
      demand(
        epoch > 0 && epoch < this.#options.reference.state.nextEpoch,
        'P1-connack',
        () => `${node.id} accepted ${clientId} under epoch ${epoch}, which is not committed`,
      );
    }
    const owner = this.#owners.get(clientId);
    demand(
      owner === wire,
      'P2-one-owner',
      () =>
        `${node.id} sent packet type ${type} to ${client.name} (${clientId}) after ${owner?.serverEnd.nodeId ?? 'nobody'} ` +
        `had accepted ${owner?.clientName ?? 'anybody'}`,
    );
    if (type === CONNACK) this.#options.onAccepted(node, clientId, wire.connection?.epoch ?? 0);
    this.#checkReach(node, type, client);
    if (type === PUBREL) this.#checkPubrel(node, wire, client, bytes.readUInt16BE(start));
    if (type === PUBACK || type === PUBREC) this.#checkAck(node, wire, client, bytes.readUInt16BE(start));
    if (type === PUBLISH && (header & DUP) === 0) this.#checkExpiry(node, client, bytes.subarray(start, end));
    if (type === PUBLISH && (header & 0x06) !== 0) this.#checkOrder(node, wire, client, header, bytes, start);
  }

  #checkReach(node: SimulatedNode, type: number, client: Client): void {
    const since = this.#cutOffSinceMs.get(node.id);
    if (since === undefined) return;
    const forMs = this.#options.world.nowMs - since;
    demand(
      forMs <= this.#options.leaseMs,
      'P6-minority-serves',
      () => `${node.id} sent packet type ${type} to ${client.name}, ${Math.round(forMs)} ms after it lost the majority`,
    );
  }

  #checkAck(node: SimulatedNode, wire: Wire, client: Client, packetId: number): void {
    this.acks++;
    if (client.wire !== wire) return;
    const message = client.session.outgoing.get(packetId);
    if (message === undefined || message.payload === '') return;
    const index = this.#options.reference.publishedAt.get(message.payload);
    const applied = node.replica?.broker.machine.state.appliedIndex ?? 0;
    demand(
      index !== undefined && index <= applied,
      'P1-ack-before-commit',
      () =>
        `${node.id} acknowledged ${message.payload} at index ${applied}; it is at ${index ?? 'no'} place in the log`,
    );
  }

  /**
   * PUBREL is for what the log says that the client has: else the next owner of the session, which would not know, could send
   * the message once more. What is gone from the queue was said to be received before.
   */
  #checkPubrel(node: SimulatedNode, wire: Wire, client: Client, packetId: number): void {
    const session = wire.connection?.session;
    if (session == null || session.queue === null) return;
    const known = this.#options.reference.state.sessions.get(client.plan.clientId);
    if (known?.number !== session.number) return;
    const item = known.queue?.get(sequenceOf(packetId, session.queue.headSequence));
    if (item == null) return;
    this.released++;
    demand(
      item.state === ItemState.received,
      'pubrel-after-pubrec',
      () =>
        `${node.id} sent ${client.name} PUBREL ${packetId}, and the log does not say that ${item.message.topic} was received`,
    );
  }

  /** Places that nothing was sent from: what was there has expired, or may have. */
  #maySkip(clientId: string, sessionNumber: number, from: number, to: number): boolean {
    const session = this.#options.reference.state.sessions.get(clientId);
    if (session === undefined || session.number !== sessionNumber || session.queue === null) return true;
    for (let sequence = from; sequence < to; sequence++) {
      const item = session.queue.get(sequence);
      if (item !== null && !Number.isFinite(item.message.expiresAtMs)) return false;
    }
    return true;
  }

  /** By the cluster clock, as far as this node knows it [MQTT-3.3.2-5]. A repetition was begun in time. */
  #checkExpiry(node: SimulatedNode, client: Client, packet: Buffer): void {
    // The payload is at the end, and holds a name, a slash and a number.
    const payload = /[a-z0-9.]+\/\d+$/.exec(packet.toString('latin1'))?.[0];
    const expiryMs = payload === undefined ? undefined : this.#expiries.get(payload);
    const publishedMs = payload === undefined ? undefined : this.#options.reference.publishedMs.get(payload);
    const state = node.replica?.broker.machine.state;
    if (expiryMs === undefined || publishedMs === undefined || state === undefined) return;
    this.expiring++;
    demand(
      state.nowMs <= publishedMs + expiryMs,
      'message-expiry',
      () => `${node.id} sent ${client.name} ${payload} at ${state.nowMs}, which expired at ${publishedMs + expiryMs}`,
    );
  }

  /** First deliveries are in the order of the queue, without a gap; anything else says DUP. */
  #checkOrder(node: SimulatedNode, wire: Wire, client: Client, header: number, bytes: Buffer, start: number): void {
    const session = wire.connection?.session;
    if (session == null || session.queue === null) return;
    const packetId = bytes.readUInt16BE(start + 2 + bytes.readUInt16BE(start));
    const sequence = sequenceOf(packetId, session.queue.headSequence);
    const highest = this.#sent.get(session.number) ?? -1;
    if (sequence <= highest) {
      demand(
        (header & DUP) !== 0,
        'P5-dup',
        () => `${node.id} sent ${client.name} place ${sequence} again without DUP`,
      );
      return;
    }
    demand(
      this.#maySkip(client.plan.clientId, session.number, highest + 1, sequence),
      'P5-order',
      () => `${node.id} sent ${client.name} place ${sequence} of its queue after ${highest}`,
    );
    this.#sent.set(session.number, sequence);
  }
}
