import type { Rng } from '../world/random.ts';
import { CLIENT_FAULTS } from './clients.ts';
import type { FaultContext, Faults } from './context.ts';
import { DISK_FAULTS } from './disks.ts';
import { LEADER_FAULTS } from './leaders.ts';
import { MEMBER_FAULTS } from './members.ts';
import { NETWORK_FAULTS } from './networks.ts';
import { PROCESS_FAULTS } from './processes.ts';

const FAULTS: Faults = {
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...LEADER_FAULTS,
  ...DISK_FAULTS,
  ...MEMBER_FAULTS,
  ...CLIENT_FAULTS,
};

/** By the name under which they are counted. */
export const FAULT_KINDS: readonly string[] = Object.keys(FAULTS);

export interface FaultInjectorOptions extends Omit<FaultContext, 'later'> {
  /** Between two faults, on average. */
  readonly everyMs: number;
  /** Before the first one. */
  readonly calmMs: number;
  /** What clients have done so far. */
  readonly operations: () => number;
  /** Numbers of faults that are left out; everything else is drawn as if they were not. */
  readonly leftOut: ReadonlySet<number>;
}

/** How faults are counted that clients did something in the second after. */
export const FAULTS_AT_WORK = 'faults with clients at work';

/** One fault of a run. */
export interface InjectedFault {
  /** Its place among all that were drawn, from 0. */
  readonly number: number;
  readonly name: string;
  readonly atMs: number;
}

/** Most faults last longer. */
const AT_WORK_MS = 1_000;
/** A seed leaves out this share of the kinds. */
const LEFT_OUT = 0.35;

/** Makes things go wrong until it is told to heal everything. Each seed has kinds that it prefers and kinds that it leaves out. */
export class FaultInjector {
  readonly injected: InjectedFault[] = [];
  readonly #options: FaultInjectorOptions;
  readonly #weights: readonly (readonly [name: string, weight: number])[];
  #drawn = 0;
  #healed = false;

  constructor(options: FaultInjectorOptions) {
    const { rng } = options;
    this.#options = options;
    this.#weights = FAULT_KINDS.map((name) => {
      const weight = FAULTS[name]?.weight ?? 0;
      return [name, rng.chance(LEFT_OUT) ? 0 : weight * rng.between(0.3, 3)] as const;
    });
  }

  start(): void {
    this.#next(this.#options.calmMs);
  }

  #next(calmMs: number): void {
    const { world, rng, everyMs } = this.#options;
    world.after(calmMs + rng.between(0.1, 2) * everyMs, () => {
      if (this.#healed) return;
      this.#draw(rng.fork());
      this.#next(0);
    });
  }

  /** Ends every fault: from here on the cluster has no excuse. */
  heal(): void {
    const { world, cluster, clients } = this.#options;
    this.#healed = true;
    world.note('world', 'heal');
    cluster.heal();
    for (const client of clients) client.wire?.unstall();
  }

  #draw(rng: Rng): void {
    const number = this.#drawn++;
    const name = this.#pick(rng);
    const { world, leftOut } = this.#options;
    if (name === null || leftOut.has(number)) return;
    world.count(name);
    world.note('fault', name, `#${number}`);
    this.injected.push({ number, name, atMs: world.nowMs });
    this.#watchClients();
    FAULTS[name]?.inject({
      ...this.#options,
      rng,
      later: (lowMs, highMs, end) => {
        world.after(rng.skewed(lowMs, highMs), () => {
          if (!this.#healed) end();
        });
      },
    });
  }

  /** A fault that nothing goes on during finds nothing. */
  #watchClients(): void {
    const { world, operations } = this.#options;
    const before = operations();
    world.after(AT_WORK_MS, () => {
      if (operations() > before) world.count(FAULTS_AT_WORK);
    });
  }

  #pick(rng: Rng): string | null {
    const total = this.#weights.reduce((sum, [, weight]) => sum + weight, 0);
    let at = rng.unit() * total;
    for (const [name, weight] of this.#weights) {
      at -= weight;
      if (at < 0 && weight > 0) return name;
    }
    return null;
  }
}
