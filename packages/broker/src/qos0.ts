import type { MessageProperties } from '@quorate/protocol';
import type { Deliverers } from './deliverers.ts';
import { bump } from './environment.ts';
import {
  ByteReader,
  ByteWriter,
  hashOf,
  Message,
  pick,
  readPublish,
  type Session,
  type ShareGroup,
  type ShareMember,
  type Target,
  writePublish,
} from './state/index.ts';

/** Forwarded per turn and node; what a turn brings beyond it is dropped, as QoS 0 may be. */
const FORWARD_BYTES = 4 * 1024 * 1024;

/** For whom a forwarded message is: all ordinary subscribers of the node, or one member of a share group. Between nodes. */
const ForWhom = { subscribers: 0, member: 1 } as const;

/**
 * QoS 0 never enters the log: it goes straight to the local subscribers and once to every node that has others,
 * looked up in the replicated subscription table. Of each share group one member gets it, whom this node chooses.
 */
export class QoS0 {
  readonly #broker: Deliverers;
  readonly #forwards = new Map<string, ByteWriter>();

  constructor(broker: Deliverers) {
    this.#broker = broker;
  }

  /** From a client of this node. The payload may be a view of its input. */
  publish(publisher: Session | null, topic: string, properties: MessageProperties | null, payload: Uint8Array): void {
    const { nodeId, machine } = this.#broker;
    const { targets, groups } = machine.state.subscriptions.matchAll(topic);
    if (targets.length === 0 && groups.length === 0) return;
    const message = this.#message(topic, properties, payload);
    if (groups.length > 0) this.#share(groups, message, publisher);
    let elsewhere: Set<string> | null = null;
    for (const target of targets) {
      const { owner } = target.session;
      if (owner === nodeId) {
        const own = target.noLocal && target.session === publisher;
        if (!own) this.#deliver(target.session, message, target.subscriptionIdentifiers);
        else this.#deliverOwn(target, message);
      } else if (owner !== null) {
        elsewhere ??= new Set();
        elsewhere.add(owner);
      }
    }
    if (elsewhere === null) return;
    for (const node of elsewhere) {
      const writer = this.#writerFor(node);
      if (writer === null) continue;
      writer.u8(ForWhom.subscribers);
      writePublish(writer, 0, 0, false, 0, topic, properties, payload);
    }
  }

  /** To one connected member of each group, wherever it is. */
  #share(groups: readonly ShareGroup[], message: Message, publisher: Session | null): void {
    const { nodeId, machine } = this.#broker;
    message.publisherHash = hashOf(publisher?.clientId ?? '');
    for (const group of groups) {
      const member = pick(group, machine.state, message, group.lastLocal, 'any');
      if (member === null) continue;
      const { session } = member;
      group.lastLocal = session.number;
      if (session.owner === nodeId) this.#deliver(session, message, member.identifiers);
      else if (session.owner !== null) this.#forwardTo(session.owner, group, member, message);
    }
  }

  #forwardTo(node: string, group: ShareGroup, { session }: ShareMember, message: Message): void {
    const writer = this.#writerFor(node);
    if (writer === null) return;
    writer.u8(ForWhom.member);
    writer.integer(group.number);
    writer.integer(session.number);
    writePublish(writer, 0, 0, false, 0, message.topic, message.properties, message.payload);
  }

  #message(topic: string, properties: MessageProperties | null, payload: Uint8Array): Message {
    const expiry = properties?.messageExpiryIntervalSec;
    const expiresAtMs = expiry === undefined ? Number.POSITIVE_INFINITY : this.#broker.clusterNowMs + expiry * 1000;
    return new Message(0, topic, 0, false, properties, expiresAtMs, payload);
  }

  #deliver(session: Session, message: Message, identifiers: readonly number[] | null): void {
    this.#broker.connections.get(session.epoch)?.outgoing?.deliver(message, 0, false, identifiers);
  }

  /** To the publisher itself: its No Local subscriptions do not count [MQTT-3.8.3-3]. */
  #deliverOwn({ session, subscriptions }: Target, message: Message): void {
    const others = subscriptions.filter((subscription) => !subscription.noLocal);
    if (others.length === 0) return;
    const identifiers = others.flatMap(({ identifier }) => (identifier === null ? [] : [identifier]));
    this.#deliver(session, message, identifiers.length > 0 ? identifiers : null);
  }

  /** Where messages to a node are gathered; null when this turn has brought too many. */
  #writerFor(node: string): ByteWriter | null {
    let writer = this.#forwards.get(node);
    if (writer === undefined) {
      writer = new ByteWriter(4096);
      this.#forwards.set(node, writer);
    }
    if (writer.length === 0) this.#broker.requestFlush();
    else if (writer.length > FORWARD_BYTES) {
      bump(this.#broker.counters.dropped, 'forward_qos0');
      return null;
    }
    return writer;
  }

  flush(): void {
    for (const [node, writer] of this.#forwards) {
      if (writer.length > 0) this.#broker.environment.sendQoS0(node, writer.take());
    }
  }

  /** From another node: for the clients of this one. */
  receive(messages: Uint8Array): void {
    const reader = new ByteReader(messages);
    while (reader.at < reader.buffer.length) {
      const toMember = reader.u8() === ForWhom.member;
      const groupNumber = toMember ? reader.integer() : 0;
      const sessionNumber = toMember ? reader.integer() : 0;
      reader.u8();
      const next = reader.u32() + reader.at;
      reader.end = next;
      const { topic, properties, payload } = readPublish(reader);
      reader.end = reader.buffer.length;
      const message = this.#message(topic, properties, payload);
      if (toMember) this.#receiveShared(groupNumber, sessionNumber, message);
      else this.#deliverHere(message);
    }
  }

  #deliverHere(message: Message): void {
    const { nodeId, machine } = this.#broker;
    for (const target of machine.state.subscriptions.match(message.topic)) {
      if (target.session.owner === nodeId) this.#deliver(target.session, message, target.subscriptionIdentifiers);
    }
  }

  /** The member may have gone or moved meanwhile: then the message is lost, as QoS 0 may be, rather than given to two. */
  #receiveShared(groupNumber: number, sessionNumber: number, message: Message): void {
    const { nodeId, machine } = this.#broker;
    const member = machine.state.groups.get(groupNumber)?.members.get(sessionNumber);
    if (member?.session.owner === nodeId) this.#deliver(member.session, message, member.identifiers);
  }
}
