/** What nodes send each other besides Raft, by channel. The values travel: never reuse one. */
export const Channel = {
  /** A batch of commands on its way to the leader. */
  proposal: 1,
  /** QoS 0 messages for the clients of the receiver. */
  qos0: 2,
  /** The former owner of a session let go: the epoch of the takeover as a double. */
  released: 3,
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
