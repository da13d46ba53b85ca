/** What nodes send each other besides Raft, by channel. The values travel: never reuse one. */
export const Channel = {
  /** A batch of commands on its way to the leader. */
  proposal: 1,
  /** QoS 0 messages for the clients of the receiver. */
  qos0: 2,
  /** The former owner of a session let go: the epoch of the takeover as a double. */
  released: 3,
  /** Snapshots, on a connection of their own. */
  snapshot: 4,
  /** The first configuration of a new cluster. */
  founding: 5,
  /** What an operator asks of the leader, and its answer. */
  adminRequest: 6,
  adminResponse: 7,
  /** What a node changed from one checkpoint to the next, to be compared. */
  checkpointSum: 8,
  /** The leader tells a node that it is no member. */
  notMember: 9,
  /** Whoever is to found a cluster asks the other first members whether they are still part of none, and their answer. */
  foundingQuestion: 10,
  foundingAnswer: 11,
} as const;

const EPOCH_BYTES = 8;

export function encodeEpoch(epoch: number): Buffer {
  const bytes = Buffer.allocUnsafe(EPOCH_BYTES);
  bytes.writeDoubleBE(epoch);
  return bytes;
}

/** Null for anything that is not an epoch. */
export function decodeEpoch(bytes: Uint8Array): number | null {
  if (bytes.length !== EPOCH_BYTES) return null;
  const epoch = new DataView(bytes.buffer, bytes.byteOffset, EPOCH_BYTES).getFloat64(0);
  return Number.isSafeInteger(epoch) && epoch > 0 ? epoch : null;
}
