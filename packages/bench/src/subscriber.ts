/** A subscriber: checks every delivery and answers it. */
import { Connection, type ConnectionOptions } from './client.ts';
import { Packet } from './codec.ts';
import {
  PAYLOAD_HEADER_BYTES,
  payloadIntact,
  payloadMagic,
  payloadPublisher,
  payloadSentAtMs,
  payloadSequence,
} from './payload.ts';
import type { Run } from './run.ts';
import { Bitmap, DeliveryRecord } from './verify.ts';

/** Hears exactly one publisher, on one topic. */
export class Subscriber extends Connection {
  readonly #publisher: number;
  readonly #topic: Buffer;
  readonly #record: DeliveryRecord;
  /** Incoming QoS 2 packet ids between PUBLISH and PUBREL [MQTT-4.3.3-2]. */
  readonly #open = new Bitmap();

  constructor(run: Run, connection: ConnectionOptions, publisher: number, topic: string) {
    super(run, connection);
    this.#publisher = publisher;
    this.#topic = Buffer.from(topic, 'utf8');
    this.#record = new DeliveryRecord(run.tally);
  }

  /** Promised messages of its publisher that never came. Call once the run has drained. */
  countLost(): number {
    const source = this.run.sources[this.#publisher];
    return source === undefined ? 0 : this.#record.countLost(source.promised);
  }

  protected override handle(header: number, buffer: Buffer, start: number, end: number): void {
    if ((header & 0xf0) === Packet.publish) this.#publish(header, buffer, start, end);
    else if (header === Packet.pubrel && end - start === 2) {
      const packetId = buffer.readUInt16BE(start);
      this.#open.delete(packetId);
      this.sendAck(Packet.pubcomp, packetId);
    } else this.run.tally.countBad(`unexpected packet type 0x${header.toString(16)} at a subscriber`);
  }

  #publish(header: number, buffer: Buffer, start: number, end: number): void {
    const { run } = this;
    const topic = this.#topic;
    const topicEnd = start + 2 + topic.length;
    const qos = (header >>> 1) & 3;
    const payloadStart = qos > 0 ? topicEnd + 2 : topicEnd;
    if (
      payloadStart > end ||
      (((buffer[start] as number) << 8) | (buffer[start + 1] as number)) !== topic.length ||
      buffer.compare(topic, 0, topic.length, start + 2, topicEnd) !== 0
    ) {
      run.tally.countBad('delivery on a topic that was not subscribed to');
      return;
    }
    if (qos !== run.qos) run.tally.countBad(`delivery at QoS ${qos} instead of ${run.qos}`);
    // A message that matches an established subscription is not retained [MQTT-3.3.1-9].
    if ((header & 1) !== 0) run.tally.countBad('live delivery with RETAIN set');
    if ((header & 8) !== 0) run.tally.dupFlagged++;
    if (qos === 0) {
      this.#deliver(buffer, payloadStart, end);
      return;
    }
    const packetId = ((buffer[topicEnd] as number) << 8) | (buffer[topicEnd + 1] as number);
    if (packetId === 0) run.tally.countBad('delivery with packet id 0');
    if (qos === 1) {
      this.#deliver(buffer, payloadStart, end);
      this.sendAck(Packet.puback, packetId);
    } else {
      if (!this.#open.add(packetId)) this.#deliver(buffer, payloadStart, end);
      this.sendAck(Packet.pubrec, packetId);
    }
  }

  #deliver(buffer: Buffer, start: number, end: number): void {
    const { run } = this;
    if (end - start < PAYLOAD_HEADER_BYTES) {
      run.tally.countBad(`payload of ${end - start} bytes`);
      return;
    }
    if (payloadMagic(buffer, start) !== run.magic) {
      run.tally.foreign++;
      return;
    }
    const source = run.sources[this.#publisher];
    const sequence = payloadSequence(buffer, start);
    if (source === undefined || payloadPublisher(buffer, start) !== this.#publisher || sequence >= source.sent) {
      run.tally.countBad('payload that was never published on this topic');
      return;
    }
    if (!payloadIntact(buffer, start, end)) {
      run.tally.countBad('payload changed on the way');
      return;
    }
    if (!this.#record.record(sequence)) return;
    const sentAtMs = payloadSentAtMs(buffer, start);
    if (sentAtMs >= run.measureFromMs) run.e2eLatency.add(this.loop.readAtMs - sentAtMs);
    source.onDelivered();
  }
}
