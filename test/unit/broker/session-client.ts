import type { Packet } from 'mqtt-packet';
import type { LogBus } from '../../support/log-bus.ts';
import { type FakeClient, replyTo, type Version } from '../../support/log-bus-client.ts';
import { assert } from '../../support/suite.ts';
import { codeOf, dial } from './support.ts';

export interface Delivery {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly dup: boolean;
  readonly retain: boolean;
  /** Counts the sessions of a client whose sessions end with their connections. */
  readonly session: number;
}

interface Sending {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  isReceived: boolean;
}

export interface SessionClientOptions {
  readonly clientId: string;
  readonly version: Version;
  /** The session ends with the connection. */
  readonly clean: boolean;
  readonly subscription: { readonly topic: string; readonly qos: 0 | 1 | 2 } | null;
  /** Out of how many deliveries one is acknowledged late. */
  readonly lateAcks: number;
}

const CONNECT_PATIENCE_MS = 2500;
const ACK_PATIENCE_MS = 1500;

/**
 * A client that keeps its side of the protocol over any number of connections: it remembers what it has to send again,
 * and the Packet Identifiers of QoS 2 messages that it must not take twice.
 */
export class SessionClient {
  readonly options: SessionClientOptions;
  readonly deliveries: Delivery[] = [];
  /** Payloads whose PUBACK or PUBREC has come. */
  readonly acknowledged = new Set<string>();
  readonly sending = new Map<number, Sending>();
  isSubscribed = false;
  isStopped = false;
  onSubscribed: () => void = () => {};
  onConnecting: () => void = () => {};
  readonly #bus: LogBus;
  #connection: FakeClient | null = null;
  #isReady = false;
  #session = 0;
  #hadSession = false;
  #lastHeardMs = 0;
  #nextPacketId = 1;
  readonly #incoming = new Set<number>();

  constructor(bus: LogBus, options: SessionClientOptions) {
    this.#bus = bus;
    this.options = options;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Number of the session, from 1. */
  get session(): number {
    return this.#session;
  }

  start(nodeId: string): void {
    this.#connect(nodeId);
    this.#bus.scheduler.every(250, () => this.#look());
  }

  #connect(nodeId: string): void {
    if (this.isStopped) return;
    const { clientId, version, clean } = this.options;
    this.onConnecting();
    const connection = dial(this.#bus, nodeId, clientId, { version, clean, ...(!clean && { expirySec: 3600 }) });
    connection.autoAck = false;
    this.#connection = connection;
    this.#isReady = false;
    this.#lastHeardMs = this.#bus.scheduler.nowMs;
    connection.onPacket = (packet) => {
      connection.received.length = 0;
      if (this.#connection === connection) this.#take(packet);
    };
    connection.onClosed = () => {
      if (this.#connection === connection) this.#reconnect();
    };
  }

  #reconnect(): void {
    const { scheduler, nodes } = this.#bus;
    this.#connection = null;
    this.#isReady = false;
    scheduler.after(scheduler.integer(1, 300), () => {
      if (this.#connection === null) this.#connect(scheduler.pick(nodes).id);
    });
  }

  /** Leaves its connection in one of the ways that happen, and comes back somewhere. */
  leave(): void {
    const connection = this.#connection;
    if (connection === null) return;
    const how = this.#bus.scheduler.integer(0, 3);
    this.#reconnect();
    if (how === 0) connection.send({ cmd: 'disconnect' });
    if (how === 1) connection.reset();
    else if (how === 2) connection.vanish();
    else connection.close();
  }

  stop(): void {
    this.isStopped = true;
    this.#connection?.close();
  }

  /** Gives up a server that does not answer. */
  #look(): void {
    const silentMs = this.#bus.scheduler.nowMs - this.#lastHeardMs;
    if (this.#connection === null || this.isStopped) return;
    if (this.#isReady && this.isSubscribed && this.sending.size === 0) return;
    if (silentMs > (this.#isReady ? ACK_PATIENCE_MS : CONNECT_PATIENCE_MS)) this.leave();
  }

  publish(topic: string, payload: string, qos: 1 | 2, retain = false): void {
    while (this.sending.has(this.#nextPacketId)) this.#nextPacketId = (this.#nextPacketId % 50) + 1;
    const messageId = this.#nextPacketId;
    this.#nextPacketId = (messageId % 50) + 1;
    const message: Sending = { topic, payload, qos, retain, isReceived: false };
    this.sending.set(messageId, message);
    this.#lastHeardMs = this.#bus.scheduler.nowMs;
    if (this.#isReady) this.#send(messageId, message, false);
  }

  #send(messageId: number, { topic, payload, qos, retain, isReceived }: Sending, dup: boolean): void {
    if (isReceived) this.#connection?.send({ cmd: 'pubrel', messageId });
    else this.#connection?.send({ cmd: 'publish', messageId, topic, payload, qos, retain, dup });
  }

  #take(packet: Packet): void {
    this.#lastHeardMs = this.#bus.scheduler.nowMs;
    const { messageId = 0 } = packet;
    switch (packet.cmd) {
      case 'connack':
        return this.#connected(packet.sessionPresent, codeOf(packet));
      case 'suback':
        this.isSubscribed = true;
        return this.onSubscribed();
      case 'puback':
        return this.#finished(messageId, 1);
      case 'pubrec':
        return this.#received(messageId);
      case 'pubcomp':
        return this.#finished(messageId, 2);
      case 'publish':
        if (packet.qos === 2 && this.#incoming.has(messageId)) break;
        if (packet.qos === 2) this.#incoming.add(messageId);
        this.deliveries.push({
          topic: packet.topic,
          payload: packet.payload.toString(),
          qos: packet.qos,
          dup: packet.dup,
          retain: packet.retain,
          session: this.#session,
        });
        break;
      case 'pubrel':
        this.#incoming.delete(messageId);
        break;
      default:
        return;
    }
    this.#reply(packet);
  }

  #reply(packet: Packet): void {
    const reply = replyTo(packet);
    const connection = this.#connection;
    const { scheduler } = this.#bus;
    if (reply === null || connection === null) return;
    const isLate = scheduler.chance(1 / this.options.lateAcks);
    // What is late may come after this connection is over, and is then never sent.
    if (isLate) scheduler.after(scheduler.integer(1, 200), () => connection.send(reply));
    else connection.send(reply);
  }

  #connected(sessionPresent: boolean, code: number | undefined): void {
    if (code !== 0) return;
    const { clean, subscription, clientId, version } = this.options;
    if (!clean && this.#hadSession && version !== 3) assert.ok(sessionPresent, `${clientId} has lost its session`);
    if (clean || !this.#hadSession) {
      this.#session++;
      this.#incoming.clear();
      // Of what it had not finished, nobody can tell what became.
      if (clean) this.sending.clear();
      this.isSubscribed = subscription === null;
    }
    this.#hadSession = true;
    this.#isReady = true;
    if (!this.isSubscribed && subscription !== null) {
      this.#connection?.send({ cmd: 'subscribe', messageId: 60_000, subscriptions: [subscription] });
    }
    for (const [messageId, message] of this.sending) this.#send(messageId, message, true);
  }

  #received(messageId: number): void {
    const message = this.sending.get(messageId);
    assert.is(message?.qos, 2, `PUBREC for ${messageId}`);
    if (message === undefined) return;
    message.isReceived = true;
    this.acknowledged.add(message.payload);
    this.#send(messageId, message, false);
  }

  #finished(messageId: number, qos: 1 | 2): void {
    const message = this.sending.get(messageId);
    if (message?.qos !== qos) return;
    this.acknowledged.add(message.payload);
    this.sending.delete(messageId);
  }
}
