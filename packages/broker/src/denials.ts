import type { Client } from './connection/client.ts';
import { type BrokerCounters, type BrokerEnvironment, bump } from './environment.ts';

/** What a client was not allowed: a PUBLISH, a filter of SUBSCRIBE, a will, or what it had from before. */
export type Denied = 'publish' | 'subscribe' | 'will' | 'queued_message' | 'subscription_removed';

const SENTENCES: Readonly<Record<Denied, string>> = {
  publish: 'may not publish to',
  subscribe: 'may not subscribe to',
  will: 'may not have its will published to',
  queued_message: 'may not have a message that was queued for it, of',
  subscription_removed: 'may not be subscribed any more to',
};

/** A client that tries again and again is written of so often. */
const CLIENT_INTERVAL_MS = 10_000;
/** And all clients of a node together so often: lines in an interval. */
const INTERVAL_MS = 10_000;
const LINES = 20;

/** Counts what clients are not allowed, and writes to the log of as much of it as can be read. */
export class Denials {
  /** Whoever is denied something is to be closed instead of being told. */
  readonly disconnect: boolean;
  readonly #environment: BrokerEnvironment;
  readonly #counters: BrokerCounters;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  /** Since the last line. */
  #unwritten = 0;

  constructor(environment: BrokerEnvironment, counters: BrokerCounters, disconnect: boolean) {
    this.disconnect = disconnect;
    this.#environment = environment;
    this.#counters = counters;
  }

  /** @param topic the topic name or filter */
  add(client: Client, what: Denied, topic: string): void {
    bump(this.#counters.denied, what);
    const { log } = this.#environment;
    const nowMs = this.#environment.nowMs();
    if (nowMs - this.#sinceMs >= INTERVAL_MS) {
      this.#sinceMs = nowMs;
      this.#lines = 0;
    }
    if (this.#lines >= LINES || nowMs - client.denialLoggedMs < CLIENT_INTERVAL_MS) {
      this.#unwritten++;
      return;
    }
    this.#lines++;
    client.denialLoggedMs = nowMs;
    const { clientId, userName, socket } = client;
    const unwritten = this.#unwritten;
    this.#unwritten = 0;
    log.info(
      { clientId, userName, remoteAddress: socket.remoteAddress, denied: what, topic, unwritten },
      `client '${clientId}'${userName === null ? '' : ` of user '${userName}'`} ${SENTENCES[what]} '${topic}'`,
    );
  }
}
