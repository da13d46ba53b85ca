import type { NodeConfig, Recovered, TransportLogger } from '@quorate/node/runtime';
import { Readmitted, Replica, StateDiverged } from '@quorate/node/runtime';
import { isDamage, isDiskFull, StorageError } from '@quorate/storage';
import type { Rng } from '../world/random.ts';
import { Violation } from '../world/violation.ts';
import type { World } from '../world/world.ts';
import type { LogRegion, SimulatedDisk } from './disk.ts';
import { DurableIdentity, type IdentityWatcher, openIdentity, randomId } from './identity.ts';
import type { Network } from './network.ts';
import { NodeClock } from './node-clock.ts';
import { drain, type Process } from './process.ts';
import { recoverFrom } from './stores.ts';
import { SimulatedTransport } from './transport.ts';
import { type ClientEnd, Wire, type WireProfile } from './wire.ts';

/** What somebody who watches a node is told, as it happens. */
export interface NodeWatcher extends IdentityWatcher {
  /** A new process; called before it applies anything. Planted bugs are put in here too. */
  started(node: SimulatedNode, replica: Replica, recovered: Recovered): void;
  /** After everything that a process did in one event. */
  stepped(node: SimulatedNode, replica: Replica): void;
  ended(node: SimulatedNode): void;
  wrote(node: SimulatedNode, wire: Wire, bytes: Buffer): void;
  /** A snapshot of the state is about to be made. @param configuration encoded, as it will say */
  dumps(node: SimulatedNode, index: number, configuration: Uint8Array): void;
}

export interface SimulatedNodeOptions {
  readonly id: string;
  readonly config: NodeConfig;
  readonly world: World;
  readonly rng: Rng;
  readonly network: Network;
  readonly disk: SimulatedDisk;
  /** Another disk, for the stores of a stand-in. */
  readonly newDisk: () => SimulatedDisk;
  readonly addressOf: (id: string) => string;
  readonly watcher: NodeWatcher;
  /** How fast this node's clock runs: 1 is right. */
  readonly clockRate: number;
  readonly wireProfile: WireProfile;
}

/** How long a node takes to start again by itself. */
const RESTART_MS = 300;
/** How often it looks whether there is room on the disk. */
const ROOM_POLL_MS = 1_000;
const POLL_MS = 10;

/** One machine: a disk that survives, and a process that runs the replica of the product, is paused, crashes and comes back. */
export class SimulatedNode {
  readonly id: string;
  readonly disk: SimulatedDisk;
  readonly #options: SimulatedNodeOptions;
  readonly #world: World;
  readonly #rng: Rng;
  #clockOffsetMs: number;
  #process: Process | null = null;
  #paused = false;
  #parked: (() => void)[] = [];
  #identity: DurableIdentity;
  /** What disks of this machine held when they lost it. */
  readonly #lost: { readonly directoryId: string; readonly log: LogRegion }[] = [];
  #ids = 0;
  #starts = 0;
  /** A disk error was planted: this process may end by itself. */
  mayFail = false;
  /** When its clock jumped, and by how much. */
  readonly #jumps: { readonly atMs: number; readonly byMs: number }[] = [];
  /** Damage was planted: a start may find it. */
  mayDoubt = false;

  constructor(options: SimulatedNodeOptions) {
    this.#options = options;
    this.id = options.id;
    this.disk = options.disk;
    this.#world = options.world;
    this.#rng = options.rng;
    this.#clockOffsetMs = this.#rng.between(0, 1_000_000);
    this.#identity = DurableIdentity.format(this.#world, this.#rng);
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

  /** Of what is on the disk, also while a stand-in runs. */
  get directoryId(): string {
    return this.#identity.directoryId;
  }

  get clusterId(): string | null {
    return this.#identity.clusterId;
  }

  /** The first configuration, if this data directory had a part in founding the cluster. */
  get founding(): Uint8Array | null {
    return this.#identity.founding;
  }

  /** It runs on stores in memory because its own are in doubt. */
  get standsIn(): boolean {
    return this.#process !== null && this.#process.disk !== this.disk;
  }

  get draining(): boolean {
    return this.#process?.draining === true;
  }

  /** What a connected peer said of itself to this node's process. */
  peerDirectory(peer: string): string | null {
    return this.#process?.transport?.helloOf(peer)?.directoryId ?? null;
  }

  start(): void {
    if (this.#process !== null) return;
    if (this.disk.full) {
      this.#world.after(ROOM_POLL_MS, () => this.start());
      return;
    }
    const process: Process = {
      alive: true,
      replica: null,
      transport: null,
      wires: new Set(),
      disk: this.disk,
      identity: this.#identity,
      draining: false,
    };
    this.#process = process;
    this.mayFail = false;
    this.#identity.incarnation++;
    this.#starts++;
    this.#deliverTo(process);
    this.#world.note(this.id, 'start', this.#identity.incarnation);
    this.#world.settle();
    this.#boot(process).catch((error: unknown) => {
      this.#fatal(process, error);
    });
  }

  #deliverTo(process: Process): void {
    process.disk.deliver = (task) => {
      this.#enter(process, task);
    };
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
    if (process.disk !== this.disk) process.disk.crash();
    this.#options.watcher.ended(this);
  }

  /** Data directories that hold an entry, or held it until they lost what they had: what they confirmed before may be on its way. */
  holdersOf(index: number, term: number): string[] {
    const { directoryId } = this.#identity;
    return [...this.#lost, { directoryId, log: this.disk.durableLog }]
      .filter(({ log }) => holdsEntry(log, index, term))
      .map((held) => held.directoryId);
  }

  /** Whether the data directory of that name holds an entry, or held it: as `holdersOf`. */
  holds(directoryId: string, index: number, term: number): boolean {
    if (directoryId === this.#identity.directoryId && holdsEntry(this.disk.durableLog, index, term)) return true;
    return this.#lost.some((each) => each.directoryId === directoryId && holdsEntry(each.log, index, term));
  }

  /** Before the disk loses something. */
  rememberLog(): void {
    const { compactedIndex, entries, superblock } = this.disk.durableLog;
    this.#lost.push({
      directoryId: this.#identity.directoryId,
      log: { compactedIndex, entries: new Map(entries), superblock },
    });
  }

  /** The machine is given an empty disk. */
  wipe(): void {
    this.crash(0);
    this.rememberLog();
    this.#world.note(this.id, 'wipe');
    this.disk.wipe();
    this.mayDoubt = false;
    this.#identity = DurableIdentity.format(this.#world, this.#rng);
  }

  /** As `setAside` does it: nothing is left but who the node is. */
  #startAnew(directoryId: string): void {
    this.#world.note(this.id, 'set aside', directoryId);
    this.rememberLog();
    this.disk.wipe();
    this.#identity = this.#identity.anew(directoryId);
    this.mayDoubt = false;
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

  /** The machine's clock shows another, later time from now on. */
  jumpClock(byMs: number): void {
    this.#world.note(this.id, 'clock jumps', byMs);
    this.#clockOffsetMs += byMs;
    this.#jumps.push({ atMs: this.#world.nowMs, byMs });
  }

  /** By how much its clock has jumped in all since a moment. */
  jumpedSince(atMs: number): number {
    return this.#jumps.reduce((sum, jump) => (jump.atMs >= atMs ? sum + jump.byMs : sum), 0);
  }

  /** Stops in good order, and starts again `awayMs` later. */
  drain(awayMs: number): void {
    const process = this.#process;
    if (process?.replica == null || process.draining) return;
    this.#world.note(this.id, 'drain');
    process.draining = true;
    this.#enter(process, () => {
      this.#world.settle();
      drain(process, { until: (condition, timeoutMs) => this.#until(process, condition, timeoutMs) }).then(
        () => {
          this.#drained(process, awayMs);
        },
        (error: unknown) => {
          if (this.#process !== process) return;
          // A disk that fails at the end ends the process all the same.
          const excused = this.mayFail || (isDiskFull(error) && this.disk.wasFull);
          if (excused && !(error instanceof Violation)) this.#drained(process, awayMs);
          else this.#world.fail(error);
        },
      );
    });
  }

  #drained(process: Process, awayMs: number): void {
    if (this.#process !== process) return;
    this.#world.count('  stopped in good order');
    this.crash(0);
    this.#world.after(awayMs, () => {
      this.start();
    });
  }

  #until(process: Process, condition: () => boolean, timeoutMs: number): Promise<void> {
    const deadlineMs = this.#world.nowMs + timeoutMs;
    return new Promise((resolve) => {
      const look = (): void => {
        this.#enter(process, () => {
          if (!condition() && this.#world.nowMs < deadlineMs) {
            this.#world.after(POLL_MS, look);
            return;
          }
          this.#world.settle();
          resolve();
        });
      };
      look();
    });
  }

  /** Runs something in the process, as an operator's request that comes in. False when there is no process. */
  ask(task: (replica: Replica) => void): boolean {
    const process = this.#process;
    if (process?.replica == null) return false;
    const { replica } = process;
    this.#enter(process, () => {
      task(replica);
    });
    return true;
  }

  /** A client dials. Null when nobody listens. */
  accept(client: ClientEnd): Wire | null {
    const process = this.#process;
    if (process?.replica == null || process.draining) return null;
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

  /** As `openData`: what is in doubt stays where it is, and the node runs on empty stores in memory. */
  async #open(process: Process): Promise<{ recovered: Recovered; standIn: boolean }> {
    const { world, rng, newDisk } = this.#options;
    try {
      const recovered = await recoverFrom(this.disk, this.#identity, world, rng, ({ index, configuration }) => {
        this.#options.watcher.dumps(this, index, configuration);
      });
      if (process.alive && this.mayDoubt) {
        // It was in what nobody reads any more.
        world.count('damage without effect');
        this.mayDoubt = false;
      }
      return { recovered, standIn: false };
    } catch (error) {
      if (!process.alive || !isDamage(error)) throw error;
      if (!this.mayDoubt) throw new Violation('no-doubt', `${this.id}: ${(error as Error).message}`);
      world.count('starts on a stand-in');
      // The data directory keeps what a store found, which may not show a second time.
      if (error instanceof StorageError && error.code === 'DATA_DOUBTFUL') this.#identity.doubts.push(error.message);
      world.note(this.id, 'stands in', (error as Error).message);
      const { incarnation, clusterId } = this.#identity;
      process.disk = newDisk();
      process.identity = new DurableIdentity(randomId(rng), incarnation);
      process.identity.clusterId = clusterId;
      this.#deliverTo(process);
      return { recovered: await recoverFrom(process.disk, null, world, rng, () => {}), standIn: true };
    }
  }

  async #boot(process: Process): Promise<void> {
    const { config, world, rng, watcher } = this.#options;
    const { recovered, standIn } = await this.#open(process);
    if (!process.alive) return;
    const replica = new Replica({
      config,
      version: '0.0.0',
      logger: this.#logger(),
      observer: SILENT_OBSERVER,
      clock: this.#clock(process),
      seed: rng.below(2 ** 31),
      newId: () => `${this.id}-${process.identity.incarnation}-${++this.#ids}`,
      identity: openIdentity(process.identity, this.id, world, watcher),
      recovered,
      standIn,
      createTransport: (handlers, describe) => {
        const { network, addressOf } = this.#options;
        const transport = new SimulatedTransport({
          id: this.id,
          world,
          network,
          handlers,
          describe,
          bootstrapMembers: [...config.cluster.keys()].sort().join(','),
          addressOf,
          session: `${this.id}/${this.#starts}`,
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
    // Begun by the driver in a turn of its own, in which nothing else tells the world of promises.
    const { driver } = replica;
    const install = driver.install.bind(driver);
    driver.install = (installation) => {
      const commit = (): Promise<boolean> => {
        world.settle();
        world.count('snapshots installed');
        return installation.commit();
      };
      install({ ...installation, commit });
    };
    process.replica = replica;
    watcher.started(this, replica, recovered);
    await replica.start();
    world.settle();
  }

  /** The process ends by itself, and what `supervise.ts` does about it. */
  #fatal(process: Process, error: unknown): void {
    if (!process.alive) return;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#world.note(this.id, 'fatal', error instanceof Error ? error.message : text);
    if (error instanceof Violation) {
      // Whatever else may end this process: this is not the process.
      this.#world.fail(error);
      return;
    }
    if (error instanceof Readmitted) {
      this.#world.count('taken in anew');
      this.crash(0);
      this.#startAnew(error.directoryId);
    } else if (error instanceof StateDiverged && this.mayDoubt) {
      this.#world.count('ended by a diverged state');
      this.crash(0);
    } else if (isDiskFull(error) && this.disk.wasFull) {
      this.#world.count('process ended by a full disk');
      this.crash(0);
    } else if (this.mayFail) {
      this.#world.count('process ended by a disk error');
      this.crash(0);
    } else {
      this.#world.fail(new Violation('no-fatal-error', `${this.id} ended: ${text}`));
      return;
    }
    this.#world.after(this.#rng.between(0.1, 1) * RESTART_MS, () => {
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

  #clock(process: Process): NodeClock {
    const { clockRate: rate } = this.#options;
    return new NodeClock({
      world: this.#world,
      rng: this.#rng,
      nowMs: () => this.#clockOffsetMs + this.#world.nowMs * rate,
      rate,
      alive: () => process.alive,
      enter: (task) => {
        this.#enter(process, task);
      },
    });
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

function holdsEntry(log: LogRegion, index: number, term: number): boolean {
  return index <= log.compactedIndex || log.entries.get(index)?.term === term;
}

const SILENT_LOGGER: TransportLogger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const SILENT_OBSERVER = {
  batchApplied: () => {},
  logWritten: () => {},
  checkpointWritten: () => {},
  leaderChanged: () => {},
};
