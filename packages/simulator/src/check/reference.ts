import {
  type AppliedEntry,
  type BatchHeader,
  type CommandResult,
  CommandType,
  forEachBatch,
  type OwnershipLoss,
  type Publish,
  readPublish,
  type Session,
  type State,
  StateMachine,
  type StateSink,
} from '@quorate/broker';
import { forEachCommand } from './commands.ts';

/** A value that a register (a retained topic) took on. */
export interface RegisterWrite {
  /** Grows with every write of any register. */
  readonly position: number;
  /** Null: cleared. */
  readonly value: string | null;
  readonly atMs: number;
}

/**
 * One more replica that never fails: it applies every entry once, as soon as any node applies it, and remembers what the log said and
 * when. What nodes do and clients see is held against it.
 */
export class Reference implements StateSink {
  readonly machine: StateMachine;
  /** By payload: the index at which it was first published. */
  readonly publishedAt = new Map<string, number>();
  /** By payload: the cluster clock at which it was last published: at QoS 1 that may happen again. */
  readonly publishedMs = new Map<string, number>();
  /** Connections that ended because the cluster gave their node up. */
  readonly droppedEpochs = new Set<number>();
  /** Epochs of connections that were given a session that nobody had, or a new one. */
  readonly freeEpochs = new Set<number>();
  readonly registers = new Map<string, RegisterWrite[]>();
  readonly #nowMs: () => number;
  /** The publications among the commands of each batch of the entry that is being applied. */
  #batches: (Publish | null)[][] = [];
  #commands: (Publish | null)[] = [];
  #ordinal = 0;
  #positions = 0;
  #nextMessageId = 1;
  #checkpointed = false;
  /** Whose batch is being applied. */
  #proposer = '';
  /** A node was given up, by a leader. */
  onNodeDown: (nodeId: string, incarnation: number, leaderId: string) => void = () => {};
  /** A checkpoint was taken at this index. */
  onCheckpoint: (index: number) => void = () => {};

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.machine = new StateMachine(this);
  }

  get state(): State {
    return this.machine.state;
  }

  apply(entry: AppliedEntry): void {
    this.#batches = [];
    if (entry.data.length > 0) forEachBatch(entry.data, (batch) => this.#batches.push(publicationsOf(batch)));
    this.machine.apply(entry);
    if (!this.#checkpointed) return;
    this.#checkpointed = false;
    this.onCheckpoint(this.state.appliedIndex);
  }

  batchBegin({ nodeId }: BatchHeader): void {
    this.#proposer = nodeId;
    this.#commands = this.#batches.shift() ?? [];
    this.#ordinal = 0;
  }

  commandResult(_header: BatchHeader, result: CommandResult): void {
    const command = this.#commands[this.#ordinal++];
    if (result.kind === 'connected' && result.previousOwner === null) this.freeEpochs.add(result.session.epoch);
    const routed = this.state.nextMessageId !== this.#nextMessageId;
    this.#nextMessageId = this.state.nextMessageId;
    if (command == null || result.kind !== 'published') return;
    const { payload, topic, retain } = command;
    const value = Buffer.from(payload).toString();
    if (!this.publishedAt.has(value)) this.publishedAt.set(value, this.state.appliedIndex);
    this.publishedMs.set(value, this.state.nowMs);
    if (!retain || !routed) return;
    const write = { position: ++this.#positions, value: value === '' ? null : value, atMs: this.#nowMs() };
    const writes = this.registers.get(topic);
    if (writes === undefined) this.registers.set(topic, [write]);
    else writes.push(write);
  }

  batchEnd(): void {}
  deliver(): void {}
  queued(): void {}

  ownershipLost(_session: Session, _node: string, epoch: number, why: OwnershipLoss): void {
    if (why === 'nodeDown') this.droppedEpochs.add(epoch);
  }

  nodeChanged(nodeId: string, incarnation: number, up: boolean): void {
    if (!up) this.onNodeDown(nodeId, incarnation, this.#proposer);
  }

  checkpoint(): void {
    this.#checkpointed = true;
  }
  clusterNamed(): void {}
  dropped(): void {}
}

function publicationsOf(batch: Buffer): (Publish | null)[] {
  const found: (Publish | null)[] = [];
  forEachCommand(batch, (type, reader) => {
    found.push(type === CommandType.publish ? readPublish(reader) : null);
  });
  return found;
}
