import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { StorageError } from '../errors.ts';
import type { FolderWriter } from '../folder/folder.ts';
import { ChunkBuilder, encodeFooter, encodeHeader, HASH_ALGORITHM } from './format.ts';
import type { SnapshotFacts, SnapshotSource } from './types.ts';

const CHUNK_BYTES = 128 << 10;
/** Read in one turn: about one millisecond of work. */
/** A turn of the event loop each: four milliseconds. */
const SLICE_RECORDS = 1024;
const SLICE_BYTES = 128 << 10;
/** Synced in parts: one sync of everything at the end would hold up the log's for as long as it takes. */
export const SYNC_EVERY_BYTES = 8 << 20;

/**
 * Writes the records of `source` as a snapshot and syncs it. Each slice is read with an iterator of its own that begins
 * behind the last key: a long-lived one is a LevelDB snapshot, and those are its weak spot.
 * @throws StorageError SNAPSHOT_DISTURBED when the source is not, or does not stay, at the facts' position
 */
export async function dumpState(
  file: FolderWriter,
  source: SnapshotSource,
  facts: SnapshotFacts,
  id: string,
): Promise<void> {
  const { writes } = source;
  const hash = createHash(HASH_ALGORITHM);
  const chunk = new ChunkBuilder(CHUNK_BYTES);
  let recordCount = 0;
  let recordBytes = 0;
  let syncedBytes = 0;
  const append = async (bytes: Buffer): Promise<void> => {
    hash.update(bytes);
    await file.append(bytes);
    if (file.sizeBytes - syncedBytes < SYNC_EVERY_BYTES) return;
    await file.sync();
    syncedBytes = file.sizeBytes;
  };
  checkUndisturbed(source, writes, facts);
  await append(encodeHeader(id, facts));
  for (let after: Uint8Array | null = null; ; ) {
    const slice = await source.readSlice(after, SLICE_RECORDS, SLICE_BYTES);
    checkUndisturbed(source, writes, facts);
    for (const [key, value] of slice) {
      if (!chunk.fits(key, value)) {
        await append(chunk.seal());
        chunk.clear();
      }
      chunk.add(key, value);
      recordCount += 1;
      recordBytes += key.length + value.length;
      after = key;
    }
    if (slice.length === 0) break;
    await nextTurn();
  }
  if (!chunk.isEmpty) await append(chunk.seal());
  await file.append(encodeFooter({ recordCount, recordBytes, hash: hash.digest() }));
  await file.sync();
  checkUndisturbed(source, writes, facts);
}

function checkUndisturbed(source: SnapshotSource, writes: number, { index, term }: SnapshotFacts): void {
  const { appliedIndex, appliedTerm } = source.position;
  if (source.writes === writes && appliedIndex === index && appliedTerm === term) return;
  const found = `${appliedIndex}, term ${appliedTerm}, after ${source.writes - writes} writes`;
  throw new StorageError('SNAPSHOT_DISTURBED', { index, found });
}
