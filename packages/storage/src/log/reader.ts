import type { Entry } from '@quorate/consensus';
import { readU64 } from '../bytes.ts';
import { StorageError } from '../errors.ts';
import type { LevelDatabase } from '../level/level-database.ts';
import { type DecodedEntry, decodeEntry, ENTRY_HEADER_BYTES } from './entry-codec.ts';
import { entryKey } from './keys.ts';

const SLICE_ENTRIES = 256;
const SLICE_MAX_BYTES = 1 << 20;

export interface ReadRange {
  readonly entries: Entry[];
  /** The first index in the range that was not there, or null if none was missed. */
  readonly missing: number | null;
}

/**
 * Reads entries from `fromIndex` on: at least one if it is there, then as many as fit in `maxBytes` of data.
 * The iterator is bounded and closed at once: an open one is a snapshot, and old versions are LevelDB's weak spot.
 * @throws StorageError LOG_CORRUPTED
 */
export async function readEntries(
  database: LevelDatabase,
  group: number,
  fromIndex: number,
  throughIndex: number,
  maxBytes: number,
): Promise<ReadRange> {
  const entries: Entry[] = [];
  const iterator = database.level.iterator({
    gte: entryKey(group, fromIndex),
    lte: entryKey(group, throughIndex),
    highWaterMarkBytes: Math.min(SLICE_MAX_BYTES, Math.max(1, maxBytes) + ENTRY_HEADER_BYTES),
    fillCache: false,
  });
  try {
    let bytes = 0;
    for (let next = fromIndex; next <= throughIndex; ) {
      const slice = await iterator.nextv(SLICE_ENTRIES);
      if (slice.length === 0) return { entries, missing: next };
      for (const [key, value] of slice) {
        if (readU64(key, 5) !== next) return { entries, missing: next };
        bytes += value.length - ENTRY_HEADER_BYTES;
        if (bytes > maxBytes && entries.length > 0) return { entries, missing: null };
        entries.push(verified(database, next, value).entry);
        next += 1;
      }
    }
    return { entries, missing: null };
  } finally {
    await iterator.close();
  }
}

/** Checksum of a stored entry. @throws StorageError LOG_CORRUPTED */
export async function readCrc(database: LevelDatabase, group: number, index: number): Promise<number> {
  const value = await database.level.get(entryKey(group, index));
  if (value === undefined) throw logDamaged(database, index, 'it is missing');
  return verified(database, index, value).crc;
}

export function logDamaged(database: LevelDatabase, index: number | string, reason: string): StorageError {
  return new StorageError('LOG_CORRUPTED', { path: database.path, index, reason });
}

function verified(database: LevelDatabase, index: number, value: Buffer): DecodedEntry {
  const decoded = decodeEntry(value, index);
  if (typeof decoded === 'string') throw logDamaged(database, index, decoded);
  return decoded;
}
