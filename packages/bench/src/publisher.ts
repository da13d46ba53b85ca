/** A publisher: keeps its window full, matches every ack to the packet id it is for. */
import { Connection, type ConnectionOptions } from './client.ts';
import { encodePublish, Packet, type PublishTemplate } from './codec.ts';
import { makePayload, stampPayload } from './payload.ts';
import type { Run, Source } from './run.ts';
import { Bitmap } from './verify.ts';

/** What a publisher sends, and how much of it at once. */
export interface PublisherOptions {
  readonly index: number;
  readonly topic: string;
  readonly payloadBytes: number;
  /** Publishes sent and not yet acknowledged, at most (QoS 1 and 2). */
  readonly window: number;
  /** Messages sent and not yet delivered to every receiver, at most; 0 for no such limit. */
  readonly e2eWindow: number;
  /** Subscribers that hear this publisher. */
  readonly receivers: number;
  /** Open loop: milliseconds between two messages of this publisher and the first one's delay; null for closed loop. */
  readonly pace: { readonly intervalMs: number; readonly offsetMs: number } | null;
}

/** Progress of one packet id. */
const IDLE = 0;
const PUBLISHED = 1;
const RELEASED = 2;

export class Publisher extends Connection implements Source {
  readonly promised = new Bitmap();
  readonly #load: PublisherOptions;
  readonly #template: PublishTemplate;
  readonly #phase: Uint8Array;
  readonly #sequences: Uint32Array;
  readonly #sentAtMs: Float64Array;
  /** Free packet ids, first in first out, so that an id rests long before it is used again. */
  readonly #freeIds: Uint16Array;
  #freeHead = 0;
  #freeCount: number;
  #sequence = 0;
  #inflight = 0;
  /** Counts every receiver; includes what was written off. */
  #deliveries = 0;
  #deliveriesBefore = -1;

  constructor(run: Run, connection: ConnectionOptions, load: PublisherOptions) {
    super(run, connection);
    if (run.qos === 0 && load.e2eWindow === 0 && load.pace === null) {
      throw new Error('a QoS 0 publisher needs an end-to-end window or a rate: nothing else stops it');
    }
    this.#load = load;
    this.#template = encodePublish(load.topic, run.qos, makePayload(run.magic, load.index, load.payloadBytes));
    const ids = Math.min(65_535, Math.max(256, load.window * 4));
    this.#phase = new Uint8Array(ids + 1);
    this.#sequences = new Uint32Array(ids + 1);
    this.#sentAtMs = new Float64Array(ids + 1);
    this.#freeIds = Uint16Array.from({ length: ids }, (_, i) => i + 1);
    this.#freeCount = ids;
  }

  get sent(): number {
    return this.#sequence;
  }

  onDelivered(): void {
    this.#deliveries++;
    if (this.#load.e2eWindow > 0 && !this.queued) this.loop.mark(this);
  }

  /**
   * To be called at intervals. Stops waiting for deliveries that a QoS 0 broker dropped, so that they do not hold the
   * window for ever: if nothing was delivered since the last call, everything outstanding is given up.
   */
  writeOffIfStalled(): void {
    const stalled = this.#deliveries === this.#deliveriesBefore && this.#outstanding() > 0;
    if (stalled) {
      this.run.writtenOff += Math.ceil(this.#outstanding());
      this.#deliveries = this.#sequence * this.#load.receivers;
      this.loop.mark(this);
    }
    this.#deliveriesBefore = this.#deliveries;
  }

  protected override produce(): void {
    if (!this.run.publishing || this.blocked) return;
    const nowMs = performance.now();
    while (this.#mayPublish(nowMs)) this.#publish(nowMs);
  }

  protected override handle(header: number, buffer: Buffer, start: number, end: number): void {
    const packetId = end - start === 2 ? ((buffer[start] as number) << 8) | (buffer[start + 1] as number) : 0;
    const phase = this.#phase[packetId] ?? IDLE;
    const { qos } = this.run;
    if (header === Packet.puback && qos === 1 && phase === PUBLISHED) this.#acknowledged(packetId);
    else if (header === Packet.pubcomp && qos === 2 && phase === RELEASED) this.#acknowledged(packetId);
    else if (header === Packet.pubrec && qos === 2 && phase === PUBLISHED) {
      this.#phase[packetId] = RELEASED;
      this.sendAck(Packet.pubrel, packetId);
    } else this.run.tally.countBad(`packet 0x${header.toString(16)} for packet id ${packetId}, which awaits none`);
  }

  #outstanding(): number {
    return this.#sequence - this.#deliveries / this.#load.receivers;
  }

  #mayPublish(nowMs: number): boolean {
    const { window, e2eWindow, pace } = this.#load;
    if (this.run.qos > 0 && this.#inflight >= window) return false;
    if (e2eWindow > 0 && this.#outstanding() >= e2eWindow) return false;
    return pace === null || this.#dueMs() <= nowMs;
  }

  #dueMs(): number {
    const { pace } = this.#load;
    return pace === null ? 0 : this.run.startMs + pace.offsetMs + this.#sequence * pace.intervalMs;
  }

  #publish(nowMs: number): void {
    const { run } = this;
    const { bytes, packetIdOffset, payloadOffset } = this.#template;
    const sequence = this.#sequence;
    let sentAtMs = nowMs;
    if (this.#load.pace !== null) {
      sentAtMs = this.#dueMs();
      if (sentAtMs >= run.measureFromMs) run.sendLag.add(nowMs - sentAtMs);
    }
    const at = this.reserve(bytes.length);
    const { out } = this;
    bytes.copy(out, at);
    if (packetIdOffset >= 0) {
      const packetId = this.#takeId(sequence, sentAtMs);
      out[at + packetIdOffset] = packetId >>> 8;
      out[at + packetIdOffset + 1] = packetId & 0xff;
    } else this.promised.add(sequence);
    stampPayload(out, at + payloadOffset, sequence, sentAtMs);
    this.#sequence = sequence + 1;
    run.tally.sent++;
  }

  #takeId(sequence: number, sentAtMs: number): number {
    const packetId = this.#freeIds[this.#freeHead] as number;
    this.#freeHead = (this.#freeHead + 1) % this.#freeIds.length;
    this.#freeCount--;
    this.#phase[packetId] = PUBLISHED;
    this.#sequences[packetId] = sequence;
    this.#sentAtMs[packetId] = sentAtMs;
    this.#inflight++;
    this.run.inflight++;
    return packetId;
  }

  #acknowledged(packetId: number): void {
    const { run } = this;
    const sentAtMs = this.#sentAtMs[packetId] as number;
    if (sentAtMs >= run.measureFromMs) run.ackLatency.add(this.loop.readAtMs - sentAtMs);
    this.promised.add(this.#sequences[packetId] as number);
    run.tally.acked++;
    run.inflight--;
    this.#inflight--;
    this.#phase[packetId] = IDLE;
    this.#freeIds[(this.#freeHead + this.#freeCount) % this.#freeIds.length] = packetId;
    this.#freeCount++;
    if (!this.queued) this.loop.mark(this);
  }
}
