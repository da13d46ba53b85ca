import type { AppliedEntry } from '@quorate/broker';
import { decodeConfiguration, EntryType, isMember, type Message, tagOf } from '@quorate/consensus';
import type { Replica } from '@quorate/node/runtime';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import { demand } from '../world/violation.ts';
import { type Configurations, describe } from './configurations.ts';
import { describeState, firstDifference } from './digest.ts';
import { Reference } from './reference.ts';
import { RestartingReference } from './restarting-reference.ts';
import { StateDigest } from './state-digest.ts';

/** Every so many entries the whole state of a node is compared. */
const COMPARE_EVERY = 8;
/** A state of more records than this for each entry since the last comparison waits: long queues would cost more than all else. */
const RECORDS_PER_ENTRY = 32;

/** What Raft promises (Raft paper, figure 3), and that replicas which applied the same entries are the same. */
export class LogChecker {
  readonly #machines: readonly SimulatedNode[];
  readonly #reference: Reference;
  readonly #configurations: Configurations;
  readonly #leaders = new Map<number, string>();
  readonly #applied: AppliedEntry[] = [];
  readonly #digest = new StateDigest();
  /** What the reference was at an index, as a digest. */
  readonly #states = new Map<number, number>();
  /** No digest is made before this index. */
  #digestFrom = 0;
  readonly #restarting: RestartingReference;
  /** Highest term that each process was seen in. */
  readonly #terms = new Map<string, number>();
  statesCompared = 0;

  constructor(machines: readonly SimulatedNode[], reference: Reference, configurations: Configurations) {
    this.#machines = machines;
    this.#reference = reference;
    this.#configurations = configurations;
    this.#restarting = new RestartingReference(
      this.#digest,
      (index) => this.#states.get(index),
      (index) => this.#stateAt(index),
    );
    reference.onCheckpoint = (index) => {
      if (index >= this.#digestFrom) this.#takeDigest(index);
    };
  }

  /** Entries that some node has applied. */
  get committed(): number {
    return this.#applied.length;
  }

  /** Starts from a checkpoint that were tried on the side. */
  get restarts(): number {
    return this.#restarting.restarts;
  }

  get leaderChanges(): number {
    return this.#leaders.size;
  }

  watch(node: SimulatedNode, replica: Replica): void {
    const { broker } = replica;
    const apply = broker.apply.bind(broker);
    broker.apply = (entry) => {
      this.#check(node, entry);
      apply(entry);
      if (entry.index % COMPARE_EVERY === 0 && this.#states.has(entry.index)) this.compareState(node, replica);
    };
    const restore = broker.restore.bind(broker);
    broker.restore = (state) => {
      restore(state);
      this.compareState(node, replica);
    };
    const { driver } = replica;
    const receive = driver.receive.bind(driver);
    driver.receive = (from, message) => {
      this.#checkSender(node, replica, from, message);
      receive(from, message);
    };
  }

  stepped(node: SimulatedNode, replica: Replica): void {
    const { role, term } = replica.status;
    const before = this.#terms.get(node.id) ?? 0;
    if (term === before && role !== 'leader') return;
    demand(term >= before, 'term-never-falls', () => `${node.id} went from term ${before} to ${term}`);
    this.#terms.set(node.id, term);
    if (role !== 'leader') return;
    const known = this.#leaders.get(term);
    if (known === undefined) {
      this.#leaders.set(term, node.id);
      this.#checkCompleteness(node, replica, term);
    } else demand(known === node.id, 'one-leader-per-term', () => `${known} and ${node.id} both lead term ${term}`);
  }

  /** A term that was not on disk may be forgotten in a crash: nothing was promised in it. */
  ended(node: SimulatedNode): void {
    this.#terms.delete(node.id);
  }

  /** Answers count towards quorums: only those of data directories that are members do. */
  #checkSender(node: SimulatedNode, replica: Replica, from: string, { kind }: Message): void {
    if (kind !== 'voteResponse' && kind !== 'appendResponse' && kind !== 'heartbeatResponse') return;
    const { configuration } = replica.driver.status();
    if (!isMember(configuration, from)) return;
    const sender = node.peerDirectory(from);
    demand(
      sender === tagOf(configuration, from),
      'only-members-count',
      () => `${node.id} takes a ${kind} of ${from}@${sender ?? 'nobody'}; the members are ${describe(configuration)}`,
    );
  }

  /** Leader completeness: a leader holds everything that was committed in earlier terms. */
  #checkCompleteness(node: SimulatedNode, replica: Replica, term: number): void {
    const { lastIndex } = replica.driver.status();
    let committed = this.#applied.length;
    while (committed > 0 && (this.#applied[committed - 1] as AppliedEntry).term >= term) committed--;
    demand(
      lastIndex >= committed,
      'leader-completeness',
      () => `${node.id} leads term ${term} with a log up to ${lastIndex}, but ${committed} was committed before`,
    );
  }

  #check(node: SimulatedNode, entry: AppliedEntry): void {
    const known = this.#applied[entry.index - 1];
    if (known === undefined) {
      this.#first(node, entry);
      return;
    }
    const same = known.term === entry.term && known.stampMs === entry.stampMs && equal(known.data, entry.data);
    demand(
      same,
      'state-machine-safety',
      () => `${node.id} applied another entry ${entry.index} (term ${entry.term}, not ${known.term})`,
    );
  }

  /** The first node to apply an entry: a majority must have it on disk by now. */
  #first(node: SimulatedNode, entry: AppliedEntry): void {
    const { index, term } = entry;
    demand(
      index === this.#applied.length + 1,
      'no-gap',
      () => `${node.id} applied ${index} after ${this.#applied.length}`,
    );
    this.#learnConfiguration(index, term);
    this.#checkDurable(node, index, term);
    // The data may be a view of something larger that changes later.
    const kept = { index, term, stampMs: entry.stampMs, data: Uint8Array.from(entry.data) };
    this.#applied.push(kept);
    this.#reference.apply(entry);
    if (index % COMPARE_EVERY === 0 && index >= this.#digestFrom) this.#takeDigest(index);
    this.#restarting.apply(kept);
  }

  /** Of the reference, which has applied `index`. */
  #takeDigest(index: number): void {
    this.#states.set(index, this.#digest.of(this.#reference.state));
    this.#digestFrom = index + Math.floor(this.#digest.records / RECORDS_PER_ENTRY);
  }

  /** To the state machine a configuration is an empty entry: what it was stands on the disks. */
  #learnConfiguration(index: number, term: number): void {
    for (const { disk } of this.#machines) {
      const entry = disk.durableLog.entries.get(index);
      if (entry?.term !== term) continue;
      if (entry.type === EntryType.config) this.#configurations.committed(index, decodeConfiguration(entry.data));
      return;
    }
  }

  /**
   * By the configuration in force at the entry, or by a later one that the leader had appended when it counted. Whose disk was
   * wiped or set aside has another name by now, which does not count for what came before.
   */
  #checkDurable(node: SimulatedNode, index: number, term: number): void {
    const configurations = this.#configurations;
    const holds = (id: string, directoryId: string): boolean =>
      this.#machines.some((each) => each.id === id && each.holds(directoryId, index, term));
    const inForce = configurations.at(index);
    const durable =
      (inForce !== null && configurations.isQuorum(inForce, holds)) ||
      configurations.after(index).some((later) => configurations.isQuorum(later, holds));
    demand(durable, 'P1-durable-on-a-majority', () => {
      const holders = this.#machines.flatMap((each) =>
        each.holdersOf(index, term).map((directoryId) => `${each.id}@${directoryId}`),
      );
      return (
        `${node.id} applied entry ${index} of term ${term}, on disk only at ${holders.join() || 'nobody'}; ` +
        `the members are ${inForce === null ? 'unknown' : describe(inForce)}`
      );
    });
  }

  compareState(node: SimulatedNode, replica: Replica): void {
    const { state } = replica.broker.machine;
    const current = state.appliedIndex === this.#reference.state.appliedIndex;
    const expected =
      this.#states.get(state.appliedIndex) ?? (current ? this.#digest.of(this.#reference.state) : undefined);
    if (expected === undefined) return;
    this.statesCompared++;
    demand(
      this.#digest.of(state) === expected,
      'identical-states',
      () =>
        `${node.id} at index ${state.appliedIndex} has\n` +
        firstDifference(describeState(state), this.#stateAt(state.appliedIndex)),
    );
  }

  /** Once more from the first entry on: only a digest of it was kept. */
  #stateAt(index: number): string {
    const again = new Reference(() => 0);
    for (const entry of this.#applied.slice(0, index)) again.apply(entry);
    return describeState(again.state);
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || Buffer.compare(a, b) === 0;
}
