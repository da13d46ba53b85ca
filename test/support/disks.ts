import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/* Small disks for data directories. Mounting takes root; `mayMount` says why not, where it can not be done. */

const mounted = new Set<string>();

function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Null when disks can be mounted here, else why not. */
export function mayMount(scratch: string): string | null {
  if (process.platform !== 'linux') return `mounting is done as on Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'mounting takes root';
  const folder = join(scratch, 'may-mount');
  try {
    mountTmpfs(folder, 1);
    unmount(folder);
    return null;
  } catch (error) {
    return `mount failed: ${(error as Error).message.trim()}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A file system in memory of this size, at a folder. */
export function mountTmpfs(folder: string, sizeMib: number): void {
  mkdirSync(folder, { recursive: true });
  run('mount', '-t', 'tmpfs', '-o', `size=${String(sizeMib)}m`, 'quorate-test', folder);
  mounted.add(folder);
}

/** Makes room on a file system of `mountTmpfs`, as an operator who enlarges a volume does. */
export function resizeTmpfs(folder: string, sizeMib: number): void {
  run('mount', '-o', `remount,size=${String(sizeMib)}m`, folder);
}

/** An ext4 in a file, at a folder: one that can be frozen. */
export function mountExt4(folder: string, image: string, sizeMib: number): void {
  mkdirSync(folder, { recursive: true });
  const file = openSync(image, 'w');
  ftruncateSync(file, sizeMib * 1024 * 1024);
  closeSync(file);
  run('mkfs.ext4', '-q', image);
  run('mount', '-o', 'loop', image, folder);
  mounted.add(folder);
}

/** Nothing is written to this file system, and whoever tries waits, until `thaw`. */
export function freeze(folder: string): void {
  run('fsfreeze', '-f', folder);
}

export function thaw(folder: string): void {
  run('fsfreeze', '-u', folder);
}

/** Writes a file until the file system has no room left, or only this much. */
export function fill(file: string, leaveBytes = 0): void {
  const block = Buffer.alloc(64 * 1024, 0x5a);
  const handle = openSync(file, 'w');
  try {
    for (;;) {
      const { bavail, bsize } = statfsSync(file);
      const room = bavail * bsize - leaveBytes;
      if (room <= 0) return;
      writeSync(handle, block, 0, Math.min(block.length, room));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(handle);
  }
}

export function unmount(folder: string): void {
  run('umount', '-l', folder);
  mounted.delete(folder);
}

/** Whatever is still mounted, frozen or not; also when the process ends early. */
export function unmountAll(): void {
  for (const folder of [...mounted]) {
    try {
      thaw(folder);
    } catch {
      // It was not frozen.
    }
    unmount(folder);
  }
}

process.on('exit', unmountAll);
