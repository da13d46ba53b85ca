import { Broker, type BrokerEnvironment, type NodeUp, type State } from '@quorate/broker';
import { EntryType, isVoter, type Message, members, type NodeId, RaftCore, type Status } from '@quorate/consensus';
import { formatAddress } from '../config/address.ts';
import type { NodeConfig } from '../config/index.ts';
import type { Clock } from '../raft/index.ts';
import { RaftDriver } from '../raft/index.ts';
import type { HostPort, PeerHandlers, TransportLogger } from '../transport/index.ts';
import { Admin } from './admin.ts';
import { Channel, decodeEpoch, encodeEpoch } from './channels.ts';
import { Checkpointer } from './checkpointer.ts';
import { Founding } from './founding.ts';
import { LeaderDuties } from './leader-duties.ts';
import { ServingLease } from './lease.ts';
import { MemberDuties } from './member-duties.ts';
import { Operations } from './operations.ts';
import { Peers } from './peers.ts';
import { ProposalGate } from './proposal-gate.ts';
import type { Recovered } from './recovery.ts';
import { Snapshots } from './snapshots.ts';
import { StateComparison } from './state-comparison.ts';

/** How nodes reach each other: PeerTransport, or a simulated network. */
export interface Transport {
  start(): Promise<unknown>;
  stop(): Promise<void>;
  sendRaft(to: NodeId, message: Message): boolean;
  send(to: NodeId, channel: number, payload: Uint8Array): boolean;
  /** As `send`, on a connection of its own that is made when it is needed: false until it is there. */
  sendBulk(to: NodeId, channel: number, payload: Uint8Array | readonly Uint8Array[]): boolean;
  /** Dials a node, or goes on dialling it at other addresses. */
  setPeer(id: NodeId, addresses: readonly HostPort[]): void;
  removePeer(id: NodeId): void;
  /** Sends what was gathered in this turn. */
  flush(): void;
  connectedPeers(): NodeId[];
}

/** Who this node is, durably: the data directory, or a simulated one. */
export interface Identity {
  readonly incarnation: number;
  /** Names this data directory and no other, also none of the same node. */
  readonly directoryId: string;
  readonly clusterId: string | null;
  /** Begins another incarnation, one that is not less than `atLeast`. */
  nextIncarnation(atLeast?: number): Promise<number>;
  setClusterId(clusterId: string): Promise<void>;
  /** Keeps the first configuration of the cluster. */
  setFounding(configuration: Uint8Array): Promise<void>;
  /** What this node holds is not to be trusted, at the next start neither. */
  doubt(reason: string): Promise<void>;
  /** Data of an earlier time, when this node had a vote, is kept aside. */
  readonly hasSetAside: boolean;
  dropSetAside(): Promise<void>;
}

/** What a node says of itself to its peers, beside names and addresses. */
export interface SelfDescription {
  readonly clusterId: string;
  readonly directoryId: string;
  readonly incarnation: string;
  readonly founded: boolean;
}

/**
 * The cluster lets this node in anew although its data directory is in doubt: what it has is to be set aside, and the node
 * started again.
 */
export class Readmitted extends Error {
  readonly code = 'READMITTED';

  /** Under which it was let in: the data directory gets it. */
  readonly directoryId: string;

  constructor(directoryId: string) {
    super('the cluster takes this node in anew: what its data directory held is set aside, and it starts from nothing');
    this.name = 'Readmitted';
    this.directoryId = directoryId;
  }
}

/** What happened, for metrics. */
export interface ReplicaObserver {
  /** A batch of this node from its sealing to its application. */
  batchApplied(durationMs: number, commands: number): void;
  logWritten(durationMs: number, sizeBytes: number): void;
  checkpointWritten(durationMs: number): void;
  leaderChanged(): void;
}

export interface ReplicaOptions {
  readonly config: NodeConfig;
  readonly version: string;
  readonly logger: TransportLogger;
  readonly observer: ReplicaObserver;
  readonly clock: Clock;
  /** Drawn anew at each start: of the election timeouts, and what tells this start's reads from those before. */
  readonly seed: number;
  /** A string that no other call anywhere returns. */
  readonly newId: () => string;
  readonly identity: Identity;
  readonly recovered: Recovered;
  /**
   * The stores are a stand-in for a data directory that is in doubt: the node has no part in anything until the others,
   * a quorum without it, take it in as a new one (`Readmitted`).
   */
  readonly standIn?: boolean;
  readonly createTransport: (handlers: PeerHandlers, describe: () => SelfDescription) => Transport;
  /** Once, when this node can not go on: nothing is acknowledged after it. */
  readonly onFatal: (error: unknown) => void;
}

/** Clocks of machines drift apart, and a thread may be held up between reading the clock and acting on it. */
const LEASE_DRIFT = 1.1;
const LEASE_MARGIN_MS = 100;
const BROKER_TICK_MS = 10;
const MIB = 1024 * 1024;
const NOTHING = new Uint8Array(0);
const READS_PER_START = 2 ** 20;
/** Unapplied proposals of this node beyond which its clients are not read. */
const MAX_UNAPPLIED_BYTES = 8 * MIB;

/** The longest lease that any member may serve on. */
function longestLeaseMs(state: State, ownMs: number): number {
  let longestMs = ownMs;
  for (const node of state.nodes.values()) longestMs = Math.max(longestMs, node.leaseMs);
  return longestMs;
}

function leaseWaitMs(leaseMs: number): number {
  return leaseMs * LEASE_DRIFT + LEASE_MARGIN_MS;
}

/**
 * One member of the cluster: the log, the state and the clients' side of it, joined. Clock, network, disk and
 * randomness are given to it, so that a simulation runs this very code.
 */
export class Replica {
  readonly broker: Broker;
  readonly driver: RaftDriver;
  readonly transport: Transport;
  readonly admin: Admin;
  readonly #options: ReplicaOptions;
  readonly #lease: ServingLease;
  readonly #gate: ProposalGate;
  readonly #duties: LeaderDuties;
  readonly #checkpointer: Checkpointer;
  readonly #peers: Peers;
  readonly #founding: Founding;
  readonly #members: MemberDuties;
  readonly #snapshots: Snapshots;
  readonly #comparison: StateComparison;
  readonly #timers: (() => void)[] = [];
  /** Peers that refused this node as one of another cluster. */
  readonly #refusedBy = new Set<string>();
  #status: Status;
  /** `flush` is asked for and was not done yet. */
  #flushDue = false;
  #flushSoonDue = false;
  /** The leader says that this node is none of its members. */
  #notMember = false;
  #stopped = false;
  #failed = false;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { config, observer, recovered, identity } = options;
    this.broker = this.#createBroker();
    this.driver = this.#createDriver();
    this.#status = this.driver.status();
    const { broker, driver } = this;
    this.#peers = new Peers({
      nodeId: config.nodeId,
      cluster: config.cluster,
      configuration: () => this.#status.configuration,
      state: () => broker.machine.state,
    });
    this.transport = options.createTransport(this.#peerHandlers(), () => this.#describe());
    this.#lease = new ServingLease({
      leaseMs: config.serving.leaseMs,
      readIndex: () => driver.readIndex(),
      appliedIndex: () => broker.machine.state.appliedIndex,
      extend: (untilMs) => {
        broker.extendLease(untilMs);
      },
    });
    this.#founding = this.#createFounding();
    this.#comparison = this.#createComparison();
    this.#checkpointer = this.#createCheckpointer(recovered);
    this.#snapshots = this.#createSnapshots(recovered);
    this.#gate = this.#createGate();
    this.#duties = this.#createDuties();
    this.#members = this.#createMembers();
    this.admin = this.#createAdmin();
    if (identity.clusterId === null && recovered.state.clusterId !== null) {
      identity.setClusterId(recovered.state.clusterId).catch(this.fail);
    }
    broker.proposer.onApplied = (durationMs, commands) => {
      observer.batchApplied(durationMs, commands);
    };
  }

  get status(): Status {
    return this.#status;
  }

  /** The leader said that this node is none of its members. */
  get notMember(): boolean {
    return this.#notMember;
  }

  /** Members without whom the cluster is not founded; null once it is, or when this node has no part in that. */
  get foundingWaitsFor(): readonly string[] | null {
    return this.#founding.unborn ? this.#founding.missing : null;
  }

  /** `onFatal` was called. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Rejects when the peers' address can not be listened on; then, too, `stop` is to be called. */
  async start(): Promise<void> {
    const { clock } = this.#options;
    await this.transport.start();
    this.#peers.dial(this.transport);
    this.driver.start();
    this.#register(this.#options.identity.incarnation);
    this.#timers.push(
      clock.every(BROKER_TICK_MS, () => {
        this.#tick();
      }),
    );
    const { sysIntervalSec } = this.#options.config;
    if (sysIntervalSec > 0) {
      this.#timers.push(
        clock.every(sysIntervalSec * 1000, () => {
          this.broker.sys.publish();
        }),
      );
    }
  }

  /** Stops everything in the order that loses nothing; the directory stays open. */
  async stop(): Promise<void> {
    this.#halt();
    await this.driver.stop();
    await this.transport.stop();
    await this.#snapshots.stop();
    await this.#checkpointer.stop();
    await this.#options.recovered.log.close();
  }

  /** From here on nothing is acknowledged, proposed or sent any more, not even what is gathered already. */
  #halt(): void {
    this.#stopped = true;
    for (const cancel of this.#timers.splice(0)) cancel();
  }

  /** This node can not go on: the first call makes it stand still and tells `onFatal`. */
  readonly fail = (error: unknown): void => {
    if (this.#stopped) return;
    this.#halt();
    this.#die(error);
  };

  #die(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    void this.driver.stop();
    this.#options.onFatal(error);
  }

  #createBroker(): Broker {
    const { config, version, logger, identity, clock } = this.#options;
    const { limits, serving } = config;
    return new Broker(
      {
        nodeId: config.nodeId,
        version,
        environment: this.#environment(),
        limits: { ...limits, maxUnappliedBytes: MAX_UNAPPLIED_BYTES },
        leaseWaitMs: leaseWaitMs(longestLeaseMs(this.#options.recovered.state, serving.leaseMs)),
        gracePeriodMs: serving.gracePeriodMs,
        state: this.#options.recovered.state,
      },
      {
        onCheckpoint: (taker, compactIndex) => {
          const { appliedIndex: index, appliedTerm: term, nowMs: stampMs } = this.broker.machine.state;
          const facts = { index, term, stampMs, configuration: this.driver.configurationAt(index) };
          this.#checkpointer.add(taker, facts, compactIndex, this.#duties.checkpointed(clock.nowMs(), index));
        },
        onClusterNamed: (clusterId) => {
          logger.info({ clusterId }, `this is cluster ${clusterId}`);
          identity.setClusterId(clusterId).catch(this.fail);
        },
        onGivenUp: () => {
          logger.warn({}, 'the cluster gave this node up while it was out of contact: it registers anew');
          this.#registerAnew();
        },
        onNodeChanged: (nodeId, incarnation, up) => {
          this.#duties.nodeChanged(nodeId, up, clock.nowMs());
          this.#leasesChanged();
          this.#peers.touch();
          logger.info({ peer: nodeId, incarnation }, up ? `${nodeId} joined` : `${nodeId} was given up`);
          // With another data directory, whose incarnations began by a clock that was behind.
          if (nodeId === config.nodeId && incarnation > identity.incarnation) this.#registerAnew();
        },
        onMembersChanged: () => {
          this.#peers.touch();
        },
      },
    );
  }

  /** Each node may be configured with a lease of its own: the longest one counts. */
  #leasesChanged(state = this.broker.machine.state): void {
    const leaseMs = longestLeaseMs(state, this.#options.config.serving.leaseMs);
    this.broker.fencing.setLeaseWaitMs(leaseWaitMs(leaseMs));
    this.#duties.setLeaseMs(leaseMs);
  }

  #registerAnew(): void {
    const { config, identity } = this.#options;
    const known = this.broker.machine.state.nodes.get(config.nodeId)?.incarnation ?? 0;
    identity.nextIncarnation(known + 1).then((incarnation) => {
      if (!this.#stopped) this.#register(incarnation);
    }, this.fail);
  }

  #describe(): SelfDescription {
    const { identity } = this.#options;
    return {
      clusterId: identity.clusterId ?? '',
      directoryId: identity.directoryId,
      incarnation: String(identity.incarnation),
      founded: this.#founding.writing || members(this.#status.configuration).length > 0,
    };
  }

  #createFounding(): Founding {
    const { config, identity, logger, standIn } = this.#options;
    return new Founding({
      nodeId: config.nodeId,
      bootstrapMembers: standIn === true ? [] : [...config.cluster.keys()].sort(),
      directoryId: identity.directoryId,
      clusterId: () => identity.clusterId,
      configuration: () => {
        const { configuration, configurationIndex } = this.driver.status();
        return { configuration, index: configurationIndex ?? 0 };
      },
      store: (configuration) => identity.setFounding(configuration),
      bootstrap: (configuration) => {
        this.driver.bootstrap(configuration);
      },
      peer: (nodeId) => this.#peers.get(nodeId),
      send: (to, configuration) => {
        this.transport.send(to, Channel.founding, configuration);
      },
      logger,
      onFatal: this.fail,
    });
  }

  #createComparison(): StateComparison {
    const { config, logger, identity } = this.#options;
    return new StateComparison({
      nodeId: config.nodeId,
      configuration: () => this.#status.configuration,
      broadcast: (payload) => {
        for (const id of members(this.#status.configuration)) {
          if (id !== config.nodeId && this.#peers.get(id) !== undefined) {
            this.transport.send(id, Channel.checkpointSum, payload);
          }
        }
      },
      logger,
      onDiverged: (error) => {
        // Nothing leaves this node from here on, whatever the disk does with the mark.
        this.#halt();
        identity.doubt(error.message).then(
          () => this.#die(error),
          (cause: unknown) => this.#die(cause),
        );
      },
    });
  }

  #createCheckpointer({ stateStore, log, stored, initial }: Recovered): Checkpointer {
    const { observer, clock, config } = this.#options;
    return new Checkpointer(
      {
        log,
        snapshots: this.#options.recovered.snapshots.store,
        nowMs: () => clock.nowMs(),
        defer: (task) => {
          clock.defer(task);
        },
        compactEntries: config.checkpoint.compactEntries,
        compact: (index, term) => {
          this.driver.compact(index, term);
        },
        onWritten: (durationMs) => {
          observer.checkpointWritten(durationMs);
        },
        onSum: (index, sum) => {
          if (!this.#stopped) this.#comparison.own(index, sum);
        },
        onFatal: this.fail,
      },
      stateStore,
      stored,
      initial.snapshotIndex,
    );
  }

  #createSnapshots({ snapshots, log }: Recovered): Snapshots {
    const { clock, identity, logger } = this.#options;
    return new Snapshots({
      home: snapshots,
      log,
      driver: this.driver,
      checkpointer: this.#checkpointer,
      clusterId: () => identity.clusterId,
      appliedIndex: () => this.broker.machine.state.appliedIndex,
      nowMs: () => clock.nowMs(),
      send: (to, payload) => this.transport.sendBulk(to, Channel.snapshot, payload),
      restore: (state, clusterId) => {
        this.#restore(state, clusterId);
      },
      logger,
      onFatal: this.fail,
    });
  }

  /** An installed snapshot is the state from here on: what this node knew of clients and proposals is void. */
  #restore(state: State, clusterId: string): void {
    const { identity } = this.#options;
    // Before the broker begins to wait the leases out.
    this.#leasesChanged(state);
    this.broker.restore(state);
    this.#duties.restored();
    this.#comparison.reset();
    this.#peers.touch();
    if (identity.clusterId === null) identity.setClusterId(clusterId).catch(this.fail);
    this.#registerAnew();
  }

  #createGate(): ProposalGate {
    const { logger } = this.#options;
    return new ProposalGate({
      propose: (batch) => this.driver.propose(batch),
      nodeRecord: (nodeId) => this.broker.machine.state.nodes.get(nodeId),
      onRefused: (from, reason) => {
        logger.error({ peer: from }, `a batch from ${from} is refused (${reason}): do all nodes run the same release?`);
      },
    });
  }

  #createDuties(): LeaderDuties {
    const { config, logger, newId, recovered } = this.#options;
    return new LeaderDuties({
      broker: this.broker,
      logger,
      newClusterId: newId,
      leaseMs: longestLeaseMs(recovered.state, config.serving.leaseMs),
      checkpointIntervalMs: config.checkpoint.intervalMs,
      checkpointBytes: config.checkpoint.maxBytes,
      keepLogBytes: config.checkpoint.keepLogBytes,
      checkpointsWaiting: () => this.#checkpointer.waiting,
      snapshotIndex: () => this.#snapshots.oldestIndex,
    });
  }

  #createMembers(): MemberDuties {
    return new MemberDuties({
      broker: this.broker,
      peers: this.#peers,
      status: () => this.driver.status(),
      change: (change) => {
        this.driver.changeMembership(change);
      },
      handOver: () => {
        this.driver.transferLeadership(null);
      },
      logger: this.#options.logger,
    });
  }

  #createAdmin(): Admin {
    const { clock, config } = this.#options;
    const nowMs = (): number => clock.nowMs();
    const status = (): Status => this.driver.status();
    const operations = new Operations({
      broker: this.broker,
      peers: this.#peers,
      duties: this.#members,
      status,
      transfer: (to) => {
        this.driver.transferLeadership(to);
      },
      nowMs,
    });
    const send = (to: string, channel: number, payload: Uint8Array): boolean => this.transport.send(to, channel, payload);
    return new Admin({ nodeId: config.nodeId, operations, status, send, nowMs });
  }

  #environment(): BrokerEnvironment {
    const { logger, clock, newId } = this.#options;
    return {
      nowMs: () => clock.nowMs(),
      transmit: (batch) => {
        this.#transmit(batch);
      },
      sendQoS0: (nodeId, messages) => {
        this.transport.send(nodeId, Channel.qos0, messages);
      },
      sendReleased: (nodeId, epoch) => {
        this.transport.send(nodeId, Channel.released, encodeEpoch(epoch));
      },
      requestFlush: () => {
        if (this.#flushDue) return;
        this.#flushDue = true;
        clock.defer(this.#flush);
      },
      assignClientId: () => `quorate-${newId()}`,
      log: logger,
    };
  }

  #createDriver(): RaftDriver {
    const { config, logger, observer, clock, seed } = this.#options;
    const { raft, nodeId } = config;
    const { initial, log, lastStampMs } = this.#options.recovered;
    const core = new RaftCore({ id: nodeId, group: 0, seed, ...raft }, initial);
    return new RaftDriver({
      core,
      log,
      clock,
      lastStampMs,
      // Two starts of a node draw different seeds, and neither asks as often as this.
      firstReadId: seed * READS_PER_START,
      limits: { tickIntervalMs: raft.tickIntervalMs, slowWriteMs: raft.slowWriteMs },
      send: (to, message) => {
        if (this.#peers.maySend(to, message)) this.transport.sendRaft(to, message);
      },
      flush: () => {
        this.transport.flush();
      },
      handlers: {
        onCommitted: (entries) => {
          for (const entry of entries) {
            this.#duties.applied(entry.data.length);
            // What the members are is the core's concern; to the state such an entry is only a place in the log.
            this.broker.apply(entry.type === EntryType.config ? { ...entry, data: NOTHING } : entry);
          }
          this.#lease.applied();
          this.#openGate();
          this.#flushSoon();
        },
        onStatus: (status) => {
          this.#onStatus(status);
        },
        onRead: (id, index) => {
          this.#lease.onRead(id, index);
        },
        onReadFailed: (id) => {
          this.#lease.onReadFailed(id);
        },
        onFatal: this.fail,
        onSlowWrite: (durationMs, sizeBytes) => {
          const ms = Math.round(durationMs);
          logger.warn(
            { durationMs: ms, sizeBytes },
            `slow disk: a log write of ${String(sizeBytes)} bytes takes ${String(ms)} ms`,
          );
        },
        onWriteDone: (durationMs, sizeBytes) => {
          observer.logWritten(durationMs, sizeBytes);
        },
        onSendSnapshot: (request) => {
          this.#snapshots.request(request);
        },
        onMembershipResult: (result) => {
          this.#members.result(result);
        },
      },
    });
  }

  #peerHandlers(): PeerHandlers {
    return {
      onRaft: (from, message) => {
        this.#receive(from, message);
      },
      onNodeMessage: (from, channel, payload) => {
        this.#onNodeMessage(from, channel, payload);
      },
      onConnected: (peer, hello) => {
        this.#refusedBy.delete(peer);
        this.#peers.connected(peer, hello);
        this.#founding.connected(peer);
        this.#tellStranger(peer);
        // What was on its way to the leader when the connection broke is lost.
        if (peer === this.#status.leader) this.broker.proposer.resend();
      },
      onDisconnected: (peer) => {
        this.#peers.disconnected(peer);
        this.#snapshots.peerLost(peer);
        this.driver.peerLost(peer);
      },
      onUnreachable: (peer) => {
        this.driver.peerUnreachable(peer);
      },
      onRejected: (peer, code, reason) => {
        this.#onRejected(peer, code, reason);
      },
    };
  }

  #receive(from: string, message: Message): void {
    if (this.#stopped || this.#founding.writing) return;
    if (message.kind === 'appendRequest' || message.kind === 'heartbeat') {
      this.#notMember = false;
      if (this.#options.standIn === true) return this.fail(new Readmitted(this.#options.identity.directoryId));
    }
    if (!this.#peers.mayReceive(from, message)) return;
    if (message.kind === 'readIndexRequest' && !this.#duties.answersReadsOf(from, this.#options.clock.nowMs())) return;
    this.driver.receive(from, message);
  }

  #onNodeMessage(from: string, channel: number, payload: Uint8Array): void {
    if (this.#stopped) return;
    switch (channel) {
      case Channel.proposal:
        if (this.#status.role === 'leader' && this.#peers.isAdmitted(from)) this.#gate.add(from, payload);
        return;
      case Channel.qos0:
        this.#receiveQoS0(from, payload);
        return;
      case Channel.released: {
        const epoch = decodeEpoch(payload);
        if (epoch !== null) this.broker.fencing.released(epoch);
        return;
      }
      case Channel.snapshot:
        // A node whose own data is in doubt takes nothing in before it is a new one.
        if (this.#options.standIn === true) return;
        this.#snapshots.onMessage(from, payload);
        return;
      case Channel.founding:
        this.#founding.received(from, payload);
        return;
      case Channel.adminRequest:
        this.admin.onRequest(from, payload);
        return;
      case Channel.adminResponse:
        this.admin.onResponse(payload);
        return;
      case Channel.checkpointSum:
        this.#comparison.received(from, payload);
        return;
      case Channel.notMember:
        this.#onNotMember(from);
        return;
      default:
        this.#options.logger.debug(
          { from, channel },
          `a message on channel ${String(channel)} is not known to this version`,
        );
    }
  }

  /** A node that is connected and is no member waits for what never comes, unless it is told. */
  #tellStranger(peer: string): void {
    const { configuration, role } = this.#status;
    if (role !== 'leader' || members(configuration).includes(peer)) return;
    if (this.broker.machine.state.members.has(peer)) return;
    this.transport.send(peer, Channel.notMember, NOTHING);
  }

  #onNotMember(from: string): void {
    const { logger, config } = this.#options;
    if (this.#notMember) return;
    this.#notMember = true;
    const address = formatAddress(config.advertise.peer);
    logger.warn(
      { from },
      `this node is not a member of the cluster that ${from} leads: to let it in run quorate join ${config.nodeId}=${address}`,
    );
  }

  #receiveQoS0(from: string, messages: Uint8Array): void {
    try {
      this.broker.receiveQoS0(messages);
    } catch (error) {
      // QoS 0 may be lost; it must not stop a node.
      const fields = { peer: from, err: error };
      this.#options.logger.error(fields, `messages from ${from} can not be read: do all nodes run the same release?`);
    }
  }

  /** Majority of the peers says that this node is of another cluster: its data directory or its configuration is wrong. */
  #onRejected(peer: string, code: string, reason: string): void {
    if (code !== 'WRONG_CLUSTER' || this.#status.leader !== null) return;
    this.#refusedBy.add(peer);
    const { cluster } = this.#options.config;
    if (this.#refusedBy.size * 2 < cluster.size) return;
    this.fail(
      new Error(
        `this node and ${[...this.#refusedBy].join(', ')} belong to different clusters (${reason}): ` +
          'check cluster in the configuration, and that dataDir is the one of this cluster',
      ),
    );
  }

  #transmit(batch: Buffer): void {
    const { leader, role } = this.#status;
    if (this.#stopped) return;
    if (role === 'leader') this.#gate.add(this.#options.config.nodeId, batch);
    else if (leader !== null) this.transport.send(leader, Channel.proposal, batch);
  }

  /** Entries were applied: what that lets go leaves when the driver's pump is done, not a turn later. */
  #flushSoon(): void {
    const { clock } = this.#options;
    this.#flushDue = true;
    if (this.#flushSoonDue) return;
    this.#flushSoonDue = true;
    if (clock.soon === undefined) clock.defer(this.#flush);
    else clock.soon(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushSoonDue = false;
    if (!this.#flushDue || this.#stopped) return;
    this.#flushDue = false;
    try {
      this.broker.flush();
      // A backlog goes on in the driver's own next turn, or a long replay would hold up everything else.
      if (this.driver.backlogBytes === 0) this.driver.pump();
      this.transport.flush();
    } catch (error) {
      this.fail(error);
    }
  };

  #onStatus(status: Status): void {
    const before = this.#status;
    this.#status = status;
    this.#duties.onStatus(status, this.#options.clock.nowMs());
    this.#peers.touch();
    if (before.role === 'leader' && status.role !== 'leader') {
      this.#snapshots.stepDown();
      this.#members.stepDown();
    }
    if (status.role === 'leader') for (const peer of this.transport.connectedPeers()) this.#tellStranger(peer);
    this.#forgetSetAside(status);
    if (status.leader !== before.leader || status.term !== before.term) this.#leaderChanged(before, status);
    this.#openGate();
  }

  /** With a vote again this node holds what the cluster holds: what was set aside is of no use any more. */
  #forgetSetAside({ configuration, configurationCommitted }: Status): void {
    const { identity, config } = this.#options;
    if (!identity.hasSetAside || configurationCommitted !== true || !isVoter(configuration, config.nodeId)) return;
    if (configuration.memberTags?.[config.nodeId] === identity.directoryId) identity.dropSetAside().catch(this.fail);
  }

  #leaderChanged(before: Status, status: Status): void {
    const { logger, observer, config } = this.#options;
    const { leader, term, role } = status;
    this.#gate.reset();
    this.broker.leader = leader;
    if (leader !== before.leader) {
      observer.leaderChanged();
      if (leader === null) logger.warn({ term, role }, `there is no leader in term ${String(term)}`);
      else if (leader === config.nodeId) logger.info({ term }, `this node leads term ${String(term)}`);
      else logger.info({ term, leader }, `${leader} leads term ${String(term)}`);
    }
    if (leader === null) return;
    this.broker.proposer.resend();
    this.#flushSoon();
  }

  /** A leader takes proposals when it has applied an entry of its own term. */
  #openGate(): void {
    const { role, term } = this.#status;
    if (role !== 'leader' || this.broker.machine.state.appliedTerm !== term) return;
    this.#gate.open();
    this.#gate.retry();
  }

  #register(incarnation: number): void {
    const { advertise } = this.#options.config;
    const node: NodeUp = {
      mqtt: formatAddress(advertise.mqtt),
      http: formatAddress(advertise.http),
      peer: formatAddress(advertise.peer),
      version: this.#options.version,
      leaseMs: this.#options.config.serving.leaseMs,
    };
    this.broker.register(incarnation, node);
  }

  #tick(): void {
    try {
      const nowMs = this.#options.clock.nowMs();
      this.#lease.tick(nowMs);
      this.#peers.dial(this.transport);
      this.#founding.tick(nowMs);
      this.#duties.tick(nowMs, this.driver.status());
      this.#members.tick(nowMs);
      this.#snapshots.tick(nowMs);
      this.admin.tick(nowMs);
      this.#gate.retry();
      this.broker.tick(nowMs);
    } catch (error) {
      this.fail(error);
    }
  }
}
