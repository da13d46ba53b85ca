import { tagOf } from '@quorate/consensus';
import type { Recovered, Replica } from '@quorate/node/runtime';
import { Configurations } from './check/configurations.ts';
import { DeliveryChecker } from './check/delivery-checker.ts';
import { LeaseChecker } from './check/lease-checker.ts';
import { LogChecker } from './check/log-checker.ts';
import { ProgressChecker } from './check/progress-checker.ts';
import { PromiseChecker } from './check/promise-checker.ts';
import { Reference } from './check/reference.ts';
import { RegisterChecker } from './check/register-checker.ts';
import { ServingChecker } from './check/serving-checker.ts';
import { SessionChecker } from './check/session-checker.ts';
import { ShareChecker } from './check/share-checker.ts';
import { Client, type ClientWatcher } from './client/client.ts';
import { Cluster } from './cluster/cluster.ts';
import type { DiskMutation } from './cluster/disk.ts';
import type { SimulatedNode } from './cluster/simulated-node.ts';
import { FaultInjector, type InjectedFault } from './faults/injector.ts';
import { Operators } from './faults/operators.ts';
import { drawProfile, type Profile } from './profile.ts';
import { Violation } from './world/violation.ts';
import { World } from './world/world.ts';

/** Bugs put in on purpose, to see that the checkers find them. */
export interface Mutation {
  readonly disk?: DiskMutation;
  /** Changes a replica before it starts. */
  readonly replica?: (replica: Replica, node: SimulatedNode) => void;
}

export interface SimulationOptions {
  /** A whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  /** Virtual seconds with faults; the time to heal comes on top. */
  readonly seconds: number;
  /** Keeps the trace as text. */
  readonly trace?: boolean;
  readonly mutation?: Mutation;
  /** Numbers of faults that are left out. */
  readonly leftOut?: ReadonlySet<number>;
}

/** What became of one seed. */
export interface SimulationResult {
  readonly seed: number;
  /** Null when every promise was kept. */
  readonly violation: { readonly invariant: string; readonly message: string; readonly atMs: number } | null;
  /** Over everything that happened: equal for two runs of one seed. */
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly events: number;
  /** Faults injected and other things of interest, by kind. */
  readonly counts: ReadonlyMap<string, number>;
  readonly faults: readonly InjectedFault[];
  /** The newest lines of the trace, when it was kept. */
  readonly trace: readonly string[];
}

/** What everything must be done in after the last fault, in virtual time. */
const HEAL_MS = 60_000;
/** Then a queue must have become shorter every time one looks. */
const DRAIN_LOOK_MS = 10_000;
const MAX_DRAIN_MS = 600_000;
const LOOK_EVERY_MS = 250;
const TRACE_LINES = 3_000;
const ROUNDING_MS = 20;

/** One cluster, its clients, and everybody who watches them. */
class Simulation {
  readonly world: World;
  readonly profile: Profile;
  readonly #seconds: number;
  readonly #reference: Reference;
  readonly #log: LogChecker;
  readonly #leases: LeaseChecker;
  readonly #configurations: Configurations;
  readonly #promises: PromiseChecker;
  readonly #progress: ProgressChecker;
  readonly #serving: ServingChecker;
  readonly #registers: RegisterChecker;
  readonly #deliveries: DeliveryChecker;
  readonly #sessions: SessionChecker;
  readonly #shares: ShareChecker;
  readonly #cluster: Cluster;
  readonly #clients: Client[];
  readonly #faults: FaultInjector;
  readonly #operators: Operators;
  /** By name of the client and payload or topic: when a register's write was sent first. */
  readonly #registerWrites = new Map<string, number>();
  #busy = true;
  /** Connections, publications, subscriptions and reads that clients have begun or ended. */
  #operations = 0;

  constructor(options: SimulationOptions) {
    this.world = new World(options.seed, options.trace ?? false);
    this.#seconds = options.seconds;
    const { world } = this;
    const profile = drawProfile(world.rng.fork());
    this.profile = profile;
    const nowMs = (): number => world.nowMs;
    this.#reference = new Reference(nowMs);
    this.#registers = new RegisterChecker(this.#reference, nowMs);
    this.#deliveries = new DeliveryChecker(nowMs, (payload) => this.#reference.publishedAt.has(payload));
    this.#sessions = new SessionChecker(nowMs, () => world.counts.has('clock jump'));
    this.#shares = new ShareChecker(nowMs);
    const leaseMs = profile.tuning.leaseMs / (1 - profile.drift) + ROUNDING_MS;
    this.#serving = new ServingChecker({
      world,
      reference: this.#reference,
      leaseMs,
      onAccepted: (node, clientId, epoch) => {
        this.#leases.accepted(node, clientId, epoch);
      },
    });
    this.#cluster = this.#createCluster(profile, options.mutation ?? {});
    this.#configurations = new Configurations(this.#cluster.machines);
    this.#log = new LogChecker(this.#cluster.machines, this.#reference, this.#configurations);
    this.#promises = new PromiseChecker({
      machines: this.#cluster.machines,
      nowMs,
      leaseMs: profile.tuning.leaseMs,
      configurations: this.#configurations,
    });
    this.#leases = new LeaseChecker({
      machines: this.#cluster.machines,
      nowMs,
      leaseMs: profile.tuning.leaseMs,
      reference: this.#reference,
    });
    this.#reference.onNodeDown = (nodeId, incarnation, leaderId) => {
      this.#leases.nodeDown(nodeId, incarnation, leaderId);
    };
    this.#progress = new ProgressChecker({
      cluster: this.#cluster,
      configurations: this.#configurations,
      committed: () => this.#log.committed,
      nowMs,
    });
    const watcher = this.#clientWatcher();
    this.#clients = profile.plans.map(
      (plan, at) =>
        new Client({
          plan,
          name: plan.contends ? `${plan.clientId}.${at}` : plan.clientId,
          world,
          rng: world.rng.fork(),
          nodes: () => this.#cluster.nodes,
          watcher,
          busy: () => this.#busy,
        }),
    );
    this.#operators = new Operators(world, this.#cluster.founders);
    this.#faults = new FaultInjector({
      world,
      rng: world.rng.fork(),
      cluster: this.#cluster,
      clients: this.#clients,
      configurations: this.#configurations,
      operators: this.#operators,
      everyMs: profile.faultEveryMs,
      calmMs: profile.calmMs,
      operations: () => this.#operations,
      leftOut: options.leftOut ?? new Set(),
    });
  }

  get faults(): readonly InjectedFault[] {
    return this.#faults.injected;
  }

  async run(): Promise<void> {
    const { world } = this;
    this.#cluster.start();
    for (const client of this.#clients) client.start();
    if (Number.isFinite(this.profile.faultEveryMs)) this.#faults.start();
    this.#watchProgress();
    await world.run(this.#seconds * 1000);
    if (world.violation !== null) return;
    this.#faults.heal();
    this.#busy = false;
    this.#endContention();
    const healedMs = world.nowMs;
    let deadlineMs = healedMs + HEAL_MS;
    let backlog = Number.POSITIVE_INFINITY;
    let lookAtMs = world.nowMs + 1_000;
    while (world.violation === null) {
      await world.run(Math.min(lookAtMs, deadlineMs));
      if (world.violation !== null || this.#unfinished().length === 0) break;
      lookAtMs = world.nowMs + LOOK_EVERY_MS;
      // There may be nothing left to commit, and only a client that has not found a member yet.
      this.#guard(() => {
        this.#progress.lookAtLeaders();
      });
      if (world.nowMs < deadlineMs) continue;
      // A subscriber that takes one message at a time may have a long queue: it must get shorter, that is all.
      const left = this.#missing(Number.POSITIVE_INFINITY).length;
      if (left > 0 && left < backlog && world.nowMs < healedMs + MAX_DRAIN_MS) {
        backlog = left;
        deadlineMs += DRAIN_LOOK_MS;
        continue;
      }
      const seconds = (world.nowMs - healedMs) / 1000;
      world.fail(new Violation('liveness', `${seconds} s after the last fault: ${this.#unfinished().join('; ')}`));
    }
    if (world.violation === null) this.#compareAll();
    this.#count();
  }

  #watchProgress(): void {
    this.world.after(LOOK_EVERY_MS, () => {
      this.#progress.look();
      if (this.#busy) this.#watchProgress();
    });
  }

  #createCluster(profile: Profile, mutation: Mutation): Cluster {
    const { world } = this;
    return new Cluster({
      world,
      rng: world.rng.fork(),
      size: profile.size,
      spares: profile.spares,
      tuning: profile.tuning,
      network: profile.network,
      disk: profile.disk,
      wire: profile.wire,
      drift: profile.drift,
      diskMutation: mutation.disk ?? {},
      onReach: (nodeId, majority) => {
        this.#serving.reach(nodeId, majority);
      },
      watcher: {
        started: (node: SimulatedNode, replica: Replica, _recovered: Recovered) => {
          this.#guard(() => {
            mutation.replica?.(replica, node);
            this.#log.watch(node, replica);
            this.#promises.watch(node, replica);
            this.#leases.watch(node, replica);
            this.#log.compareState(node, replica);
          });
        },
        stepped: (node, replica) => {
          // After every event: no closure for it.
          try {
            this.#log.stepped(node, replica);
            this.#promises.stepped(node, replica);
          } catch (error) {
            world.fail(error);
          }
        },
        ended: (node) => {
          this.#log.ended(node);
        },
        clusterNamed: (nodeId, clusterId) => {
          this.#guard(() => {
            this.#configurations.clusterNamed(nodeId, clusterId);
          });
        },
        founded: (nodeId, configuration) => {
          this.#guard(() => {
            this.#configurations.founded(nodeId, configuration);
          });
        },
        dumps: (node, index, configuration) => {
          this.#guard(() => {
            this.#promises.dumps(node, index, configuration);
          });
        },
        wrote: (node, wire, bytes) => {
          try {
            this.#serving.wrote(node, wire, bytes);
          } catch (error) {
            world.fail(error);
          }
        },
      },
    });
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.world.fail(error);
    }
  }

  #clientWatcher(): ClientWatcher {
    const { world } = this;
    return {
      connecting: (client) => {
        this.#operations++;
        if (client.wire !== null) this.#serving.connected(client, client.wire);
      },
      accepted: (client, sessionPresent) => {
        world.count('connections');
        this.#sessions.accepted(client, sessionPresent);
      },
      disconnected: (client, graceful, wire) => {
        // When a node is given up, its sessions' time begins then, and its clients hear nothing of it.
        const dropped = this.#reference.droppedEpochs.has(wire.connection?.epoch ?? 0);
        const closedMs = dropped ? Number.NEGATIVE_INFINITY : Math.min(world.nowMs, wire.serverClosedMs);
        this.#sessions.disconnected(client, graceful, closedMs);
      },
      publishing: (client, { topic, payload, qos, retain, expirySec }, again) => {
        this.#operations++;
        if (retain && !again) this.#registerWrites.set(`${client.name} ${payload} ${topic}`, world.nowMs);
        this.#deliveries.publishing(client, topic, payload, qos, expirySec > 0);
        this.#shares.publishing(client, topic, payload, qos, expirySec > 0);
        if (expirySec > 0) this.#serving.expires(payload, expirySec);
      },
      acknowledged: (client, { topic, payload, retain }) => {
        this.#deliveries.acknowledged(payload);
        this.#shares.acknowledged(payload);
        if (!retain) return;
        const askedMs = this.#registerWrites.get(`${client.name} ${payload} ${topic}`) ?? world.nowMs;
        this.#registers.written(topic, payload === '' ? null : payload, askedMs);
      },
      givenUp: () => {
        world.count('QoS 2 messages in doubt');
      },
      subscribed: (client, filter, qos) => {
        this.#operations++;
        if (client.plan.clientId === 'watcher') this.#sessions.watching();
        this.#deliveries.subscribed(client, filter, qos);
        this.#shares.subscribed(client, filter);
      },
      unsubscribing: () => {},
      delivered: (client, message) => {
        const group = ShareChecker.nameOf(client);
        if (group !== null) this.#shares.delivery(client, group, message);
        else if (client.plan.clientId === 'watcher') this.#sessions.will(message.payload);
        else if (!message.topic.startsWith('will/') && message.payload !== '')
          this.#deliveries.delivery(client, message);
      },
      read: (client, topic, value, askedMs) => {
        this.#registers.read(client.name, topic, value, askedMs);
      },
    };
  }

  /** Only one of those who share an id stays, or nobody would ever be at rest. */
  #endContention(): void {
    const seen = new Set<string>();
    this.#clients.splice(
      0,
      this.#clients.length,
      ...this.#clients.filter((client) => {
        if (!client.plan.contends || !seen.has(client.plan.clientId)) {
          seen.add(client.plan.clientId);
          return true;
        }
        client.stop();
        client.drop('stops', false);
        return false;
      }),
    );
  }

  /** What still has to happen before everything is well, as sentences. */
  #unfinished(): string[] {
    const open: string[] = [];
    const { committed } = this.#log;
    const { current } = this.#configurations;
    if (current === null) return ['there is no cluster'];
    const records = this.#reference.state.members;
    open.push(...this.#operators.unfinished(current, records));
    for (const id of Operators.involved(current, records)) {
      const node = this.#cluster.node(id);
      const { replica } = node;
      if (replica === null) open.push(`${id} does not run`);
      else if (node.standsIn) open.push(`${id} stands in for itself`);
      else if (tagOf(current, id) !== node.directoryId) open.push(`${id} is a member with another data directory`);
      else if (!replica.broker.serving) open.push(`${id} does not serve`);
      else if (replica.broker.machine.state.appliedIndex < committed - 50) open.push(`${id} lags behind`);
    }
    for (const client of this.#clients) {
      if (client.idle) continue;
      open.push(
        client.live
          ? `${client.name} waits for ${client.session.outgoing.size} acks`
          : `${client.name} is not connected`,
      );
    }
    if (open.length > 0) return open;
    return [...this.#missing(3), ...this.#sessions.missing()];
  }

  #missing(limit: number): string[] {
    return [...this.#deliveries.missing(limit), ...this.#shares.missing(limit)];
  }

  #compareAll(): void {
    this.#guard(() => {
      for (const node of this.#cluster.machines) if (node.replica !== null) this.#log.compareState(node, node.replica);
    });
  }

  #count(): void {
    const { world } = this;
    world.count('entries committed', this.#log.committed);
    world.count('configurations', this.#configurations.changes);
    world.count('terms with a leader', this.#log.leaderChanges);
    world.count('stretches in which a majority went on', this.#progress.stretches);
    world.count('states compared', this.#log.statesCompared);
    world.count('starts from a checkpoint tried on the side', this.#log.restarts);
    world.count('nodes given up that still ran', this.#leases.givenUp);
    world.count('sessions without owner served after a restore', this.#leases.afterRestore);
    world.count('PUBRELs of what is in the log', this.#serving.released);
    world.count('packets to clients', this.#serving.packets);
    world.count('acknowledgements', this.#serving.acks);
    world.count('messages that could expire', this.#serving.expiring);
    world.count('messages published', this.#deliveries.published);
    world.count('messages delivered', this.#deliveries.delivered);
    world.count('shared messages delivered', this.#shares.delivered);
    world.count('registers read', this.#registers.reads);
  }
}

/** Runs one seed to its end, or to the first promise that is broken. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const simulation = new Simulation(options);
  await simulation.run();
  const { world } = simulation;
  const { violation, trace } = world;
  return {
    seed: options.seed,
    violation:
      violation === null ? null : { invariant: violation.invariant, message: violation.message, atMs: world.nowMs },
    traceHash: trace.hash,
    virtualMs: world.nowMs,
    events: world.events,
    counts: world.counts,
    faults: simulation.faults,
    trace: trace.last(TRACE_LINES),
  };
}
