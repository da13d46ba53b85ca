import type { NodeId } from '@quorate/consensus';
import type { SnapshotChunk, SnapshotMessage, SnapshotOffer } from '@quorate/protocol';
import type { SnapshotReceiver as IncomingStore, SnapshotInfo } from '@quorate/storage';
import type { TransportLogger } from '../transport/types.ts';
import { InboundQueue } from './inbound-queue.ts';
import { type Refusal, refusalOfStore, refuseForeign, refuseNotNeeded, refuseUnreadable } from './refusal.ts';

export interface SnapshotReceiverOptions {
  /** One call at a time is made of it, and nobody else may make any. */
  readonly receiver: IncomingStore;
  /** Whether a snapshot up to `index` would bring this node forward (the core's `acceptsSnapshot`). */
  readonly accepts: (index: number) => boolean;
  /** Part of a snapshot has come from the leader of `term`: no election meanwhile (the core's `snapshotReceiving`). */
  readonly onReceiving: (from: NodeId, term: number) => void;
  /**
   * Makes a whole, verified snapshot the state. True when it is installed, false when it is not wanted any more. May take
   * long: the sender is kept waiting meanwhile.
   */
  readonly install: (info: SnapshotInfo, from: NodeId) => Promise<boolean>;
  /** What can not be sent is dropped: the leader asks again. */
  readonly send: (to: NodeId, message: SnapshotMessage) => unknown;
  /** An error of the store that is not this snapshot's, or of the installation. Nothing is taken in after it. */
  readonly onFatal: (error: unknown) => void;
  readonly logger: TransportLogger;
  /** Null: this node belongs to no cluster yet and takes any. */
  readonly clusterId: () => string | null;
  /** The newest version of the state machine whose records this release reads. */
  readonly maxMachineVersion: number;
}

interface Incoming {
  readonly info: SnapshotInfo;
  /** Who sent of it last; a snapshot may be gone on with by another leader that holds the same file. */
  from: NodeId;
  offset: number;
}

/**
 * A node's side of a snapshot that comes from the leader. It answers and never asks: an offer with where it stands or
 * with the result, a chunk with the new offset, and what does not fit (a gap, an older leader, another snapshot) not at
 * all, as the sender offers again after a silence. On an ordered link with one stream per peer the last offer of the
 * newest term is what the leader sends now, so it replaces whatever was coming in.
 */
export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  readonly #queue = new InboundQueue();
  #highestTerm = 0;
  #working: Promise<void> | null = null;
  #incoming: Incoming | null = null;
  /** Whole: it is verified or installed. Nothing else is taken in meanwhile. */
  #completing: Incoming | null = null;
  #lastResult: { readonly id: string; readonly refusal: Refusal | null } | null = null;
  #stopped = false;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  onMessage(from: NodeId, message: SnapshotMessage): void {
    if (this.#stopped || (message.kind !== 'offer' && message.kind !== 'chunk')) return;
    if (message.term < this.#highestTerm) return;
    if (message.kind === 'offer') {
      // Before its term counts: the terms of another cluster mean nothing here.
      const foreign = refuseForeign(message, this.#options.clusterId());
      if (foreign !== null) return this.#answer(from, message.id, foreign);
    }
    this.#highestTerm = message.term;
    this.#options.onReceiving(from, message.term);
    const completing = this.#completing;
    if (completing === null) {
      this.#queue.push(from, message);
      this.#working ??= this.#work();
    } else if (message.kind === 'offer' && message.id === completing.info.id) {
      completing.from = from;
      this.#progress(completing);
    }
  }

  /** Takes nothing in any more. Resolves when no call of the store and no installation is in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.clear();
    await this.#working;
  }

  async #work(): Promise<void> {
    // So that the promise is kept before it ends.
    await Promise.resolve();
    try {
      for (let next = this.#queue.first(); next !== null; next = this.#queue.first()) {
        const { from, message } = next;
        if (message.term >= this.#highestTerm) {
          if (message.kind === 'offer') await this.#onOffer(from, message);
          else await this.#onChunk(from, message);
        }
        this.#queue.removeFirst();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#working = null;
    }
  }

  async #onOffer(from: NodeId, offer: SnapshotOffer): Promise<void> {
    const last = this.#lastResult;
    if (last?.id === offer.id) return this.#answer(from, offer.id, last.refusal);
    const unreadable = refuseUnreadable(offer, this.#options.maxMachineVersion);
    if (unreadable !== null) return this.#answer(from, offer.id, unreadable);
    if (!this.#options.accepts(offer.index)) return await this.#notNeeded(from, offer.id, offer.index);
    const info = infoOf(offer);
    const offset = await this.#ofStore(from, info.id, () => this.#options.receiver.begin(info));
    if (offset === null || this.#stopped) return;
    if (this.#incoming?.info.id !== info.id) {
      const { id, index, sizeBytes } = info;
      this.#options.logger.info({ from, id, index, sizeBytes, offset }, 'receiving a snapshot');
    }
    this.#incoming = { info, from, offset };
    await this.#proceed(this.#incoming);
  }

  async #onChunk(from: NodeId, { id, offset, data }: SnapshotChunk): Promise<void> {
    const incoming = this.#incoming;
    if (incoming === null || incoming.info.id !== id || offset > incoming.offset) return;
    if (!this.#options.accepts(incoming.info.index)) return await this.#notNeeded(from, id, incoming.info.index);
    incoming.from = from;
    const reached = await this.#ofStore(from, id, () => this.#options.receiver.write(offset, data));
    if (reached === null || this.#stopped) return;
    incoming.offset = reached;
    await this.#proceed(incoming);
  }

  async #proceed(incoming: Incoming): Promise<void> {
    this.#progress(incoming);
    if (incoming.offset < incoming.info.sizeBytes) return;
    this.#completing = incoming;
    this.#incoming = null;
    try {
      await this.#complete(incoming);
    } finally {
      this.#completing = null;
    }
  }

  /** The sender of the answer is read after the work: another leader may have taken over. */
  async #complete(incoming: Incoming): Promise<void> {
    const { id, index } = incoming.info;
    let refusal: Refusal | null;
    try {
      const whole = await this.#options.receiver.finish();
      if (this.#stopped) return;
      const installed = await this.#options.install(whole, incoming.from);
      // Not remembered: `accepts` says so again, or this snapshot is wanted after all.
      if (!installed) return this.#answer(incoming.from, id, refuseNotNeeded(index));
      refusal = null;
      this.#options.logger.info({ from: incoming.from, id, index }, 'installed a snapshot');
    } catch (error) {
      refusal = refusalOfStore(error);
      if (refusal === null) throw error;
    }
    this.#settle(incoming.from, id, refusal);
  }

  async #notNeeded(from: NodeId, id: string, index: number): Promise<void> {
    if (this.#incoming !== null && this.#incoming.info.id === id) {
      this.#incoming = null;
      await this.#options.receiver.abandon();
    }
    this.#answer(from, id, refuseNotNeeded(index));
  }

  /** Null when the store refuses this snapshot, which is answered then. @throws what is no refusal */
  async #ofStore(from: NodeId, id: string, call: () => Promise<number>): Promise<number | null> {
    try {
      return await call();
    } catch (error) {
      const refusal = refusalOfStore(error);
      if (refusal === null) throw error;
      this.#incoming = null;
      this.#settle(from, id, refusal);
      return null;
    }
  }

  #settle(from: NodeId, id: string, refusal: Refusal | null): void {
    this.#lastResult = { id, refusal };
    this.#answer(from, id, refusal);
  }

  #answer(to: NodeId, id: string, refusal: Refusal | null): void {
    if (this.#stopped) return;
    if (refusal !== null) this.#options.logger.warn({ from: to, id, ...refusal }, 'refused a snapshot');
    const { code, reason } = refusal ?? { code: '', reason: '' };
    this.#options.send(to, { kind: 'result', id, ok: refusal === null, code, reason });
  }

  #progress({ from, info, offset }: Incoming): void {
    if (!this.#stopped) this.#options.send(from, { kind: 'progress', id: info.id, offset });
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#queue.clear();
    this.#options.onFatal(error);
  }
}

function infoOf(offer: SnapshotOffer): SnapshotInfo {
  const { id, index, snapshotTerm, stampMs, clusterId, machineVersion, sizeBytes } = offer;
  // Kept for as long as it comes in: a view would keep the received bytes around it.
  const configuration = Uint8Array.from(offer.configuration);
  return { id, index, term: snapshotTerm, stampMs, configuration, clusterId, machineVersion, sizeBytes };
}
