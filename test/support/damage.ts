import { closeSync, fstatSync, fsyncSync, openSync, readdirSync, readSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/* Faults of a disk, done to the files of a node that is down. */

/** Files of a folder whose names match, the oldest first; throws when there is none. */
export function filesOf(folder: string, pattern: RegExp): string[] {
  const found = readdirSync(folder).filter((name) => pattern.test(name));
  if (found.length === 0) throw new Error(`no file in ${folder} matches ${String(pattern)}`);
  return found.sort().map((name) => join(folder, name));
}

/** Inverts one byte, at a share of the file's length from 0 to 1. Returns where. */
export function flipByte(file: string, share: number): number {
  const handle = openSync(file, 'r+');
  try {
    const { size } = fstatSync(handle);
    if (size === 0) throw new Error(`${file} is empty`);
    const at = Math.min(size - 1, Math.floor(size * share));
    const byte = Buffer.alloc(1);
    readSync(handle, byte, 0, 1, at);
    byte[0] = ~(byte[0] as number) & 0xff;
    writeSync(handle, byte, 0, 1, at);
    fsyncSync(handle);
    return at;
  } finally {
    closeSync(handle);
  }
}

/** Cuts a file off, at a share of its length. */
export function truncate(file: string, share: number): void {
  const handle = openSync(file, 'r');
  const { size } = fstatSync(handle);
  closeSync(handle);
  truncateSync(file, Math.floor(size * share));
}
