import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { type NetworkKind, unshareCommand } from './possible.ts';

/*
 * The whole run is a program in namespaces of its own: it starts itself there again. It is the first process of its PID
 * namespace, so the kernel ends everything that it has started when it ends.
 */

const INSIDE = 'PARTITION_TESTS_INSIDE';
/** A pipe from the outer process: by its end the inner one notices that it is gone, or wants it to end. */
const LIFELINE = 3;
/** A pipe to the guard of frozen disks. */
const GUARD = 4;
const END_GRACE_MS = 15_000;

/*
 * A process that waits for a frozen disk can not be killed, and a PID namespace does not end before all its processes have: a run
 * that is killed meanwhile would never be gone. So a shell outside of both holds the frozen directory open, and thaws it when
 * the pipe from the inner process ends. It has a session of its own, since a group may be killed as a whole.
 */
const GUARD_SCRIPT = `
read -r pid
while read -r folder; do
  if [ "$folder" = - ]; then exec 9<&-; else command exec 9< "/proc/$pid/root$folder"; fi
done
if [ -e /proc/self/fd/9 ]; then fsfreeze -u /proc/self/fd/9; fi
`;

/** Within which namespaces this process runs already; null in the outer process. */
export function insideOf(): Exclude<NetworkKind, 'proxies'> | null {
  const inside = process.env[INSIDE];
  return inside === 'root namespaces' || inside === 'user namespaces' ? inside : null;
}

/**
 * Runs this very program again, with the same arguments, inside of namespaces. Signals that would end this process make the
 * other one end in order.
 *
 * @returns its exit code
 */
export async function runInside(kind: Exclude<NetworkKind, 'proxies'>): Promise<number> {
  const [command = '', ...before] = unshareCommand(kind);
  const args = [...before, process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const guard = startGuard();
  const child = spawn(command, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe', guard.stdin],
    env: { ...process.env, [INSIDE]: kind },
  });
  // Closed without a shutdown: the inner process has the same pipe.
  guard.stdin?.write(`${String(child.pid)}\n`, () => guard.stdin?.destroy());
  const lifeline = child.stdio[LIFELINE] as Socket;
  lifeline.on('error', () => {});
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    lifeline.end();
    timer ??= setTimeout(() => child.kill('SIGKILL'), END_GRACE_MS);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, end);
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? 1;
  } finally {
    clearTimeout(timer);
    for (const signal of signals) process.off(signal, end);
    lifeline.destroy();
  }
}

function startGuard(): ChildProcess {
  const guard = spawn('sh', ['-c', GUARD_SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  guard.on('error', () => {});
  guard.stdin?.on('error', () => {});
  guard.unref();
  return guard;
}

/** Tells the guard what it has to thaw when this process is killed; null: nothing any more. Only in the inner process. */
export function guardFrozen(folder: string | null): void {
  if (insideOf() !== null) writeSync(GUARD, `${folder ?? '-'}\n`);
}

/**
 * To be called early in the inner process: when the outer one is gone, or asks for it, this one gets SIGTERM's listeners
 * called, and ends at the latest some seconds after. The first process of a PID namespace gets no signal that it has no
 * listener for.
 */
export function followOuterProcess(): void {
  const lifeline = new Socket({ fd: LIFELINE, readable: true, writable: false });
  let asked = false;
  const end = (): void => {
    if (asked) return;
    asked = true;
    setTimeout(() => process.exit(143), END_GRACE_MS - 1_000).unref();
    if (!process.emit('SIGTERM')) process.exit(143);
  };
  lifeline.on('end', end).on('close', end).on('error', end);
  lifeline.resume();
  lifeline.unref();
}
