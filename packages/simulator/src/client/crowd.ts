import type { Rng } from '../world/random.ts';
import type { ClientPlan, PublishPlan } from './plan.ts';

const REGISTERS = ['reg/a', 'reg/b'];
const STREAMS = ['t/0', 't/1', 't/2', 'u/0'];
/** A seed leaves out this share of the kinds of clients. */
const LEFT_OUT = 0.4;
/** In the quietest seeds clients take so much longer between two things that they do than in the busiest. */
const QUIETEST = 16;
/** Nobody who does something again and again waits longer, on average: something goes on during every fault. */
const LONGEST_WAIT_MS = 2_000;
const MOST_AT_ONCE = 16;

const QUIET: ClientPlan = {
  clientId: '',
  version: 4,
  clean: false,
  expirySec: null,
  subscriptions: [],
  publishes: null,
  will: null,
  churns: false,
  reads: [],
  readQos: [0],
  everyMs: 1_000,
  leavesEveryMs: 10_000,
  longestRetryMs: 1_000,
  contends: false,
};

/**
 * The clients of one seed. How much they do differs by a factor of {@link QUIETEST}; many seeds are light and some heavy:
 * most bugs need an unlucky order of a few events, and some a full pipeline, which publishing in bursts makes too.
 */
export function drawClients(rng: Rng, readQos: readonly (0 | 1)[]): ClientPlan[] {
  return new Crowd(rng).draw(readQos);
}

class Crowd {
  readonly #rng: Rng;
  readonly #plans: ClientPlan[] = [];
  readonly #pace: number;
  /** Publications at one moment, at most; 1 for a stream that is even but for a few. */
  readonly #atOnce: number;

  constructor(rng: Rng) {
    this.#rng = rng;
    this.#pace = QUIETEST ** Math.sqrt(rng.unit());
    this.#atOnce = rng.chance(0.5) ? 1 : 2 + rng.below(MOST_AT_ONCE - 1);
  }

  draw(readQos: readonly (0 | 1)[]): ClientPlan[] {
    this.#add('watcher', { subscriptions: [{ filter: 'will/#', qos: 2 }] });
    this.#publishers();
    this.#subscribers();
    if (this.#some()) this.#sharers('kept', ['share0', 'share1'], []);
    if (this.#some()) this.#sharers('mixed', ['share2'], ['cleanshare']);
    if (this.#some()) {
      const subscriptions = STREAMS.map((filter) => ({ filter, qos: 1 as const }));
      this.#add('churner', { churns: true, everyMs: this.#every(700), subscriptions });
    }
    if (this.#some()) this.#registers(readQos);
    if (this.#some()) this.#contenders();
    return this.#plans;
  }

  #some(): boolean {
    return !this.#rng.chance(LEFT_OUT);
  }

  #every(busiestMs: number): number {
    return Math.min(busiestMs * this.#pace, LONGEST_WAIT_MS);
  }

  #add(clientId: string, plan: Partial<ClientPlan>): void {
    const version = plan.version ?? this.#rng.pick([4, 5] as const);
    this.#plans.push({ ...QUIET, leavesEveryMs: this.#rng.between(1_500, 15_000), ...plan, version, clientId });
  }

  #streams(topics: readonly string[], qos: PublishPlan['qos'], everyMs: number): PublishPlan {
    const window = 1 + this.#rng.below(20);
    const atOnce = this.#atOnce;
    return { topics, qos, everyMs: this.#every((everyMs * (atOnce + 1)) / 2), atOnce, window, retain: false };
  }

  #publishers(): void {
    const rng = this.#rng;
    this.#add('pub1', { publishes: this.#streams(STREAMS, [1, 2], rng.between(20, 200)) });
    if (this.#some()) {
      const publishes = this.#streams(STREAMS, [2], rng.between(20, 200));
      this.#add('pub2', { publishes, will: { topic: 'will/a', qos: 2, retain: false, delaySec: 0 } });
    }
    if (this.#some())
      this.#add('pub3', { clean: true, publishes: this.#streams(STREAMS, [0, 1, 2], rng.between(50, 300)) });
    if (!this.#some()) return;
    const expiring = this.#streams(['e/0', 'e/1'], [0, 1, 2], rng.between(50, 300));
    this.#add('pub4', { version: 5, publishes: { ...expiring, expirySec: [0, 1, 2, 5] } });
    this.#add('sub4', { subscriptions: [{ filter: 'e/#', qos: 2 }], leavesEveryMs: rng.between(1_000, 4_000) });
  }

  #subscribers(): void {
    const rng = this.#rng;
    const lasting: Record<string, ClientPlan['subscriptions']> = {
      sub1: [{ filter: 't/#', qos: 2 }],
      sub2: [
        { filter: 't/+', qos: 2 },
        { filter: 'u/0', qos: 1 },
      ],
      sub3: [{ filter: '#', qos: 1 }],
    };
    // Somebody must get what is published.
    const first = rng.pick(Object.keys(lasting));
    for (const [clientId, subscriptions] of Object.entries(lasting)) {
      if (clientId === first || this.#some()) this.#add(clientId, { subscriptions });
    }
    if (this.#some()) {
      const will = { topic: 'will/b', qos: 2, retain: false, delaySec: 0 } as const;
      this.#add('clean1', { clean: true, subscriptions: [{ filter: 't/#', qos: 2 }], will });
    }
    if (this.#some()) {
      const expirySec = 1 + rng.below(4);
      this.#add('expiring', { version: 5, expirySec, subscriptions: [{ filter: 't/1', qos: 2 }] });
    }
    if (this.#some()) {
      const will = { topic: 'will/c', qos: 2, retain: false, delaySec: 1 + rng.below(3) } as const;
      this.#add('delayed', { version: 5, expirySec: 60, will });
    }
  }

  #sharers(group: string, lasting: readonly string[], clean: readonly string[]): void {
    const subscriptions = [{ filter: `$share/${group}/t/#`, qos: 2 as const }];
    for (const clientId of lasting) this.#add(clientId, { subscriptions });
    for (const clientId of clean) this.#add(clientId, { clean: true, subscriptions });
  }

  #registers(readQos: readonly (0 | 1)[]): void {
    const publishes: PublishPlan = {
      topics: REGISTERS,
      qos: [1],
      everyMs: this.#every(150),
      atOnce: 1,
      window: 1,
      retain: true,
    };
    for (let i = 0; i < 2; i++) this.#add(`writer${i}`, { publishes });
    for (let i = 0; i < 2; i++)
      this.#add(`reader${i}`, { clean: true, reads: REGISTERS, readQos, everyMs: this.#every(300) });
  }

  /** Several that fight for one client id. */
  #contenders(): void {
    const rng = this.#rng;
    const clean = rng.chance(0.3);
    for (let left = 2 + rng.below(3); left > 0; left--) {
      this.#add('shared', {
        clean,
        contends: true,
        leavesEveryMs: 4_000,
        longestRetryMs: this.#every(300),
        subscriptions: [{ filter: 't/0', qos: 1 }],
      });
    }
  }
}
