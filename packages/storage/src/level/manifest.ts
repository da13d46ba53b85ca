import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../errors.ts';
import { readRecords } from './write-ahead-log.ts';

/*
 * LevelDB's manifest is a log of edits: which tables there are, and the number of the write-ahead log to begin with. An edit
 * that is cut off at its end LevelDB takes for torn in a crash. But the tables and logs that it spoke of may have been used
 * since: the table that it added is then deleted as a leftover, and the log from which it was made is gone already.
 *
 * LevelDB makes a log file before the edit that begins with it, and deletes the one before it after that edit is durable. So
 * the log that the last edit begins with is there, or edits (or the log) were lost.
 */
const COMPARATOR = 1;
const LOG_NUMBER = 2;
const NEXT_FILE = 3;
const LAST_SEQUENCE = 4;
const COMPACT_POINTER = 5;
const DELETED_FILE = 6;
const NEW_FILE = 7;
const PREVIOUS_LOG = 9;

/** Why LevelDB would leave out what it once held, in words, or null. To be called before it opens the database. */
export async function findLostEdits(databasePath: string): Promise<string | null> {
  try {
    const manifest = (await readFile(join(databasePath, 'CURRENT'), 'latin1')).trimEnd();
    const first = firstLogOf(await readFile(join(databasePath, manifest)));
    if (first === 0) return null;
    const name = `${String(first).padStart(6, '0')}.log`;
    if ((await readdir(databasePath)).includes(name)) return null;
    return `${manifest} begins with ${name}, which is not there: one of them was cut off or deleted`;
  } catch (error) {
    // A new database, or one with files lost (see `findLostFiles`), or another process has it open: its lock will tell.
    if (hasCode(error, 'ENOENT') || hasCode(error, 'EISDIR')) return null;
    throw error;
  }
}

/** Number of the log that recovery begins with, by the last edit that is whole; 0 for none. */
function firstLogOf(manifest: Buffer): number {
  let first = 0;
  for (const record of readRecords(manifest)) first = logNumberOf(record) ?? first;
  return first;
}

/** Null when the edit says nothing about it, or is not understood. */
function logNumberOf(edit: Buffer): number | null {
  let at = 0;
  let found: number | null = null;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; at < edit.length; scale *= 128) {
      const byte = edit[at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return Number.NaN;
  };
  const bytes = (): void => {
    const length = number();
    at += length;
  };
  while (at < edit.length) {
    switch (number()) {
      case LOG_NUMBER:
        found = number();
        break;
      case NEXT_FILE:
      case LAST_SEQUENCE:
      case PREVIOUS_LOG:
        number();
        break;
      case COMPARATOR:
        bytes();
        break;
      case COMPACT_POINTER:
        number();
        bytes();
        break;
      case DELETED_FILE:
        number();
        number();
        break;
      case NEW_FILE:
        number();
        number();
        number();
        bytes();
        bytes();
        break;
      default:
        return null;
    }
  }
  return at === edit.length && Number.isSafeInteger(found) ? found : null;
}
