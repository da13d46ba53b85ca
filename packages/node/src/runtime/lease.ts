export interface LeaseOptions {
  readonly leaseMs: number;
  /** Asks for a linearizable read; the answer comes by `onRead` or `onReadFailed` with the id returned. */
  readonly readIndex: () => number;
  readonly appliedIndex: () => number;
  readonly extend: (untilMs: number) => void;
}

interface Round {
  readonly askedAtMs: number;
  index: number;
}

/** Rounds a lease is asked for in its length: several may fail before it runs out. */
const ROUNDS_PER_LEASE = 5;
/** A round that is not answered by then is forgotten; the core fails it about then too. */
const ROUND_TIMEOUT_MS = 5_000;

/**
 * The serving lease: a node may answer its clients for `leaseMs` from the moment at which it *asked* a leader that
 * then proved to be one, provided that it has applied all that was committed at that time. What it does not know of is
 * then younger than the question: a takeover that commits later waits the lease out.
 */
export class ServingLease {
  readonly #options: LeaseOptions;
  readonly #rounds = new Map<number, Round>();
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #urgent = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  tick(nowMs: number): void {
    const { leaseMs, readIndex } = this.#options;
    const intervalMs = leaseMs / ROUNDS_PER_LEASE / (this.#urgent ? 4 : 1);
    if (nowMs - this.#askedAtMs < intervalMs) return;
    this.#urgent = false;
    this.#askedAtMs = nowMs;
    for (const [id, round] of this.#rounds) if (nowMs - round.askedAtMs > ROUND_TIMEOUT_MS) this.#rounds.delete(id);
    this.#rounds.set(readIndex(), { askedAtMs: nowMs, index: Number.POSITIVE_INFINITY });
  }

  onRead(id: number, index: number): void {
    const round = this.#rounds.get(id);
    if (round === undefined) return;
    round.index = index;
    this.applied();
  }

  onReadFailed(id: number): void {
    this.#rounds.delete(id);
    this.#urgent = true;
  }

  /** The state machine has moved: rounds that waited for it count now. */
  applied(): void {
    const appliedIndex = this.#options.appliedIndex();
    for (const [id, round] of this.#rounds) {
      if (round.index > appliedIndex) continue;
      this.#rounds.delete(id);
      this.#options.extend(round.askedAtMs + this.#options.leaseMs);
    }
  }
}
