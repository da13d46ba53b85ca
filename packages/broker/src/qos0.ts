import type { MessageProperties } from '@quorate/protocol';
import type { Deliverers } from './deliverers.ts';
import { bump } from './environment.ts';
import {
  ByteReader,
  ByteWriter,
  Message,
  readPublish,
  type Session,
  type Target,
  writePublish,
} from './state/index.ts';

/** Forwarded per turn and node; what a turn brings beyond it is dropped, as QoS 0 may be. */
const FORWARD_BYTES = 4 * 1024 * 1024;

/**
 * QoS 0 never enters the log: it goes straight to the local subscribers and once to every node that has others,
 * looked up in the replicated subscription table.
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
    const targets = machine.state.subscriptions.match(topic);
    if (targets.length === 0) return;
    const message = this.#message(topic, properties, payload);
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
    for (const node of elsewhere) this.#forward(node, topic, properties, payload);
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

  #forward(node: string, topic: string, properties: MessageProperties | null, payload: Uint8Array): void {
    let writer = this.#forwards.get(node);
    if (writer === undefined) {
      writer = new ByteWriter(4096);
      this.#forwards.set(node, writer);
    }
    if (writer.length === 0) this.#broker.requestFlush();
    else if (writer.length > FORWARD_BYTES) {
      bump(this.#broker.counters.dropped, 'forward_qos0');
      return;
    }
    writePublish(writer, 0, 0, false, 0, topic, properties, payload);
  }

  flush(): void {
    for (const [node, writer] of this.#forwards) {
      if (writer.length > 0) this.#broker.environment.sendQoS0(node, writer.take());
    }
  }

  /** From another node: for the clients of this one. */
  receive(messages: Uint8Array): void {
    const { nodeId, machine } = this.#broker;
    const reader = new ByteReader(messages);
    while (reader.at < reader.buffer.length) {
      reader.u8();
      const next = reader.u32() + reader.at;
      reader.end = next;
      const { topic, properties, payload } = readPublish(reader);
      reader.end = reader.buffer.length;
      const message = this.#message(topic, properties, payload);
      for (const target of machine.state.subscriptions.match(topic)) {
        if (target.session.owner === nodeId) this.#deliver(target.session, message, target.subscriptionIdentifiers);
      }
    }
  }
}
