import { asBuffer, ByteReader, type ByteWriter } from './bytes.ts';
import { invariant, NewerVersionError } from './invariant.ts';

/**
 * A batch is what one node gathered in a turn: a header that makes its application exactly once and in order, then
 * commands. An entry of the Raft log is a sequence of batches, each behind a four-byte length; the leader strings
 * them together without reading more than the header.
 */
export interface BatchHeader {
  readonly nodeId: string;
  /** Grows with every start of the node's process, and when the cluster has given the running one up. */
  readonly incarnation: number;
  /** From 1, by one, within an incarnation. */
  readonly sequence: number;
  /** Where the commands begin. */
  readonly bodyOffset: number;
}

const FORMAT = 1;

/** Writes a header; returns where the sequence number stands, to be patched when the batch is sealed. */
export function beginBatch(writer: ByteWriter, nodeId: string, incarnation: number): number {
  writer.u8(FORMAT);
  writer.string(nodeId);
  writer.integer(incarnation);
  const at = writer.length;
  writer.integer(0);
  return at;
}

export function readBatchHeader(batch: Uint8Array): BatchHeader {
  const reader = new ByteReader(batch);
  const format = reader.u8();
  if (format !== FORMAT) throw new NewerVersionError(`batch format ${format}`);
  const nodeId = reader.string();
  const incarnation = reader.integer();
  const sequence = reader.integer();
  return { nodeId, incarnation, sequence, bodyOffset: reader.at };
}

/** Calls `visit` with a view of every batch of an entry. */
export function forEachBatch(entryData: Uint8Array, visit: (batch: Buffer) => void): void {
  const data = asBuffer(entryData);
  let at = 0;
  while (at < data.length) {
    invariant(at + 4 <= data.length, `entry of ${data.length} bytes ends inside a batch length`);
    const end = at + 4 + data.readUInt32BE(at);
    invariant(end <= data.length, `entry of ${data.length} bytes ends inside a batch`);
    visit(data.subarray(at + 4, end));
    at = end;
  }
}
