import {
  type ConnectPacket,
  decodeConnect,
  decodePacket,
  decodePublish,
  PacketFramer,
  PINGRESP,
  ProtocolError,
  type ProtocolVersion,
  ReasonCode,
  readPacketId,
  writeAck,
} from '@quorate/protocol';
import type { Grant } from '../access.ts';
import type { Visit } from '../admission.ts';
import { bump, type ClientSocket } from '../environment.ts';
import type { Pace } from '../pacer.ts';
import {
  type CommandResult,
  type Message,
  type RetainedRequest,
  type Session,
  writeDisconnect,
} from '../state/index.ts';
import { authenticate, authenticationTimedOut, beforeConnack, reauthenticate } from './authentication.ts';
import {
  type Client,
  type EnhancedAuthentication,
  type Host,
  type IncomingSide,
  type OutgoingSide,
  type PendingSubscription,
  type Phase,
  Proposed,
  type Verification,
} from './client.ts';
import { CLOSE_REASONS, type CloseReason } from './closing.ts';
import { OutputBuffer } from './output.ts';
import { hasExpired, willCounts } from './permissions.ts';
import { encodeGoodbye, encodeRefusal, farewellOf, isRefusalKnown } from './refusal.ts';
import { restrictionApplied } from './review.ts';
import { acceptConnect, claimed } from './session-start.ts';
import { handleSubscribe, handleUnsubscribe, subscriptionsApplied } from './subscribing.ts';
import { Uptake } from './uptake.ts';

/** Type nibbles of the packets that are taken apart without an object. */
const CONNECT = 1;
const PUBLISH = 3;
const PUBACK = 4;
const PINGREQ = 12;
const SHORT_ACK_BYTES = 2;

/** The protocol of one client on one network connection. Knows no socket, timer or Raft: bytes and results come in. */
export class Connection implements Client {
  readonly broker: Host;
  readonly socket: ClientSocket;
  readonly visit: Visit | null;
  readonly output = new OutputBuffer();
  readonly openedAtMs: number;
  lastHeardMs: number;
  phase: Phase = 'new';
  version: ProtocolVersion = 4;
  clientId = '';
  bridge = false;
  keepAliveSec = 0;
  epoch = 0;
  session: Session | null = null;
  outgoing: OutgoingSide | null = null;
  incoming: IncomingSide | null = null;
  /** The CONNECT that is being served, until its CONNACK has left. */
  connectPacket: ConnectPacket | null = null;
  /** Largest packet that the client takes. */
  maximumPacketSizeBytes = Number.POSITIVE_INFINITY;
  /** Retained messages of QoS 0 that a SUBSCRIBE brings, until its SUBACK is in front of them. */
  readonly retained: { readonly message: Message; readonly identifiers: readonly number[] | null }[] = [];
  /** The same for those that are read in slices. */
  readonly retainedRequests: RetainedRequest[] = [];
  /** SUBSCRIBE and UNSUBSCRIBE packets on their way through the log, oldest first. */
  readonly pendingSubscriptions: PendingSubscription[] = [];
  grant: Grant | null = null;
  authentication: EnhancedAuthentication | null = null;
  verification: Verification | null = null;
  reviewed = true;
  readonly restrictions: (readonly string[])[] = [];
  sessionPresent = false;
  denialLoggedMs = Number.NEGATIVE_INFINITY;
  dirty = false;
  paused = false;
  heldUntilMs = 0;
  heldSinceMs = 0;
  pace: Pace | null = null;
  readonly #framer: PacketFramer;
  /** What the socket held at the last look. */
  #backlogBytes = 0;
  readonly #uptake = new Uptake();

  constructor(broker: Host, socket: ClientSocket, visit: Visit | null) {
    this.broker = broker;
    this.socket = socket;
    this.visit = visit;
    this.#framer = new PacketFramer(broker.limits.maxPacketSizeBytes);
    this.openedAtMs = broker.environment.nowMs();
    this.lastHeardMs = this.openedAtMs;
  }

  get userName(): string | null {
    return this.grant === null ? (this.connectPacket?.username ?? null) : this.grant.userName;
  }

  /** Bytes from the client. */
  receive(chunk: Buffer): void {
    if (this.phase === 'closed' || this.phase === 'leaving') return;
    this.lastHeardMs = this.broker.environment.nowMs();
    this.#framer.push(chunk);
    this.process();
  }

  /** Takes packets until the input ends or something has to be waited for; then the socket is not read further. */
  process(): void {
    try {
      while (!this.#mustWait()) {
        if (!this.#framer.next()) {
          this.#setPaused(false);
          return;
        }
        this.#packet();
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#protocolError(error);
      return;
    }
    // One that leaves is not paused: the end of the client's side must be seen.
    if (this.phase !== 'closed' && this.phase !== 'leaving') this.#setPaused(true);
  }

  /**
   * Reads are held back by: a CONNECT in progress, a full proposal queue, our Receive Maximum, a client that does not read,
   * or that publishes too fast.
   */
  #mustWait(): boolean {
    const { phase, broker } = this;
    if (phase === 'live') {
      if (this.heldUntilMs > 0) return true;
      return broker.congested || !broker.serving || (this.incoming?.full ?? false) || this.#backlogged;
    }
    // AUTH of the client is waited for, and nothing else.
    if (phase === 'authenticating') return this.verification !== null;
    return phase !== 'new';
  }

  get #backlogged(): boolean {
    return this.socket.bufferedBytes + this.output.length > this.broker.limits.maxOutgoingBufferBytes;
  }

  #setPaused(paused: boolean): void {
    if (this.paused === paused) return;
    this.paused = paused;
    this.broker.setPaused(this, paused);
    if (paused) this.socket.pause();
    else this.socket.resume();
  }

  #packet(): void {
    const { header, buffer, start, end } = this.#framer;
    const type = header >> 4;
    if (this.phase === 'new') {
      if (type !== CONNECT) throw new ProtocolError('NOT_CONNECT', `packet type ${type}`);
      acceptConnect(this, decodeConnect(header, buffer, start, end, this.broker.limits), authenticate);
      return;
    }
    if (this.phase === 'authenticating') return beforeConnack(this, header, buffer, start, end);
    switch (type) {
      case PUBLISH:
        this.incoming?.publish(decodePublish(header, buffer, start, end, this.version));
        // It may have been closed for it.
        if (this.phase === 'live') this.broker.bounds.pacer.published(this, end - start);
        return;
      case PUBACK:
        if (end - start === SHORT_ACK_BYTES && header === PUBACK << 4) {
          return this.outgoing?.puback(readPacketId(buffer, start));
        }
        break;
      case PINGREQ:
        decodePacket(header, buffer, start, end, this.version);
        this.output.append(PINGRESP);
        return this.markDirty();
    }
    this.#rarePacket(header, buffer, start, end);
  }

  #rarePacket(header: number, buffer: Buffer, start: number, end: number): void {
    const packet = decodePacket(header, buffer, start, end, this.version);
    switch (packet.type) {
      case 'puback':
        return this.outgoing?.puback(packet.packetId);
      case 'pubrec':
        return this.outgoing?.pubrec(packet.packetId, packet.reasonCode);
      case 'pubcomp':
        return this.outgoing?.pubcomp(packet.packetId);
      case 'pubrel':
        return this.incoming?.pubrel(packet.packetId);
      case 'subscribe':
        return handleSubscribe(this, packet);
      case 'unsubscribe':
        return handleUnsubscribe(this, packet);
      case 'disconnect': {
        const expiry = packet.sessionExpiryIntervalSec;
        // [MQTT-3.14.2-2]
        if (expiry !== null && expiry > 0 && this.session?.expiryIntervalSec === 0) return this.fail('EXPIRY_INVALID');
        const { maxSessionExpiryIntervalSec } = this.broker.limits;
        const kept = expiry === null ? null : Math.min(expiry, maxSessionExpiryIntervalSec);
        this.#goodbye(packet.reasonCode !== ReasonCode.normalDisconnection, kept);
        return;
      }
      case 'auth':
        return reauthenticate(this, packet);
      case 'connect':
        throw new ProtocolError('REPEATED_CONNECT');
      case 'publish':
      case 'pingreq':
        return;
    }
  }

  commandApplied(kind: number, argument: number, result: CommandResult): void {
    if (kind === Proposed.connect) return claimed(this, result);
    if (kind === Proposed.disconnect) return this.#gone();
    if (kind === Proposed.restrict) return restrictionApplied(this, result);
    // A command of a connection that lost its session gets no acknowledgement; `ownershipLost` closes it.
    if (this.phase !== 'live' || result.kind === 'stale') return;
    switch (kind) {
      case Proposed.publish1:
        return this.incoming?.published(argument, 1, result);
      case Proposed.publish2:
        return this.incoming?.published(argument, 2, result);
      case Proposed.pubrel:
        return this.incoming?.released(argument, result);
      case Proposed.subscribe:
      case Proposed.unsubscribe:
        return subscriptionsApplied(this, kind, result);
    }
  }

  /** Queues one acknowledgement packet. */
  sendAck(type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', packetId: number, reasonCode: number): void {
    const at = this.output.reserve(5);
    this.output.length = writeAck(this.output.buffer, at, type, packetId, reasonCode, this.version);
    this.markDirty();
  }

  markDirty(): void {
    if (this.dirty || this.phase === 'closed') return;
    this.dirty = true;
    this.broker.addDirty(this);
  }

  /** End of a turn: PUBRECs into the batch, then everything that may leave, in one write. */
  flush(): void {
    this.#writeTurn();
    // Not before: what is written here is no reason to come again in the same turn.
    this.dirty = false;
    if (this.phase === 'closed' || (this.phase === 'live' && !this.broker.serving)) return;
    const { bufferedBytes } = this.socket;
    const { maxOutgoingBufferBytes } = this.broker.limits;
    const canScan = this.outgoing?.canScan === true;
    // Beyond the limit, `drained` will be called; below it nobody calls. In the next turn: else all of it were one step.
    if (canScan && bufferedBytes <= maxOutgoingBufferBytes) this.broker.continueLater(this);
    if (bufferedBytes > 0) return;
    // The socket took everything at once: nobody will call `drained`.
    if (!canScan && this.outgoing?.hasMore === true) this.markDirty();
    if (this.paused) this.process();
  }

  #writeTurn(): void {
    if (this.phase === 'closed') return;
    // While the lease does not hold, somebody else may serve this session: nothing leaves.
    if (this.phase === 'live' && !this.broker.serving) {
      this.broker.withhold(this);
      return;
    }
    if (this.phase === 'live') this.outgoing?.pump();
    this.#write();
  }

  /** Hands everything to the socket; CONNACK is always the first of it. */
  #write(): void {
    if (this.output.length === 0) return;
    this.connectPacket = null;
    this.#uptake.wrote(this.output.length);
    this.output.flush(this.socket);
  }

  /** The socket took what it had: go on with what waited for that. */
  drained(): void {
    if (this.phase !== 'live') return;
    this.markDirty();
    if (this.paused) this.process();
  }

  /** Once per tick of the broker. */
  checkTime(nowMs: number): void {
    if (hasExpired(this, nowMs)) return this.fail('AUTHENTICATION_EXPIRED');
    if (this.phase === 'live') return this.#checkLive(nowMs);
    if (this.phase === 'leaving') {
      if (nowMs - this.lastHeardMs > this.broker.limits.connectTimeoutMs) this.#gone();
      return;
    }
    if (nowMs - this.openedAtMs <= this.broker.limits.connectTimeoutMs) return;
    if (this.phase === 'new') this.refuse('CONNECT_TIMEOUT');
    // The lease holds but nothing commits (a disk that is stuck, say): better an answer than a client that hangs.
    else if (this.phase === 'claiming' || this.phase === 'reviewing') this.refuse('SERVER_UNAVAILABLE');
    else if (this.phase === 'authenticating') authenticationTimedOut(this);
  }

  #checkLive(nowMs: number): void {
    const { bufferedBytes } = this.socket;
    const stuckMs = this.#uptake.stuckMs(bufferedBytes, nowMs);
    if (stuckMs < this.broker.limits.slowConsumerTimeoutMs) this.#checkKeepAlive(nowMs);
    else this.fail('SLOW_CONSUMER', `it took none of ${bufferedBytes} bytes for ${stuckMs} ms`);
  }

  /** [MQTT-3.1.2-22] */
  #checkKeepAlive(nowMs: number): void {
    const backlogBytes = this.socket.bufferedBytes;
    // A client that we do not read can not be blamed for its silence, unless we do not because it takes nothing itself.
    const stuck = this.#backlogged && backlogBytes > 0 && backlogBytes >= this.#backlogBytes;
    this.#backlogBytes = backlogBytes;
    if (this.paused && !stuck) this.lastHeardMs = nowMs;
    const silentMs = nowMs - this.lastHeardMs;
    if (this.keepAliveSec > 0 && silentMs > this.keepAliveSec * 1500) this.fail('KEEP_ALIVE_TIMEOUT');
  }

  /**
   * The client has closed its side, behind all that it sent. One that is leaving is answered in kind when its DISCONNECT
   * is in the log: it may wait for that to connect to another node.
   */
  inputEnded(): void {
    if (this.phase === 'leaving') return;
    this.socketClosed();
    this.socket.end();
  }

  /** The client's side of the connection is gone. */
  socketClosed(): void {
    if (this.phase === 'closed') return;
    if (this.phase === 'leaving') return this.#gone();
    this.#leave(true, null);
    this.#close('connection_lost');
  }

  /** Another connection has the session: nothing more of it leaves here. */
  ownershipLost(reason: CloseReason): void {
    if (this.phase === 'leaving') return this.#gone();
    // The session is not ours any more: no Disconnect command.
    const backlog = this.socket.bufferedBytes > 0;
    this.output.clear();
    const wasLive = this.phase === 'live';
    this.#close(reason.toLowerCase());
    if (backlog) {
      this.socket.destroy();
      return;
    }
    this.#sayGoodbye(reason, wasLive);
  }

  /** Closes for a reason of ours, telling a 5.0 client which. */
  fail(reason: CloseReason, detail?: string): void {
    if (this.phase === 'closed') return;
    if (this.phase === 'leaving') return this.#gone();
    const wasLive = this.phase === 'live';
    const { clientId, userName, socket } = this;
    const sentence = `${CLOSE_REASONS[reason][1]}${detail === undefined ? '' : `: ${detail}`}`;
    this.broker.environment.log.info(
      { clientId, userName, remoteAddress: socket.remoteAddress, code: reason },
      `closing client '${clientId}'${userName === null ? '' : ` of user '${userName}'`}: ${sentence}`,
    );
    this.#leave(true, null);
    this.#close(reason.toLowerCase());
    this.broker.refreshServing();
    if (this.broker.serving) this.#write();
    this.#sayGoodbye(reason, wasLive);
  }

  /** Refuses a CONNECT. */
  refuse(reason: CloseReason, detail?: string): void {
    bump(this.broker.counters.connectsRefused, reason.toLowerCase());
    this.fail(reason, detail);
  }

  #sayGoodbye(reason: CloseReason, wasLive: boolean): void {
    const [reasonCode, reference] = farewellOf(this, reason);
    // [MQTT-3.2.0-1]: CONNACK comes first, and one that waits for the lease or the end of the turn has not left.
    if (wasLive && this.connectPacket === null) {
      this.#sendDisconnect(reasonCode, CLOSE_REASONS[reason][1], reference);
    } else if (this.connectPacket !== null) {
      const { version, maximumPacketSizeBytes } = this;
      this.#send(encodeRefusal(reasonCode, CLOSE_REASONS[reason][1], version, maximumPacketSizeBytes, reference));
    }
    this.socket.end();
  }

  /** Only 5.0 knows a DISCONNECT of the server. */
  #sendDisconnect(reasonCode: number, sentence: string, serverReference: string | null = null): void {
    if (this.version !== 5) return;
    this.#send(encodeGoodbye(reasonCode, sentence, this.maximumPacketSizeBytes, serverReference));
  }

  #send(packet: Buffer | null): void {
    if (packet !== null) this.socket.write(packet);
  }

  #protocolError(error: ProtocolError): void {
    const { broker, clientId, userName, socket, phase } = this;
    bump(broker.counters.protocolErrors, error.code);
    broker.environment.log.warn(
      { clientId, userName, remoteAddress: socket.remoteAddress, code: error.code, reasonCode: error.reasonCode },
      `closing client '${clientId}' at ${socket.remoteAddress}: ${error.message}`,
    );
    this.#leave(true, null);
    this.#close('protocol_error');
    if (phase === 'new' || phase === 'authenticating') {
      const { reasonCode } = error;
      const protocolVersion = phase === 'new' ? error.protocolVersion : this.version;
      // Without the sentence: how large a packet the client takes may not be known.
      if (protocolVersion !== null && isRefusalKnown(reasonCode, protocolVersion)) {
        this.#send(encodeRefusal(reasonCode, null, protocolVersion, this.maximumPacketSizeBytes));
      }
    } else {
      broker.refreshServing();
      if (phase === 'live' && broker.serving) this.#write();
      if (phase === 'live' && this.connectPacket === null) this.#sendDisconnect(error.reasonCode, error.message);
    }
    socket.end();
  }

  /**
   * DISCONNECT. The connection ends when that is applied: whoever sees it end, and connects again over another node, must
   * find the session as it was left, its will gone [MQTT-3.14.4-3].
   */
  #goodbye(publishWill: boolean, sessionExpiryIntervalSec: number | null): void {
    this.#leave(publishWill, sessionExpiryIntervalSec, Proposed.disconnect);
    bump(this.broker.counters.disconnects, 'client_disconnect');
    this.phase = 'leaving';
    this.output.clear();
    this.outgoing = this.incoming = null;
  }

  /** A client that was leaving has left. */
  #gone(): void {
    if (this.phase === 'closed') return;
    this.#close('client_disconnect');
    this.socket.end();
  }

  /** Gives the session back through the log. With a kind the outcome is waited for. */
  #leave(publishWill: boolean, sessionExpiryIntervalSec: number | null, kind = 0): void {
    // While fencing, the session is given back when the fence is down: earlier, the next owner would not wait for it.
    if (this.epoch === 0 || this.phase === 'fencing') return;
    this.outgoing?.proposeUrgent();
    this.outgoing?.proposeSettled();
    const { proposer } = this.broker;
    const counts = publishWill && willCounts(this);
    writeDisconnect(proposer.open(), { epoch: this.epoch, publishWill: counts, sessionExpiryIntervalSec });
    proposer.added(kind === 0 ? this.broker.unowned : this, kind, 0);
  }

  #close(why: string): void {
    if (this.phase === 'live') bump(this.broker.counters.disconnects, why);
    this.phase = 'closed';
    if (this.verification !== null) this.verification.client = null;
    this.visit?.leave();
    this.broker.forget(this);
  }
}
