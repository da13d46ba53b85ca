import { randomFill } from 'node:crypto';
import { open, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasCode, invariant } from '../errors.ts';
import { syncDirectory } from './files.ts';

const BALLAST_FILE = 'ballast';
const SLICE_BYTES = 1 << 20;
const SECTOR_BYTES = 512;
const MIB = 1 << 20;
const randomize = promisify(randomFill);

/** ok: write. low: take no new writes from clients. critical: no room either to recover in, the ballast was let go. */
export type DiskLevel = 'ok' | 'low' | 'critical';

export interface DiskGuardOptions {
  /** A directory on the file system that is guarded; the ballast lies in it. */
  readonly path: string;
  /** Default 64 MiB; 0 for none. */
  readonly ballastSizeBytes?: number;
  /** Below this much free space the level is low. Default 512 MiB. Above `criticalFreeBytes`. */
  readonly lowFreeBytes?: number;
  /** Below this much the ballast is let go. Default 64 MiB. */
  readonly criticalFreeBytes?: number;
  /** Bytes that this user may still write on the file system of `path`. Default by `statfs`. */
  readonly freeBytes?: (path: string) => Promise<number>;
}

export interface DiskStatus {
  readonly level: DiskLevel;
  readonly freeBytes: number;
  /** Whether the ballast is whole. */
  readonly ballast: boolean;
}

/**
 * Watches the free space and holds some back: a file of random bytes, really allocated, that is deleted when the disk is
 * nearly full, so that a log can still be compacted, a table written and a vote kept. Call `check` about once a second.
 */
export class DiskGuard {
  readonly #path: string;
  readonly #ballastPath: string;
  readonly #ballastSizeBytes: number;
  readonly #lowFreeBytes: number;
  readonly #criticalFreeBytes: number;
  readonly #freeBytes: (path: string) => Promise<number>;
  #status: DiskStatus = { level: 'ok', freeBytes: 0, ballast: false };
  #checking: Promise<DiskStatus> | null = null;

  private constructor(options: DiskGuardOptions) {
    this.#path = options.path;
    this.#ballastPath = join(options.path, BALLAST_FILE);
    this.#ballastSizeBytes = options.ballastSizeBytes ?? 64 * MIB;
    this.#lowFreeBytes = options.lowFreeBytes ?? 512 * MIB;
    this.#criticalFreeBytes = options.criticalFreeBytes ?? 64 * MIB;
    this.#freeBytes = options.freeBytes ?? freeBytesOf;
    invariant(this.#criticalFreeBytes < this.#lowFreeBytes, 'disk guard', 'critical lies below low');
  }

  /** Looks at the disk for the first time, and makes the ballast when there is room for it. */
  static async open(options: DiskGuardOptions): Promise<DiskGuard> {
    const guard = new DiskGuard(options);
    guard.#status = { ...guard.#status, ballast: await guard.#hasBallast() };
    await guard.check();
    return guard;
  }

  /** As of the last check. */
  get status(): DiskStatus {
    return this.#status;
  }

  /** Looks again, and lets the ballast go or makes it again. A call while one is under way gets the same answer. */
  check(): Promise<DiskStatus> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  async #check(): Promise<DiskStatus> {
    let { ballast } = this.#status;
    let freeBytes = await this.#freeBytes(this.#path);
    if (!ballast && this.#roomForBallast(freeBytes)) {
      ballast = await this.#makeBallast();
      freeBytes = await this.#freeBytes(this.#path);
    }
    const level = this.#levelOf(freeBytes, ballast);
    if (ballast && level === 'critical') {
      await releaseBallast(this.#path);
      ballast = false;
      freeBytes = await this.#freeBytes(this.#path);
    }
    this.#status = { level, freeBytes, ballast };
    return this.#status;
  }

  /** Without its ballast a disk stays critical. Back to ok only an eighth above the bound: levels do not flutter. */
  #levelOf(freeBytes: number, ballast: boolean): DiskLevel {
    if (freeBytes < this.#criticalFreeBytes || !ballast) return 'critical';
    const low = this.#status.level === 'ok' ? this.#lowFreeBytes : this.#lowFreeBytes * 1.125;
    return freeBytes < low ? 'low' : 'ok';
  }

  /** Half way to low must be left over, or it would be let go again at once. */
  #roomForBallast(freeBytes: number): boolean {
    return freeBytes - this.#ballastSizeBytes >= (this.#lowFreeBytes + this.#criticalFreeBytes) / 2;
  }

  /** False when the disk filled up meanwhile: what was written is deleted then. */
  async #makeBallast(): Promise<boolean> {
    const temporary = `${this.#ballastPath}.tmp`;
    try {
      await this.#fill(temporary);
      await rename(temporary, this.#ballastPath);
      await syncDirectory(this.#path);
      return true;
    } catch (error) {
      await rm(temporary, { force: true });
      if (!hasCode(error, 'ENOSPC', 'EDQUOT')) throw error;
      return false;
    }
  }

  /** Random bytes, fresh ones in each slice: file systems that compress or deduplicate hold them in full too. */
  async #fill(path: string): Promise<void> {
    const file = await open(path, 'w', 0o600);
    try {
      for (let written = 0; written < this.#ballastSizeBytes; ) {
        const slice = Buffer.allocUnsafe(Math.min(SLICE_BYTES, this.#ballastSizeBytes - written));
        await randomize(slice);
        for (let done = 0; done < slice.length; ) {
          const { bytesWritten } = await file.write(slice, done, slice.length - done);
          done += bytesWritten;
        }
        written += slice.length;
        await file.datasync();
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** A ballast of an earlier start counts if it has the wanted size and all its blocks; else it is deleted. */
  async #hasBallast(): Promise<boolean> {
    await rm(`${this.#ballastPath}.tmp`, { force: true });
    try {
      const { size, blocks } = await stat(this.#ballastPath);
      if (size === this.#ballastSizeBytes && blocks * SECTOR_BYTES >= size) return true;
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      return false;
    }
    await releaseBallast(this.#path);
    return false;
  }
}

/** Deletes the ballast of a directory, if there is one. True if there was. */
export async function releaseBallast(directory: string): Promise<boolean> {
  try {
    await rm(join(directory, BALLAST_FILE));
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

async function freeBytesOf(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
