import { openDataDirectory, StorageError } from '@quorate/storage';

/* Opens the data directory named by the argument, says what came of it, and closes it. */

try {
  const path = process.argv[2] as string;
  const directory = await openDataDirectory({ path, nodeId: 'n1', clusterMembers: 'n1,n2,n3' });
  process.stdout.write(`opened ${directory.incarnation}\n`);
  await directory.close();
} catch (error) {
  if (!(error instanceof StorageError)) throw error;
  process.stdout.write(`${error.code}: ${error.message}\n`);
}
