import { Broker, type BrokerEnvironment, type NodeUp, type State } from '@quorate/broker';
import { type Message, type NodeId, RaftCore, type Status } from '@quorate/consensus';
import { formatAddress } from '../config/address.ts';
import type { NodeConfig } from '../config/index.ts';
import type { Clock } from '../raft/index.ts';
import { RaftDriver } from '../raft/index.ts';
import type { PeerHandlers, TransportLogger } from '../transport/index.ts';
import { Channel, decodeEpoch, encodeEpoch } from './channels.ts';
import { Checkpointer } from './checkpointer.ts';
import { LeaderDuties } from './leader-duties.ts';
import { ServingLease } from './lease.ts';
import { ProposalGate } from './proposal-gate.ts';
import type { Recovered } from './recovery.ts';

/** How nodes reach each other: PeerTransport, or a simulated network. */
export interface Transport {
  start(): Promise<unknown>;
  stop(): Promise<void>;
  sendRaft(to: NodeId, message: Message): boolean;
  send(to: NodeId, channel: number, payload: Uint8Array): boolean;
  /** Sends what was gathered in this turn. */
  flush(): void;
  connectedPeers(): NodeId[];
}

/** Who this node is, durably: the data directory, or a simulated one. */
export interface Identity {
  readonly incarnation: number;
  nextIncarnation(): Promise<number>;
  setClusterId(clusterId: string): Promise<void>;
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
  readonly createTransport: (handlers: PeerHandlers) => Transport;
  /** Once, when this node can not go on: nothing is acknowledged after it. */
  readonly onFatal: (error: unknown) => void;
}

/** Clocks of machines drift apart, and a thread may be held up between reading the clock and acting on it. */
const LEASE_DRIFT = 1.1;
const LEASE_MARGIN_MS = 100;
const BROKER_TICK_MS = 10;
const MIB = 1024 * 1024;
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
  readonly #options: ReplicaOptions;
  readonly #lease: ServingLease;
  readonly #gate: ProposalGate;
  readonly #duties: LeaderDuties;
  readonly #checkpointer: Checkpointer;
  readonly #timers: (() => void)[] = [];
  /** Peers that refused this node as one of another cluster. */
  readonly #refusedBy = new Set<string>();
  #status: Status;
  /** `flush` is asked for and was not done yet. */
  #flushDue = false;
  #flushSoonDue = false;
  #stopped = false;
  #failed = false;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { config, logger, observer, recovered, clock } = options;
    this.broker = this.#createBroker();
    this.driver = this.#createDriver();
    this.#status = this.driver.status();
    this.transport = options.createTransport(this.#peerHandlers());
    const { broker, driver } = this;
    this.#lease = new ServingLease({
      leaseMs: config.serving.leaseMs,
      readIndex: () => driver.readIndex(),
      appliedIndex: () => broker.machine.state.appliedIndex,
      extend: (untilMs) => {
        broker.extendLease(untilMs);
      },
    });
    this.#gate = new ProposalGate({
      propose: (batch) => driver.propose(batch),
      nodeRecord: (nodeId) => broker.machine.state.nodes.get(nodeId),
      onRefused: (from, reason) => {
        logger.error({ peer: from }, `a batch from ${from} is refused (${reason}): do all nodes run the same release?`);
      },
    });
    this.#duties = new LeaderDuties({
      broker,
      logger,
      newClusterId: options.newId,
      leaseMs: longestLeaseMs(recovered.state, config.serving.leaseMs),
      checkpointIntervalMs: config.checkpoint.intervalMs,
      checkpointBytes: config.checkpoint.maxBytes,
      checkpointsWaiting: () => this.#checkpointer.waiting,
    });
    this.#checkpointer = new Checkpointer(
      {
        stateStore: recovered.stateStore,
        log: recovered.log,
        nowMs: () => clock.nowMs(),
        compact: (index, term) => {
          driver.compact(index, term);
        },
        onWritten: (durationMs) => {
          observer.checkpointWritten(durationMs);
        },
        onFatal: this.fail,
      },
      recovered.initial.snapshotIndex,
    );
    broker.proposer.onApplied = (durationMs, commands) => {
      observer.batchApplied(durationMs, commands);
    };
  }

  get status(): Status {
    return this.#status;
  }

  /** `onFatal` was called. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Rejects when the peers' address can not be listened on; then, too, `stop` is to be called. */
  async start(): Promise<void> {
    const { clock } = this.#options;
    await this.transport.start();
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
    await this.#checkpointer.idle();
    const { stateStore, log } = this.#options.recovered;
    await stateStore.close();
    await log.close();
  }

  /** From here on nothing is acknowledged, proposed or sent any more, not even what is gathered already. */
  #halt(): void {
    this.#stopped = true;
    for (const cancel of this.#timers.splice(0)) cancel();
  }

  /** This node can not go on: the first call makes it stand still and tells `onFatal`. */
  readonly fail = (error: unknown): void => {
    if (this.#stopped) return;
    this.#failed = true;
    this.#halt();
    void this.driver.stop();
    this.#options.onFatal(error);
  };

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
        onCheckpoint: (records, compactIndex) => {
          this.#checkpointer.add(records, compactIndex, this.#duties.checkpointed(clock.nowMs()));
        },
        onClusterNamed: (clusterId) => {
          logger.info({ clusterId }, `this is cluster ${clusterId}`);
          identity.setClusterId(clusterId).catch(this.fail);
        },
        onGivenUp: () => {
          logger.warn({}, 'the cluster gave this node up while it was out of contact: it registers anew');
          identity.nextIncarnation().then((incarnation) => {
            if (!this.#stopped) this.#register(incarnation);
          }, this.fail);
        },
        onNodeChanged: (nodeId, incarnation, up) => {
          this.#duties.nodeChanged(nodeId, up, clock.nowMs());
          // Each node may be configured with a lease of its own: the longest one counts.
          const leaseMs = longestLeaseMs(this.broker.machine.state, serving.leaseMs);
          this.broker.fencing.setLeaseWaitMs(leaseWaitMs(leaseMs));
          this.#duties.setLeaseMs(leaseMs);
          logger.info({ peer: nodeId, incarnation }, up ? `${nodeId} joined` : `${nodeId} was given up`);
        },
      },
    );
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
        this.transport.sendRaft(to, message);
      },
      flush: () => {
        this.transport.flush();
      },
      handlers: {
        onCommitted: (entries) => {
          for (const entry of entries) {
            this.#duties.applied(entry.data.length);
            this.broker.apply(entry);
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
      onConnected: (peer) => {
        this.#refusedBy.delete(peer);
        // What was on its way to the leader when the connection broke is lost.
        if (peer === this.#status.leader) this.broker.proposer.resend();
      },
      onDisconnected: (peer) => {
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
    if (this.#stopped) return;
    if (message.kind === 'readIndexRequest' && !this.#duties.answersReadsOf(from, this.#options.clock.nowMs())) return;
    this.driver.receive(from, message);
  }

  #onNodeMessage(from: string, channel: number, payload: Uint8Array): void {
    if (this.#stopped) return;
    switch (channel) {
      case Channel.proposal:
        if (this.#status.role === 'leader') this.#gate.add(from, payload);
        return;
      case Channel.qos0:
        this.#receiveQoS0(from, payload);
        return;
      case Channel.released: {
        const epoch = decodeEpoch(payload);
        if (epoch !== null) this.broker.fencing.released(epoch);
        return;
      }
      default:
        this.#options.logger.debug(
          { from, channel },
          `a message on channel ${String(channel)} is not known to this version`,
        );
    }
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
    if (status.leader !== before.leader || status.term !== before.term) this.#leaderChanged(before, status);
    this.#openGate();
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
      this.#duties.tick(nowMs, this.driver.status());
      this.#gate.retry();
      this.broker.tick(nowMs);
    } catch (error) {
      this.fail(error);
    }
  }
}
