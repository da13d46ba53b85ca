import { type BatchHeader, type NodeRecord, readBatchHeader } from '@quorate/broker';

export interface ProposalGateOptions {
  /** Takes a batch into the log; false when there is no room now. */
  readonly propose: (batch: Uint8Array) => boolean;
  readonly nodeRecord: (nodeId: string) => NodeRecord | undefined;
  /** `from` sent what this version can not read, or in another node's name: in the log it would stop every node. */
  readonly onRefused: (from: string, reason: string) => void;
}

interface Admitted {
  readonly incarnation: number;
  readonly sequence: number;
}

interface Waiting {
  readonly header: BatchHeader;
  readonly batch: Uint8Array;
}

/** Batches that wait for room or for the leader to know where each node stands. */
const WAITING_BYTES = 32 * 1024 * 1024;

/**
 * In front of a leader's log: lets every node's batches in once and in order. The state machine would skip the others
 * anyway; here they cost nothing yet. A leader begins when it has applied everything from before its term, because
 * only then does it know which batch of each node comes next.
 */
export class ProposalGate {
  readonly #options: ProposalGateOptions;
  readonly #admitted = new Map<string, Admitted>();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #open = false;

  constructor(options: ProposalGateOptions) {
    this.#options = options;
  }

  /** A new term: nothing is known any more. */
  reset(): void {
    this.#admitted.clear();
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#open = false;
  }

  /** The leader has applied an entry of its own term. */
  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.retry();
  }

  /** A batch from a node, this one or another. */
  add(from: string, batch: Uint8Array): void {
    const header = this.#readHeader(from, batch);
    if (header === null) return;
    if (this.#open && this.#waiting.length === 0 && this.#admit(header, batch)) return;
    // Beyond the bound it is dropped: its node sends it again.
    if (this.#waitingBytes + batch.length > WAITING_BYTES) return;
    this.#waiting.push({ header, batch });
    this.#waitingBytes += batch.length;
  }

  /** There may be room again. */
  retry(): void {
    if (!this.#open || this.#waiting.length === 0) return;
    let taken = 0;
    for (const { header, batch } of this.#waiting) {
      if (!this.#admit(header, batch)) break;
      taken++;
      this.#waitingBytes -= batch.length;
    }
    if (taken > 0) this.#waiting.splice(0, taken);
  }

  #readHeader(from: string, batch: Uint8Array): BatchHeader | null {
    try {
      const header = readBatchHeader(batch);
      if (header.nodeId === from) return header;
      this.#options.onRefused(from, `it is in the name of ${header.nodeId}`);
    } catch (error) {
      this.#options.onRefused(from, error instanceof Error ? error.message : String(error));
    }
    return null;
  }

  /** True when the batch is in the log or not wanted there. */
  #admit({ nodeId, incarnation, sequence }: BatchHeader, batch: Uint8Array): boolean {
    if (!this.#isNext(nodeId, incarnation, sequence)) return true;
    if (!this.#options.propose(batch)) return false;
    this.#admitted.set(nodeId, { incarnation, sequence });
    return true;
  }

  #isNext(nodeId: string, incarnation: number, sequence: number): boolean {
    const known = this.#options.nodeRecord(nodeId);
    const last = this.#admitted.get(nodeId);
    const newest = Math.max(known?.incarnation ?? 0, last?.incarnation ?? 0);
    if (incarnation > newest) return sequence === 1;
    if (incarnation < newest) return false;
    if (last?.incarnation === incarnation) return sequence === last.sequence + 1;
    return known !== undefined && known.up && sequence === known.lastSequence + 1;
  }
}
