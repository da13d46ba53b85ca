import {
  type Configuration,
  decodeConfiguration,
  type Entry,
  EntryType,
  hasQuorum,
  type Message,
  members,
  type NodeId,
  type Status,
} from '@quorate/consensus';
import type { Disk, Snapshot } from './disk.ts';

/** A safety property of Raft was violated. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

interface Record {
  readonly content: string;
  readonly prevTerm: number;
}

/** Watches everything that happens in a simulated cluster, and knows what must never happen (Raft paper, figure 3). */
export class Checker {
  /** The highest commit index that any node has ever shown. */
  maxCommitIndex = 0;
  readonly committed: string[] = [];
  readonly #leaders = new Map<number, NodeId>();
  readonly #votes = new Map<string, NodeId>();
  readonly #entries = new Map<string, Record>();

  /** Election safety, and leader completeness: `disk` is what is durable at the moment of election. */
  onStatus(status: Status, disk: Disk): void {
    if (status.role !== 'leader' || this.#leaders.get(status.term) === status.id) return;
    const other = this.#leaders.get(status.term);
    if (other !== undefined) throw new Violation(`two leaders in term ${status.term}: ${other} and ${status.id}`);
    this.#leaders.set(status.term, status.id);
    for (let index = disk.base.index + 1; index <= this.maxCommitIndex; index++) {
      const entry = disk.at(index);
      const expected = this.committed[index];
      if (expected !== undefined && (entry === undefined || describe(entry) !== expected)) {
        throw new Violation(`leader ${status.id} of term ${status.term} lacks committed entry ${index} ${expected}`);
      }
    }
  }

  /** A node promises its vote: one per term, crashes included. */
  onSent(from: NodeId, to: NodeId, message: Message): void {
    if (message.kind === 'voteResponse' && message.granted && !message.preVote) this.onVote(from, message.term, to);
    if (message.kind === 'voteRequest' && !message.preVote) this.onVote(from, message.term, from);
  }

  onVote(from: NodeId, term: number, candidate: NodeId): void {
    const key = `${from}/${term}`;
    const earlier = this.#votes.get(key) ?? candidate;
    if (earlier !== candidate) throw new Violation(`${from} votes for ${earlier} and ${candidate} in term ${term}`);
    this.#votes.set(key, candidate);
  }

  /** Log matching: index and term decide the entry and, by induction, all entries before it. */
  onStored(disk: Disk, from: number): void {
    for (let index = from; index <= disk.lastIndex; index++) {
      const entry = disk.at(index) as Entry;
      const key = `${index}/${entry.term}`;
      const record = { content: describe(entry), prevTerm: disk.termAt(index - 1) ?? 0 };
      const earlier = this.#entries.get(key);
      if (earlier === undefined) {
        this.#entries.set(key, record);
      } else if (earlier.content !== record.content || earlier.prevTerm !== record.prevTerm) {
        throw new Violation(
          `entry ${key}: ${earlier.content} after ${earlier.prevTerm}, or ${record.content} after ${record.prevTerm}`,
        );
      }
      if (entry.type === EntryType.config) onConfiguration(disk.configurationBefore(index), entry);
    }
  }

  /** A snapshot stands for what was committed. */
  onInstalled(id: NodeId, snapshot: Snapshot): void {
    const expected = this.committed[snapshot.index];
    const { index, term, stampMs } = snapshot;
    if (!expected?.startsWith(`${term}:`) || expected.split(':')[2] !== String(stampMs)) {
      throw new Violation(`${id} installs ${index} of term ${term} at ${stampMs}, committed is ${expected}`);
    }
  }

  /**
   * A leader counts an entry as committed: it must be its own, and on the disks of a quorum of the configuration that
   * was in force when it counted.
   */
  onLeaderCommit(status: Status, counted: Configuration, diskOf: (id: NodeId) => Disk, previousIndex: number): void {
    const { id, term, commitIndex } = status;
    if (commitIndex <= previousIndex) return;
    const holds = (node: NodeId) => {
      const disk = diskOf(node);
      return disk.base.index >= commitIndex || disk.at(commitIndex)?.term === term;
    };
    if (!hasQuorum(counted, holds)) {
      throw new Violation(`${id} commits ${commitIndex} of term ${term} without a quorum of disks`);
    }
  }

  /** A leader changes the configuration only when the one before is committed. */
  onLeaderConfiguration(before: Status, after: Status): void {
    if (before.role !== 'leader' || before.term !== after.term) return;
    if (before.configurationIndex === after.configurationIndex) return;
    if ((before.configurationIndex as number) > after.commitIndex) {
      throw new Violation(
        `${after.id} changes the configuration at ${after.configurationIndex} before it is committed`,
      );
    }
  }

  onCommitIndex(index: number): void {
    if (index > this.maxCommitIndex) this.maxCommitIndex = index;
  }

  /** State machine safety: every node is handed the same entries at the same places. */
  onCommitted(id: NodeId, entries: readonly Entry[], handedIndex: number): void {
    let index = handedIndex;
    for (const entry of entries) {
      if (entry.index !== ++index) throw new Violation(`${id} is handed ${entry.index} in place of ${index}`);
      const expected = (this.committed[index] ??= describe(entry));
      if (expected !== describe(entry))
        throw new Violation(`${id} is handed ${describe(entry)} at ${index}, not ${expected}`);
    }
  }
}

/** Every quorum of a configuration meets every quorum of the one before it (thesis section 4.3). */
function onConfiguration(before: Configuration, entry: Entry): void {
  const after = decodeConfiguration(entry.data);
  // A node that joins starts without a configuration.
  if (before.voters.length > 0 && !quorumsMeet(before, after)) {
    throw new Violation(
      `at ${entry.index}: ${JSON.stringify(before)} and ${JSON.stringify(after)} have disjoint quorums`,
    );
  }
}

/** Tries every way to divide the members in two. */
export function quorumsMeet(one: Configuration, other: Configuration): boolean {
  const ids = [...new Set([...members(one), ...members(other)])];
  for (let side = 0; side < 1 << ids.length; side++) {
    const isIn = (id: NodeId) => (side & (1 << ids.indexOf(id))) !== 0;
    if (hasQuorum(one, isIn) && hasQuorum(other, (id) => !isIn(id))) return false;
  }
  return true;
}

function describe(entry: Entry): string {
  return `${entry.term}:${entry.type}:${entry.stampMs}:${entry.data.join('.')}`;
}
