import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Configuration } from '@quorate/consensus';
import { type DataDirectory, StorageError } from '@quorate/storage';
import { type Recovered, recover } from './recovery.ts';

/** In a data directory: why no node may start with it any more. */
const FILE = 'doubts.txt';

/**
 * Recovers from a data directory, which must be a node's whole memory: in doubt it is refused, now and for good.
 *
 * @throws StorageError DATA_DOUBTFUL, or what the stores throw
 */
export async function recoverDirectory(directory: DataDirectory, bootstrap: Configuration): Promise<Recovered> {
  const { path } = directory;
  await refuseEarlierDoubts(path);
  const recovered = await recover(directory, bootstrap, (reason) => rememberDoubts(path, reason));
  // Normally done when the entry that names the cluster is applied; a crash may have come in between.
  const { clusterId } = recovered.state;
  try {
    if (clusterId !== null) await directory.setClusterId(clusterId);
    return recovered;
  } catch (error) {
    await recovered.log.close();
    await recovered.stateStore.close();
    throw error;
  }
}

/**
 * Refuses a data directory that was found doubtful at an earlier start. LevelDB drops damaged records when it opens, so
 * the sign that something was there may be gone by now.
 *
 * @throws StorageError DATA_DOUBTFUL
 */
async function refuseEarlierDoubts(path: string): Promise<void> {
  const reason = await readFile(join(path, FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (reason !== null)
    throw new StorageError('DATA_DOUBTFUL', { path, reason: `found at an earlier start: ${reason.trim()}` });
}

/** Marks a data directory as doubtful. Resolves when the mark is durable. */
async function rememberDoubts(path: string, reason: string): Promise<void> {
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
