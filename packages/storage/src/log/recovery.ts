import type { Entry } from '@quorate/consensus';
import { readU64 } from '../bytes.ts';
import { type Level, type LevelDatabase, UNSYNCED } from '../level/level-database.ts';
import { decodeEntry } from './entry-codec.ts';
import { entryKey, MAX_INDEX, metaKey, setKeyIndex } from './keys.ts';
import { type Bounds, compareHard, decodeBounds, decodeHard, type HardRecord } from './meta-codec.ts';
import { logDamaged } from './reader.ts';
import type { FoundSuperblock } from './superblock.ts';

const WALK_SLICE_ENTRIES = 1000;
const WALK_SLICE_BYTES = 1 << 20;
const DELETE_SLICE_KEYS = 1000;
const NEW_BOUNDS: Bounds = { compactedIndex: 0, compactedTerm: 0, compactedCrc: 0 };
const NEW_HARD: HardRecord = { term: 0, vote: null, counter: 0 };

/** What the log database of one group holds, verified. */
export interface RecoveredLog {
  readonly bounds: Bounds;
  readonly entries: Entry[];
  /** Checksum of the last entry (or of the compacted one): the next entry is chained to it. */
  readonly lastCrc: number;
}

/** Reads `bounds` and walks every entry behind them. @throws StorageError LOG_CORRUPTED */
export async function walkLog(database: LevelDatabase, group: number): Promise<RecoveredLog> {
  const stored = await database.level.get(metaKey(group, 'bounds'));
  const bounds = stored === undefined ? NEW_BOUNDS : decodeBounds(stored);
  if (bounds === null) throw logDamaged(database, 'unknown', 'the record of where the log begins is damaged');
  const entries: Entry[] = [];
  let lastCrc = bounds.compactedCrc;
  let lastTerm = bounds.compactedTerm;
  const iterator = database.level.iterator({
    gte: entryKey(group, bounds.compactedIndex + 1),
    lte: entryKey(group, MAX_INDEX),
    highWaterMarkBytes: WALK_SLICE_BYTES,
    fillCache: false,
  });
  try {
    for (;;) {
      const slice = await iterator.nextv(WALK_SLICE_ENTRIES);
      if (slice.length === 0) break;
      for (const [key, value] of slice) {
        const index = bounds.compactedIndex + entries.length + 1;
        const found = readU64(key, 5);
        if (found !== index) throw logDamaged(database, index, `it is missing; the next one there is ${found}`);
        const decoded = decodeEntry(value, index);
        if (typeof decoded === 'string') throw logDamaged(database, index, decoded);
        if (decoded.previousCrc !== lastCrc) {
          throw logDamaged(database, index, 'it does not follow the entry before it: the chain is broken');
        }
        if (decoded.entry.term < lastTerm) throw logDamaged(database, index, 'its term is lower than the one before');
        entries.push(decoded.entry);
        lastCrc = decoded.crc;
        lastTerm = decoded.entry.term;
      }
    }
  } finally {
    await iterator.close();
  }
  return { bounds, entries, lastCrc };
}

/** Deletes entries at or below the bounds that a crash left behind. Returns how many. */
export async function deleteLeftovers(level: Level, group: number, compactedIndex: number): Promise<number> {
  let deleted = 0;
  for (;;) {
    const keys = level.keys({ gte: entryKey(group, 0), lte: entryKey(group, compactedIndex), fillCache: false });
    let slice: Buffer[];
    try {
      slice = await keys.nextv(DELETE_SLICE_KEYS);
    } finally {
      await keys.close();
    }
    if (slice.length === 0) return deleted;
    const batch = level.batch();
    for (const key of slice) batch.del(key);
    await batch.write(UNSYNCED);
    deleted += slice.length;
  }
}

/** Deletes the entries `from` to `through` without waiting for the disk: a crash only leaves leftovers. */
export async function deleteEntries(level: Level, group: number, from: number, through: number): Promise<void> {
  const batch = level.batch();
  const key = entryKey(group, from);
  for (let index = from; index <= through; index++) batch.del(setKeyIndex(key, index));
  await batch.write(UNSYNCED);
}

export interface RecoveredHard {
  readonly hard: HardRecord;
  /** The log holds no record of term and vote, nor does the superblock. */
  readonly isNew: boolean;
  /** The superblock must be written again before anything else. */
  readonly rewriteSuperblock: boolean;
  /**
   * The log lacks the last change, which a crash cut short behind the superblock: it must be written there too before
   * anybody hears of it. Else the vote hangs on one slot, and the next change would look like two that were lost.
   */
  readonly rewriteLog: boolean;
  readonly doubts: string[];
}

/** Compares the two copies of term and vote, and the log's end with the high-water mark. */
export async function recoverHard(
  database: LevelDatabase,
  group: number,
  superblock: FoundSuperblock,
  { lastIndex, inUse }: { readonly lastIndex: number; readonly inUse: boolean },
): Promise<RecoveredHard> {
  const doubts: string[] = [];
  const stored = await database.level.get(metaKey(group, 'hard'));
  const inLog = stored === undefined ? null : decodeHard(stored);
  const where = `in ${database.path}`;
  if (stored !== undefined && inLog === null) doubts.push(`The record of term and vote ${where} is damaged.`);
  if (superblock.damaged) doubts.push(`Both slots of the superblock beside ${database.path} are damaged.`);
  const { content } = superblock;
  const hasLog = (inLog?.counter ?? 0) > 0 || lastIndex > 0;
  if (content === null) {
    if (hasLog) doubts.push(`The superblock holds nothing, but the log ${where} is in use: it was lost.`);
    const isNew = stored === undefined;
    return { hard: inLog ?? NEW_HARD, isNew, rewriteSuperblock: hasLog, rewriteLog: false, doubts };
  }
  // A log in use was begun with one: this is not the crash behind the first change, but a log that is gone.
  if (stored === undefined && inUse) doubts.push(`The log ${where} holds no term and vote: it was lost.`);
  const logHard = inLog ?? NEW_HARD;
  // The superblock is written first: it is level with the log or exactly one change ahead of it.
  if (content.hard.counter > logHard.counter + 1) {
    doubts.push(
      `The log ${where} holds change ${logHard.counter} of term and vote, the superblock change ` +
        `${content.hard.counter}: writes to the log were lost.`,
    );
  }
  if (lastIndex < content.highWaterIndex) {
    doubts.push(
      `The log ${where} ends at entry ${lastIndex}, but was durable through entry ${content.highWaterIndex}: ` +
        'writes to the log were lost.',
    );
  }
  const order = compareHard(logHard, content.hard);
  if (order > 0) {
    doubts.push(`The superblock is older (term ${content.hard.term}) than the log ${where} (term ${logHard.term}).`);
  }
  const hard = order > 0 ? logHard : content.hard;
  return { hard, isNew: false, rewriteSuperblock: order > 0, rewriteLog: order < 0, doubts };
}
