import type { MessageProperties, QoS } from '@quorate/protocol';
import type { Visit } from './admission.ts';
import { Bounds } from './bounds.ts';
import { type Host, Proposed } from './connection/client.ts';
import type { CloseReason } from './connection/closing.ts';
import { Connection } from './connection/connection.ts';
import type { Deliverers } from './deliverers.ts';
import { Denials } from './denials.ts';
import { BrokerCounters, type BrokerEnvironment, type BrokerLimits, bump, type ClientSocket } from './environment.ts';
import { Fencing } from './fencing.ts';
import { type CommandOwner, NOBODY, Proposer } from './proposer.ts';
import { QoS0 } from './qos0.ts';
import { serverReference } from './referral.ts';
import { Reviews } from './reviews.ts';
import {
  type AppliedEntry,
  type BatchHeader,
  type CommandResult,
  type DocumentRecord,
  type DropReason,
  invariant,
  type Message,
  type NodeUp,
  type OwnershipLoss,
  type RetainedMessages,
  type RetainedRequest,
  type Session,
  type State,
  StateMachine,
  type StateSink,
} from './state/index.ts';
import { SysTopics } from './sys.ts';

export interface BrokerOptions {
  readonly nodeId: string;
  readonly version: string;
  readonly environment: BrokerEnvironment;
  readonly limits: BrokerLimits;
  /** How long a takeover from a node that does not answer waits: that node's serving lease, and something for drift. */
  readonly leaseWaitMs: number;
  /** Without a lease for this long, clients are let go so that they find the majority. */
  readonly gracePeriodMs: number;
  readonly state?: State;
  /** Close a client that publishes or subscribes to what it may not, instead of telling it. Absent: false. */
  readonly disconnectOnDenied?: boolean;
}

/** What the node does with the log's news about nodes and checkpoints. */
export interface BrokerEvents {
  /**
   * The place of a checkpoint, the same in the log on every node: to be taken in this call (`CheckpointTaker`), or missed. The
   * records are those of this place, however long gathering them takes: call `next` in turns of its own until it says
   * that there are no more. To look at them before that gathers the rest at once, and so does the next checkpoint.
   */
  onCheckpoint(compactIndex: number): void;
  onClusterNamed(clusterId: string): void;
  /** The cluster gave this node's incarnation up: register under a new one. */
  onGivenUp(): void;
  onNodeChanged(nodeId: string, incarnation: number, up: boolean): void;
  /** What the members are to be has changed: `machine.state.members`. */
  onMembersChanged?(): void;
  /** A document was put, or, with `document` null, is gone. */
  onDocumentChanged?(collection: number, name: string, document: DocumentRecord | null): void;
}

/** The metrics' names for what the state machine drops. */
const DROP_LABELS: Record<DropReason, string> = {
  queueFull: 'queue_full',
  expired: 'expired',
  retainedQuotaExceeded: 'retained_quota_exceeded',
  shareQueueFull: 'share_queue_full',
};
const SETTLE_INTERVAL_MS = 50;
const TIME_CHECK_INTERVAL_MS = 500;

/** One node's share of the broker: its connections, its proposals, and the replicated state that it applies. */
export class Broker implements StateSink, Host, Deliverers {
  readonly nodeId: string;
  readonly environment: BrokerEnvironment;
  readonly limits: BrokerLimits;
  readonly counters = new BrokerCounters();
  readonly bounds: Bounds;
  readonly proposer: Proposer;
  #machine: StateMachine;
  readonly fencing: Fencing;
  readonly sys: SysTopics;
  readonly denials: Denials;
  readonly reviews: Reviews;
  verifications = 0;
  /** For commands whose outcome nobody waits for. */
  readonly unowned: CommandOwner = NOBODY;
  /** Connections that own a session, by epoch. */
  readonly connections = new Map<number, Connection>();
  /** All connections, also those without a session yet. */
  readonly #all = new Set<Connection>();
  /** Connections with something to write at the end of this turn. */
  readonly dirty: Connection[] = [];
  readonly paused = new Set<Connection>();
  /** Connections whose output waits for the lease. */
  readonly withheld = new Set<Connection>();
  /** Connections with acknowledgements to propose. */
  readonly settling = new Set<Connection>();
  /** Connections that read retained messages. */
  readonly scanning = new Set<Connection>();
  /** Connections that go on writing in the next turn. */
  #later: Connection[] = [];
  /** This node is registered and in contact with a majority: it may answer and deliver. */
  serving = false;
  leader: string | null = null;
  readonly #qos0: QoS0;
  readonly #events: BrokerEvents;
  readonly #gracePeriodMs: number;
  readonly #startedAtMs: number;
  #registered = false;
  #leaseUntilMs = Number.NEGATIVE_INFINITY;
  #unservedSinceMs: number;
  #flushRequested = false;
  #checkpointDue: number | null = null;
  #givenUp = false;
  #settledAtMs = 0;
  #timesCheckedAtMs = 0;
  #draining = false;
  #referrals = 0;

  constructor(options: BrokerOptions, events: BrokerEvents) {
    const { environment, nodeId } = options;
    this.nodeId = nodeId;
    this.environment = environment;
    this.limits = options.limits;
    this.#events = events;
    this.#gracePeriodMs = options.gracePeriodMs;
    this.bounds = new Bounds(this);
    this.proposer = new Proposer(nodeId, environment);
    this.#machine = new StateMachine(this, options.state);
    const restored = this.#machine.state.appliedIndex > 0;
    this.fencing = new Fencing(nodeId, environment, { leaseWaitMs: options.leaseWaitMs, restored });
    this.sys = new SysTopics(this, options.version);
    this.#qos0 = new QoS0(this);
    this.reviews = new Reviews(this.#all, () => this.requestFlush());
    this.denials = new Denials(environment, this.counters, options.disconnectOnDenied ?? false);
    this.#startedAtMs = environment.nowMs();
    this.#unservedSinceMs = this.#startedAtMs;
  }

  /** Another one after `restore`: not to be held on to. */
  get machine(): StateMachine {
    return this.#machine;
  }

  get clusterNowMs(): number {
    return this.machine.state.nowMs;
  }

  get retained(): RetainedMessages {
    return this.#machine.state.retained;
  }

  get uptimeMs(): number {
    return this.environment.nowMs() - this.#startedAtMs;
  }

  get connectionCount(): number {
    return this.#all.size;
  }

  get registered(): boolean {
    return this.#registered;
  }

  /** Too much is proposed and not applied: clients are not read until it is less. */
  get congested(): boolean {
    return this.proposer.unappliedBytes > this.limits.maxUnappliedBytes;
  }

  /** Introduces this process to the cluster. Every connection of an earlier incarnation is void. */
  register(incarnation: number, node: NodeUp): void {
    this.#leaveCluster();
    this.fencing.clear();
    this.proposer.begin(incarnation, node);
    this.requestFlush();
  }

  /** Before anything else: not serving, so that nothing leaves that a connection still holds. */
  #leaveCluster(): void {
    this.#registered = false;
    this.#givenUp = false;
    this.refreshServing();
    this.#letGo('NO_QUORUM');
  }

  /**
   * The node installed a snapshot: `state` takes the place of everything applied so far. What lies between the two was
   * not seen here, so no connection, fence or proposal of before holds any more, and the node is not registered until
   * it calls `register` with an incarnation greater than its own in `state.nodes`. Call between entries.
   */
  restore(state: State): void {
    const { appliedIndex } = this.#machine.state;
    invariant(state.appliedIndex >= appliedIndex, `state of ${state.appliedIndex} restored over ${appliedIndex}`);
    this.#leaveCluster();
    this.fencing.restored();
    this.proposer.abandon();
    invariant(this.connections.size === 0, `${this.connections.size} connections outlived the state`);
    this.#machine = new StateMachine(this, state);
    this.requestFlush();
  }

  /** @param visit of a listener that has asked already; null when there is no room for one more that has not sent CONNECT */
  accept(socket: ClientSocket, visit: Visit | null = this.bounds.admission.arrive()): Connection {
    const connection = new Connection(this, socket, visit);
    this.#all.add(connection);
    visit?.identify(socket.remoteAddress);
    if (this.#draining) connection.fail('SERVER_SHUTTING_DOWN');
    else if (visit === null) connection.fail('SERVER_BUSY');
    else {
      visit.onEvicted = () => {
        connection.socketClosed();
        socket.destroy();
      };
    }
    return connection;
  }

  /** Applies committed entries, oldest first; their effects leave with the next flush. */
  apply(entry: AppliedEntry): void {
    this.machine.apply(entry);
    if (this.#checkpointDue !== null) {
      const compactIndex = this.#checkpointDue;
      this.#checkpointDue = null;
      this.#events.onCheckpoint(compactIndex);
    }
    this.requestFlush();
  }

  /** The node was in contact with a majority at some moment, and has applied what was committed then. */
  extendLease(untilMs: number): void {
    if (untilMs > this.#leaseUntilMs) this.#leaseUntilMs = untilMs;
    this.refreshServing();
  }

  /** Looks at the clock: whatever is about to send something outside `flush` asks first. */
  refreshServing(): void {
    const nowMs = this.environment.nowMs();
    const serving = this.#registered && nowMs < this.#leaseUntilMs;
    if (serving === this.serving) return;
    this.serving = serving;
    if (!serving) {
      this.#unservedSinceMs = nowMs;
      return;
    }
    for (const connection of this.withheld) connection.markDirty();
    this.withheld.clear();
    this.#resumePaused();
  }

  requestFlush(): void {
    if (this.#flushRequested) return;
    this.#flushRequested = true;
    this.environment.requestFlush();
  }

  /** End of a turn of the event loop: one batch, one write per client. */
  flush(): void {
    this.#flushRequested = false;
    if (this.#givenUp) {
      this.#givenUp = false;
      this.#events.onGivenUp();
    }
    this.refreshServing();
    if (this.paused.size > 0 && !this.congested) this.#resumePaused();
    this.reviews.run(this.congested);
    for (let at = 0; at < this.dirty.length; at++) {
      const connection = this.dirty[at] as Connection;
      connection.outgoing?.proposeUrgent();
      connection.flush();
    }
    this.dirty.length = 0;
    if (this.proposer.incarnation > 0) this.proposer.flush();
    this.#qos0.flush();
    if (this.#later.length === 0) return;
    const later = this.#later;
    this.#later = [];
    for (const connection of later) connection.markDirty();
  }

  #resumePaused(): void {
    for (const connection of [...this.paused]) connection.process();
  }

  /** Called every few milliseconds. */
  tick(nowMs: number): void {
    this.refreshServing();
    this.proposer.tick(nowMs);
    this.fencing.tick();
    this.bounds.tick(nowMs);
    if (nowMs - this.#settledAtMs >= SETTLE_INTERVAL_MS && this.settling.size > 0) {
      this.#settledAtMs = nowMs;
      for (const connection of [...this.settling]) connection.outgoing?.proposeSettled();
    }
    if (nowMs - this.#timesCheckedAtMs >= TIME_CHECK_INTERVAL_MS) {
      this.#timesCheckedAtMs = nowMs;
      for (const connection of this.#all) connection.checkTime(nowMs);
      if (!this.serving && nowMs - this.#unservedSinceMs >= this.#gracePeriodMs) this.#letGo('NO_QUORUM');
    }
  }

  #letGo(reason: CloseReason): void {
    for (const connection of [...this.#all]) {
      if (connection.phase !== 'new') connection.fail(reason);
    }
  }

  /**
   * The rules of `environment.access`, or its users, have changed. Answers follow by themselves; what clients have already
   * is looked at again over the next turns.
   */
  accessChanged(): void {
    this.reviews.addAll();
  }

  /** No client is accepted any more, and those that are here are told to go. */
  drain(): void {
    this.#draining = true;
    for (const connection of [...this.#all]) connection.fail('SERVER_SHUTTING_DOWN');
    this.flush();
  }

  /** Nothing that this node proposed waits for its application. */
  get settled(): boolean {
    return this.proposer.unappliedBytes === 0;
  }

  own(epoch: number, connection: Connection): void {
    this.connections.set(epoch, connection);
  }

  addDirty(connection: Connection): void {
    this.dirty.push(connection);
    this.requestFlush();
  }

  setPaused(connection: Connection, paused: boolean): void {
    // One that is held back for a while need not be tried at the end of each turn: the pacer looks after it.
    if (paused && connection.heldUntilMs === 0) this.paused.add(connection);
    else this.paused.delete(connection);
  }

  withhold(connection: Connection): void {
    this.withheld.add(connection);
  }

  setSettling(connection: Connection, settling: boolean): void {
    if (settling) this.settling.add(connection);
    else this.settling.delete(connection);
  }

  setScanning(connection: Connection, scanning: boolean): void {
    if (scanning) this.scanning.add(connection);
    else this.scanning.delete(connection);
  }

  continueLater(connection: Connection): void {
    this.#later.push(connection);
  }

  sendSys(connection: Connection, filters: readonly string[]): void {
    this.sys.subscribed(connection, filters);
  }

  forget(connection: Connection): void {
    this.#all.delete(connection);
    this.bounds.pacer.forget(connection);
    this.paused.delete(connection);
    this.withheld.delete(connection);
    this.settling.delete(connection);
    this.scanning.delete(connection);
    this.reviews.forget(connection);
    if (this.connections.get(connection.epoch) === connection) this.connections.delete(connection.epoch);
  }

  publishQoS0(
    publisher: Session | null,
    topic: string,
    properties: MessageProperties | null,
    payload: Uint8Array,
  ): void {
    this.#qos0.publish(publisher, topic, properties, payload);
  }

  /** QoS 0 messages from another node. */
  receiveQoS0(messages: Uint8Array): void {
    this.#qos0.receive(messages);
  }

  referral(): string | null {
    return serverReference(this.machine.state, this.nodeId, this.#referrals++);
  }

  // What the state machine tells, in log order.

  batchBegin(header: BatchHeader, accepted: boolean): void {
    this.proposer.batchBegin(header, accepted);
  }

  commandResult(_header: BatchHeader, result: CommandResult): void {
    this.proposer.commandResult(result);
  }

  batchEnd(): void {
    this.proposer.batchEnd();
  }

  deliver(session: Session, message: Message, qos: QoS, retain: boolean, identifiers: readonly number[] | null): void {
    if (session.owner !== this.nodeId) return;
    const connection = this.connections.get(session.epoch);
    if (connection === undefined) return;
    if (qos === 0 && retain && this.proposer.isApplying(connection, Proposed.subscribe)) {
      connection.retained.push({ message, identifiers });
    } else connection.outgoing?.deliver(message, qos, retain, identifiers);
  }

  retainedRequested(session: Session, request: RetainedRequest): void {
    if (session.owner === this.nodeId) this.connections.get(session.epoch)?.retainedRequests.push(request);
  }

  retainedChanging(message: Message): void {
    for (const connection of this.scanning) connection.outgoing?.retainedChanging(message);
  }

  queued(session: Session): void {
    if (session.owner === this.nodeId) this.connections.get(session.epoch)?.markDirty();
  }

  ownershipLost(
    session: Session,
    node: string,
    epoch: number,
    why: OwnershipLoss,
    newEpoch: number,
    newOwner: string | null,
  ): void {
    if (why === 'nodeDown') this.fencing.dropped(epoch, session.clientId);
    else if (node !== newOwner) this.fencing.takenOver(newEpoch);
    if (node !== this.nodeId) return;
    const connection = this.connections.get(epoch);
    // Not registered: this tells of a connection of an earlier incarnation, of which nothing is known any more, not even
    // whether it was waiting for yet another node. The new owner waits the lease out.
    if (why === 'takenOver' && this.#registered) {
      this.counters.takeoversTotal++;
      this.environment.log.info(
        { clientId: session.clientId, userName: connection?.userName ?? null, from: node, to: newOwner },
        `client '${session.clientId}' taken over by a connection on ${newOwner === node ? 'this node' : newOwner}`,
      );
    }
    connection?.ownershipLost(why === 'takenOver' ? 'SESSION_TAKEN_OVER' : 'NO_QUORUM');
    if (newOwner !== null && this.#registered) this.fencing.lost(epoch, newEpoch, newOwner);
  }

  nodeChanged(nodeId: string, incarnation: number, up: boolean): void {
    const { proposer } = this;
    if (nodeId === this.nodeId && incarnation === proposer.incarnation && !proposer.abandoned) {
      this.#registered = up;
      if (!up) this.#givenUp = true;
      this.refreshServing();
    }
    this.#events.onNodeChanged(nodeId, incarnation, up);
  }

  checkpoint(compactIndex: number): void {
    this.#checkpointDue = compactIndex;
  }

  documentChanged(collection: number, name: string, document: DocumentRecord | null): void {
    this.#events.onDocumentChanged?.(collection, name, document);
  }

  membersChanged(): void {
    this.#events.onMembersChanged?.();
  }

  clusterNamed(clusterId: string): void {
    this.#events.onClusterNamed(clusterId);
  }

  dropped(session: Session, reason: DropReason): void {
    // Once in the whole cluster: where the client is, else where the message came from.
    if (session.owner === null ? !this.proposer.applying : session.owner !== this.nodeId) return;
    bump(this.counters.dropped, DROP_LABELS[reason]);
    this.bounds.drops.note(session.clientId, reason);
  }
}
