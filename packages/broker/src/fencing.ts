import type { BrokerEnvironment } from './environment.ts';

/** What of a state that this process did not see grow may still matter for one length of a lease. */
export interface FencingOptions {
  /** How long after a takeover commits the displaced node may still serve; see `BrokerOptions.leaseWaitMs`. */
  readonly leaseWaitMs: number;
  /** The state came from a checkpoint: takeovers from before it are not known here. */
  readonly restored: boolean;
}

/** Waiting for the former owner of a session to be out of the way. */
interface Fence {
  readonly deadlineMs: number;
  readonly waiting: (() => void)[];
}

/**
 * Of what the clock shows to have passed between two looks at it, so much counts at most. Somebody looks every few
 * milliseconds: more is a pause of this process or a jump of its clock, which says nothing of how long others served.
 */
const LONGEST_STEP_MS = 50;
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
  #leaseWaitMs: number;
  readonly #fences = new Map<number, Fence>();
  /** A local connection lost its session to another local one while it was itself behind a fence. */
  readonly #inherited = new Map<number, Fence>();
  readonly #early = new Set<number>();
  /** Takeovers between any two nodes applied lately: when the displaced node's lease is over, by the new epoch. */
  readonly #recent = new Map<number, number>();
  /** Client ids whose owner's node was dropped that soon after its takeover: when the displaced node's lease is over. */
  readonly #suspects = new Map<string, number>();
  /** Time that has surely passed, and what the clock showed then. All deadlines here are in it. */
  #passedMs = 0;
  #lookedMs: number;
  /** Until then a session without owner may be one whose takeover was not seen here. */
  #blindUntilMs: number;

  constructor(nodeId: string, environment: BrokerEnvironment, { leaseWaitMs, restored }: FencingOptions) {
    this.#nodeId = nodeId;
    this.#environment = environment;
    this.#leaseWaitMs = leaseWaitMs;
    this.#lookedMs = environment.nowMs();
    this.#blindUntilMs = restored ? leaseWaitMs : Number.NEGATIVE_INFINITY;
  }

  /** Looks at the clock. */
  #look(): number {
    const nowMs = this.#environment.nowMs();
    this.#passedMs += Math.min(Math.max(0, nowMs - this.#lookedMs), LONGEST_STEP_MS);
    this.#lookedMs = nowMs;
    return this.#passedMs;
  }

  /** A node with a longer lease than was known has joined. */
  setLeaseWaitMs(leaseWaitMs: number): void {
    this.#leaseWaitMs = leaseWaitMs;
  }

  get size(): number {
    return this.#fences.size;
  }

  /** Calls `done` when the session may be served under `epoch`: at once if nobody else can be serving it. */
  claim(epoch: number, clientId: string, previousOwner: string | null, done: () => void): void {
    if (previousOwner === null) return this.#claimFree(epoch, clientId, done);
    if (previousOwner === this.#nodeId) {
      const inherited = this.#inherited.get(epoch);
      if (inherited === undefined) return done();
      this.#inherited.delete(epoch);
      this.#fences.set(epoch, inherited);
      inherited.waiting.push(() => this.#fences.delete(epoch), done);
      return;
    }
    if (this.#early.delete(epoch)) return done();
    const deadlineMs = this.#look() + this.#leaseWaitMs;
    this.#fences.set(epoch, { deadlineMs, waiting: [done] });
  }

  /** Nobody has the session, but whoever had it last may have been waiting behind a fence when its node went. */
  #claimFree(epoch: number, clientId: string, done: () => void): void {
    const deadlineMs = Math.max(this.#suspects.get(clientId) ?? Number.NEGATIVE_INFINITY, this.#blindUntilMs);
    if (deadlineMs <= this.#look()) return done();
    this.#fences.set(epoch, { deadlineMs, waiting: [done] });
  }

  /** A session went from one node to another, this one or not. */
  takenOver(newEpoch: number): void {
    this.#recent.set(newEpoch, this.#look() + this.#leaseWaitMs);
  }

  /** A node lost all its sessions at once. If it was still waiting for one, the next owner has to go on waiting. */
  dropped(epoch: number, clientId: string): void {
    const deadlineMs = this.#recent.get(epoch);
    if (deadlineMs !== undefined) this.#suspects.set(clientId, deadlineMs);
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

  /** Called every few milliseconds. */
  tick(): void {
    const nowMs = this.#look();
    for (const [epoch, fence] of this.#fences) {
      if (nowMs >= fence.deadlineMs) this.#open(epoch, fence);
    }
    // In the order of their deadlines.
    for (const [epoch, deadlineMs] of this.#recent) {
      if (nowMs < deadlineMs) break;
      this.#recent.delete(epoch);
    }
    for (const [clientId, deadlineMs] of this.#suspects) {
      if (nowMs >= deadlineMs) this.#suspects.delete(clientId);
    }
  }

  #open(epoch: number, fence: Fence): void {
    this.#fences.delete(epoch);
    const { waiting } = fence;
    for (const done of waiting.splice(0)) done();
  }

  /** The state came from elsewhere: takeovers that it knows of were not seen here, as after a restart. */
  restored(): void {
    this.clear();
    this.#blindUntilMs = this.#look() + this.#leaseWaitMs;
  }

  /** This node's incarnation is void: nothing is claimed any more. What other nodes' leases may last stays known. */
  clear(): void {
    this.#fences.clear();
    this.#inherited.clear();
    this.#early.clear();
  }
}
