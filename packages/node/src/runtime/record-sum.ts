import type { CheckpointRecords } from '@quorate/broker';
import { RECORD_HASH_BYTES, RecordHash } from '@quorate/storage';

export const RECORD_SUM_BYTES = 2 * RECORD_HASH_BYTES;

const NOTHING = new Uint8Array(0);

/** The hash of what a checkpoint changes: its records, and apart from them the keys that it deletes. */
export class RecordSum {
  readonly #puts = new RecordHash();
  readonly #deletes = new RecordHash();

  /** Takes in the records from number `from` to before number `to`, of the puts and then the deletes. */
  add({ puts, deletes }: CheckpointRecords, from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const put = puts[at];
      if (put !== undefined) this.#puts.add(put[0], put[1]);
      else {
        const key = deletes[at - puts.length];
        if (key === undefined) return;
        this.#deletes.add(key, NOTHING);
      }
    }
  }

  /** {@link RECORD_SUM_BYTES} bytes. */
  value(): Buffer {
    return Buffer.concat([this.#puts.toBytes(), this.#deletes.toBytes()]);
  }
}
