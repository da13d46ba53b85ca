import type { Clock, NodeConfig, Recovered, TransportLogger } from '@quorate/node/runtime';
import { Replica, recover } from '@quorate/node/runtime';
import { MemoryStateStore } from '@quorate/storage';
import type { Rng } from '../world/random.ts';
import { Violation } from '../world/violation.ts';
import type { World } from '../world/world.ts';
import { type SimulatedDisk, SimulatedLogStore } from './disk.ts';
import type { Network } from './network.ts';
import { SimulatedTransport } from './transport.ts';
import { type ClientEnd, Wire, type WireProfile } from './wire.ts';

/** What somebody who watches a node is told, as it happens. */
export interface NodeWatcher {
  /** A new process; called before it applies anything. Planted bugs are put in here too. */
  started(node: SimulatedNode, replica: Replica, recovered: Recovered): void;
  /** After everything that a process did in one event. */
  stepped(node: SimulatedNode, replica: Replica): void;
  ended(node: SimulatedNode): void;
  wrote(node: SimulatedNode, wire: Wire, bytes: Buffer): void;
}

export interface SimulatedNodeOptions {
  readonly id: string;
  readonly config: NodeConfig;
  readonly world: World;
  readonly rng: Rng;
  readonly network: Network;
  readonly disk: SimulatedDisk;
  readonly watcher: NodeWatcher;
  /** How fast this node's clock runs: 1 is right. */
  readonly clockRate: number;
  readonly wireProfile: WireProfile;
}

/** How late a timer may be, and how long a turn of the event loop gathers events. */
const TIMER_LATE_MS = 2;
const TURN_MS = 0.3;

/** One run of a node's process. What belongs to an earlier one has no effect any more. */
interface Process {
  alive: boolean;
  replica: Replica | null;
  transport: SimulatedTransport | null;
  readonly wires: Set<Wire>;
  deferred: (() => void)[];
  deferredScheduled: boolean;
}

/** One machine: a disk that survives, and a process that runs the replica of the product, is paused, crashes and comes back. */
export class SimulatedNode {
  readonly id: string;
  readonly disk: SimulatedDisk;
  readonly #options: SimulatedNodeOptions;
  readonly #world: World;
  readonly #rng: Rng;
  readonly #clockOffsetMs: number;
  #process: Process | null = null;
  #paused = false;
  #parked: (() => void)[] = [];
  /** The durable part of the identity. */
  #incarnation = 0;
  #ids = 0;
  /** A disk error was planted: this process may end by itself. */
  mayFail = false;

  constructor(options: SimulatedNodeOptions) {
    this.#options = options;
    this.id = options.id;
    this.disk = options.disk;
    this.#world = options.world;
    this.#rng = options.rng;
    this.#clockOffsetMs = this.#rng.between(0, 1_000_000);
  }

  get running(): boolean {
    return this.#process !== null;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get replica(): Replica | null {
    return this.#process?.replica ?? null;
  }

  start(): void {
    if (this.#process !== null) return;
    const process: Process = {
      alive: true,
      replica: null,
      transport: null,
      wires: new Set(),
      deferred: [],
      deferredScheduled: false,
    };
    this.#process = process;
    this.mayFail = false;
    this.#incarnation++;
    this.disk.deliver = (task) => {
      this.#enter(process, task);
    };
    this.#world.note(this.id, 'start', this.#incarnation);
    this.#world.settle();
    this.#boot(process).catch((error: unknown) => {
      if (process.alive) this.#world.fail(error);
    });
  }

  /** Ends the process and loses what the disk had not synced; up to `torn` steps of a write under way happened. */
  crash(torn: number, silently = false): void {
    const process = this.#process;
    if (process === null) return;
    this.#world.note(this.id, 'crash', torn, silently);
    this.#process = null;
    process.alive = false;
    this.#paused = false;
    this.#parked = [];
    process.transport?.kill();
    for (const wire of process.wires) wire.serverDied(silently);
    this.disk.crash({ torn });
    this.#options.watcher.ended(this);
  }

  /** Stops the process in between two turns: no timer, no I/O, but its clock runs on. */
  pause(): void {
    if (this.#process === null || this.#paused) return;
    this.#world.note(this.id, 'pause');
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#world.note(this.id, 'resume');
    this.#paused = false;
    const parked = this.#parked;
    this.#parked = [];
    for (const task of parked) this.#world.after(0, task);
  }

  /** A client dials. Null when nobody listens. */
  accept(client: ClientEnd): Wire | null {
    const process = this.#process;
    if (process?.replica == null) return null;
    const { replica } = process;
    const wire = new Wire(this.#world, this.#rng, this.#options.wireProfile, client, {
      nodeId: this.id,
      enter: (task) => {
        this.#enter(process, task);
      },
      wrote: (from, bytes) => {
        this.#options.watcher.wrote(this, from, bytes);
      },
    });
    process.wires.add(wire);
    this.#enter(process, () => {
      wire.connection = replica.broker.accept(wire);
    });
    return wire;
  }

  async #boot(process: Process): Promise<void> {
    const { config, world, rng, watcher } = this.#options;
    const voters = [...config.cluster.keys()].sort();
    const recovered = await recover(
      { stateStore: () => new MemoryStateStore(this.disk), logStore: () => new SimulatedLogStore(this.disk, world) },
      { voters, learners: [], outgoing: [] },
    );
    if (!process.alive) return;
    const replica = new Replica({
      config,
      version: '0.0.0',
      logger: this.#logger(),
      observer: SILENT_OBSERVER,
      clock: this.#clock(process),
      seed: rng.below(2 ** 31),
      newId: () => `${this.id}-${this.#incarnation}-${++this.#ids}`,
      identity: this.#identity(),
      recovered,
      createTransport: (handlers) => {
        const { network } = this.#options;
        const transport = new SimulatedTransport({
          id: this.id,
          network,
          handlers,
          enter: (task) => {
            this.#enter(process, task);
          },
          alive: () => process.alive && !this.#paused,
        });
        process.transport = transport;
        return transport;
      },
      onFatal: (error) => {
        this.#fatal(process, error);
      },
    });
    process.replica = replica;
    watcher.started(this, replica, recovered);
    await replica.start();
    world.settle();
  }

  /** The process ends by itself: expected only of one whose disk failed. */
  #fatal(process: Process, error: unknown): void {
    if (!process.alive) return;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#world.note(this.id, 'fatal', error instanceof Error ? error.message : text);
    if (!this.mayFail) {
      this.#world.fail(
        error instanceof Violation ? error : new Violation('no-fatal-error', `${this.id} ended: ${text}`),
      );
      return;
    }
    this.#world.count('process ended by a disk error');
    this.crash(0);
    this.#world.after(this.#rng.between(200, 3_000), () => {
      this.start();
    });
  }

  /** Runs a task as an event of the process, now or when it is continued. */
  #enter(process: Process, task: () => void): void {
    if (!process.alive) return;
    if (this.#paused) {
      this.#parked.push(() => {
        this.#enter(process, task);
      });
      return;
    }
    try {
      task();
    } catch (error) {
      this.#fatal(process, error);
    }
    const { replica } = process;
    if (process.alive && replica !== null) this.#options.watcher.stepped(this, replica);
  }

  #clock(process: Process): Clock {
    const { clockRate } = this.#options;
    return {
      nowMs: () => this.#clockOffsetMs + this.#world.nowMs * clockRate,
      defer: (task) => {
        process.deferred.push(task);
        if (process.deferredScheduled) return;
        process.deferredScheduled = true;
        this.#world.after(this.#rng.skewed(0.01, TURN_MS), () => {
          this.#enter(process, () => {
            this.#runDeferred(process);
          });
        });
      },
      every: (intervalMs, task) => this.#every(process, intervalMs / clockRate, task),
    };
  }

  #runDeferred(process: Process): void {
    process.deferredScheduled = false;
    const tasks = process.deferred;
    process.deferred = [];
    for (const task of tasks) if (process.alive) task();
  }

  #every(process: Process, intervalMs: number, task: () => void): () => void {
    let cancelled = false;
    // A timer that falls due again while it waits fires once.
    let waiting = false;
    const fire = (): void => {
      if (cancelled || !process.alive) return;
      this.#world.after(intervalMs + this.#rng.skewed(0, TIMER_LATE_MS), fire);
      if (waiting) return;
      waiting = true;
      this.#enter(process, () => {
        waiting = false;
        if (!cancelled) task();
      });
    };
    this.#world.after(this.#rng.between(0, intervalMs), fire);
    return () => {
      cancelled = true;
    };
  }

  #identity(): { incarnation: number; nextIncarnation(): Promise<number>; setClusterId(): Promise<void> } {
    return {
      incarnation: this.#incarnation,
      nextIncarnation: async () => {
        this.#world.settle();
        return ++this.#incarnation;
      },
      setClusterId: async () => {
        this.#world.settle();
      },
    };
  }

  #logger(): TransportLogger {
    const { world } = this.#options;
    if (!world.trace.keeps) return SILENT_LOGGER;
    const say = (_fields: object, message: string): void => {
      world.trace.text(world.nowMs, this.id, message);
    };
    return { debug: say, info: say, warn: say, error: say };
  }
}

const SILENT_LOGGER: TransportLogger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const SILENT_OBSERVER = {
  batchApplied: () => {},
  logWritten: () => {},
  checkpointWritten: () => {},
  leaderChanged: () => {},
};
