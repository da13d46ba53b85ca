import { readFile } from 'node:fs/promises';
import { hasCode, StorageError } from '../errors.ts';
import { decodeChecked, encodeChecked } from './checked-json.ts';
import { replaceFile } from './files.ts';

const POINTER_FORMAT = 1;
export const FIRST_STATE_DIRECTORY = 'state';
const STATE_DIRECTORY = /^state(?:-(\d{1,15}))?$/;

/** The snapshot that a state database was built from. */
export interface InstalledSnapshot {
  readonly id: string;
  readonly index: number;
  readonly term: number;
}

/**
 * Which state database counts, and where the log begins at the earliest. Written in one piece: replacing this file is the
 * one moment at which an installation happens.
 */
export interface Pointer {
  /** Name of the state database's directory. */
  readonly state: string;
  /** Null before the first installation. */
  readonly installed: InstalledSnapshot | null;
}

/** Whether a directory of this name is, was or was to become a state database. */
export function isStateDirectory(name: string): boolean {
  return STATE_DIRECTORY.test(name);
}

/** The name for the state database that comes after `name`. */
export function nextStateDirectory(name: string): string {
  return `state-${Number(STATE_DIRECTORY.exec(name)?.[1] ?? 1) + 1}`;
}

/** Without a file: the first state database, nothing installed. @throws StorageError DIRECTORY_CORRUPTED */
export async function readPointer(path: string): Promise<Pointer> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return { state: FIRST_STATE_DIRECTORY, installed: null };
    throw error;
  }
  const content = decodeChecked(POINTER_FORMAT, text);
  if (typeof content === 'string') throw new StorageError('DIRECTORY_CORRUPTED', { path, reason: content });
  const pointer = content as unknown as Pointer;
  if (!isStateDirectory(pointer.state)) {
    throw new StorageError('DIRECTORY_CORRUPTED', { path, reason: 'it names no state database' });
  }
  return pointer;
}

export async function writePointer(path: string, { state, installed }: Pointer): Promise<void> {
  await replaceFile(path, encodeChecked(POINTER_FORMAT, { state, installed }));
}
