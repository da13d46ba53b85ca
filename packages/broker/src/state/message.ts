import type { MessageProperties, OutgoingMessage, QoS } from '@quorate/protocol';
import { propertiesSizeBytes } from './properties.ts';

/**
 * An application message in the replicated state. One object serves every queue and every subscriber.
 * `id` follows the log order, so it is the same on every node.
 */
export class Message implements OutgoingMessage {
  readonly id: number;
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: MessageProperties | null;
  /** Cluster time in ms after which the message is not delivered any more; Infinity without a Message Expiry Interval. */
  readonly expiresAtMs: number;
  /** A view of the batch it came in until a checkpoint detaches it. */
  payload: Uint8Array;
  /** What it counts against limits in bytes: topic, payload and properties. The same on every node. */
  readonly sizeBytes: number;
  /** How many queues hold it. */
  references = 0;
  /** Hash of the publisher's client id, once a share group has seen the message; else 0. */
  publisherHash = 0;
  /** True once a checkpoint has handed it to the state store. */
  stored = false;
  /** Where it stands among the retained messages (`MessageLog`), or -1. Not replicated state. */
  retainedAt = -1;
  /** Scratch of the node that delivers: the QoS 0 packet by protocol version, encoded once. Not replicated state. */
  encoded: Map<number, Uint8Array> | null = null;

  constructor(
    id: number,
    topic: string,
    qos: QoS,
    retain: boolean,
    properties: MessageProperties | null,
    expiresAtMs: number,
    payload: Uint8Array,
  ) {
    this.id = id;
    this.topic = topic;
    this.qos = qos;
    this.retain = retain;
    this.properties = properties;
    this.expiresAtMs = expiresAtMs;
    this.payload = payload;
    this.sizeBytes = topic.length + payload.length + (properties === null ? 0 : propertiesSizeBytes(properties));
  }

  /** Lets go of the batch that the payload is a view of. */
  detach(): void {
    if (this.payload.byteLength < this.payload.buffer.byteLength) this.payload = new Uint8Array(this.payload);
  }
}
