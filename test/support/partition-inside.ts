import { spawn } from 'node:child_process';
import { detectNetwork, followOuterProcess, insideOf, runInside } from '@quorate/jepsen-style-tests';

/*
 * A program in namespaces of its own, for test/integration/partition-tests/inside.test.ts. It starts a process that has the
 * argument as a variable in its environment and that would go on for ever, and says so.
 */

const mark = process.argv[2] ?? '';
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
  spawn('sleep', ['infinity'], { detached: true, stdio: 'ignore', env: { MARK: mark } }).once('spawn', () => {
    console.log(`ready as ${String(process.pid)}`);
  });
  setInterval(() => {}, 60_000);
}
