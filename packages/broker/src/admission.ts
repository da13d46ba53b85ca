import type { CloseReason } from './connection/closing.ts';
import { type BrokerCounters, type BrokerLimits, bump } from './environment.ts';
import { addressGroup } from './remote-address.ts';
import { bucketOf, type TokenBucket } from './token-bucket.ts';

/** How long a connection may take to CONNECT before it has to make room for a new one, when there is none. */
const UNDISTURBED_MS = 1_000;
/** After it a bucket is full again: there is nothing to remember of an address without connections. */
const RESTING_MS = 1_000;
/** Addresses that were left within the last two seconds, at most. */
const MAX_RESTING = 65_536;

interface Address {
  readonly name: string;
  readonly bucket: TokenBucket | null;
  connections: number;
}

export type AdmissionLimits = Pick<
  BrokerLimits,
  | 'maxConnections'
  | 'maxPendingConnections'
  | 'maxConnectionsPerAddress'
  | 'maxConnectsPerSec'
  | 'maxConnectsPerAddressPerSec'
>;

/**
 * Who may come in: connections of the node and of each address, and how fast they come. A connection counts from the
 * accept on, whatever handshakes it has in front of it. Until its CONNECT is there it is pending and takes no place of a
 * client; among too many of those the oldest goes, since a client that means it sends CONNECT at once.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #counters: Pick<BrokerCounters, 'connectsRefused'>;
  readonly #nowMs: () => number;
  readonly #bucket: TokenBucket | null;
  /** Oldest first. */
  readonly #pending = new Set<Visit>();
  #connected = 0;
  readonly #active = new Map<string, Address>();
  /** Addresses whose last connection has gone since `#turnedAtMs`, and in the second before. */
  #resting = new Map<string, Address>();
  #rested = new Map<string, Address>();
  #turnedAtMs: number;

  constructor(limits: AdmissionLimits, counters: Pick<BrokerCounters, 'connectsRefused'>, nowMs: () => number) {
    this.#limits = limits;
    this.#counters = counters;
    this.#nowMs = nowMs;
    this.#turnedAtMs = nowMs();
    this.#bucket = bucketOf(limits.maxConnectsPerSec, this.#turnedAtMs);
  }

  /** Connections whose CONNECT has not come. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Connections whose CONNECT was admitted. */
  get connectedCount(): number {
    return this.#connected;
  }

  /** Addresses that something is remembered of. */
  get addressCount(): number {
    return this.#active.size + this.#resting.size + this.#rested.size;
  }

  /** A connection has come; null when it is to be closed at once, unread. */
  arrive(): Visit | null {
    const nowMs = this.#nowMs();
    if (this.#pending.size >= this.#limits.maxPendingConnections) {
      bump(this.#counters.connectsRefused, 'pending_connections');
      const [oldest] = this.#pending;
      if (oldest === undefined || nowMs - oldest.sinceMs < UNDISTURBED_MS) return null;
      oldest.leave();
      oldest.onEvicted();
    }
    const visit = new Visit(this, nowMs);
    this.#pending.add(visit);
    return visit;
  }

  /** @returns the address, on which the connection counts, or why it is refused. For {@link Visit} alone. */
  enter(remoteAddress: string): Address | CloseReason {
    const nowMs = this.#nowMs();
    const { maxConnectionsPerAddress } = this.#limits;
    const address = this.#addressOf(addressGroup(remoteAddress), nowMs);
    if (maxConnectionsPerAddress > 0 && address.connections >= maxConnectionsPerAddress) return 'ADDRESS_CONNECTIONS';
    // Both have to agree: an address that is over its own rate must not use up that of the others.
    const agreed = (address.bucket?.has(nowMs) ?? true) && (this.#bucket?.has(nowMs) ?? true);
    if (!agreed) {
      if (address.connections === 0) this.#rest(address);
      return 'CONNECTION_RATE';
    }
    address.bucket?.take(1, nowMs);
    this.#bucket?.take(1, nowMs);
    address.connections++;
    return address;
  }

  #addressOf(name: string, nowMs: number): Address {
    this.tick(nowMs);
    const active = this.#active.get(name);
    if (active !== undefined) return active;
    const address = this.#resting.get(name) ??
      this.#rested.get(name) ?? {
        name,
        bucket: bucketOf(this.#limits.maxConnectsPerAddressPerSec, nowMs),
        connections: 0,
      };
    this.#resting.delete(name);
    this.#rested.delete(name);
    this.#active.set(name, address);
    return address;
  }

  #rest(address: Address): void {
    this.#active.delete(address.name);
    if (address.bucket !== null) this.#resting.set(address.name, address);
    if (this.#resting.size >= MAX_RESTING / 2) this.#turn(this.#nowMs());
  }

  /** Forgets addresses that have gone, by the whole second: a look at each of them would cost more than they do. */
  tick(nowMs: number): void {
    const passedMs = nowMs - this.#turnedAtMs;
    if (passedMs < RESTING_MS) return;
    this.#turn(nowMs);
    if (passedMs >= 2 * RESTING_MS) this.#rested = new Map();
  }

  #turn(nowMs: number): void {
    this.#rested = this.#resting;
    this.#resting = new Map();
    this.#turnedAtMs = nowMs;
  }

  /** CONNECT has come. For {@link Visit} alone. */
  connect(visit: Visit): CloseReason | null {
    this.#pending.delete(visit);
    if (visit.refusal !== null) return visit.refusal;
    if (this.#connected >= this.#limits.maxConnections) return 'SERVER_BUSY';
    this.#connected++;
    return null;
  }

  /** For {@link Visit} alone. */
  gone(visit: Visit, address: Address | null, counted: boolean): void {
    this.#pending.delete(visit);
    if (counted) this.#connected--;
    if (address === null) return;
    address.connections--;
    if (address.connections === 0) this.#rest(address);
  }
}

/** One connection from its accept to its end, as far as it counts. */
export class Visit {
  readonly sinceMs: number;
  /** Why its CONNECT will be refused; what has a handshake in front of it is rather closed at once. */
  refusal: CloseReason | null = null;
  /** It has to make room: it does not count any more, and is to be closed without a word. */
  onEvicted: () => void = () => {};
  readonly #admission: Admission;
  #address: Address | null = null;
  #identified = false;
  #counted = false;
  #gone = false;

  constructor(admission: Admission, sinceMs: number) {
    this.#admission = admission;
    this.sinceMs = sinceMs;
  }

  /**
   * Its address is known: that of the client, also behind a proxy. Only the first call counts.
   * @returns why its CONNECT will be refused, or null
   */
  identify(remoteAddress: string): CloseReason | null {
    if (this.#identified || this.#gone) return this.refusal;
    this.#identified = true;
    const entered = this.#admission.enter(remoteAddress);
    if (typeof entered === 'string') this.refusal = entered;
    else this.#address = entered;
    return this.refusal;
  }

  /**
   * Its CONNECT has come: it takes the place of a client, if there is one.
   * @returns why it is refused, or null
   */
  connect(): CloseReason | null {
    if (this.#gone) return null;
    const refusal = this.#admission.connect(this);
    this.#counted = refusal === null;
    return refusal;
  }

  /** It has ended. May be called again. */
  leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#admission.gone(this, this.#address, this.#counted);
  }
}
