import type { BrokerEnvironment } from './environment.ts';

/** Waiting for the former owner of a session to be out of the way. */
interface Fence {
  readonly deadlineMs: number;
  readonly waiting: (() => void)[];
}

/** Releases remembered that came before this node applied the takeover they belong to. */
const EARLY_RELEASES = 4096;

/**
 * One client id, one owner (DESIGN.md of this package, "Ownership"): a session that another node had is served here
 * only once that node says that it let go, or once its serving lease must have run out. The lease is at most
 * `leaseWaitMs` old when the takeover commits, so waiting that long after applying it here is enough.
 */
export class Fencing {
  readonly #nodeId: string;
  readonly #environment: BrokerEnvironment;
  readonly #leaseWaitMs: number;
  readonly #fences = new Map<number, Fence>();
  /** A local connection lost its session to another local one while it was itself behind a fence. */
  readonly #inherited = new Map<number, Fence>();
  readonly #early = new Set<number>();

  constructor(nodeId: string, environment: BrokerEnvironment, leaseWaitMs: number) {
    this.#nodeId = nodeId;
    this.#environment = environment;
    this.#leaseWaitMs = leaseWaitMs;
  }

  get size(): number {
    return this.#fences.size;
  }

  /** Calls `done` when the session may be served under `epoch`: at once if nobody else can be serving it. */
  claim(epoch: number, previousOwner: string | null, done: () => void): void {
    if (previousOwner === null) return done();
    if (previousOwner === this.#nodeId) {
      const inherited = this.#inherited.get(epoch);
      if (inherited === undefined) return done();
      this.#inherited.delete(epoch);
      this.#fences.set(epoch, inherited);
      inherited.waiting.push(() => this.#fences.delete(epoch), done);
      return;
    }
    if (this.#early.delete(epoch)) return done();
    const deadlineMs = this.#environment.nowMs() + this.#leaseWaitMs;
    this.#fences.set(epoch, { deadlineMs, waiting: [done] });
  }

  /** The former owner let go for the sake of `epoch`. */
  released(epoch: number): void {
    const fence = this.#fences.get(epoch);
    if (fence !== undefined) return this.#open(epoch, fence);
    if (this.#early.size >= EARLY_RELEASES) this.#early.clear();
    this.#early.add(epoch);
  }

  /** A connection of this node lost its session: the new owner hears of it as soon as nobody before us can serve it either. */
  lost(epoch: number, newEpoch: number, newOwner: string): void {
    const fence = this.#fences.get(epoch);
    if (newOwner === this.#nodeId) {
      if (fence !== undefined) this.#inherited.set(newEpoch, fence);
      return;
    }
    if (fence === undefined) this.#environment.sendReleased(newOwner, newEpoch);
    else fence.waiting.push(() => this.#environment.sendReleased(newOwner, newEpoch));
  }

  tick(nowMs: number): void {
    for (const [epoch, fence] of this.#fences) {
      if (nowMs >= fence.deadlineMs) this.#open(epoch, fence);
    }
  }

  #open(epoch: number, fence: Fence): void {
    this.#fences.delete(epoch);
    const { waiting } = fence;
    for (const done of waiting.splice(0)) done();
  }

  /** This node's incarnation is void: nothing is claimed any more. */
  clear(): void {
    this.#fences.clear();
    this.#inherited.clear();
    this.#early.clear();
  }
}
