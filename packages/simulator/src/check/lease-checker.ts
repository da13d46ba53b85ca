import { CommandType, readNodeDown } from '@quorate/broker';
import type { Message } from '@quorate/consensus';
import type { Replica } from '@quorate/node/runtime';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import { demand } from '../world/violation.ts';
import { forEachCommand } from './commands.ts';
import type { Reference } from './reference.ts';

export interface LeaseCheckerOptions {
  readonly machines: readonly SimulatedNode[];
  readonly nowMs: () => number;
  readonly leaseMs: number;
  readonly reference: Pick<Reference, 'freeEpochs'>;
}

/** The latest moment up to which a process may serve. */
interface Lease {
  readonly replica: Replica;
  /** By its own clock. */
  readonly untilMs: number;
  /** True time, no later than the question that it counts from. */
  readonly askedMs: number;
}

/** A node that the leader of a term has proposed to give up. */
interface GoingDown {
  readonly incarnation: number;
  readonly term: number;
}

/** No clock runs faster by more than this. */
const MOST_DRIFT = 0.05;

/**
 * Who might still serve, by the lease that it has, whether or not it says anything to a client at that moment. A rule that
 * is broken here hurts only when a client of the former owner does something in the same fraction of a second.
 */
export class LeaseChecker {
  readonly #options: LeaseCheckerOptions;
  readonly #leases = new Map<string, Lease>();
  /** By leader, then by the node that it gives up. */
  readonly #goingDown = new WeakMap<Replica, Map<string, GoingDown>>();
  /** When each process last took over a state that it did not see grow. */
  readonly #restoredMs = new WeakMap<Replica, number>();
  /** Nodes given up while their process ran, its lease over. */
  givenUp = 0;
  /** Sessions that nobody had, served by a process whose state came from a checkpoint. */
  afterRestore = 0;

  constructor(options: LeaseCheckerOptions) {
    this.#options = options;
  }

  watch(node: SimulatedNode, replica: Replica): void {
    if (node.standsIn) return;
    const { broker, driver } = replica;
    if (broker.machine.state.appliedIndex > 0) this.#restoredMs.set(replica, this.#options.nowMs());
    const restore = broker.restore.bind(broker);
    broker.restore = (state) => {
      this.#restoredMs.set(replica, this.#options.nowMs());
      restore(state);
    };
    const extendLease = broker.extendLease.bind(broker);
    broker.extendLease = (untilMs) => {
      this.#extends(node, replica, untilMs);
      extendLease(untilMs);
    };
    const propose = driver.propose.bind(driver);
    driver.propose = (batch) => {
      const taken = propose(batch);
      if (taken) this.#proposes(node, replica, batch);
      return taken;
    };
    const receive = driver.receive.bind(driver);
    driver.receive = (from, message) => {
      this.#receives(node, replica, from, message);
      receive(from, message);
    };
  }

  #extends({ id }: SimulatedNode, replica: Replica, untilMs: number): void {
    const before = this.#leases.get(id);
    if (before?.replica === replica && before.untilMs >= untilMs) return;
    const { nowMs, leaseMs } = this.#options;
    const ageMs = replica.broker.environment.nowMs() - (untilMs - leaseMs);
    this.#leases.set(id, { replica, untilMs, askedMs: nowMs() - ageMs / (1 - MOST_DRIFT) });
  }

  /** What is left of the lease of the process that runs, by its clock; 0 or less when it must not serve. */
  #leftMs({ id, replica }: SimulatedNode): number {
    const lease = this.#leases.get(id);
    if (replica === null || lease?.replica !== replica || replica.failed || !replica.broker.registered) return 0;
    return lease.untilMs - replica.broker.environment.nowMs();
  }

  /**
   * The cluster gives an incarnation up, by the first node that applies it: the next owner of its sessions does not wait for
   * it. A leader's clock that jumps is taken for a pause when it jumps far, so what it counts of silence is true but for
   * jumps of less than half a second; those of a whole lease together are more than it allows for.
   */
  nodeDown(nodeId: string, incarnation: number, leaderId: string): void {
    const { machines, leaseMs } = this.#options;
    const node = machines.find(({ id }) => id === nodeId);
    const lease = this.#leases.get(nodeId);
    if (node === undefined || lease === undefined || node.replica?.broker.proposer.incarnation !== incarnation) return;
    const leftMs = this.#leftMs(node);
    this.givenUp++;
    if (leftMs <= 0) return;
    const jumpedMs = machines.find(({ id }) => id === leaderId)?.jumpedSince(lease.askedMs) ?? 0;
    demand(
      jumpedMs >= leaseMs,
      'given-up-after-its-lease',
      () => `${leaderId} had ${nodeId} given up, whose lease lasts for another ${Math.round(leftMs)} ms`,
    );
  }

  /** Only a leader gives nodes up. */
  #proposes({ id }: SimulatedNode, replica: Replica, bytes: Uint8Array): void {
    const batch = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    forEachCommand(batch, (type, reader, header) => {
      if (type !== CommandType.nodeDown || header.nodeId !== id) return;
      const { nodeId, incarnation, term } = readNodeDown(reader);
      let going = this.#goingDown.get(replica);
      if (going === undefined) {
        going = new Map();
        this.#goingDown.set(replica, going);
      }
      going.set(nodeId, { incarnation, term });
    });
  }

  /** Between the proposal to give a node up and its application no question of that node is taken. */
  #receives(node: SimulatedNode, replica: Replica, from: string, { kind }: Message): void {
    if (kind !== 'readIndexRequest') return;
    const going = this.#goingDown.get(replica)?.get(from);
    const { role, term } = replica.status;
    if (going === undefined || role !== 'leader' || going.term !== term) return;
    const known = replica.broker.machine.state.nodes.get(from);
    demand(
      known?.up !== true || known.incarnation !== going.incarnation,
      'no-lease-while-going-down',
      () => `${node.id} takes a question of ${from}, which it is giving up in term ${term}`,
    );
  }

  /** A node tells a client that it has its client id: no other node may still be able to serve that. */
  accepted(node: SimulatedNode, clientId: string, epoch: number): void {
    this.#checkBlind(node, clientId, epoch);
    for (const other of this.#options.machines) {
      if (other === node || other.replica === null) continue;
      const leftMs = this.#leftMs(other);
      if (leftMs <= 0) continue;
      for (const connection of other.replica.broker.connections.values()) {
        demand(
          connection.clientId !== clientId || connection.phase !== 'live',
          'P2-served-elsewhere',
          () =>
            `${node.id} accepts ${clientId} under epoch ${epoch}, and ${other.id} may serve it under ${connection.epoch} ` +
            `for another ${Math.round(leftMs)} ms`,
        );
      }
    }
  }

  /**
   * Whose state came from a checkpoint knows of no takeover before that: the last owner of a session that nobody has may have
   * been waiting for yet another when its node was given up. So it waits for as long as that one may serve.
   */
  #checkBlind({ id, replica }: SimulatedNode, clientId: string, epoch: number): void {
    const { nowMs, leaseMs, reference } = this.#options;
    const restoredMs = replica === null ? undefined : this.#restoredMs.get(replica);
    if (restoredMs === undefined || !reference.freeEpochs.has(epoch)) return;
    const agoMs = nowMs() - restoredMs;
    this.afterRestore++;
    demand(
      agoMs >= leaseMs,
      'waits-after-a-restore',
      () => `${id} accepts ${clientId}, a session without owner, ${Math.round(agoMs)} ms after its state was restored`,
    );
  }
}
