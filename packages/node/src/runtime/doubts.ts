import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '@quorate/storage';

/** In a data directory: why no node may start with it any more. */
const FILE = 'doubts.txt';

/**
 * Refuses a data directory that was found doubtful at an earlier start. LevelDB drops damaged records when it opens, so
 * the sign that something was there may be gone by now.
 *
 * @throws StorageError DATA_DOUBTFUL
 */
export async function refuseEarlierDoubts(path: string): Promise<void> {
  const reason = await readFile(join(path, FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (reason !== null) throw new StorageError('DATA_DOUBTFUL', { path, reason: `found at an earlier start: ${reason.trim()}` });
}

/** Marks a data directory as doubtful. Resolves when the mark is durable. */
export async function rememberDoubts(path: string, reason: string): Promise<void> {
  const file = await open(join(path, FILE), 'w', 0o600);
  try {
    await file.writeFile(`${reason}\n`, 'utf8');
    await file.sync();
  } finally {
    await file.close();
  }
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
