import { type Broker, NOBODY, writeCheckpoint, writeClusterInit, writeNodeDown, writeTick } from '@quorate/broker';
import type { Status } from '@quorate/consensus';
import type { TransportLogger } from '../transport/index.ts';
import { LogRetention } from './log-retention.ts';

/** What of the broker the duties need. */
export type DutiesBroker = Pick<Broker, 'nodeId' | 'registered'> & {
  readonly machine: { readonly state: Broker['machine']['state'] };
  readonly proposer: Pick<Broker['proposer'], 'open' | 'added'>;
};

export interface LeaderDutiesOptions {
  readonly broker: DutiesBroker;
  readonly logger: TransportLogger;
  readonly newClusterId: () => string;
  readonly leaseMs: number;
  readonly checkpointIntervalMs: number;
  readonly checkpointBytes: number;
  /** Log data kept for members that are behind it, and for snapshots on their way; see {@link LogRetention}. */
  readonly keepLogBytes: number;
  /** The least index of the snapshots that this node is sending, or null. */
  readonly snapshotIndex: () => number | null;
  /** Whether this node would take a checkpoint now, and not miss it because of those before. */
  readonly acceptsCheckpoint: () => boolean;
}

const TICK_INTERVAL_MS = 1_000;
/** Changed records beyond which a checkpoint is due: what is gathered waits in memory for the disk. */
const CHECKPOINT_RECORDS = 4_096;
/** No call for so long: this process stood still, and what it did not hear is no silence of others. */
const PAUSE_MS = 500;

/** What the leader does besides replicating: names the cluster, moves its clock, takes checkpoints, gives dead nodes up. */
export class LeaderDuties {
  readonly #options: LeaderDutiesOptions;
  #leaseMs: number;
  #term: number | null = null;
  /** Silence counts from here: the beginning of the term, or the end of this process's last pause. */
  #sinceMs = 0;
  #calledMs = 0;
  #lastTickMs = 0;
  /** The state when the last tick was proposed. */
  #tickedIndex = 0;
  #lastCheckpointMs = 0;
  #bytesSinceCheckpoint = 0;
  /** A checkpoint is proposed in this term and not applied. */
  #checkpointing = false;
  #named = false;
  readonly #retention: LogRetention;
  /** When each node last asked for a read in this term. */
  readonly #heardMs = new Map<string, number>();
  /** Nodes whose NodeDown is proposed and not applied: their reads are not answered, see {@link answersReadsOf}. */
  readonly #goingDown = new Set<string>();

  constructor(options: LeaderDutiesOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs;
    this.#retention = new LogRetention(options.keepLogBytes);
  }

  /** The longest lease of any member, when it changes. */
  setLeaseMs(leaseMs: number): void {
    this.#leaseMs = leaseMs;
  }

  onStatus(status: Status, nowMs: number): void {
    const term = status.role === 'leader' ? status.term : null;
    if (term === this.#term) return;
    this.#term = term;
    this.#sinceMs = nowMs;
    this.#calledMs = nowMs;
    this.#named = false;
    this.#checkpointing = false;
    this.#heardMs.clear();
    this.#goingDown.clear();
  }

  /**
   * A node extends its lease by reads. Between the decision to give it up and the commit of that, none may be answered:
   * it could serve on, and the next owner of its sessions would not wait for it.
   */
  answersReadsOf(nodeId: string, nowMs: number): boolean {
    if (this.#term === null) return true;
    if (this.#goingDown.has(nodeId)) return false;
    this.#heardMs.set(nodeId, nowMs);
    return true;
  }

  /** A node is registered or given up. One that is back is heard: its silence was that of an earlier incarnation. */
  nodeChanged(nodeId: string, up: boolean, nowMs: number): void {
    this.#goingDown.delete(nodeId);
    if (up) this.#heardMs.set(nodeId, nowMs);
  }

  applied(sizeBytes: number): void {
    this.#bytesSinceCheckpoint += sizeBytes;
  }

  /** A snapshot took the place of the state: a checkpoint that was under way is behind it. */
  restored(): void {
    this.#checkpointing = false;
    this.#bytesSinceCheckpoint = 0;
    this.#goingDown.clear();
  }

  /** A checkpoint at `index` was applied. @returns bytes of log since the one before */
  checkpointed(nowMs: number, index: number): number {
    const logBytes = this.#bytesSinceCheckpoint;
    this.#retention.passed(index, logBytes);
    this.#checkpointing = false;
    this.#bytesSinceCheckpoint = 0;
    this.#lastCheckpointMs = nowMs;
    return logBytes;
  }

  tick(nowMs: number, status: Status): void {
    const { broker, newClusterId } = this.#options;
    const { state } = broker.machine;
    // Not before all of the earlier terms is applied: one of their commands may void this node's registration, and
    // with it whatever was proposed under that.
    if (this.#term === null || status.term !== this.#term || state.appliedTerm !== this.#term || !broker.registered)
      return;
    if (nowMs - this.#calledMs >= PAUSE_MS) this.#sinceMs = nowMs;
    this.#calledMs = nowMs;
    if (state.clusterId === null && !this.#named) {
      this.#named = true;
      writeClusterInit(broker.proposer.open(), newClusterId());
      broker.proposer.added(NOBODY, 0, 0);
    }
    this.#giveUpSilent(nowMs);
    this.#checkpoint(nowMs, status);
    this.#tick(nowMs);
  }

  /** One tick does a bounded part of what is due: the next one follows when it is applied, until nothing is. */
  #tick(nowMs: number): void {
    const { broker } = this.#options;
    const { state } = broker.machine;
    const due = state.hasDue ? state.appliedIndex > this.#tickedIndex : nowMs - this.#lastTickMs >= TICK_INTERVAL_MS;
    if (!due || (!state.hasTimers && !state.hasDue)) return;
    this.#lastTickMs = nowMs;
    this.#tickedIndex = state.appliedIndex;
    writeTick(broker.proposer.open());
    broker.proposer.added(NOBODY, 0, 0);
  }

  #checkpoint(nowMs: number, status: Status): void {
    const { broker, checkpointIntervalMs, checkpointBytes, acceptsCheckpoint } = this.#options;
    if (this.#bytesSinceCheckpoint === 0 || this.#checkpointing || !acceptsCheckpoint()) return;
    const { state } = broker.machine;
    const { sessions, queues, retained, removedSessions, documents } = state.dirty;
    const records = sessions.size + queues.size + retained.size + removedSessions.length + documents.size;
    const due =
      nowMs - this.#lastCheckpointMs >= checkpointIntervalMs ||
      this.#bytesSinceCheckpoint >= checkpointBytes ||
      records >= CHECKPOINT_RECORDS;
    if (!due) return;
    this.#checkpointing = true;
    const matched = status.followers.map((follower) => follower.matchIndex);
    const compactIndex = this.#retention.compactIndex(state.appliedIndex, matched, this.#options.snapshotIndex());
    writeCheckpoint(broker.proposer.open(), { compactIndex });
    broker.proposer.added(NOBODY, 0, 0);
  }

  /** Twice the lease without a question: the node's lease is over, whoever led when it was granted. */
  #giveUpSilent(nowMs: number): void {
    const { broker, logger } = this.#options;
    const term = this.#term;
    if (term === null) return;
    const boundMs = this.#leaseMs * 2 + 500;
    for (const node of broker.machine.state.nodes.values()) {
      if (!node.up || node.nodeId === broker.nodeId || this.#goingDown.has(node.nodeId)) continue;
      const silentMs = nowMs - Math.max(this.#heardMs.get(node.nodeId) ?? 0, this.#sinceMs);
      if (silentMs < boundMs) continue;
      logger.warn(
        { peer: node.nodeId, silentMs: Math.round(silentMs) },
        `${node.nodeId} is out of contact: its clients count as disconnected`,
      );
      this.#goingDown.add(node.nodeId);
      writeNodeDown(broker.proposer.open(), { nodeId: node.nodeId, incarnation: node.incarnation, term });
      broker.proposer.added(NOBODY, 0, 0);
    }
  }
}
