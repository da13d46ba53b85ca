import type { ProtocolVersion } from '@quorate/protocol';
import { type BrokerCounters, type BrokerLimits, bump } from './environment.ts';
import { bucketOf, type TokenBucket } from './token-bucket.ts';

/** While memory is short a client that publishes is read again after so long: its acknowledgements must come through. */
const MEMORY_HOLD_MS = 1_000;

/** A client whose publishing is paced. */
export interface Paced {
  /** Not read before this moment; 0 while it is not held back. */
  heldUntilMs: number;
  heldSinceMs: number;
  /** Null until it publishes under a limit. */
  pace: Pace | null;
  readonly paused: boolean;
  readonly version: ProtocolVersion;
  process(): void;
}

/** What one client may still publish. */
export interface Pace {
  readonly messages: TokenBucket | null;
  readonly bytes: TokenBucket | null;
}

export type PaceLimits = Pick<BrokerLimits, 'maxPublishesPerSec' | 'maxPublishBytesPerSec'>;

/**
 * How fast clients publish. MQTT has no way to tell a client to be slower but not to read it, so that TCP does: nothing is
 * dropped, whatever its QoS. A client that is over its rate is not read until its debt is worked off; a tick of the
 * broker looks, there is no timer per client.
 */
export class Pacer<C extends Paced> {
  /** While true every client that publishes is held back for a while, after each PUBLISH. */
  memoryIsShort = false;
  readonly #limits: PaceLimits;
  readonly #limited: boolean;
  readonly #counters: Pick<BrokerCounters, 'publishersHeld' | 'heldMs'>;
  readonly #nowMs: () => number;
  readonly #held = new Set<C>();
  readonly #released: (client: C) => void;

  /** @param released called before a client that was held back is read again */
  constructor(
    limits: PaceLimits,
    counters: Pick<BrokerCounters, 'publishersHeld' | 'heldMs'>,
    nowMs: () => number,
    released: (client: C) => void,
  ) {
    this.#limits = limits;
    this.#limited = limits.maxPublishesPerSec > 0 || limits.maxPublishBytesPerSec > 0;
    this.#counters = counters;
    this.#nowMs = nowMs;
    this.#released = released;
  }

  /** Clients that are held back now. */
  get heldCount(): number {
    return this.#held.size;
  }

  /** A client has sent a PUBLISH of that size. */
  published(client: C, sizeBytes: number): void {
    if (this.#limited) this.#pace(client, sizeBytes);
    if (this.memoryIsShort) this.#hold(client, this.#nowMs(), MEMORY_HOLD_MS, 'memory');
  }

  #pace(client: C, sizeBytes: number): void {
    const nowMs = this.#nowMs();
    const { maxPublishesPerSec, maxPublishBytesPerSec } = this.#limits;
    client.pace ??= {
      messages: bucketOf(maxPublishesPerSec, nowMs),
      bytes: bucketOf(maxPublishBytesPerSec, nowMs),
    };
    const { messages, bytes } = client.pace;
    messages?.take(1, nowMs);
    bytes?.take(sizeBytes, nowMs);
    const messagesMs = messages?.debtMs(nowMs) ?? 0;
    const bytesMs = bytes?.debtMs(nowMs) ?? 0;
    if (messagesMs > 0 || bytesMs > 0) {
      this.#hold(client, nowMs, Math.max(messagesMs, bytesMs), messagesMs >= bytesMs ? 'messages' : 'bytes');
    }
  }

  #hold(client: C, nowMs: number, forMs: number, cause: string): void {
    if (client.heldUntilMs === 0) {
      client.heldSinceMs = nowMs;
      this.#held.add(client);
      bump(this.#counters.publishersHeld, cause);
    }
    client.heldUntilMs = Math.max(client.heldUntilMs, nowMs + forMs);
  }

  tick(nowMs: number): void {
    for (const client of this.#held) {
      if (client.heldUntilMs > nowMs) continue;
      this.#release(client, nowMs);
      this.#released(client);
      client.process();
    }
  }

  #release(client: C, nowMs: number): void {
    if (!this.#held.delete(client)) return;
    this.#counters.heldMs += nowMs - client.heldSinceMs;
    client.heldUntilMs = 0;
  }

  /** The client has gone. */
  forget(client: C): void {
    this.#release(client, this.#nowMs());
  }
}
