import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, StorageError } from '../errors.ts';
import { HOLDER_FILE } from './layout.ts';

/**
 * A note of which process uses a data directory. It is not the lock (LevelDB's LOCK is, and the kernel frees that one
 * whatever happens): it lets a second process be refused before it touches the database, and named in the message.
 */
interface Holder {
  readonly pid: number;
  /** Start time of the process and boot of the machine: a process id alone is used again. Null where not known. */
  readonly started: string | null;
  /** The directory as its file system knows it: another one in a copy. Null in older notes. */
  readonly directory: string | null;
}

/**
 * Demands that no process that still runs is known to use this data directory, or the one that it is a copy of: what such
 * a copy lacks of votes and entries, and began a moment ago, no other node can tell from a later start of the original.
 *
 * @throws StorageError DIRECTORY_LOCKED, DIRECTORY_COPIED
 */
export async function demandUnused(path: string): Promise<void> {
  const file = join(path, HOLDER_FILE);
  const note = await readHolder(file);
  if (note === null || note.pid === process.pid || note.started === null) return;
  if ((await startOf(note.pid)) !== note.started) return;
  const holder = `process ${note.pid}`;
  throw new StorageError((await isOfCopy(note, file)) ? 'DIRECTORY_COPIED' : 'DIRECTORY_LOCKED', { path, holder });
}

async function isOfCopy({ directory }: Holder, file: string): Promise<boolean> {
  return directory !== null && directory !== (await placeOf(file));
}

/** Words for the process that the note names, running or not, for the message when the lock is refused. */
export async function describeHolder(path: string): Promise<string> {
  const holder = await readHolder(path);
  return holder === null || (await isOfCopy(holder, path)) ? 'another process' : `process ${holder.pid}`;
}

export async function writeHolder(path: string): Promise<void> {
  const directory = await placeOf(path);
  const holder: Holder = { pid: process.pid, started: await startOf(process.pid), directory };
  await writeFile(path, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
}

export async function removeHolder(path: string): Promise<void> {
  await rm(path, { force: true });
}

async function readHolder(path: string): Promise<Holder | null> {
  try {
    const { pid, started, directory } = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder>;
    if (typeof pid !== 'number') return null;
    return { pid, started: typeof started === 'string' ? started : null, directory: directory ?? null };
  } catch (error) {
    // Half written by a process that was killed: as good as none.
    if (error instanceof SyntaxError || hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Of the directory in which the note is: device and inode. */
async function placeOf(path: string): Promise<string> {
  const { dev, ino } = await stat(dirname(path), { bigint: true });
  return `${String(dev)}:${String(ino)}`;
}

/** On Linux: boot id and start time in ticks; elsewhere and for a process that is gone: null. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in parentheses and may hold anything; start time is field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : `${boot}:${fields[19]}`;
  } catch {
    return null;
  }
}
