import { writeSync } from 'node:fs';
import { installSnapshot } from '@quorate/storage';
import { openDirectory } from './install-support.ts';

/*
 * Installs the newest snapshot of the data directory named by the first argument, and kills itself before the step whose
 * number, from 0, is the second.
 */

const killAt = Number(process.argv[3]);
const directory = await openDirectory(process.argv[2] as string);
const log = directory.logStore();
await log.open();
const newest = await directory.snapshots().newest();
if (newest === null) throw new Error('no snapshot to install');
const reader = await directory.snapshots().open(newest.id);
let steps = 0;
await installSnapshot(directory, reader, log, {
  onStep: (step) => {
    if (steps++ !== killAt) return;
    writeSync(1, `${step}\n`);
    process.kill(process.pid, 'SIGKILL');
  },
});
process.kill(process.pid, 'SIGKILL');
