import type { NodeId } from '@quorate/consensus';
import type { SnapshotChunk, SnapshotOffer } from '@quorate/protocol';

/** What waits for the store, the message in work included. A sender has at most a quarter of it on its way. */
export const MAX_QUEUED_BYTES = 4 << 20;
/** Counted for each message on top of its bytes, so that small ones have a bound too. */
const MESSAGE_BYTES = 512;

export interface Inbound {
  readonly from: NodeId;
  readonly message: SnapshotOffer | SnapshotChunk;
}

/** Messages in the order in which they came; those beyond the bound are dropped, as they are sent again. */
export class InboundQueue {
  #waiting: Inbound[] = [];
  #bytes = 0;

  /** Of all that is held. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  push(from: NodeId, message: SnapshotOffer | SnapshotChunk): void {
    if (message.kind === 'offer' && this.#answeredAlready(from, message)) return;
    const size = sizeOf(message);
    if (this.#bytes + size > MAX_QUEUED_BYTES) return;
    this.#bytes += size;
    this.#waiting.push({ from, message });
  }

  /** It stays until `removeFirst`. Null when nothing waits. */
  first(): Inbound | null {
    return this.#waiting[0] ?? null;
  }

  removeFirst(): void {
    const first = this.#waiting.shift();
    if (first !== undefined) this.#bytes -= sizeOf(first.message);
  }

  clear(): void {
    this.#waiting = [];
    this.#bytes = 0;
  }

  /** An offer behind one of the same stream asks nothing that will not be answered. */
  #answeredAlready(from: NodeId, { id, term }: SnapshotOffer): boolean {
    const last = this.#waiting.findLast(({ message }) => message.kind === 'offer');
    return last !== undefined && last.from === from && last.message.id === id && last.message.term === term;
  }
}

function sizeOf(message: SnapshotOffer | SnapshotChunk): number {
  return MESSAGE_BYTES + (message.kind === 'offer' ? message.configuration.length : message.data.length);
}
