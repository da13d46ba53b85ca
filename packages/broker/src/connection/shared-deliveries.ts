import {
  InvariantError,
  ItemState,
  type MessageQueue,
  type QueueItem,
  type Session,
  writeBegin,
} from '../state/index.ts';
import type { Client } from './client.ts';
import { rangesOf } from './ranges.ts';

/**
 * Messages that share groups gave to one client. Those for a session that ends with its connection lie in its ledger:
 * they are taken over into the local queue, and this remembers for which place in the ledger each stands.
 */
export class SharedDeliveries {
  readonly #connection: Client;
  readonly #session: Session;
  readonly #window: number;
  /** Places in the ledger by those in the local queue. */
  readonly #places = new Map<number, number>();
  /** Their messages. */
  #sizeBytes = 0;
  /** The next place in the ledger to look at. */
  #next = 0;
  /** Below it, whatever has to be begun is proposed. */
  #begunBefore = 0;

  /** @param window messages that may be sent and not acknowledged */
  constructor(connection: Client, session: Session, window: number) {
    this.#connection = connection;
    this.#session = session;
    this.#window = window;
  }

  /** Messages in the local queue that came from the ledger. */
  get count(): number {
    return this.#places.size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The message may leave only when it is in the log that it will: nobody else must get it from then on. */
  static mustBegin({ share, qos, state }: QueueItem): boolean {
    return share !== 0 && qos === 2 && state === ItemState.queued;
  }

  /**
   * Moves what the window allows from the ledger into the local queue. What the client may not have stays in the ledger: with
   * the end of the connection it goes back to its group, which has others for it.
   */
  takeOver(local: MessageQueue, mayTake: (item: QueueItem) => boolean): void {
    const { ledger } = this.#session;
    if (ledger === null) return;
    while (this.#next < ledger.nextSequence && this.#places.size < this.#window) {
      const item = ledger.get(this.#next);
      if (item !== null && mayTake(item)) {
        if (SharedDeliveries.mustBegin(item)) {
          this.begin(ledger, this.#next, this.#window - this.#places.size);
          return;
        }
        this.#places.set(local.push(item), this.#next);
        this.#sizeBytes += item.message.sizeBytes;
      }
      this.#next++;
    }
  }

  /** The client is done with a message of the ledger; the place that it had there. */
  settled(sequence: number, { message }: QueueItem): number {
    const place = this.#places.get(sequence);
    if (place === undefined) throw new InvariantError(`shared message at ${sequence} has no place in the ledger`);
    this.#places.delete(sequence);
    this.#sizeBytes -= message.sizeBytes;
    return place;
  }

  /** Proposes to begin what has to be begun among the next `count` messages from `first` on. */
  begin(queue: MessageQueue, first: number, count: number): void {
    const sequences: number[] = [];
    let left = count;
    for (let sequence = first; sequence < queue.nextSequence && left > 0; sequence++) {
      const item = queue.get(sequence);
      if (item === null) continue;
      left--;
      if (sequence < this.#begunBefore || !SharedDeliveries.mustBegin(item)) continue;
      sequences.push(sequence);
      this.#begunBefore = sequence + 1;
    }
    if (sequences.length === 0) return;
    const { broker, epoch } = this.#connection;
    writeBegin(broker.proposer.open(), { epoch, ranges: rangesOf(sequences) });
    broker.proposer.added(broker.unowned, 0, 0);
  }
}
