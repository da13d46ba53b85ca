import { type Broker, NOBODY, writeCheckpoint, writeClusterInit, writeNodeDown, writeTick } from '@quorate/broker';
import type { Status } from '@quorate/consensus';
import type { TransportLogger } from '../transport/index.ts';

export interface LeaderDutiesOptions {
  readonly broker: Broker;
  readonly logger: TransportLogger;
  readonly newClusterId: () => string;
  readonly leaseMs: number;
  readonly checkpointIntervalMs: number;
  readonly checkpointBytes: number;
  /** Checkpoints of this node that are not on disk yet. */
  readonly checkpointsWaiting: () => number;
}

const TICK_INTERVAL_MS = 1_000;

/** What the leader does besides replicating: names the cluster, moves its clock, takes checkpoints, gives dead nodes up. */
export class LeaderDuties {
  readonly #options: LeaderDutiesOptions;
  #term: number | null = null;
  #sinceMs = 0;
  #lastTickMs = 0;
  #lastCheckpointMs = 0;
  #bytesSinceCheckpoint = 0;
  #named = false;
  /** When each node last asked for a read in this term. */
  readonly #heardMs = new Map<string, number>();
  /** Nodes whose NodeDown is proposed and not applied: their reads are not answered, see {@link answersReadsOf}. */
  readonly #goingDown = new Set<string>();

  constructor(options: LeaderDutiesOptions) {
    this.#options = options;
  }

  onStatus(status: Status, nowMs: number): void {
    const term = status.role === 'leader' ? status.term : null;
    if (term === this.#term) return;
    this.#term = term;
    this.#sinceMs = nowMs;
    this.#named = false;
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

  nodeChanged(nodeId: string): void {
    this.#goingDown.delete(nodeId);
  }

  applied(sizeBytes: number): void {
    this.#bytesSinceCheckpoint += sizeBytes;
  }

  checkpointed(nowMs: number): void {
    this.#bytesSinceCheckpoint = 0;
    this.#lastCheckpointMs = nowMs;
  }

  tick(nowMs: number, status: Status): void {
    const { broker, newClusterId } = this.#options;
    // Not before this node is registered: its commands would be in nobody's name.
    if (this.#term === null || !status.termCommitted || !broker.registered) return;
    if (broker.machine.state.clusterId === null && !this.#named) {
      this.#named = true;
      writeClusterInit(broker.proposer.open(), newClusterId());
      broker.proposer.added(NOBODY, 0, 0);
    }
    this.#giveUpSilent(nowMs);
    this.#checkpoint(nowMs, status);
    if (nowMs - this.#lastTickMs >= TICK_INTERVAL_MS && broker.machine.state.timers.size > 0) {
      this.#lastTickMs = nowMs;
      writeTick(broker.proposer.open());
      broker.proposer.added(NOBODY, 0, 0);
    }
  }

  #checkpoint(nowMs: number, status: Status): void {
    const { broker, checkpointIntervalMs, checkpointBytes, checkpointsWaiting } = this.#options;
    if (this.#bytesSinceCheckpoint === 0 || checkpointsWaiting() > 1) return;
    const due = nowMs - this.#lastCheckpointMs >= checkpointIntervalMs || this.#bytesSinceCheckpoint >= checkpointBytes;
    if (!due) return;
    this.#lastCheckpointMs = nowMs;
    this.#bytesSinceCheckpoint = 0;
    const matched = status.followers.map((follower) => follower.matchIndex);
    const compactIndex = Math.min(broker.machine.state.appliedIndex, ...matched);
    writeCheckpoint(broker.proposer.open(), { compactIndex });
    broker.proposer.added(NOBODY, 0, 0);
  }

  /** Twice the lease without a question: the node's lease is over, whoever led when it was granted. */
  #giveUpSilent(nowMs: number): void {
    const { broker, leaseMs, logger } = this.#options;
    const term = this.#term;
    if (term === null) return;
    const boundMs = leaseMs * 2 + 500;
    for (const node of broker.machine.state.nodes.values()) {
      if (!node.up || node.nodeId === broker.nodeId || this.#goingDown.has(node.nodeId)) continue;
      const silentMs = nowMs - Math.max(this.#heardMs.get(node.nodeId) ?? 0, this.#sinceMs);
      if (silentMs < boundMs) continue;
      logger.warn({ peer: node.nodeId, silentMs: Math.round(silentMs) }, `${node.nodeId} is out of contact: its clients count as disconnected`);
      this.#goingDown.add(node.nodeId);
      writeNodeDown(broker.proposer.open(), { nodeId: node.nodeId, incarnation: node.incarnation, term });
      broker.proposer.added(NOBODY, 0, 0);
    }
  }
}
