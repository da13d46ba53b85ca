import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { detectNetwork, followOuterProcess, insideOf, runInside } from '@quorate/jepsen-style-tests';
import { freeze, mountDisk } from '../../jepsen-style-tests/src/cluster/disks.ts';

/*
 * A program in namespaces of its own, for test/integration/jepsen-style-tests/inside.test.ts. It starts a process that has the
 * first argument as a variable in its environment and that would go on for ever, and says so. With a second argument, a
 * folder, that process waits for a frozen disk mounted there.
 */

const [mark = '', folder] = process.argv.slice(2);
const possible = await detectNetwork();

if (possible.kind === 'proxies') {
  console.log(possible.sentence);
} else if (insideOf() === null) {
  process.exitCode = await runInside(possible.kind);
} else {
  followOuterProcess();
  process.on('SIGTERM', () => {
    console.log('ended in order');
    process.exit(7);
  });
  let script = 'exec sleep infinity';
  if (folder !== undefined) {
    await mountDisk('ext4', join(folder, 'disk'), join(folder, 'image'), 16);
    await freeze(join(folder, 'disk'));
    script = `echo x > ${join(folder, 'disk', 'file')}`;
  }
  spawn('sh', ['-c', script], { detached: true, stdio: 'ignore', env: { ...process.env, MARK: mark } }).once(
    'spawn',
    () => {
      console.log(`ready as ${String(process.pid)}`);
    },
  );
  setInterval(() => {}, 60_000);
}
