import type { Client } from '../client/client.ts';
import { demand } from '../world/violation.ts';

/** Cluster time may run a little faster than true time, by the drift of the leader's clock. */
const EARLIEST_EXPIRY = 0.9;

interface WillOfConnection {
  readonly due: boolean;
  count: number;
}

/** That sessions last as long as they were promised to, and that wills are published once. */
export class SessionChecker {
  readonly #nowMs: () => number;
  /** Client ids with a session that was accepted, and since when nobody is connected, as far as the clients know. */
  readonly #leftMs = new Map<string, number>();
  /** By client id: the newest epoch that a client was accepted under. */
  readonly #epochs = new Map<string, number>();
  readonly #wills = new Map<string, WillOfConnection>();
  /** Since when somebody is listening to all wills, for ever. */
  #watchedSinceMs = Number.POSITIVE_INFINITY;
  readonly #acceptedMs = new Map<string, number>();

  readonly #clocksJumped: () => boolean;

  /** @param clocksJumped whether a machine's clock has: the cluster clock may have gone along with it */
  constructor(nowMs: () => number, clocksJumped: () => boolean) {
    this.#nowMs = nowMs;
    this.#clocksJumped = clocksJumped;
  }

  accepted(client: Client, sessionPresent: boolean): void {
    const { clientId, clean, expirySec } = client.plan;
    this.#acceptedMs.set(client.name, this.#nowMs());
    const epoch = client.wire?.connection?.epoch ?? 0;
    const newest = this.#epochs.get(clientId) ?? 0;
    // Of those who share an id one may hear late that it was accepted, when others have been long since.
    if (epoch < newest) return;
    this.#epochs.set(clientId, epoch);
    const leftMs = this.#leftMs.get(clientId);
    this.#leftMs.set(clientId, Number.POSITIVE_INFINITY);
    if (clean) {
      demand(!sessionPresent, 'clean-session', () => `${client.name} asked for a new session and was given an old one`);
      return;
    }
    if (leftMs === undefined || sessionPresent) return;
    const awayMs = this.#nowMs() - leftMs;
    demand(
      expirySec !== null && (this.#clocksJumped() || awayMs > expirySec * 1000 * EARLIEST_EXPIRY),
      'P1-session-lost',
      () =>
        `the session of ${clientId} is gone; ${client.name} was away for ${Math.round(awayMs)} ms, expiry ${expirySec ?? 'never'}`,
    );
  }

  disconnected(client: Client, graceful: boolean, closedMs: number): void {
    const { clientId, will } = client.plan;
    const acceptedMs = this.#acceptedMs.get(client.name);
    if (acceptedMs === undefined) return;
    this.#acceptedMs.delete(client.name);
    this.#leftMs.set(clientId, closedMs);
    if (will === null) return;
    const due = !graceful && will.delaySec === 0 && acceptedMs > this.#watchedSinceMs;
    const payload = `will/${client.name}/${client.connections}`;
    const known = this.#wills.get(payload);
    this.#wills.set(payload, { due, count: known?.count ?? 0 });
  }

  watching(): void {
    this.#watchedSinceMs = Math.min(this.#watchedSinceMs, this.#nowMs());
  }

  /** The watcher of wills got one; it listens at QoS 2, so once is once. */
  will(payload: string): void {
    const will = this.#wills.get(payload) ?? { due: false, count: 0 };
    will.count++;
    this.#wills.set(payload, will);
    demand(will.count === 1, 'will-once', () => `${payload} was published ${will.count} times`);
  }

  /** Wills of connections that broke which have not come. */
  missing(): string[] {
    return [...this.#wills]
      .filter(([, { due, count }]) => due && count === 0)
      .map(([payload]) => `${payload} has not come`);
  }
}
