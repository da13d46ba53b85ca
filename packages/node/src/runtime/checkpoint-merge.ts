import type { CheckpointRecords } from '@quorate/broker';

type Put = CheckpointRecords['puts'][number];

/**
 * One checkpoint that does what two in a row do. Within a checkpoint a deletion comes after the puts, so a key must not
 * be in both: what the later one says of it counts alone.
 */
export function mergeCheckpoints(earlier: CheckpointRecords, later: CheckpointRecords): CheckpointRecords {
  /** By the key as latin1 text, byte for byte: what is to become of it, a deletion as its key alone. */
  const changes = new Map<string, Put | Uint8Array>();
  for (const { puts, deletes } of [earlier, later]) {
    for (const put of puts) changes.set(textOf(put[0]), put);
    for (const key of deletes) changes.set(textOf(key), key);
  }
  const puts: Put[] = [];
  const deletes: Uint8Array[] = [];
  for (const change of changes.values()) {
    if (change instanceof Uint8Array) deletes.push(change);
    else puts.push(change);
  }
  return { appliedIndex: later.appliedIndex, appliedTerm: later.appliedTerm, puts, deletes };
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}
