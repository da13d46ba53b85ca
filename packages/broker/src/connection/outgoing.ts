import {
  type ConnectPacket,
  encodePublishQoS0,
  type ProtocolVersion,
  type PublishExtras,
  publishSizeBytes,
  type QoS,
  writeAck,
  writePublish,
} from '@quorate/protocol';
import { bump } from '../environment.ts';
import type { CommandOwner } from '../proposer.ts';
import {
  type CommandResult,
  ItemState,
  type Message,
  MessageQueue,
  PACKET_ID_SPAN,
  packetIdOf,
  type QueueItem,
  type RetainedRequest,
  type Session,
  sequenceOf,
  writeSettle,
} from '../state/index.ts';
import type { Client, OutgoingSide } from './client.ts';
import { mayReceive } from './permissions.ts';
import { rangesOf } from './ranges.ts';
import { RetainedScan } from './retained-scan.ts';
import { SharedDeliveries } from './shared-deliveries.ts';
import { TopicAliases } from './topic-aliases.ts';

/** Where one in-flight message stands (MQTT 5.0 section 4.3). */
const Flight = { awaitPuback: 1, awaitPubrec: 2, committingPubrec: 3, awaitPubcomp: 4 } as const;
type Flight = (typeof Flight)[keyof typeof Flight];

/** Gathered before one write; more is written when this has left. */
const WRITE_BYTES = 256 * 1024;
/** Acknowledgements gathered before they are proposed without waiting for the next tick. */
const SETTLE_MESSAGES = 512;

/** Retained messages looked at in one turn, and queued ahead of what the client acknowledges. */
const SCAN_MESSAGES = 2048;
const SCAN_AHEAD = 1024;
/** SUBSCRIBEs whose retained messages are being read, per client. */
const MAX_SCANS = 16;

/** Messages of which it is asked in one turn whether the client may have them. */
const CHECKS = 256;

const REMOVED = 0;

/**
 * Messages on their way to one client. The queue is the session's replicated one, of which this is only a reader that
 * remembers what it sent; or, for a session that ends with its connection, a queue of its own.
 */
export class Outgoing implements OutgoingSide {
  readonly #connection: Client;
  readonly #queue: MessageQueue;
  /** The queue is part of the replicated state: what leaves it must be proposed. */
  readonly #replicated: boolean;
  readonly #window: number;
  readonly #maximumPacketSizeBytes: number;
  readonly #version: ProtocolVersion;
  /** Null for a client that takes none. */
  readonly #aliases: TopicAliases | null;
  /** Below it an earlier owner may have sent already. */
  readonly #resendBefore: number;
  #next: number;
  readonly #flights = new Map<number, Flight>();
  /** Acknowledged and not yet proposed. */
  #settled: number[] = [];
  #pubrecs: number[] = [];
  /** Among the settled are shared messages: their group has others for this client. */
  #urgent = false;
  readonly #shared: SharedDeliveries;
  /** The next message waits until its beginning is in the log. */
  #beginning = false;
  /** SUBSCRIBEs whose retained messages are being read, oldest first. */
  readonly #scans: RetainedScan[] = [];
  /**
   * Below it messages may have come by a subscription that the client may not have: they are looked at before they are
   * sent. Infinity while such a subscription is on its way out of the session; then so is what comes past the queue.
   */
  #uncheckedBefore = 0;
  /** Enough was looked at in this turn; the next one is asked for. */
  #isCut = false;

  /** @param window messages that may be sent and not acknowledged */
  constructor(connection: Client, session: Session, window: number, packet: ConnectPacket) {
    this.#connection = connection;
    this.#replicated = session.queue !== null;
    this.#queue = session.queue ?? new MessageQueue();
    this.#window = window;
    this.#maximumPacketSizeBytes = packet.maximumPacketSizeBytes;
    this.#aliases = packet.topicAliasMaximum > 0 ? new TopicAliases(packet.topicAliasMaximum) : null;
    this.#version = connection.version;
    this.#resendBefore = session.maybeSentBefore;
    this.#next = this.#queue.headSequence;
    this.#shared = new SharedDeliveries(connection, session, window);
    // What waits here came while other rules held, or to another user.
    if (connection.grant !== null && connection.sessionPresent) this.#uncheckedBefore = this.#queue.nextSequence;
  }

  restricting(): void {
    this.#uncheckedBefore = Number.POSITIVE_INFINITY;
  }

  restricted(filters: readonly string[], more: boolean): void {
    if (!more) this.#uncheckedBefore = this.#queue.nextSequence;
    const kept = this.#scans.filter(({ request }) => !filters.includes(request.filter));
    if (kept.length === this.#scans.length) return;
    this.#scans.splice(0, this.#scans.length, ...kept);
    if (kept.length === 0) this.#connection.broker.setScanning(this.#connection, false);
  }

  /** Whether a message of a share group may be sent to this client. */
  readonly #mayTake = ({ message, qos }: QueueItem): boolean => {
    const { grant, session } = this.#connection;
    return grant === null || mayReceive(grant, session, message.topic, qos);
  };

  /** Counts it when not. */
  #mayReceive(topic: string, qos: QoS): boolean {
    const connection = this.#connection;
    const { grant, session, broker } = connection;
    if (grant === null || mayReceive(grant, session, topic, qos)) return true;
    bump(broker.counters.dropped, 'not_authorized');
    broker.denials.add(connection, 'queued_message', topic);
    return false;
  }

  /** Messages sent and not acknowledged. */
  get inflight(): number {
    return this.#flights.size;
  }

  /** Takes a message that does not go through the replicated queue. */
  deliver(message: Message, qos: QoS, retain: boolean, identifiers: readonly number[] | null): void {
    if (this.#scans.length > 0) this.#beforeNewer(message.topic);
    this.#take(message, qos, retain, identifiers);
  }

  #take(message: Message, qos: QoS, retain: boolean, identifiers: readonly number[] | null): void {
    const { broker } = this.#connection;
    if (this.#uncheckedBefore === Number.POSITIVE_INFINITY && !this.#mayReceive(message.topic, qos)) return;
    if (qos === 0) {
      this.#sendQoS0(message, retain, identifiers);
      return;
    }
    // What was given out of share groups is bounded by the window, and not this client's doing.
    const count = this.#queue.count - this.#shared.count;
    const sizeBytes = this.#queue.sizeBytes - this.#shared.sizeBytes;
    const { maxQueuedMessages, maxQueuedBytes } = broker.limits;
    // One message is taken in any case: a bound smaller than it would close every client that subscribes to it.
    if (count >= maxQueuedMessages || (count > 0 && sizeBytes + message.sizeBytes > maxQueuedBytes)) {
      // Nothing that was acknowledged to its publisher is dropped behind a live client's back.
      this.#connection.fail('SLOW_CONSUMER', `${count} messages of ${sizeBytes} bytes wait for this client`);
      return;
    }
    this.#queue.push({ message, qos, retain, subscriptionIdentifiers: identifiers, state: ItemState.queued, share: 0 });
    this.#connection.markDirty();
  }

  #sendQoS0(message: Message, retain: boolean, identifiers: readonly number[] | null): void {
    const { output, broker, socket } = this.#connection;
    if (socket.bufferedBytes + output.length > broker.limits.maxOutgoingBufferBytes) {
      bump(broker.counters.dropped, 'slow_consumer_qos0');
      return;
    }
    const plain = identifiers === null && message.expiresAtMs === Number.POSITIVE_INFINITY && this.#aliases === null;
    if ((plain || this.#version !== 5) && !retain && this.#maximumPacketSizeBytes === Number.POSITIVE_INFINITY) {
      // The same bytes serve every subscriber of this version.
      message.encoded ??= new Map();
      const key = this.#version === 5 ? 5 : 4;
      let bytes = message.encoded.get(key);
      if (bytes === undefined) {
        bytes = encodePublishQoS0(message, false, this.#version, null);
        message.encoded.set(key, bytes);
      }
      output.append(bytes);
    } else if (!this.#write(message, 0, retain, false, 0, identifiers)) {
      bump(broker.counters.dropped, 'packet_too_large_for_client');
      return;
    }
    broker.counters.sent[0]++;
    this.#connection.markDirty();
  }

  /** Puts a PUBLISH into the output; false when it is larger than the client takes. */
  #write(
    message: Message,
    qos: QoS,
    retain: boolean,
    dup: boolean,
    packetId: number,
    identifiers: readonly number[] | null,
  ): boolean {
    const { output } = this.#connection;
    const known = this.#aliases?.get(message.topic);
    let introduced = known === undefined ? (this.#aliases?.next ?? null) : null;
    const wire =
      known === undefined ? message : { topic: '', payload: message.payload, properties: message.properties };
    let extras = this.#extras(message, identifiers, known ?? introduced);
    let sizeBytes = publishSizeBytes(wire, qos, this.#version, extras);
    if (sizeBytes > this.#maximumPacketSizeBytes && introduced !== null) {
      // A new alias makes it larger: it must not be what keeps the message from the client.
      introduced = null;
      extras = this.#extras(message, identifiers, null);
      sizeBytes = publishSizeBytes(wire, qos, this.#version, extras);
    }
    if (sizeBytes > this.#maximumPacketSizeBytes) return false;
    const at = output.reserve(sizeBytes);
    writePublish(output.buffer, at, wire, qos, retain, dup, packetId, this.#version, extras);
    if (introduced !== null) this.#aliases?.sent(message.topic);
    return true;
  }

  #extras(message: Message, identifiers: readonly number[] | null, topicAlias: number | null): PublishExtras | null {
    if (this.#version !== 5) return null;
    const expires = message.expiresAtMs !== Number.POSITIVE_INFINITY;
    if (!expires && identifiers === null && topicAlias === null) return null;
    // [MQTT-3.3.2-6]: what the message waited here is taken off.
    const leftMs = message.expiresAtMs - this.#connection.broker.clusterNowMs;
    return {
      subscriptionIdentifiers: identifiers ?? [],
      topicAlias,
      messageExpiryIntervalSec: expires ? Math.max(1, Math.ceil(leftMs / 1000)) : null,
    };
  }

  scan(request: RetainedRequest): void {
    if (this.#scans.length >= MAX_SCANS) {
      this.#connection.fail('SLOW_CONSUMER', `the retained messages of ${MAX_SCANS} SUBSCRIBEs wait for this client`);
      return;
    }
    this.#scans.push(new RetainedScan(request));
    this.#connection.broker.setScanning(this.#connection, true);
  }

  /** Not when a queue that ends with the connection has much: beyond its limits the client would be closed. */
  get canScan(): boolean {
    if (this.#scans.length === 0) return false;
    if (this.#replicated) return true;
    const { count, sizeBytes } = this.#queue;
    const { maxQueuedMessages, maxQueuedBytes } = this.#connection.broker.limits;
    return count === 0 || (count < SCAN_AHEAD && count * 2 < maxQueuedMessages && sizeBytes * 2 < maxQueuedBytes);
  }

  /** Reads some of the retained messages that SUBSCRIBEs bring. */
  #scan(): void {
    const { output, broker, socket } = this.#connection;
    const bufferLimit = broker.limits.maxOutgoingBufferBytes;
    for (let left = SCAN_MESSAGES; left > 0 && this.canScan; left--) {
      if (output.length >= WRITE_BYTES || socket.bufferedBytes + output.length > bufferLimit) return;
      const scan = this.#scans[0] as RetainedScan;
      const message = scan.next(broker.retained);
      if (message === null) {
        this.#scans.shift();
        if (this.#scans.length === 0) broker.setScanning(this.#connection, false);
      } else if (scan.wants(message)) this.#takeScanned(scan, message);
    }
  }

  #takeScanned({ request }: RetainedScan, message: Message): void {
    if (message.expiresAtMs <= this.#connection.broker.clusterNowMs) return;
    const qos = message.qos < request.qos ? message.qos : request.qos;
    // Those of a replicated queue are in it since the SUBSCRIBE was applied.
    if (qos === 0 || !this.#replicated) this.#take(message, qos, true, request.identifiers);
  }

  retainedChanging(message: Message): void {
    for (const scan of this.#scans) if (scan.takeEarly(message)) this.#takeScanned(scan, message);
  }

  /** A newer message of the topic must not overtake the retained one that a SUBSCRIBE brings [MQTT-4.6.0-6]. */
  #beforeNewer(topic: string): void {
    const message = this.#connection.broker.retained.get(topic);
    if (message !== undefined) this.retainedChanging(message);
  }

  /** Sends what the window, the socket and the packet ids allow. */
  pump(): void {
    this.#pumpQueue();
    if (this.#scans.length === 0) return;
    // In this order: retained messages must not take all the room from the queue, and what they put into it must leave.
    this.#scan();
    this.#pumpQueue();
  }

  #pumpQueue(): void {
    const { output, broker, socket } = this.#connection;
    const queue = this.#queue;
    const bufferLimit = broker.limits.maxOutgoingBufferBytes;
    if (!this.#replicated) this.#shared.takeOver(queue, this.#mayTake);
    // Entries settled behind our back (nothing does so today) must not hold the window's start.
    if (this.#next < queue.headSequence) this.#next = queue.headSequence;
    this.#beginning = false;
    let checks = CHECKS;
    this.#isCut = false;
    while (this.#next < queue.nextSequence && this.#flights.size < this.#window) {
      if (this.#next < this.#uncheckedBefore && checks-- === 0) {
        this.#isCut = true;
        broker.continueLater(this.#connection);
        break;
      }
      if (this.#next - queue.headSequence >= PACKET_ID_SPAN || output.length >= WRITE_BYTES) break;
      if (socket.bufferedBytes + output.length >= bufferLimit) break;
      const item = queue.get(this.#next);
      if (item !== null && SharedDeliveries.mustBegin(item)) {
        if (this.#next < this.#uncheckedBefore && !this.#mayTake(item)) {
          this.#next++;
          continue;
        }
        this.#beginning = true;
        this.#shared.begin(queue, this.#next, this.#window - this.#flights.size);
        break;
      }
      const sequence = this.#next++;
      if (item !== null) this.#send(sequence, item);
    }
  }

  #send(sequence: number, item: QueueItem): void {
    const { output, broker } = this.#connection;
    if (item.state === ItemState.received) {
      const at = output.reserve(4);
      writeAck(output.buffer, at, 'pubrel', packetIdOf(sequence), 0, this.#version);
      this.#flights.set(sequence, Flight.awaitPubcomp);
      return;
    }
    const { message, qos, retain } = item;
    const dup = sequence < this.#resendBefore;
    if (sequence < this.#uncheckedBefore) {
      // It stays where it is, and with the end of the connection goes back to its group, which has others for it.
      if (item.share !== 0 && item.state === ItemState.queued && !this.#mayTake(item)) return;
      if (!this.#mayReceive(message.topic, qos)) return this.#withhold(sequence, dup && qos === 2);
    }
    if (message.expiresAtMs <= broker.clusterNowMs && !dup) return this.#skip(sequence, 'expired');
    // [MQTT-3.1.2-25]: as if it had been sent and acknowledged.
    if (!this.#write(message, qos, retain, dup, packetIdOf(sequence), item.subscriptionIdentifiers)) {
      return this.#skip(sequence, 'packet_too_large_for_client');
    }
    this.#flights.set(sequence, qos === 1 ? Flight.awaitPuback : Flight.awaitPubrec);
    broker.counters.sent[qos]++;
  }

  /**
   * Not sent, and gone from the queue. Of a QoS 2 message that an earlier owner may have sent the client may still hold the
   * Packet Identifier: PUBREL frees it, and brings nothing.
   */
  #withhold(sequence: number, release: boolean): void {
    if (release) this.#sendPubrel(sequence);
    else this.#settle(sequence);
  }

  #skip(sequence: number, reason: string): void {
    bump(this.#connection.broker.counters.dropped, reason);
    this.#settle(sequence);
  }

  /** More may be sent than was, once the socket has room. */
  get hasMore(): boolean {
    if (this.#isCut) return false;
    const { headSequence, nextSequence } = this.#queue;
    if (this.#beginning) return false;
    return this.#next < nextSequence && this.#flights.size < this.#window && this.#next - headSequence < PACKET_ID_SPAN;
  }

  #settle(sequence: number): void {
    if (this.#replicated) {
      if ((this.#queue.get(sequence)?.share ?? 0) !== 0) this.#urgent = true;
      this.#settled.push(sequence);
    } else {
      const item = this.#queue.settle(sequence);
      if (item === null || item.share === 0) return;
      this.#urgent = true;
      this.#settled.push(this.#shared.settled(sequence, item));
    }
    if (this.#settled.length === 1) this.#connection.broker.setSettling(this.#connection, true);
    if (this.#settled.length >= SETTLE_MESSAGES) this.proposeSettled();
  }

  #flightOf(packetId: number): number {
    return sequenceOf(packetId, this.#queue.headSequence);
  }

  /** An acknowledgement of something that is not in flight is ignored: it may be late from before a reconnect. */
  puback(packetId: number): void {
    const sequence = this.#flightOf(packetId);
    if (this.#flights.get(sequence) !== Flight.awaitPuback) return;
    this.#flights.delete(sequence);
    this.#settle(sequence);
    this.#connection.markDirty();
  }

  /** PUBREL leaves only when it is committed that the client has the message: else a new owner could send it twice. */
  pubrec(packetId: number, reasonCode: number): void {
    const sequence = this.#flightOf(packetId);
    const flight = this.#flights.get(sequence);
    if (flight === Flight.awaitPubcomp) {
      this.#sendPubrel(sequence);
      return;
    }
    if (flight !== Flight.awaitPubrec) {
      // [MQTT-4.3.3]: a PUBREL answers it, so that a client with older state gets rid of it.
      if (flight === undefined && reasonCode < 0x80) this.#connection.sendAck('pubrel', packetId, 0x92);
      return;
    }
    if (reasonCode >= 0x80) {
      this.#flights.delete(sequence);
      this.#settle(sequence);
    } else if (this.#replicated) {
      this.#flights.set(sequence, Flight.committingPubrec);
      this.#pubrecs.push(sequence);
    } else {
      this.#queue.mark(sequence, ItemState.received);
      this.#sendPubrel(sequence);
    }
    this.#connection.markDirty();
  }

  #sendPubrel(sequence: number): void {
    this.#flights.set(sequence, Flight.awaitPubcomp);
    this.#connection.sendAck('pubrel', packetIdOf(sequence), 0);
  }

  pubcomp(packetId: number): void {
    const sequence = this.#flightOf(packetId);
    if (this.#flights.get(sequence) !== Flight.awaitPubcomp) return;
    this.#flights.delete(sequence);
    this.#settle(sequence);
    this.#connection.markDirty();
  }

  /** Proposes the PUBRECs of this turn in one command, and in another what made room for more shared messages. */
  proposeUrgent(): void {
    this.#proposePubrecs();
    if (this.#urgent) this.proposeSettled();
  }

  #proposePubrecs(): void {
    if (this.#pubrecs.length === 0) return;
    const sequences = this.#pubrecs;
    this.#pubrecs = [];
    const { broker, epoch } = this.#connection;
    writeSettle(broker.proposer.open(), { epoch, received: true, ranges: rangesOf(sequences) });
    broker.proposer.added(new PubrecBatch(this, sequences), REMOVED, 0);
  }

  pubrecsCommitted(sequences: readonly number[]): void {
    if (this.#connection.phase !== 'live') return;
    for (const sequence of sequences) {
      if (this.#flights.get(sequence) === Flight.committingPubrec) this.#sendPubrel(sequence);
    }
  }

  /** Proposes what the client is done with. Late is harmless: at worst a new owner sends a QoS 1 message again, with DUP. */
  proposeSettled(): void {
    if (this.#settled.length === 0) return;
    const { broker, epoch } = this.#connection;
    const ranges = rangesOf(this.#settled);
    this.#settled = [];
    this.#urgent = false;
    broker.setSettling(this.#connection, false);
    writeSettle(broker.proposer.open(), { epoch, received: false, ranges });
    broker.proposer.added(broker.unowned, REMOVED, 0);
  }
}

class PubrecBatch implements CommandOwner {
  readonly #outgoing: Outgoing;
  readonly #sequences: readonly number[];

  constructor(outgoing: Outgoing, sequences: readonly number[]) {
    this.#outgoing = outgoing;
    this.#sequences = sequences;
  }

  commandApplied(_kind: number, _argument: number, result: CommandResult): void {
    if (result.kind === 'ok') this.#outgoing.pubrecsCommitted(this.#sequences);
  }
}
