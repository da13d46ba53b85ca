/** What all connections of one run share. */
import type { Qos } from './codec.ts';
import { Histogram } from './histogram.ts';
import { Loop } from './loop.ts';
import { type Bitmap, Tally } from './verify.ts';

/** What a subscriber needs of the publisher it hears. */
export interface Source {
  /** Sequence numbers sent so far: one that is not below is an invention of the broker. */
  readonly sent: number;
  /** Acknowledged (QoS 0: sent) sequence numbers. */
  readonly promised: Bitmap;
  /** A first delivery reached one subscriber: may open the end-to-end window. */
  onDelivered(): void;
}

/** State and counters of one run. Times are `performance.now()` of this process. */
export class Run {
  readonly loop = new Loop();
  readonly tally = new Tally();
  readonly ackLatency = new Histogram();
  readonly e2eLatency = new Histogram();
  readonly connectLatency = new Histogram();
  /** Open loop: how late after its due time the generator itself sent. */
  readonly sendLag = new Histogram();
  /** Tells this run's messages, topics and client ids from those of every other run. */
  readonly magic: number;
  readonly id: string;
  readonly qos: Qos;
  readonly sources: Source[] = [];
  /** Whether publishers may send. */
  publishing = false;
  /** Latencies count for messages sent from here on. */
  measureFromMs = Number.POSITIVE_INFINITY;
  /** Open loop: when the first message is due. */
  startMs = 0;
  /** Publishes sent and not acknowledged, all publishers. */
  inflight = 0;
  /** Messages a QoS 0 window no longer waits for. */
  writtenOff = 0;
  /** Connections are being closed on purpose. */
  closing = false;

  constructor(qos: Qos) {
    this.qos = qos;
    this.magic = (Math.random() * 0x1_0000_0000) >>> 0;
    this.id = this.magic.toString(36);
  }
}
