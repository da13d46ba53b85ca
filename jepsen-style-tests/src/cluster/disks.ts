import { execFile } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { guardFrozen, insideOf } from '../network/inside.ts';

const run = promisify(execFile);

const MIB = 1024 * 1024;

/** What a data directory lies on: the machine's own disk, a small file system in memory, or one that can stand still. */
export type DiskKind = 'own' | 'tmpfs' | 'ext4';

/** Null when such disks can be had here, else why not. */
export function diskUnavailable(kind: DiskKind): string | null {
  if (kind === 'own') return null;
  const inside = insideOf();
  if (inside === null) return 'mounting takes namespaces, so that nothing stays mounted';
  if (kind === 'ext4' && inside !== 'root namespaces') return 'a loop device takes root';
  return null;
}

/**
 * Mounts a file system of this size, in the mount namespace of the run: it is gone with the run, however that ends.
 *
 * @param image the file that an ext4 lies in
 */
export async function mountDisk(kind: DiskKind, folder: string, image: string, sizeMib: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (kind === 'tmpfs') {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${String(sizeMib)}m,mode=755`, 'partition-test', folder]);
  } else if (kind === 'ext4') {
    const file = await open(image, 'w');
    await file.truncate(sizeMib * MIB);
    await file.close();
    await run('mkfs.ext4', ['-q', image]);
    await run('mount', ['-o', 'loop', image, folder]);
  }
}

export async function unmountDisk(folder: string): Promise<void> {
  await run('umount', ['-l', folder]);
}

/** Whoever writes to this file system waits, until `thaw`. One at a time. */
export async function freeze(folder: string): Promise<void> {
  guardFrozen(folder);
  await run('fsfreeze', ['-f', folder]);
}

export async function thaw(folder: string): Promise<void> {
  await run('fsfreeze', ['-u', folder]);
  guardFrozen(null);
}
