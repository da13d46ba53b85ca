import type { Random } from '../random.ts';
import { DelayQueue, type Timer } from './delay-queue.ts';
import type { Shape } from './network.ts';

const IPV4_HEADER_BYTES = 20;
const DESTINATION_AT = 16;

/** The destination of an IPv4 packet, or null when it is none. */
export function destinationOf(packet: Uint8Array): string | null {
  if (packet.length < IPV4_HEADER_BYTES || (packet[0] as number) >> 4 !== 4) return null;
  return packet.subarray(DESTINATION_AT, DESTINATION_AT + 4).join('.');
}

/** How packets between addresses fare. It has no sockets: it is told of packets, and says where they go, when. */
export class Relay {
  /** By `from>to`, in addresses. */
  shapes: ReadonlyMap<string, Shape> = new Map();
  cuts: ReadonlySet<string> = new Set();
  private readonly queue: DelayQueue;
  private readonly random: Random;
  private readonly deliver: (packet: Uint8Array, to: string) => void;

  constructor(random: Random, deliver: (packet: Uint8Array, to: string) => void, timer?: Timer) {
    this.random = random;
    this.deliver = deliver;
    this.queue = new DelayQueue(timer);
  }

  /** A packet from the host of this address. */
  take(packet: Uint8Array, from: string): void {
    const to = destinationOf(packet);
    if (to === null) return;
    const link = `${from}>${to}`;
    if (this.cuts.has(link)) return;
    const shape = this.shapes.get(link);
    if (shape === undefined) {
      // Sent before the shape ended.
      this.deliver(packet, to);
      return;
    }
    const { random } = this;
    // Each packet takes as many numbers as every other, so the fate of one does not depend on those of others.
    const [lost, doubled, hurried] = [shape.lossPct, shape.duplicatePct, shape.reorderPct].map((pct) =>
      random.chance(pct),
    );
    const jitterMs = random.below(1_001) * (shape.jitterMs / 1_000);
    if (lost === true) return;
    const delayMs = hurried === true ? 0 : shape.delayMs + jitterMs;
    for (let copies = doubled === true ? 2 : 1; copies > 0; copies--) this.send(packet, link, to, delayMs);
  }

  /** Drops all that waits. */
  close(): void {
    this.queue.clear();
  }

  private send(packet: Uint8Array, link: string, to: string, delayMs: number): void {
    if (delayMs === 0) {
      this.deliver(packet, to);
      return;
    }
    this.queue.add(delayMs, () => {
      // What was under way when the link was cut is lost.
      if (!this.cuts.has(link)) this.deliver(packet, to);
    });
  }
}
