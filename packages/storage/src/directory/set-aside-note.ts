import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../errors.ts';
import { decodeChecked, encodeChecked } from './checked-json.ts';
import { replaceFile, syncDirectory } from './files.ts';
import { SET_ASIDE_DIRECTORY } from './layout.ts';

const NOTE_FORMAT = 1;
const NOTE_FILE = 'note.json';
/** A database that only lends its lock: the log's cannot be held when the log is damaged. */
export const MOVING_LOCK = 'lock';

/** What is said of the data that lies in `set-aside/`. */
export interface SetAsideNote {
  /** A sentence for the operator. */
  readonly reason: string;
  /** Wall clock in milliseconds when it was set aside. */
  readonly since: number;
  /** Of the directory that the data was in. */
  readonly directoryId: string;
}

/** Null when there is no note. One that is damaged says so: the data beside it is still somebody's last copy. */
export async function readNote(path: string): Promise<SetAsideNote | null> {
  let text: string;
  try {
    text = await readFile(join(path, SET_ASIDE_DIRECTORY, NOTE_FILE), 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  const content = decodeChecked(NOTE_FORMAT, text);
  if (typeof content === 'string')
    return { reason: `not known, the note is damaged: ${content}`, since: 0, directoryId: '' };
  return content as unknown as SetAsideNote;
}

/** Durable when it resolves. */
export async function writeNote(path: string, { reason, since, directoryId }: SetAsideNote): Promise<void> {
  const text = encodeChecked(NOTE_FORMAT, { reason, since, directoryId });
  await replaceFile(join(path, SET_ASIDE_DIRECTORY, NOTE_FILE), text);
}

/** The place for the data, durable when it resolves. Returns its path. */
export async function makePlace(path: string): Promise<string> {
  const place = join(path, SET_ASIDE_DIRECTORY);
  if ((await mkdir(place, { recursive: true, mode: 0o700 })) !== undefined) await syncDirectory(path);
  return place;
}

/** Deletes what lies in the place, except the lock: what half a deletion left there. */
export async function emptyPlace(place: string): Promise<void> {
  for (const name of await readdir(place)) {
    if (name !== MOVING_LOCK) await rm(join(place, name), { recursive: true, force: true });
  }
  await syncDirectory(place);
}

/** Deletes the set-aside data. The note goes first: without it, what a crash leaves is deleted at the next start. */
export async function removePlace(path: string): Promise<void> {
  const place = join(path, SET_ASIDE_DIRECTORY);
  try {
    await rm(join(place, NOTE_FILE), { force: true });
    await syncDirectory(place);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  await rm(place, { recursive: true, force: true });
  await syncDirectory(path);
}
