import type { Client } from './client/client.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { Rng } from './world/random.ts';
import type { World } from './world/world.ts';

/** What may go wrong, by the name under which it is counted. */
type Fault = (injector: FaultInjector) => void;

const FAULTS: Readonly<Record<string, { readonly weight: number; readonly inject: Fault }>> = {
  'crash of a node': { weight: 4, inject: (f) => f.crashOne() },
  'crash of a majority': { weight: 1, inject: (f) => f.crashMany(false) },
  'crash of all nodes': { weight: 1, inject: (f) => f.crashMany(true) },
  'paused process': { weight: 4, inject: (f) => f.pause() },
  'isolated node': { weight: 3, inject: (f) => f.isolate() },
  'one-way partition': { weight: 3, inject: (f) => f.partition(true) },
  'partial partition': { weight: 3, inject: (f) => f.partition(false) },
  'reset between nodes': { weight: 4, inject: (f) => f.reset() },
  'slow network': { weight: 2, inject: (f) => f.slowNetwork() },
  'slow disk': { weight: 2, inject: (f) => f.slowDisk() },
  'stalled disk': { weight: 2, inject: (f) => f.stallDisk() },
  'failed write': { weight: 1, inject: (f) => f.failWrite() },
  'leadership transfer': { weight: 2, inject: (f) => f.transfer() },
  'client connections break': { weight: 3, inject: (f) => f.breakClients() },
  'client connections stall': { weight: 3, inject: (f) => f.stallClients() },
  'takeover storm': { weight: 2, inject: (f) => f.takeoverStorm() },
};

export const FAULT_KINDS: readonly string[] = Object.keys(FAULTS);

export interface FaultInjectorOptions {
  readonly world: World;
  readonly rng: Rng;
  readonly cluster: Cluster;
  readonly clients: readonly Client[];
  /** Between two faults, on average. */
  readonly everyMs: number;
}

/** Makes things go wrong until it is told to heal everything. Each seed has kinds that it prefers and kinds that it leaves out. */
export class FaultInjector {
  readonly #options: FaultInjectorOptions;
  readonly #world: World;
  readonly #rng: Rng;
  readonly #cluster: Cluster;
  readonly #weights: readonly (readonly [name: string, weight: number])[];
  #healed = false;

  constructor(options: FaultInjectorOptions) {
    this.#options = options;
    this.#world = options.world;
    this.#rng = options.rng;
    this.#cluster = options.cluster;
    this.#weights = FAULT_KINDS.map((name) => {
      const weight = FAULTS[name]?.weight ?? 0;
      return [name, this.#rng.chance(0.35) ? 0 : weight * this.#rng.between(0.3, 3)] as const;
    });
  }

  start(): void {
    this.#world.after(this.#rng.between(0.1, 2) * this.#options.everyMs, () => {
      if (this.#healed) return;
      this.#inject();
      this.start();
    });
  }

  /** Ends every fault: from here on the cluster has no excuse. */
  heal(): void {
    this.#healed = true;
    this.#world.note('world', 'heal');
    this.#cluster.heal();
    for (const client of this.#options.clients) client.wire?.unstall();
  }

  #inject(): void {
    const total = this.#weights.reduce((sum, [, weight]) => sum + weight, 0);
    let at = this.#rng.unit() * total;
    for (const [name, weight] of this.#weights) {
      at -= weight;
      if (at >= 0 || weight === 0) continue;
      this.#world.count(name);
      this.#world.note('fault', name);
      FAULTS[name]?.inject(this);
      return;
    }
  }

  /** Ends a fault after a while, unless everything was healed before. */
  #later(lowMs: number, highMs: number, end: () => void): void {
    this.#world.after(this.#rng.skewed(lowMs, highMs), () => {
      if (!this.#healed) end();
    });
  }

  crashOne(): void {
    const node = this.#rng.pick(this.#cluster.nodes);
    node.crash(this.#rng.below(3), this.#rng.chance(0.2));
    this.#later(20, 8_000, () => node.start());
  }

  crashMany(all: boolean): void {
    const { nodes } = this.#cluster;
    let left = all ? nodes.length : Math.floor(nodes.length / 2) + 1;
    for (const node of nodes) {
      if (left-- <= 0) break;
      node.crash(this.#rng.below(3), this.#rng.chance(0.5));
      this.#later(20, 4_000, () => node.start());
    }
  }

  pause(): void {
    const node = this.#rng.pick(this.#cluster.nodes);
    node.pause();
    this.#later(20, 8_000, () => node.resume());
  }

  isolate(): void {
    const node = this.#rng.pick(this.#cluster.nodes);
    for (const other of this.#cluster.nodes) {
      if (other === node) continue;
      this.#cluster.block(node.id, other.id);
      this.#cluster.block(other.id, node.id);
    }
    this.#later(50, 10_000, () => this.#cluster.unblockAll());
  }

  partition(oneWay: boolean): void {
    for (let i = 1 + this.#rng.below(3); i > 0; i--) {
      const from = this.#rng.pick(this.#cluster.nodes);
      const to = this.#rng.pick(this.#cluster.nodes);
      if (from === to) continue;
      this.#cluster.block(from.id, to.id);
      if (!oneWay) this.#cluster.block(to.id, from.id);
      this.#later(50, 9_000, () => {
        this.#cluster.unblock(from.id, to.id);
        this.#cluster.unblock(to.id, from.id);
      });
    }
  }

  reset(): void {
    for (let i = 1 + this.#rng.below(4); i > 0; i--) {
      const a = this.#rng.pick(this.#cluster.nodes);
      const b = this.#rng.pick(this.#cluster.nodes);
      if (a !== b) this.#cluster.network.reset(a.id, b.id);
    }
  }

  slowNetwork(): void {
    this.#cluster.network.setProfile({ fastestMs: 5, slowestMs: this.#rng.skewed(20, 900) });
    this.#later(200, 6_000, () => this.#cluster.normalNetwork());
  }

  slowDisk(): void {
    const node = this.#rng.pick(this.#cluster.nodes);
    node.disk.setProfile({ fastestMs: 5, slowestMs: this.#rng.skewed(30, 800) });
    this.#later(200, 8_000, () => this.#cluster.normalDisk(node));
  }

  stallDisk(): void {
    const node = this.#rng.pick(this.#cluster.nodes);
    node.disk.hold();
    this.#later(50, 7_000, () => node.disk.proceed());
  }

  failWrite(): void {
    const node = this.#rng.pick(this.#cluster.nodes);
    if (!node.running) return;
    node.mayFail = true;
    node.disk.failNext();
  }

  transfer(): void {
    for (const { replica } of this.#cluster.nodes) replica?.driver.transferLeadership(null);
  }

  breakClients(): void {
    const share = this.#rng.between(0.1, 1);
    for (const client of this.#options.clients) {
      if (!this.#rng.chance(share)) continue;
      if (this.#rng.chance(0.6)) client.break();
      else client.drop('fault', this.#rng.chance(0.5));
    }
  }

  stallClients(): void {
    for (const client of this.#options.clients) {
      const { wire } = client;
      if (wire === null || !this.#rng.chance(0.3)) continue;
      wire.stall();
      this.#later(20, 6_000, () => wire.unstall());
    }
  }

  /** Everybody who shares a client id comes at once. */
  takeoverStorm(): void {
    for (const client of this.#options.clients) {
      if (client.plan.contends && client.wire !== null) client.drop('storm', this.#rng.chance(0.5));
    }
  }
}
