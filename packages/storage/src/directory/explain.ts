import { join } from 'node:path';
import { hasCode, isDiskFull, reasonOf, StorageError } from '../errors.ts';
import { releaseBallast } from './disk-guard.ts';
import { describeHolder } from './holder.ts';
import { HOLDER_FILE } from './layout.ts';

/** On a full disk lets go of the ballast (see `DiskGuard`) and tries once more. */
export async function withRoom<T>(path: string, attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (!isDiskFull(error) || !(await releaseBallast(path))) throw error;
    return await attempt();
  }
}

/** The error of this package that says what went wrong with a data directory. */
export async function explain(error: unknown, path: string): Promise<unknown> {
  if (error instanceof StorageError) {
    if (error.code !== 'DIRECTORY_LOCKED') return error;
    return new StorageError('DIRECTORY_LOCKED', { path, holder: await holderOf(error, path) }, error);
  }
  if (hasCode(error, 'ENOTDIR', 'EEXIST')) return new StorageError('DIRECTORY_NOT_A_DIRECTORY', { path }, error);
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'ENOENT')) {
    return new StorageError('DIRECTORY_NOT_WRITABLE', { path, reason: reasonOf(error) }, error);
  }
  return new StorageError('DATABASE_NOT_OPENED', { path, reason: reasonOf(error) }, error);
}

async function holderOf(error: StorageError, path: string): Promise<string> {
  const { holder } = error.details;
  return holder === 'another process' ? await describeHolder(join(path, HOLDER_FILE)) : String(holder);
}
