import type { IConnackPacket, IPublishPacket, Packet } from 'mqtt-packet';
import type { ConnectOperation, DeliverOperation, Operation, Outcome, Will } from '../history/operation.ts';
import {
  connectPacket,
  grantedCode,
  type NodeAddress,
  publishPacket,
  reasonOf,
  SESSION_OF_311_SEC,
} from './packets.ts';
import { type Outgoing, SessionState } from './session.ts';
import type { Ticker } from './ticker.ts';
import { type ProtocolVersion, Wire } from './wire.ts';

/** What clients of a process share. */
export interface ClientEnvironment {
  readonly clock: { beginMs(): number; endMs(): number };
  readonly record: (operation: Operation) => void;
  readonly ticker: Ticker;
  /** From dialling to CONNACK. */
  readonly connectTimeoutMs: number;
  /** From a packet to its answer; after that the connection counts as dead. */
  readonly ackTimeoutMs: number;
}

/** Who a client is. */
export interface ClientIdentity {
  /** Unique within a run. */
  readonly client: string;
  readonly clientId: string;
  readonly version: ProtocolVersion;
  /** How long its session outlives a connection; 0: not at all, and each connection starts clean. */
  readonly sessionExpirySec: number;
  readonly keepAliveSec: number;
  /** The most unfinished publications. */
  readonly window: number;
  readonly username?: string;
  readonly password?: string;
}

/** Options of {@link RecordingClient.publish}. */
export interface PublishOptions {
  readonly qos: 1 | 2;
  readonly retain?: boolean;
  readonly expirySec?: number;
}

type Close = 'disconnect' | 'cut' | 'server' | 'error';

interface Request {
  readonly sentAtMs: number;
  readonly end: (outcome: Outcome) => void;
}

/** One connection, from dialling on. */
interface Link {
  readonly number: number;
  readonly node: NodeAddress;
  readonly wire: Wire;
  readonly dialledAtMs: number;
  readonly beginMs: number;
  readonly will: Will | undefined;
  live: boolean;
  receiveMaximum: number;
  /** As asked for, or what CONNACK said instead [MQTT-3.2.2-21]. */
  sessionExpirySec: number;
  keepAliveSec: number;
  /** When something was last sent, and when a PINGREQ went out that has no answer; `performance.now()`. */
  lastSentMs: number;
  pingAtMs: number | null;
  /** When DISCONNECT was sent, on the clock of the run. */
  leavingSinceMs: number | null;
  serverReason: number;
  connected(result: ConnectOperation): void;
}

/** How long a server may take to close the connection after DISCONNECT. */
const LEAVE_TIMEOUT_MS = 2_000;

/**
 * An MQTT client that keeps its side of the protocol, one connection at a time, and writes down what it did and saw. Over
 * connections to any nodes it behaves as section 4.4 demands: what is unfinished is sent again in order.
 */
export class RecordingClient {
  readonly identity: ClientIdentity;
  /** Called for each delivery, after it was written down. */
  onDeliver: (delivery: DeliverOperation) => void = () => undefined;
  private readonly environment: ClientEnvironment;
  private readonly session = new SessionState();
  private readonly requests = new Map<number, Request>();
  private readonly offTick: () => void;
  private link: Link | null = null;
  private links = 0;
  private closedWaiters: (() => void)[] = [];

  constructor(identity: ClientIdentity, environment: ClientEnvironment) {
    this.identity = identity;
    this.environment = environment;
    this.offTick = environment.ticker.on((nowMs) => this.tick(nowMs));
  }

  /** The node of the current connection, once CONNACK has come; null without one. */
  get node(): NodeAddress | null {
    return this.link?.live === true && this.link.leavingSinceMs === null ? this.link.node : null;
  }

  /** Publications that are not finished. */
  get unfinished(): number {
    return this.session.outgoing.size;
  }

  /** Whether a publication may begin: connected, and room in the window. */
  get mayPublish(): boolean {
    return this.node !== null && this.unfinished < this.identity.window;
  }

  /** Dials a node. Resolves with what was written down, whatever came of it. */
  connect(node: NodeAddress, will?: Will): Promise<ConnectOperation> {
    if (this.link !== null) throw new Error(`${this.identity.client} has a connection`);
    return new Promise((connected) => {
      const number = ++this.links;
      const beginMs = this.environment.clock.beginMs();
      const wire = new Wire(node.host, node.port, this.identity.version, {
        opened: () => {
          if (this.link?.number === number) wire.send(connectPacket(this.identity, will));
        },
        packet: (packet) => {
          if (this.link?.number === number) this.receive(this.link, packet);
        },
        closed: (how) => {
          if (this.link?.number === number)
            this.close(this.link.leavingSinceMs === null ? closeOf(this.link, how) : 'disconnect', how);
        },
      });
      const nowMs = performance.now();
      this.link = {
        ...{ number, node, wire, beginMs, will, connected, dialledAtMs: nowMs, lastSentMs: nowMs },
        ...{ sessionExpirySec: this.identity.sessionExpirySec, keepAliveSec: this.identity.keepAliveSec },
        ...{ live: false, receiveMaximum: 65_535, pingAtMs: null, leavingSinceMs: null, serverReason: -1 },
      };
    });
  }

  /** Resolves when there is no connection. */
  closed(): Promise<void> {
    if (this.link === null) return Promise.resolve();
    return new Promise((done) => this.closedWaiters.push(done));
  }

  /** Begins a publication. Resolves at its end, which may be on a later connection. Only while {@link mayPublish}. */
  publish(topic: string, value: string, options: PublishOptions): Promise<Outcome> {
    const { link } = this;
    if (link === null || !this.mayPublish) throw new Error(`${this.identity.client} may not publish now`);
    const { qos, retain = false, expirySec } = options;
    const packetId = this.session.freeId(this.requests);
    const beginMs = this.environment.clock.beginMs();
    return new Promise((done) => {
      const outgoing: Outgoing = {
        ...{ packetId, topic, value, qos, retain, expirySec, beginMs },
        ...{ phase: 'publish', sends: 0, sentOn: 0, sentAtMs: 0 },
        end: (outcome) => {
          this.session.outgoing.delete(packetId);
          this.environment.record({
            ...{ kind: 'publish', client: this.identity.client, node: (this.link ?? link).node.id },
            ...{ beginMs, endMs: this.environment.clock.endMs(), topic, value, qos, retain, outcome },
            ...(outgoing.sends > 1 && { sends: outgoing.sends }),
            ...(expirySec !== undefined && { expirySec }),
          });
          done(outcome);
        },
      };
      this.session.outgoing.set(packetId, outgoing);
      this.pump(link);
    });
  }

  subscribe(filter: string, qos: 0 | 1 | 2): Promise<Outcome> {
    return this.request('subscribe', filter, qos, (messageId) => ({
      ...{ cmd: 'subscribe', messageId },
      subscriptions: [{ topic: filter, qos, ...(this.identity.version === 5 && { nl: false, rap: false, rh: 0 }) }],
    }));
  }

  unsubscribe(filter: string): Promise<Outcome> {
    return this.request('unsubscribe', filter, 0, (messageId) => ({
      cmd: 'unsubscribe',
      messageId,
      unsubscriptions: [filter],
    }));
  }

  /** DISCONNECT; resolves when the server has closed the connection, or has not within two seconds. */
  disconnect(): Promise<void> {
    const { link } = this;
    if (link === null) return Promise.resolve();
    if (!link.live) {
      this.cut();
    } else if (link.leavingSinceMs === null) {
      link.leavingSinceMs = this.environment.clock.beginMs();
      link.wire.send(this.identity.version === 5 ? { cmd: 'disconnect', reasonCode: 0 } : { cmd: 'disconnect' });
      link.lastSentMs = performance.now();
    }
    return this.closed();
  }

  /** Closes the connection without DISCONNECT. */
  cut(): void {
    if (this.link !== null) this.close(this.link.leavingSinceMs === null ? 'cut' : 'disconnect', 'error');
  }

  /** The end: cuts the connection, and what has no answer gets none. */
  giveUp(): void {
    this.cut();
    this.session.discard();
    this.offTick();
  }

  private request(
    kind: 'subscribe' | 'unsubscribe',
    filter: string,
    qos: 0 | 1 | 2,
    packetOf: (messageId: number) => Packet,
  ): Promise<Outcome> {
    const { link } = this;
    if (link === null || this.node === null) return Promise.resolve('fail');
    const packetId = this.session.freeId(this.requests);
    const beginMs = this.environment.clock.beginMs();
    return new Promise((done) => {
      const end = (outcome: Outcome): void => {
        this.requests.delete(packetId);
        this.environment.record({
          ...{ kind, client: this.identity.client, node: link.node.id, beginMs, endMs: this.environment.clock.endMs() },
          ...{ filter, qos, outcome },
        });
        done(outcome);
      };
      this.requests.set(packetId, { sentAtMs: performance.now(), end });
      this.send(link, packetOf(packetId));
    });
  }

  private send(link: Link, packet: Packet): void {
    link.lastSentMs = performance.now();
    link.wire.send(packet);
  }

  /** Sends what has not been sent on this connection, oldest first; publications as far as Receive Maximum allows. */
  private pump(link: Link): void {
    if (!link.live || link.leavingSinceMs !== null) return;
    let inFlight = 0;
    for (const outgoing of this.session.outgoing.values()) {
      if (outgoing.sentOn === link.number || outgoing.phase === 'release') inFlight++;
    }
    for (const outgoing of this.session.outgoing.values()) {
      if (outgoing.sentOn === link.number) continue;
      const released = outgoing.phase === 'release';
      if (!released && inFlight >= link.receiveMaximum) continue;
      outgoing.sentOn = link.number;
      outgoing.sentAtMs = performance.now();
      if (released) {
        this.send(link, { cmd: 'pubrel', messageId: outgoing.packetId });
      } else {
        this.send(link, publishPacket(outgoing, this.identity.version));
        outgoing.sends++;
        inFlight++;
      }
    }
  }

  private receive(link: Link, packet: Packet): void {
    if (!link.live) {
      if (packet.cmd === 'connack') this.connack(link, packet);
      else this.close('error', 'error');
      return;
    }
    switch (packet.cmd) {
      case 'publish':
        this.deliver(link, packet);
        break;
      case 'pubrel': {
        const known = this.session.incoming.delete(packet.messageId ?? 0);
        const unknown = !known && this.identity.version === 5;
        this.send(link, { cmd: 'pubcomp', messageId: packet.messageId ?? 0, ...(unknown && { reasonCode: 0x92 }) });
        break;
      }
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        this.acknowledged(link, packet.cmd, packet.messageId ?? 0, reasonOf(packet));
        break;
      case 'suback':
      case 'unsuback':
        this.requests.get(packet.messageId ?? 0)?.end(grantedCode(packet) < 0x80 ? 'ok' : 'fail');
        break;
      case 'pingresp':
        link.pingAtMs = null;
        break;
      case 'disconnect':
        link.serverReason = reasonOf(packet);
        this.close(link.leavingSinceMs === null ? 'server' : 'disconnect', 'error');
        break;
      default:
        this.close('error', 'error');
    }
  }

  private connack(link: Link, packet: IConnackPacket): void {
    const code = packet.reasonCode ?? packet.returnCode ?? 0;
    const accepted = code === 0;
    // A session that is to end with its connection is never continued.
    const keeps = accepted && packet.sessionPresent && this.identity.sessionExpirySec > 0;
    link.live = accepted;
    link.receiveMaximum = packet.properties?.receiveMaximum ?? 65_535;
    link.sessionExpirySec = packet.properties?.sessionExpiryInterval ?? link.sessionExpirySec;
    link.keepAliveSec = packet.properties?.serverKeepAlive ?? link.keepAliveSec;
    const operation = this.connectOperation(link, accepted ? 'ok' : 'fail', packet.sessionPresent, code);
    if (!accepted) {
      this.drop(link);
      link.connected(operation);
      return;
    }
    if (!keeps) this.session.discard();
    for (const outgoing of this.session.outgoing.values()) outgoing.sentOn = 0;
    link.connected(operation);
    this.pump(link);
  }

  private connectOperation(
    link: Link,
    outcome: Outcome,
    sessionPresent: boolean,
    reasonCode: number,
  ): ConnectOperation {
    const { client, clientId, version } = this.identity;
    const { sessionExpirySec, keepAliveSec } = link;
    const operation: ConnectOperation = {
      ...{ kind: 'connect', client, clientId, node: link.node.id, outcome, sessionPresent, reasonCode, keepAliveSec },
      ...{
        beginMs: link.beginMs,
        endMs: this.environment.clock.endMs(),
        cleanStart: this.identity.sessionExpirySec === 0,
      },
      ...(sessionExpirySec > 0 && { sessionExpirySec: version === 5 ? sessionExpirySec : SESSION_OF_311_SEC }),
      ...(link.will !== undefined && { will: link.will }),
    };
    this.environment.record(operation);
    return operation;
  }

  private deliver(link: Link, packet: IPublishPacket): void {
    const packetId = packet.messageId ?? 0;
    const first = packet.qos !== 2 || !this.session.incoming.has(packetId);
    const atMs = this.environment.clock.endMs();
    const expirySec = packet.properties?.messageExpiryInterval;
    const { client, clientId } = this.identity;
    const delivery: DeliverOperation = {
      ...{ kind: 'deliver', client, clientId, node: link.node.id, beginMs: atMs, endMs: atMs, topic: packet.topic },
      ...{ value: packet.payload.toString(), qos: packet.qos, retain: packet.retain, dup: packet.dup, packetId, first },
      ...(expirySec !== undefined && { expirySec }),
    };
    this.environment.record(delivery);
    if (packet.qos === 2) this.session.incoming.add(packetId);
    if (packet.qos > 0) this.send(link, { cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId: packetId });
    this.onDeliver(delivery);
  }

  private acknowledged(link: Link, cmd: 'puback' | 'pubrec' | 'pubcomp', packetId: number, reason: number): void {
    const outgoing = this.session.outgoing.get(packetId);
    if (outgoing === undefined && cmd === 'pubrec') this.send(link, { cmd: 'pubrel', messageId: packetId });
    // An answer that nobody asked for on this connection proves nothing.
    if (outgoing?.sentOn !== link.number) return;
    if (cmd === 'pubcomp') {
      if (outgoing.phase === 'release') outgoing.end('ok');
    } else if (reason >= 0x80) {
      // Refused now; an earlier connection may have got it in.
      outgoing.end(outgoing.sends > 1 ? 'unknown' : 'fail');
    } else if (cmd === 'puback' && outgoing.qos === 1) {
      outgoing.end('ok');
    } else if (cmd === 'pubrec' && outgoing.qos === 2 && outgoing.phase === 'publish') {
      this.session.release(outgoing);
    }
    this.pump(link);
  }

  private tick(nowMs: number): void {
    const { link } = this;
    if (link === null) return;
    const { connectTimeoutMs, ackTimeoutMs, clock } = this.environment;
    if (!link.live) {
      if (nowMs - link.dialledAtMs > connectTimeoutMs) this.close('cut', 'error');
    } else if (link.leavingSinceMs !== null) {
      if (clock.endMs() - link.leavingSinceMs > LEAVE_TIMEOUT_MS) this.close('disconnect', 'error');
    } else if (nowMs - this.oldestSentMs(link, nowMs) > ackTimeoutMs) {
      this.close('cut', 'error');
    } else if (link.pingAtMs === null && nowMs - link.lastSentMs > link.keepAliveSec * 500) {
      link.pingAtMs = nowMs;
      this.send(link, { cmd: 'pingreq' });
    }
  }

  /** When the oldest packet without an answer was sent. */
  private oldestSentMs(link: Link, nowMs: number): number {
    let oldest = link.pingAtMs ?? nowMs;
    for (const request of this.requests.values()) oldest = Math.min(oldest, request.sentAtMs);
    for (const outgoing of this.session.outgoing.values()) {
      if (outgoing.sentOn === link.number) oldest = Math.min(oldest, outgoing.sentAtMs);
    }
    return oldest;
  }

  private close(how: Close, wire: 'end' | 'error'): void {
    const { link } = this;
    if (link === null) return;
    if (!link.live) {
      const sent = link.wire.opened;
      this.drop(link);
      link.connected(this.connectOperation(link, sent ? 'unknown' : 'fail', false, -1));
      return;
    }
    const { client, clientId } = this.identity;
    const endMs = this.environment.clock.endMs();
    this.drop(link);
    this.environment.record({
      ...{ kind: 'close', client, clientId, node: link.node.id, how, reasonCode: link.serverReason },
      ...{ beginMs: link.leavingSinceMs ?? this.environment.clock.beginMs(), endMs },
      ...(how === 'disconnect' && { confirmed: wire === 'end' }),
    });
  }

  /** Forgets the connection; what could only be answered on it has no answer. */
  private drop(link: Link): void {
    this.link = null;
    link.wire.destroy();
    for (const request of [...this.requests.values()]) request.end('unknown');
    if (this.identity.sessionExpirySec === 0) this.session.discard();
    const waiters = this.closedWaiters;
    this.closedWaiters = [];
    for (const done of waiters) done();
  }
}

function closeOf(link: Link, how: 'end' | 'error'): Close {
  return how === 'end' || link.serverReason >= 0 ? 'server' : 'error';
}
