import type { NodeId } from '@quorate/consensus';
import type { SnapshotMessage } from '@quorate/protocol';
import { type SnapshotInfo, type SnapshotReader, StorageError } from '@quorate/storage';

export const CHUNK_BYTES = 256 << 10;
/** Four chunks. */
export const WINDOW_BYTES = 4 * CHUNK_BYTES;
export const OFFER_INTERVAL_MS = 500;
/** A receiver that is silent for so long is asked where it stands. */
export const SILENCE_MS = 1000;
/** A stream that came no further for so long is given up. */
export const STUCK_MS = 30_000;

/** What a stream needs from its owner. */
export interface StreamHost {
  readonly send: (to: NodeId, message: SnapshotMessage) => boolean;
  readonly nowMs: () => number;
  /** It came no further. The owner ends it. */
  readonly onStuck: (stream: OutgoingStream, reason: string) => void;
  readonly onError: (stream: OutgoingStream, error: unknown) => void;
  /** Work in the background, which never rejects. */
  readonly track: (work: Promise<void>) => void;
}

/**
 * One snapshot on its way to one peer. The receiver alone knows where it stands, over losses and restarts of its own: an
 * offer asks it, `progress` is the answer and also acknowledges chunks. What is lost is found by silence, never by
 * counting acknowledgements.
 */
export class OutgoingStream {
  readonly peer: NodeId;
  readonly info: SnapshotInfo;
  /** The term that this node leads. */
  term: number;
  readonly #reader: SnapshotReader;
  readonly #host: StreamHost;
  #acknowledged = 0;
  #next = 0;
  /** An answer to an offer is awaited; no chunk leaves meanwhile. */
  #offering = true;
  /** What was on the way is lost: go on from where the receiver says, also if that is further than was acknowledged. */
  #rewind = true;
  #blocked = false;
  #reading = false;
  #ended = false;
  #offeredMs = Number.NEGATIVE_INFINITY;
  #heardMs: number;
  #movedMs: number;

  constructor(peer: NodeId, term: number, reader: SnapshotReader, host: StreamHost) {
    this.peer = peer;
    this.term = term;
    this.info = reader.info;
    this.#reader = reader;
    this.#host = host;
    this.#heardMs = host.nowMs();
    this.#movedMs = this.#heardMs;
  }

  tick(nowMs: number): void {
    if (this.#ended) return;
    if (nowMs - this.#movedMs >= STUCK_MS) {
      this.#host.onStuck(this, `it came no further for ${STUCK_MS / 1000} s`);
      return;
    }
    if (!this.#offering && nowMs - this.#heardMs >= SILENCE_MS) this.#ask();
    if (this.#offering && nowMs - this.#offeredMs >= OFFER_INTERVAL_MS && this.#offer()) this.#offeredMs = nowMs;
    this.#blocked = false;
    this.#pump();
  }

  onProgress(offset: number): void {
    const { sizeBytes } = this.info;
    if (this.#ended || !Number.isSafeInteger(offset) || offset < 0 || offset > sizeBytes) return;
    this.#heardMs = this.#host.nowMs();
    // Everything is there: it verifies and installs, which may take long, and says that it is alive.
    if (offset !== this.#acknowledged || offset === sizeBytes) this.#movedMs = this.#heardMs;
    // Further than before while an answer is awaited: a slow receiver acknowledges chunks from before the offer.
    const standsStill = this.#offering && offset === this.#acknowledged;
    const from = this.#rewind || standsStill || offset < this.#acknowledged ? offset : Math.max(this.#next, offset);
    this.#next = from;
    this.#acknowledged = offset;
    this.#offering = false;
    this.#rewind = false;
    this.#pump();
  }

  /** What was on its way is lost. */
  peerLost(): void {
    this.#rewind = true;
    this.#ask();
  }

  /** Sends nothing more and closes the file, once the read in flight is through. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#reading) this.#host.track(this.#close());
  }

  #ask(): void {
    this.#offering = true;
    this.#offeredMs = Number.NEGATIVE_INFINITY;
  }

  #offer(): boolean {
    const { id, index, term: snapshotTerm, stampMs, configuration, clusterId, machineVersion, sizeBytes } = this.info;
    const facts = { id, index, snapshotTerm, stampMs, configuration, clusterId, machineVersion, sizeBytes };
    return this.#host.send(this.peer, { kind: 'offer', term: this.term, ...facts });
  }

  #pump(): void {
    if (this.#reading || !this.#maySend()) return;
    this.#reading = true;
    this.#host.track(this.#sendChunks());
  }

  #maySend(): boolean {
    if (this.#ended || this.#offering || this.#blocked) return false;
    const left = this.info.sizeBytes - this.#next;
    return left > 0 && this.#next - this.#acknowledged + Math.min(left, CHUNK_BYTES) <= WINDOW_BYTES;
  }

  async #sendChunks(): Promise<void> {
    try {
      while (this.#maySend()) {
        const offset = this.#next;
        const data = await this.#reader.read(offset, CHUNK_BYTES);
        // Meanwhile the receiver may have said that it stands elsewhere.
        if (!this.#maySend() || this.#next !== offset) continue;
        if (data.length === 0) throw endsTooSoon(this.info.id, offset);
        if (!this.#host.send(this.peer, { kind: 'chunk', id: this.info.id, term: this.term, offset, data })) {
          this.#blocked = true;
          return;
        }
        this.#next = offset + data.length;
      }
    } catch (error) {
      if (!this.#ended) this.#host.onError(this, error);
    } finally {
      this.#reading = false;
      if (this.#ended) await this.#close();
    }
  }

  async #close(): Promise<void> {
    // It was only read from: nothing is lost by an error here.
    await this.#reader.close().catch(() => {});
  }
}

function endsTooSoon(id: string, offset: number): StorageError {
  return new StorageError('SNAPSHOT_CORRUPTED', { path: id, reason: `it ends at byte ${offset}` });
}
