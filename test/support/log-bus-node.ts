import {
  Broker,
  type BrokerEnvironment,
  type CheckpointRecords,
  CheckpointTaker,
  type State,
  StateLoader,
} from '@quorate/broker';
import type { LogBus } from './log-bus.ts';
import type { FakeSocket } from './log-bus-client.ts';
import { assert } from './suite.ts';

const READS_PER_LEASE = 5;
/** Drift and scheduling have no place on a virtual clock, so the wait is the lease to the millisecond. */
const LEASE_MARGIN_MS = 0;

/** One node of a {@link LogBus}: a broker, its place in the log, its lease, and the checkpoints that survive it. */
export class BusNode {
  readonly id: string;
  broker: Broker;
  isUp = true;
  /** Out of contact with the other nodes; its clients still reach it. */
  cut = false;
  leaseUntilMs = Number.NEGATIVE_INFINITY;
  /** Entries are not applied, though they may have arrived. */
  stalled = false;
  readonly #bus: LogBus;
  readonly #store = new Map<string, readonly [key: Uint8Array, value: Uint8Array]>();
  #storedAt: { readonly index: number; readonly term: number } = { index: 0, term: 0 };
  #sockets = new Set<FakeSocket>();
  /** Index up to which entries have arrived. */
  #arrived = 0;
  #reads: { readonly askedAtMs: number; readonly index: number }[] = [];
  #incarnation = 0;
  /** Of the process: what an earlier one had scheduled does not run. */
  #life = 0;

  constructor(bus: LogBus, id: string) {
    this.#bus = bus;
    this.id = id;
    this.broker = this.#createBroker();
  }

  start(): void {
    this.isUp = true;
    const life = ++this.#life;
    const { scheduler, options } = this.#bus;
    const guarded = (task: () => void) => (): void => {
      if (this.isUp && this.#life === life) task();
    };
    scheduler.after(
      0,
      guarded(() => this.#register()),
    );
    this.#every(options.tickIntervalMs, life, () => this.broker.tick(scheduler.nowMs));
    this.#every(options.leaseMs / READS_PER_LEASE, life, () => this.#askForLease());
  }

  #every(intervalMs: number, life: number, task: () => void): void {
    this.#bus.scheduler.after(intervalMs, () => {
      if (!this.isUp || this.#life !== life) return;
      task();
      this.#every(intervalMs, life, task);
    });
  }

  #createBroker(state?: State): Broker {
    const { limits, options, disconnectOnDenied } = this.#bus;
    return new Broker(
      {
        nodeId: this.id,
        version: '0.0.0',
        environment: this.#environment(),
        limits,
        disconnectOnDenied,
        leaseWaitMs: options.leaseMs + LEASE_MARGIN_MS,
        gracePeriodMs: options.gracePeriodMs,
        ...(state !== undefined && { state }),
      },
      {
        onCheckpoint: () => this.#checkpoint(new CheckpointTaker(this.broker.machine.state)),
        onClusterNamed: () => {},
        onGivenUp: () => this.#register(),
        onNodeChanged: (nodeId) => this.#bus.nodeChanged(nodeId),
      },
    );
  }

  #environment(): BrokerEnvironment {
    const bus = this.#bus;
    const life = this.#life;
    const alive = (): boolean => this.isUp && this.#life === life + 1;
    let assigned = 0;
    return {
      nowMs: () => bus.scheduler.nowMs,
      transmit: (batch) => {
        if (alive()) bus.transmit(this, batch);
      },
      sendQoS0: (nodeId, messages) => {
        const to = bus.node(nodeId);
        if (alive() && to !== this) bus.carry(this, to, () => to.broker.receiveQoS0(messages));
      },
      sendReleased: (nodeId, epoch) => {
        const to = bus.node(nodeId);
        if (alive()) bus.carry(this, to, () => to.broker.fencing.released(epoch));
      },
      requestFlush: () => {
        bus.scheduler.after(0, () => {
          if (alive()) this.broker.flush();
        });
      },
      assignClientId: () => `assigned-${this.id}-${life}-${++assigned}`,
      log: bus.log,
      access: bus.access,
    };
  }

  #register(): void {
    this.broker.register(++this.#incarnation, { mqtt: '', http: '', peer: '', version: '0.0.0', leaseMs: 1000 });
  }

  accept(socket: FakeSocket): void {
    if (!this.isUp) return socket.kill();
    socket.connection = this.broker.accept(socket);
    this.#sockets.add(socket);
  }

  // The log.

  /** Entries up to `index` are committed: they arrive here after a while. */
  announce(index: number, isLeader: boolean): void {
    if (!this.isUp || this.cut) return;
    const { scheduler, options } = this.#bus;
    scheduler.after(isLeader ? 0 : scheduler.integer(1, options.maxApplyDelayMs), () => {
      if (this.cut || !this.isUp) return;
      this.#arrived = Math.max(this.#arrived, index);
      this.apply();
    });
  }

  apply(): void {
    if (this.stalled) return;
    const { state } = this.broker.machine;
    while (state.appliedIndex < this.#arrived) {
      const entry = this.#bus.entries[state.appliedIndex];
      if (entry === undefined) break;
      this.broker.apply(entry);
    }
    this.#useReads();
  }

  // The lease.

  #askForLease(): void {
    const askedAtMs = this.#bus.scheduler.nowMs;
    this.#bus.readIndex(this, (index) => {
      this.#reads.push({ askedAtMs, index });
      this.#useReads();
    });
  }

  #useReads(): void {
    const { appliedIndex } = this.broker.machine.state;
    this.#reads = this.#reads.filter(({ askedAtMs, index }) => {
      if (index > appliedIndex) return true;
      const untilMs = askedAtMs + this.#bus.options.leaseMs;
      this.leaseUntilMs = Math.max(this.leaseUntilMs, untilMs);
      this.broker.extendLease(untilMs);
      return false;
    });
  }

  // Faults.

  /** Out of contact with the other nodes. */
  disconnect(): void {
    if (this.cut) return;
    this.cut = true;
    if (this.#bus.leader === this) this.#bus.changeLeader();
  }

  reconnect(): void {
    this.stalled = false;
    if (!this.isUp) this.restart();
    if (!this.cut) return this.apply();
    this.cut = false;
    this.announce(this.#bus.entries.length, false);
    this.broker.proposer.resend();
  }

  /** The process ends; its clients see their connections close. */
  crash(): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.leaseUntilMs = Number.NEGATIVE_INFINITY;
    this.#reads = [];
    for (const socket of this.#sockets) socket.kill();
    this.#sockets = new Set();
    if (this.#bus.leader === this) this.#bus.changeLeader();
  }

  /** A new process, from the last checkpoint and the log behind it. */
  restart(): void {
    this.crash();
    const loader = new StateLoader();
    const records = [...this.#store.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [, [key, value]] of records) loader.add(key, value);
    const { index, term } = this.#storedAt;
    this.broker = this.#createBroker(loader.finish(index, term));
    this.#arrived = index;
    this.start();
    this.announce(this.#bus.entries.length, false);
  }

  #checkpoint(records: CheckpointRecords): void {
    for (const key of records.deletes) this.#store.delete(Buffer.from(key).toString('latin1'));
    for (const [key, value] of records.puts) {
      this.#store.set(Buffer.from(key).toString('latin1'), [key, Uint8Array.from(value)]);
    }
    this.#storedAt = { index: records.appliedIndex, term: records.appliedTerm };
  }

  /** What the nodes must agree on, as far as clients can tell. */
  digest(): string {
    const { state } = this.broker.machine;
    const sessions = [...state.sessions.values()].map(({ clientId, number, epoch, queue, incoming, subscriptions }) => [
      [clientId, number, epoch, [...incoming].sort(), [...subscriptions.keys()].sort()],
      [queue?.headSequence, queue?.nextSequence, queue?.count],
    ]);
    return JSON.stringify([state.nextMessageId, state.nextEpoch, sessions.sort()]);
  }

  /** Nothing of any client is left. */
  assertForgotten(): void {
    const { broker, id } = this;
    assert.is(broker.connectionCount, 0, `${id} remembers connections`);
    assert.is(broker.connections.size, 0, `${id} remembers connections by epoch`);
    assert.is(broker.paused.size, 0, `${id} remembers paused connections`);
    assert.is(broker.withheld.size, 0, `${id} remembers withheld output`);
    assert.is(broker.settling.size, 0, `${id} remembers acknowledgements`);
    assert.is(broker.dirty.length, 0, `${id} remembers output`);
    assert.is(broker.fencing.size, 0, `${id} remembers fences`);
    assert.is(broker.proposer.unappliedBytes, 0, `${id} has unapplied proposals`);
    assert.is(broker.machine.state.live.size, 0, `${id}: sessions have an owner`);
  }
}
