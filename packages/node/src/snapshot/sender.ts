import type { NodeId } from '@quorate/consensus';
import type { SnapshotMessage } from '@quorate/protocol';
import type { TransportLogger } from '../transport/types.ts';
import { OutgoingStream, type StreamHost } from './outgoing-stream.ts';
import { concernsOneSnapshot, SnapshotSupply, type SnapshotSupplyOptions } from './supply.ts';

/** After a stream failed, the next one to that peer waits: one second at first, twice as long each time. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

export interface SnapshotSenderOptions extends SnapshotSupplyOptions {
  /** False: not sent, it is tried again at the next tick. */
  readonly send: (to: NodeId, message: SnapshotMessage) => boolean;
  /** Monotonic, in milliseconds. */
  readonly nowMs: () => number;
  /**
   * What a request led to, for the core's `snapshotSent`. `index` and `term` are the snapshot's, 0 when there was none.
   * Never called after `stepDown` or `stop` for a stream from before. A request that needs more than the stream under way
   * has is the one call in which this is called synchronously.
   */
  readonly onSent: (peer: NodeId, index: number, term: number, ok: boolean) => void;
  /** An error of the store. Nothing is sent or reported after it. */
  readonly onFatal: (error: unknown) => void;
  readonly logger: TransportLogger;
}

interface Request {
  readonly peer: NodeId;
  minIndex: number;
  term: number;
  readonly notBeforeMs: number;
  preparing: boolean;
  ended: boolean;
  /** Null while the snapshot is looked for or made. */
  stream: OutgoingStream | null;
}

/**
 * A leader's side of snapshots on their way to other nodes: one stream per peer, each reported exactly once unless
 * leadership ends first. Call `tick` several times within half a second.
 */
export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #supply: SnapshotSupply;
  readonly #host: StreamHost;
  readonly #requests = new Map<NodeId, Request>();
  readonly #pauses = new Map<NodeId, { readonly untilMs: number; readonly lengthMs: number }>();
  readonly #work = new Set<Promise<void>>();
  #closed = false;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
    this.#supply = new SnapshotSupply(options);
    this.#host = {
      send: (to, message) => options.send(to, message),
      nowMs: () => options.nowMs(),
      onStuck: (stream, reason) => this.#endStream(stream, false, reason),
      onError: (stream, error) => this.#onStreamError(stream, error),
      track: (work) => this.#track(work),
    };
  }

  /**
   * The least index of the snapshots on their way, null when there is none. As long as the log is kept behind it, what
   * comes after the snapshot can come from the log; else a long stream is replaced before it ends, again and again.
   */
  get oldestIndex(): number | null {
    let oldest: number | null = null;
    for (const { stream } of this.#requests.values()) {
      if (stream !== null && (oldest === null || stream.info.index < oldest)) oldest = stream.info.index;
    }
    return oldest;
  }

  /**
   * The core's `sendSnapshot`. A stream to that peer which reaches `minIndex` will do, and answers this request too.
   * @param term that this node leads
   */
  request(peer: NodeId, minIndex: number, term: number): void {
    if (this.#closed) return;
    const current = this.#requests.get(peer);
    if (current !== undefined) {
      current.term = Math.max(current.term, term);
      if (current.stream === null) {
        current.minIndex = Math.max(current.minIndex, minIndex);
        return;
      }
      current.stream.term = current.term;
      if (current.stream.info.index >= minIndex) return;
    }
    const notBeforeMs = this.#pauses.get(peer)?.untilMs ?? Number.NEGATIVE_INFINITY;
    const request: Request = { peer, minIndex, term, notBeforeMs, preparing: false, ended: false, stream: null };
    this.#requests.set(peer, request);
    if (current !== undefined) this.#report(current, false, `the log now begins at ${minIndex}`);
    this.#beginWhenDue(request, this.#options.nowMs());
  }

  tick(nowMs: number): void {
    for (const request of [...this.#requests.values()]) {
      if (request.stream === null) this.#beginWhenDue(request, nowMs);
      else request.stream.tick(nowMs);
    }
  }

  onMessage(from: NodeId, message: SnapshotMessage): void {
    const stream = this.#requests.get(from)?.stream;
    if (stream == null || (message.kind !== 'progress' && message.kind !== 'result')) return;
    if (message.id !== stream.info.id) return;
    if (message.kind === 'progress') return stream.onProgress(message.offset);
    if (!message.ok && message.code === 'SNAPSHOT_CORRUPTED') this.#supply.distrust(message.id);
    this.#endStream(stream, message.ok, `${message.code}: ${message.reason}`);
  }

  /** The connection to the peer closed. The stream goes on if the peer comes back in time. */
  peerLost(peer: NodeId): void {
    this.#requests.get(peer)?.stream?.peerLost();
  }

  /** This node leads no more: every stream ends, and nobody is told. */
  stepDown(): void {
    for (const request of this.#requests.values()) {
      request.ended = true;
      request.stream?.end();
    }
    this.#requests.clear();
    this.#pauses.clear();
  }

  /** As `stepDown`, for good. Resolves when no read and no dump is in flight and every file is closed. */
  async stop(): Promise<void> {
    this.#closed = true;
    this.stepDown();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #beginWhenDue(request: Request, nowMs: number): void {
    if (request.preparing || request.ended || nowMs < request.notBeforeMs) return;
    request.preparing = true;
    this.#track(this.#prepare(request));
  }

  async #prepare(request: Request): Promise<void> {
    const { peer } = request;
    try {
      const reader = await this.#supply.open(() => request.minIndex);
      if (request.ended) {
        await reader?.close();
      } else if (reader === null) {
        this.#end(request, false, `there is no snapshot that reaches entry ${request.minIndex}`);
      } else {
        const { id, index, sizeBytes } = reader.info;
        this.#options.logger.info({ peer, id, index, sizeBytes }, 'sending a snapshot');
        request.stream = new OutgoingStream(peer, request.term, reader, this.#host);
        request.stream.tick(this.#options.nowMs());
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #onStreamError(stream: OutgoingStream, error: unknown): void {
    if (!concernsOneSnapshot(error)) return this.#fail(error);
    this.#supply.distrust(stream.info.id);
    this.#endStream(stream, false, error.message);
  }

  #endStream(stream: OutgoingStream, ok: boolean, reason: string): void {
    const request = this.#requests.get(stream.peer);
    if (request?.stream === stream) this.#end(request, ok, reason);
  }

  #end(request: Request, ok: boolean, reason: string): void {
    const { peer } = request;
    this.#requests.delete(peer);
    if (ok) {
      this.#pauses.delete(peer);
    } else {
      const before = this.#pauses.get(peer)?.lengthMs ?? FIRST_PAUSE_MS / 2;
      const lengthMs = Math.min(LONGEST_PAUSE_MS, 2 * before);
      this.#pauses.set(peer, { untilMs: this.#options.nowMs() + lengthMs, lengthMs });
    }
    this.#report(request, ok, reason);
  }

  /** The request is no longer in the map: what `onSent` leads to may be a new one. */
  #report(request: Request, ok: boolean, reason: string): void {
    if (request.ended) throw new Error(`the snapshot sent to ${request.peer} was reported before`);
    request.ended = true;
    request.stream?.end();
    const { peer, stream } = request;
    const index = stream?.info.index ?? 0;
    if (ok) this.#options.logger.info({ peer, index }, 'the peer installed the snapshot');
    else this.#options.logger.warn({ peer, index, reason }, 'the snapshot was not installed by the peer');
    this.#options.onSent(peer, index, stream?.info.term ?? 0, ok);
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stepDown();
    this.#options.onFatal(error);
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }
}
