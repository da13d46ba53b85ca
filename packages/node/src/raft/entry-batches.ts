/*
 * The data of one Raft entry: batches one after the other, each as [u32 BE length][bytes].
 */

const LENGTH_BYTES = 4;

/** How many bytes a batch takes in an entry. */
export function sizeInEntry(batch: Uint8Array): number {
  return LENGTH_BYTES + batch.length;
}

/** Copies batches into the data of one entry. */
export function joinBatches(batches: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const data = Buffer.allocUnsafe(sizeBytes);
  let at = 0;
  for (const batch of batches) {
    at = data.writeUInt32BE(batch.length, at);
    data.set(batch, at);
    at += batch.length;
  }
  if (at !== sizeBytes) throw new Error(`batches of ${String(at)} bytes where ${String(sizeBytes)} were announced`);
  return data;
}

/**
 * The batches of an entry, as views into its data.
 *
 * @throws Error when the data is no sequence of batches: the log is not what this version writes
 */
export function splitBatches(data: Uint8Array): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const batches: Uint8Array[] = [];
  let at = 0;
  while (at < data.length) {
    const begin = at + LENGTH_BYTES;
    const end = begin <= data.length ? begin + view.getUint32(at) : Number.POSITIVE_INFINITY;
    if (end > data.length) throw new Error(`batch at ${String(at)} of ${String(data.length)} bytes is cut off`);
    batches.push(data.subarray(begin, end));
    at = end;
  }
  return batches;
}
