import { Broker, type BrokerEnvironment, type State } from '@quorate/broker';
import { EntryType, type Message, RaftCore, type Status } from '@quorate/consensus';
import { RaftDriver } from '../raft/index.ts';
import type { PeerHandlers } from '../transport/index.ts';
import { Channel, decodeEpoch, encodeEpoch } from './channels.ts';
import { LeaderDuties } from './leader-duties.ts';
import { ServingLease } from './lease.ts';
import { leaseWaitMs, longestLeaseMs } from './lease-times.ts';
import { sayLeader, sayRefused, saySlowWrite, sayUnreadable } from './log-lines.ts';
import { Membership } from './membership.ts';
import { ProposalGate } from './proposal-gate.ts';
import { Registration } from './registration.ts';
import type { ReplicaOptions, Transport } from './replica-options.ts';
import { StoredState } from './stored-state.ts';
import { TurnEnd } from './turn-end.ts';

const BROKER_TICK_MS = 10;
const NOTHING = new Uint8Array(0);
const READS_PER_START = 2 ** 20;

/**
 * One member of the cluster: the log, the state and the clients' side of it, joined. Clock, network, disk and
 * randomness are given to it, so that a simulation runs this very code.
 */
export class Replica {
  readonly broker: Broker;
  readonly driver: RaftDriver;
  readonly transport: Transport;
  readonly membership: Membership;
  readonly #options: ReplicaOptions;
  readonly #lease: ServingLease;
  readonly #gate: ProposalGate;
  readonly #duties: LeaderDuties;
  readonly #stored: StoredState;
  readonly #turnEnd: TurnEnd;
  readonly #registration: Registration;
  readonly #timers: (() => void)[] = [];
  #status: Status;
  #stopped = false;
  #failed = false;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#turnEnd = new TurnEnd(options.clock, () => {
      this.#flush();
    });
    const { config, observer, recovered, identity, version, seed } = options;
    this.broker = this.#createBroker();
    this.#registration = new Registration({ config, version, identity, seed, broker: this.broker, onFatal: this.fail });
    this.driver = this.#createDriver();
    this.#status = this.driver.status();
    const { broker, driver } = this;
    this.membership = this.#createMembership();
    this.transport = options.createTransport(this.#peerHandlers(), () => this.membership.describe());
    this.#lease = new ServingLease({
      leaseMs: config.serving.leaseMs,
      readIndex: () => driver.readIndex(),
      appliedIndex: () => broker.machine.state.appliedIndex,
      extend: (untilMs) => {
        broker.extendLease(untilMs);
      },
    });
    this.#stored = this.#createStored();
    this.#gate = new ProposalGate({
      propose: (batch) => driver.propose(batch),
      nodeRecord: (nodeId) => broker.machine.state.nodes.get(nodeId),
      onRefused: (from, reason) => {
        sayRefused(options.logger, from, reason);
      },
    });
    this.#duties = this.#createDuties();
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

  get failed(): boolean {
    return this.#failed;
  }

  /** Rejects when the peers' address can not be listened on; then, too, `stop` is to be called. */
  async start(): Promise<void> {
    const { clock } = this.#options;
    await this.transport.start();
    this.membership.dial();
    this.driver.start();
    this.#registration.start();
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
    await this.#stored.stop();
    await this.#options.recovered.log.close();
  }

  /** Nothing is acknowledged, proposed or sent any more, not even what is gathered already. */
  #halt(): void {
    this.#stopped = true;
    this.#registration.stop();
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
        limits: { ...limits, responseInformation: config.responseInformation ?? null },
        leaseWaitMs: leaseWaitMs(longestLeaseMs(this.#options.recovered.state, serving.leaseMs)),
        gracePeriodMs: serving.gracePeriodMs,
        state: this.#options.recovered.state,
        disconnectOnDenied: config.authorization.denied === 'disconnect',
      },
      {
        onCheckpoint: (compactIndex) => {
          const logBytes = this.#duties.checkpointed(clock.nowMs(), this.broker.machine.state.appliedIndex);
          this.#stored.checkpoint(compactIndex, logBytes);
        },
        onClusterNamed: (clusterId) => {
          logger.info({ clusterId }, `this is cluster ${clusterId}`);
          identity.setClusterId(clusterId).catch(this.fail);
        },
        onGivenUp: () => {
          logger.warn({}, 'the cluster gave this node up while it was out of contact: it registers anew');
          this.#registration.anew();
        },
        onNodeChanged: (nodeId, incarnation, up) => {
          this.#duties.nodeChanged(nodeId, up, clock.nowMs());
          this.#leasesChanged();
          this.membership.peers.touch();
          logger.info({ peer: nodeId, incarnation }, up ? `${nodeId} joined` : `${nodeId} was given up`);
          if (nodeId === config.nodeId) this.#registration.check();
        },
        onMembersChanged: () => {
          this.membership.peers.touch();
        },
        onDocumentChanged: (collection, name, document) => {
          this.#options.identityPart?.documentChanged(collection, name, document);
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

  #createMembership(): Membership {
    const { config, identity, standIn = false, logger, clock } = this.#options;
    return new Membership({
      config,
      identity,
      standIn,
      broker: this.broker,
      driver: this.driver,
      status: () => this.#status,
      transport: () => this.transport,
      nowMs: () => clock.nowMs(),
      logger,
      onFatal: this.fail,
    });
  }

  #createStored(): StoredState {
    const { config, identity, recovered, clock, logger, observer } = this.#options;
    return new StoredState({
      config,
      identity,
      recovered,
      broker: this.broker,
      driver: this.driver,
      configuration: () => this.#status.configuration,
      clock,
      send: (to, channel, payload) => {
        if (!this.#stopped) this.transport.send(to, channel, payload);
      },
      sendBulk: (to, channel, payload) => this.transport.sendBulk(to, channel, payload),
      isConnected: (nodeId) => this.membership.peers.get(nodeId) !== undefined,
      onCheckpointWritten: (durationMs) => {
        observer.checkpointWritten(durationMs);
      },
      onRestored: (state, clusterId) => {
        this.#restore(state, clusterId);
      },
      onDiverged: (error) => {
        // Nothing leaves this node from here on, whatever the disk does with the mark.
        this.#halt();
        void this.driver.stop();
        identity.doubt(error.message).then(
          () => this.#die(error),
          (cause: unknown) => this.#die(cause),
        );
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
    this.#options.identityPart?.load(state);
    this.#duties.restored();
    this.#stored.restored();
    this.membership.peers.touch();
    if (identity.clusterId === null) identity.setClusterId(clusterId).catch(this.fail);
    this.#registration.anew();
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
      acceptsCheckpoint: () => this.#stored.acceptsCheckpoint,
      snapshotIndex: () => this.#stored.snapshots.oldestIndex,
    });
  }

  #environment(): BrokerEnvironment {
    const { logger, clock, newId, memoryShare } = this.#options;
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
        this.#turnEnd.request();
      },
      assignClientId: () => `quorate-${newId()}`,
      ...(memoryShare !== undefined && { memoryShare }),
      log: logger,
      access: this.#options.identityPart?.access ?? null,
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
        if (this.membership.peers.maySend(to, message)) this.transport.sendRaft(to, message);
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
          this.#turnEnd.soon();
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
          saySlowWrite(logger, durationMs, sizeBytes);
        },
        onWriteDone: (durationMs, sizeBytes) => {
          observer.logWritten(durationMs, sizeBytes);
        },
        onSendSnapshot: (request) => {
          this.#stored.request(request);
        },
        onMembershipResult: (result) => {
          this.membership.onResult(result);
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
        this.membership.connected(peer, hello);
        // What was on its way to the leader when the connection broke is lost.
        if (peer === this.#status.leader) this.broker.proposer.resend();
      },
      onDisconnected: (peer) => {
        this.membership.disconnected(peer);
        this.#stored.snapshots.peerLost(peer);
        this.driver.peerLost(peer);
      },
      onUnreachable: (peer) => {
        this.driver.peerUnreachable(peer);
      },
      onRejected: (peer, code, reason) => {
        this.membership.rejected(peer, code, reason);
      },
    };
  }

  #receive(from: string, message: Message): void {
    if (this.#stopped || !this.membership.mayReceive(from, message)) return;
    if (message.kind === 'readIndexRequest' && !this.#duties.answersReadsOf(from, this.#options.clock.nowMs())) return;
    this.driver.receive(from, message);
  }

  #onNodeMessage(from: string, channel: number, payload: Uint8Array): void {
    if (this.#stopped) return;
    switch (channel) {
      case Channel.proposal:
        if (this.#status.role === 'leader' && this.membership.peers.isAdmitted(from)) this.#gate.add(from, payload);
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
        this.#onOtherMessage(from, channel, payload);
    }
  }

  #onOtherMessage(from: string, channel: number, payload: Uint8Array): void {
    const { logger, standIn } = this.#options;
    if (this.membership.onMessage(from, channel, payload)) return;
    // A node whose own data is in doubt takes nothing in before it is a new one.
    if (standIn === true || this.#stored.onMessage(from, channel, payload)) return;
    logger.debug({ from, channel }, `a message on channel ${String(channel)} is not known to this version`);
  }

  #receiveQoS0(from: string, messages: Uint8Array): void {
    try {
      this.broker.receiveQoS0(messages);
    } catch (error) {
      // QoS 0 may be lost; it must not stop a node.
      sayUnreadable(this.#options.logger, from, error);
    }
  }

  #transmit(batch: Buffer): void {
    const { leader, role } = this.#status;
    if (this.#stopped) return;
    if (role === 'leader') this.#gate.add(this.#options.config.nodeId, batch);
    else if (leader !== null) this.transport.send(leader, Channel.proposal, batch);
  }

  #flush(): void {
    if (this.#stopped) return;
    try {
      this.broker.flush();
      // A backlog goes on in the driver's own next turn, or a long replay would hold up everything else.
      if (this.driver.backlogBytes === 0) this.driver.pump();
      this.transport.flush();
    } catch (error) {
      this.fail(error);
    }
  }

  #onStatus(status: Status): void {
    const before = this.#status;
    this.#status = status;
    this.#duties.onStatus(status, this.#options.clock.nowMs());
    if (before.role === 'leader' && status.role !== 'leader') this.#stored.snapshots.stepDown();
    this.membership.onStatus(before, status);
    if (status.leader !== before.leader || status.term !== before.term) this.#leaderChanged(before, status);
    this.#openGate();
  }

  #leaderChanged(before: Status, status: Status): void {
    const { logger, observer, config } = this.#options;
    const { leader } = status;
    this.#gate.reset();
    this.broker.leader = leader;
    if (leader !== before.leader) {
      observer.leaderChanged();
      sayLeader(logger, config.nodeId, status);
    }
    if (leader === null) return;
    this.broker.proposer.resend();
    this.#turnEnd.soon();
  }

  /** A leader takes proposals when it has applied an entry of its own term. */
  #openGate(): void {
    const { role, term } = this.#status;
    if (role !== 'leader' || this.broker.machine.state.appliedTerm !== term) return;
    this.#gate.open();
    this.#gate.retry();
  }

  #tick(): void {
    try {
      const nowMs = this.#options.clock.nowMs();
      this.#lease.tick(nowMs);
      this.#duties.tick(nowMs, this.driver.status());
      this.membership.tick(nowMs);
      this.#stored.snapshots.tick(nowMs);
      this.#gate.retry();
      this.broker.tick(nowMs);
    } catch (error) {
      this.fail(error);
    }
  }
}
