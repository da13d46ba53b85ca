import type { BrokerEnvironment } from './environment.ts';
import {
  type BatchHeader,
  ByteWriter,
  beginBatch,
  type CommandResult,
  invariant,
  type NodeUp,
  writeNodeUp,
} from './state/index.ts';

/** Learns the outcome of a command it proposed. `kind` and `argument` are its own, given back. */
export interface CommandOwner {
  commandApplied(kind: number, argument: number, result: CommandResult): void;
}

/** For commands whose outcome interests nobody. */
export const NOBODY: CommandOwner = { commandApplied: () => {} };

interface Batch {
  readonly sequence: number;
  readonly bytes: Buffer;
  readonly owners: CommandOwner[];
  readonly kinds: number[];
  readonly numbers: number[];
  sentAtMs: number;
  readonly sealedAtMs: number;
}

/** Unapplied batches beyond which a new one waits to grow, unless it is large already. */
const BATCHES_IN_FLIGHT = 2;
const LARGE_BATCH_BYTES = 64 * 1024;
/** A batch travels in one message between nodes: it is sealed at this size, whatever is on its way. */
const FULL_BATCH_BYTES = 1024 * 1024;
/**
 * Without any batch applied for so long, all are sent again: the oldest may be lost. A batch that only waits its turn
 * behind others that do get applied is not: an overloaded cluster would be given the same work again and again.
 */
const RETRY_AFTER_MS = 1000;

/**
 * Gathers this node's commands into batches and sees each of them applied exactly once and in order, whoever leads
 * meanwhile: every batch has the next sequence number of this incarnation, unapplied ones are sent again from the
 * oldest, and the state machine skips what it has seen (DESIGN.md of this package, "Proposals").
 */
export class Proposer {
  readonly #nodeId: string;
  readonly #environment: BrokerEnvironment;
  readonly #writer = new ByteWriter(4096);
  #incarnation = 0;
  #nextSequence = 1;
  #sequenceAt = 0;
  #owners: CommandOwner[] = [];
  #kinds: number[] = [];
  #numbers: number[] = [];
  #unapplied: Batch[] = [];
  #unappliedBytes = 0;
  #applying: Batch | null = null;
  #ordinal = 0;
  /** Latest moment at which a batch was applied: as long as there is progress, nothing is lost. */
  #progressAtMs = Number.NEGATIVE_INFINITY;
  #flushRequested = false;
  /** From `abandon` to `begin`: nothing of this incarnation is sent any more, or known. */
  #abandoned = false;
  /** Called with the time from sealing a batch to its application, and its number of commands. */
  onApplied: (durationMs: number, commands: number) => void = () => {};

  constructor(nodeId: string, environment: BrokerEnvironment) {
    this.#nodeId = nodeId;
    this.#environment = environment;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  /** Bytes proposed and not applied, the open batch included. */
  get unappliedBytes(): number {
    return this.#unappliedBytes + this.#writer.length;
  }

  /** Starts over under a new incarnation: whatever was not applied is void, and its owners hear no more of it. */
  begin(incarnation: number, node: NodeUp): void {
    invariant(incarnation > this.#incarnation, `incarnation ${incarnation} after ${this.#incarnation}`);
    this.abandon();
    this.#abandoned = false;
    this.#incarnation = incarnation;
    this.#nextSequence = 1;
    writeNodeUp(this.open(), node);
    this.added(NOBODY, 0, 0);
  }

  /**
   * Whatever was not applied is void, and so is what is added until `begin`: the state that it was meant for is gone,
   * and which of the batches the new one has seen is not known here.
   */
  abandon(): void {
    this.#abandoned = true;
    this.#unapplied = [];
    this.#unappliedBytes = 0;
    this.#applying = null;
    this.#forgetOpen();
  }

  /** Whether the incarnation is void; see `abandon`. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  #forgetOpen(): void {
    this.#writer.reset();
    this.#owners = [];
    this.#kinds = [];
    this.#numbers = [];
  }

  /** The writer for the next command; call `added` after it. */
  open(): ByteWriter {
    if (this.#writer.length === 0) {
      invariant(this.#incarnation > 0, 'nothing can be proposed before the node has an incarnation');
      this.#sequenceAt = beginBatch(this.#writer, this.#nodeId, this.#incarnation);
    }
    return this.#writer;
  }

  added(owner: CommandOwner, kind: number, argument: number): void {
    this.#owners.push(owner);
    this.#kinds.push(kind);
    this.#numbers.push(argument);
    if (this.#writer.length >= FULL_BATCH_BYTES) return this.#seal();
    if (this.#flushRequested) return;
    // The first command of a batch, and the one that makes it large enough not to wait any longer.
    if (this.#owners.length > 1 && this.#writer.length < LARGE_BATCH_BYTES) return;
    this.#flushRequested = true;
    this.#environment.requestFlush();
  }

  /** Ends of turns: seals and sends what was gathered, or lets it grow while enough is on its way. */
  flush(): void {
    this.#flushRequested = false;
    if (this.#owners.length === 0) return;
    if (this.#unapplied.length >= BATCHES_IN_FLIGHT && this.#writer.length < LARGE_BATCH_BYTES) return;
    this.#seal();
  }

  #seal(): void {
    if (this.#abandoned) return this.#forgetOpen();
    const sequence = this.#nextSequence++;
    this.#writer.patchInteger(this.#sequenceAt, sequence);
    const bytes = this.#writer.take();
    const nowMs = this.#environment.nowMs();
    this.#unapplied.push({
      sequence,
      bytes,
      owners: this.#owners,
      kinds: this.#kinds,
      numbers: this.#numbers,
      sentAtMs: nowMs,
      sealedAtMs: nowMs,
    });
    this.#unappliedBytes += bytes.length;
    this.#owners = [];
    this.#kinds = [];
    this.#numbers = [];
    this.#environment.transmit(bytes);
  }

  /** The way to the leader is new: everything unapplied goes again, oldest first. */
  resend(): void {
    const nowMs = this.#environment.nowMs();
    for (const batch of this.#unapplied) {
      batch.sentAtMs = nowMs;
      this.#environment.transmit(batch.bytes);
    }
  }

  tick(nowMs: number): void {
    const oldest = this.#unapplied[0];
    if (oldest === undefined) return;
    if (nowMs - Math.max(oldest.sentAtMs, this.#progressAtMs) >= RETRY_AFTER_MS) this.resend();
  }

  /** A batch passes by in the log. */
  batchBegin(header: BatchHeader, accepted: boolean): void {
    if (header.nodeId !== this.#nodeId || header.incarnation !== this.#incarnation) return;
    const oldest = this.#unapplied[0];
    if (!accepted || oldest === undefined) return;
    invariant(
      oldest.sequence === header.sequence,
      `batch ${header.sequence} applied while ${oldest.sequence} is the oldest`,
    );
    this.#applying = oldest;
    this.#ordinal = 0;
  }

  /** A command of this node is being applied at this moment. */
  get applying(): boolean {
    return this.#applying !== null;
  }

  /** The command being applied at this moment is one of `owner`'s, of that kind. */
  isApplying(owner: CommandOwner, kind: number): boolean {
    const batch = this.#applying;
    return batch !== null && batch.owners[this.#ordinal] === owner && batch.kinds[this.#ordinal] === kind;
  }

  commandResult(result: CommandResult): void {
    const batch = this.#applying;
    if (batch === null) return;
    const at = this.#ordinal++;
    const owner = batch.owners[at];
    invariant(owner !== undefined, `batch ${batch.sequence} has only ${batch.owners.length} commands`);
    owner.commandApplied(batch.kinds[at] as number, batch.numbers[at] as number, result);
  }

  batchEnd(): void {
    const batch = this.#applying;
    if (batch === null) return;
    this.#applying = null;
    // `begin` may have run meanwhile (the cluster gave this incarnation up in this very entry).
    if (this.#unapplied[0] !== batch) return;
    this.#unapplied.shift();
    this.#unappliedBytes -= batch.bytes.length;
    const nowMs = this.#environment.nowMs();
    this.#progressAtMs = nowMs;
    this.onApplied(nowMs - batch.sealedAtMs, batch.owners.length);
  }
}
