import { type Configuration, type Entry, hasQuorum, type Message, type NodeId, type Status } from '@quorate/consensus';

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
  readonly #configuration: Configuration;

  constructor(configuration: Configuration) {
    this.#configuration = configuration;
  }

  /** Election safety, and leader completeness: `log` is what is durable at the moment of election. */
  onStatus(status: Status, log: readonly Entry[]): void {
    if (status.role !== 'leader' || this.#leaders.get(status.term) === status.id) return;
    const other = this.#leaders.get(status.term);
    if (other !== undefined) throw new Violation(`two leaders in term ${status.term}: ${other} and ${status.id}`);
    this.#leaders.set(status.term, status.id);
    for (let index = 1; index <= this.maxCommitIndex; index++) {
      const entry = log[index - 1];
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
  onStored(log: readonly Entry[], from: number): void {
    for (let index = from; index <= log.length; index++) {
      const entry = log[index - 1] as Entry;
      const key = `${index}/${entry.term}`;
      const record = { content: describe(entry), prevTerm: log[index - 2]?.term ?? 0 };
      const earlier = this.#entries.get(key) ?? record;
      if (earlier.content !== record.content || earlier.prevTerm !== record.prevTerm) {
        throw new Violation(
          `entry ${key}: ${earlier.content} after ${earlier.prevTerm}, or ${record.content} after ${record.prevTerm}`,
        );
      }
      this.#entries.set(key, record);
    }
  }

  /** A leader counts an entry as committed: it must be its own, and on the disks of a quorum. */
  onLeaderCommit(status: Status, logOf: (id: NodeId) => readonly Entry[], previousIndex: number): void {
    const { id, term, commitIndex } = status;
    if (commitIndex > previousIndex) {
      const holds = (node: NodeId) => logOf(node)[commitIndex - 1]?.term === term;
      if (!hasQuorum(this.#configuration, holds)) {
        throw new Violation(`${id} commits ${commitIndex} of term ${term} without a quorum of disks`);
      }
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

function describe(entry: Entry): string {
  return `${entry.term}:${entry.type}:${entry.stampMs}:${entry.data.join('.')}`;
}
