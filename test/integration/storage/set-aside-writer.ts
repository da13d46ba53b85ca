import { writeSync } from 'node:fs';
import { StorageError, setAside } from '@quorate/storage';

/*
 * Sets the data directory named by the first argument aside, and kills itself before the step named by the second, if it
 * comes to it. Says which error came of it otherwise.
 */

const [, , path = '', killAt] = process.argv;
try {
  await setAside({
    path,
    nodeId: 'n1',
    reason: 'the log is damaged',
    onStep: (step) => {
      if (step === killAt) process.kill(process.pid, 'SIGKILL');
    },
  });
  writeSync(1, 'done\n');
} catch (error) {
  if (!(error instanceof StorageError)) throw error;
  writeSync(1, `${error.code}: ${error.message}\n`);
}
