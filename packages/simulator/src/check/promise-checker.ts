import type { AppliedEntry } from '@quorate/broker';
import { decodeConfiguration, type Entry, type Message, members, type Status, tagOf } from '@quorate/consensus';
import type { Replica } from '@quorate/node/runtime';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import { demand } from '../world/violation.ts';
import { type Configurations, describe } from './configurations.ts';

/** Clocks run at most this much too fast or too slow, with room to spare. */
const MOST_DRIFT = 0.05;

export interface PromiseCheckerOptions {
  readonly machines: readonly SimulatedNode[];
  readonly nowMs: () => number;
  readonly leaseMs: number;
  readonly configurations: Pick<Configurations, 'at'>;
}

/** The log up to an index, as a node of a data directory has acknowledged it in a term. */
interface Acknowledged {
  readonly directoryId: string;
  readonly term: number;
  readonly index: number;
}

/**
 * What one node alone may say and do at a moment, by what is on its disk and in the log then. Breaking one of these rules
 * hurts only when something else goes wrong at the same time, which no number of seeds may bring about; to see the rule
 * broken takes none.
 */
export class PromiseChecker {
  readonly #options: PromiseCheckerOptions;
  readonly #acknowledged = new Map<string, Acknowledged>();
  /** By term of a leader and index: the term of the entry that it has sent for that place. */
  readonly #sent = new Map<number, Map<number, number>>();
  /** By node: what it said as leader of a term that is committed. */
  readonly #committed = new Map<string, { readonly term: number; readonly index: number }>();
  /** How far each process has compared its log with that of the newest leader. */
  readonly #compared = new WeakMap<Replica, { readonly term: number; readonly index: number }>();
  /** The status of each process as last seen. */
  readonly #seen = new WeakMap<Replica, Status>();
  /** By node: the last status whose configuration was looked at. */
  readonly #checked = new Map<string, Status>();
  /** When each entry was applied first, by index - 1. */
  readonly #appliedMs: number[] = [];

  constructor(options: PromiseCheckerOptions) {
    this.#options = options;
  }

  watch(node: SimulatedNode, replica: Replica): void {
    if (node.standsIn) return;
    const { broker, driver, transport } = replica;
    const apply = broker.apply.bind(broker);
    broker.apply = (entry) => {
      this.#applies(node, entry);
      apply(entry);
    };
    const sendRaft = transport.sendRaft.bind(transport);
    transport.sendRaft = (to, message) => {
      this.#sends(node, replica, to, message);
      return sendRaft(to, message);
    };
    const receive = driver.receive.bind(driver);
    driver.receive = (from, message) => {
      this.#receives(replica, message);
      receive(from, message);
    };
    const extendLease = broker.extendLease.bind(broker);
    broker.extendLease = (untilMs) => {
      extendLease(untilMs);
      this.#extends(node, replica, untilMs);
    };
  }

  /** After everything that a process did in one event. */
  stepped(node: SimulatedNode, replica: Replica): void {
    if (node.standsIn) return;
    this.#checkConfiguration(node, replica);
    this.#checkMembers(node, replica);
    const acknowledged = this.#acknowledged.get(node.id);
    if (acknowledged === undefined) return;
    const { directoryId, term, index } = acknowledged;
    if (directoryId !== node.directoryId || node.disk.durableHardState.term !== term) return;
    demand(
      isDurable(node, index),
      'acknowledged-stays',
      () => `${node.id} acknowledged ${index} in term ${term}, and in the same term it is not on its disk any more`,
    );
  }

  /**
   * Who lets a data directory in knows that the cluster has given up the process of before under that name: its clients would
   * not be found anywhere else.
   */
  #checkMembers(node: SimulatedNode, replica: Replica): void {
    const { status } = replica;
    const before = this.#seen.get(replica);
    if (before === status) return;
    this.#seen.set(replica, status);
    if (before === undefined || before.configuration === status.configuration) return;
    if (before.role !== 'leader' || status.role !== 'leader' || before.term !== status.term) return;
    for (const id of members(status.configuration)) {
      if (
        members(before.configuration).includes(id) &&
        tagOf(before.configuration, id) === tagOf(status.configuration, id)
      )
        continue;
      demand(
        replica.broker.machine.state.nodes.get(id)?.up !== true,
        'let-in-when-given-up',
        () => `${node.id} makes ${id} a member with another data directory while the one of before may serve`,
      );
    }
  }

  /** A snapshot says what the members were at its place in the log. */
  dumps(node: SimulatedNode, index: number, bytes: Uint8Array): void {
    const expected = this.#options.configurations.at(index);
    if (expected === null) return;
    const configuration = decodeConfiguration(bytes);
    demand(
      describe(configuration) === describe(expected),
      'snapshot-has-its-configuration',
      () =>
        `${node.id} makes a snapshot of ${index} with ${describe(configuration)}; the log has ${describe(expected)}`,
    );
  }

  /** What was applied brought the configuration that the log has there: the newest, not an older one, nor one that was truncated. */
  #checkConfiguration(node: SimulatedNode, { status, broker }: Replica): void {
    if (this.#checked.get(node.id) === status) return;
    const { configuration, configurationIndex = 0 } = status;
    const { appliedIndex } = broker.machine.state;
    if (configurationIndex > appliedIndex) return;
    this.#checked.set(node.id, status);
    const expected = this.#options.configurations.at(appliedIndex);
    if (expected === null || members(configuration).length === 0) return;
    demand(
      describe(configuration) === describe(expected),
      'configuration-of-the-log',
      () =>
        `${node.id} acts by ${describe(configuration)} since entry ${configurationIndex}; at ${appliedIndex} the log has ${describe(expected)}`,
    );
  }

  #applies(node: SimulatedNode, { index, term, stampMs }: AppliedEntry): void {
    if (this.#appliedMs.length === index - 1) {
      this.#appliedMs.push(this.#options.nowMs());
      this.#checkTime(index, stampMs);
    }
    const { compactedIndex, entries } = node.disk.durableLog;
    demand(
      index <= compactedIndex || entries.get(index)?.term === term,
      'applied-is-durable-here',
      () => `${node.id} applies entry ${index} of term ${term}, which is not on its own disk`,
    );
  }

  /** The cluster's clock began at 0, and only the clock of a leader moves it. */
  #checkTime(index: number, stampMs: number): void {
    const { nowMs, machines } = this.#options;
    const jumpedMs = machines.reduce((sum, machine) => sum + machine.jumpedSince(0), 0);
    demand(
      stampMs <= nowMs() * (1 + MOST_DRIFT) + jumpedMs,
      'cluster-time',
      () =>
        `entry ${index} is stamped ${stampMs} after ${Math.round(nowMs())} ms, with clocks that jumped by ${jumpedMs}`,
    );
  }

  /** Nothing leaves that a crash could make untrue. */
  #sends(node: SimulatedNode, replica: Replica, to: string, message: Message): void {
    switch (message.kind) {
      case 'voteRequest':
        if (!message.preVote) this.#demandVote(node, message.term, node.id);
        return;
      case 'voteResponse':
        if (!message.preVote && message.granted) this.#demandVote(node, message.term, to);
        return;
      case 'appendResponse':
        if (message.success) this.#acknowledges(node, replica, message.term, message.matchIndex);
        return;
      case 'appendRequest':
        this.#remember(message.term, message.entries);
        this.#commits(node, message.term, message.commitIndex);
        return;
      default:
        return;
    }
  }

  #demandVote(node: SimulatedNode, term: number, vote: string): void {
    const durable = node.disk.durableHardState;
    demand(
      durable.term > term || (durable.term === term && durable.vote === vote),
      'vote-is-durable',
      () =>
        `${node.id} votes for ${vote} in term ${term}; on its disk it is in term ${durable.term} for ${durable.vote ?? 'nobody'}`,
    );
  }

  #remember(term: number, entries: readonly Entry[]): void {
    let sent = this.#sent.get(term);
    if (sent === undefined) {
      sent = new Map();
      this.#sent.set(term, sent);
    }
    for (const entry of entries) sent.set(entry.index, entry.term);
  }

  /** What an append, or the check that it carries, has compared with the log here. */
  #receives(replica: Replica, message: Message): void {
    if (message.kind !== 'appendRequest') return;
    const { term, prevIndex, entries } = message;
    const index = prevIndex + entries.length;
    const known = this.#compared.get(replica);
    if (known === undefined || term > known.term) this.#compared.set(replica, { term, index });
    else if (term === known.term && index > known.index) this.#compared.set(replica, { term, index });
  }

  #acknowledges(node: SimulatedNode, replica: Replica, term: number, index: number): void {
    const compared = this.#compared.get(replica);
    const { commitIndex } = replica.driver.status();
    demand(
      index <= commitIndex || (compared !== undefined && (compared.term > term || index <= compared.index)),
      'acknowledged-is-compared',
      () =>
        `${node.id} acknowledges ${index} in term ${term}, whose leader has shown it ${compared?.index ?? 'nothing'}; ` +
        `${commitIndex} is committed`,
    );
    const durableTerm = node.disk.durableHardState.term;
    demand(
      // What a later leader has cut off before the acknowledgement left (the write carries the latest of all that it waits
      // for) is committed by nobody: of any majority for it one would have refused that leader its vote.
      durableTerm > term || (durableTerm === term && isDurable(node, index)),
      'acknowledged-is-durable',
      () => `${node.id} acknowledges ${index} in term ${term} and has not got it on its disk`,
    );
    const { compactedIndex, entries } = node.disk.durableLog;
    const meant = this.#sent.get(term)?.get(index);
    const found = entries.get(index)?.term;
    demand(
      // Overwritten in the same way by a later leader's, who has whatever is committed.
      index <= compactedIndex || meant === undefined || found === meant || found === undefined || found > term,
      'acknowledged-is-what-was-sent',
      () =>
        `${node.id} acknowledges ${index} in term ${term}, whose leader sent an entry of term ${meant}; on its disk is one of term ${found}`,
    );
    const { directoryId } = node;
    const before = this.#acknowledged.get(node.id);
    const goesOn = before?.directoryId === directoryId && before.term === term;
    this.#acknowledged.set(node.id, { directoryId, term, index: Math.max(goesOn ? before.index : 0, index) });
  }

  /** By counting a leader commits entries of its own term, and older ones only with them (Raft paper, figure 8). */
  #commits(node: SimulatedNode, term: number, index: number): void {
    const known = this.#committed.get(node.id);
    if (known?.term !== term) {
      // Known from before: nothing was counted yet when its first append left.
      this.#committed.set(node.id, { term, index });
      return;
    }
    if (index <= known.index) return;
    this.#committed.set(node.id, { term, index });
    demand(
      this.#options.machines.some(({ disk: { durableLog } }) => {
        return index <= durableLog.compactedIndex || durableLog.entries.get(index)?.term === term;
      }),
      'commits-its-own-term',
      () => `${node.id}, leader of term ${term}, says that ${index} is committed, which is no entry of this term`,
    );
  }

  /** A lease is as good as what was applied by then of what was committed when it was asked for. */
  #extends(node: SimulatedNode, { broker }: Replica, untilMs: number): void {
    const { nowMs, leaseMs } = this.#options;
    const ageMs = broker.environment.nowMs() - (untilMs - leaseMs);
    const askedMs = nowMs() - ageMs / (1 - MOST_DRIFT);
    const committed = this.#appliedMs.findLastIndex((atMs) => atMs < askedMs) + 1;
    const applied = broker.machine.state.appliedIndex;
    demand(
      applied >= committed,
      'lease-covers-the-log',
      () =>
        `${node.id} extends a lease asked for ${Math.round(ageMs)} ms ago at index ${applied}; ${committed} was applied elsewhere before`,
    );
  }
}

function isDurable(node: SimulatedNode, index: number): boolean {
  const { compactedIndex, entries } = node.disk.durableLog;
  return index <= compactedIndex || entries.has(index);
}
