import type { Configuration } from '@quorate/consensus';
import type { TransportLogger } from '../transport/index.ts';
import { MACHINE_VERSION } from './machine-version.ts';
import { RECORD_SUM_BYTES } from './record-sum.ts';

export interface StateComparisonOptions {
  readonly nodeId: string;
  readonly configuration: () => Configuration;
  readonly broadcast: (payload: Buffer) => void;
  readonly logger: TransportLogger;
  /** More than half of the voters agree with each other and not with this node. */
  readonly onDiverged: (error: StateDiverged) => void;
}

/** The state of this node is not what the log says: it must be replaced by that of another node. */
export class StateDiverged extends Error {
  readonly code = 'STATE_DIVERGED';

  constructor(index: number) {
    super(
      `what this node changed up to the checkpoint at entry ${String(index)} differs from what most members changed: ` +
        'its state is wrong and is replaced by that of another member',
    );
    this.name = 'StateDiverged';
  }
}

/** Checkpoints whose sums are remembered; a member's sum that comes later than so many checkpoints is not compared. */
const REMEMBERED = 64;
/** Index as a double, and the version of the state machine. */
const HEAD_BYTES = 12;
const VERSION_AT = 8;

/** Compares what each node changed from one checkpoint to the next: all of them take these at the same log entries. */
export class StateComparison {
  readonly #options: StateComparisonOptions;
  /** By index, oldest first; of each node the sum as hexadecimal text. */
  readonly #sums = new Map<number, Map<string, string>>();
  #diverged = false;

  constructor(options: StateComparisonOptions) {
    this.#options = options;
  }

  /** A checkpoint of this node. */
  own(index: number, sum: Buffer): void {
    const payload = Buffer.alloc(HEAD_BYTES + RECORD_SUM_BYTES);
    payload.writeDoubleBE(index);
    payload.writeUInt32BE(MACHINE_VERSION, VERSION_AT);
    sum.copy(payload, HEAD_BYTES);
    this.#options.broadcast(payload);
    this.#add(this.#options.nodeId, index, sum.toString('hex'));
  }

  /** A checkpoint of another member. */
  received(from: string, payload: Uint8Array): void {
    if (payload.length !== HEAD_BYTES + RECORD_SUM_BYTES) return;
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    const index = bytes.readDoubleBE(0);
    // Another release may write other records of the same state.
    if (bytes.readUInt32BE(VERSION_AT) !== MACHINE_VERSION) return;
    if (Number.isSafeInteger(index) && index > 0) this.#add(from, index, bytes.toString('hex', HEAD_BYTES));
  }

  /** The state was replaced: what was changed before it is not to be compared any more. */
  reset(): void {
    this.#sums.clear();
  }

  #add(nodeId: string, index: number, sum: string): void {
    let sums = this.#sums.get(index);
    if (sums === undefined) {
      // The newest ones are compared: whoever is ahead must not make the others' sums forgotten one after the other.
      if (this.#sums.size >= REMEMBERED) this.#sums.delete(Math.min(...this.#sums.keys()));
      sums = new Map();
      this.#sums.set(index, sums);
    }
    sums.set(nodeId, sum);
    this.#compare(index, sums);
  }

  #compare(index: number, sums: ReadonlyMap<string, string>): void {
    const { nodeId, configuration, logger, onDiverged } = this.#options;
    const own = sums.get(nodeId);
    if (own === undefined || this.#diverged) return;
    const { voters } = configuration();
    const counts = new Map<string, number>();
    for (const voter of voters) {
      const sum = sums.get(voter);
      if (sum !== undefined && sum !== own) counts.set(sum, (counts.get(sum) ?? 0) + 1);
    }
    if (counts.size === 0) return;
    if (Math.max(...counts.values()) * 2 > voters.length) {
      this.#diverged = true;
      onDiverged(new StateDiverged(index));
      return;
    }
    const others = [...sums].filter(([, sum]) => sum !== own).map(([id]) => id);
    logger.error(
      { index, nodes: others },
      `the state of ${others.join(', ')} differs from that of this node at entry ${String(index)}`,
    );
  }
}
