import { statfs } from 'node:fs/promises';
import { DiskGuard } from '@quorate/storage';
import type { NodeConfig } from './config/index.ts';
import type { Logger } from './logging/index.ts';

/** The disk is nearly full: the node stands still while there is still room to recover in. */
export class DiskFull extends Error {
  readonly code = 'DISK_FULL';

  constructor(path: string, freeBytes: number) {
    super(`only ${mib(freeBytes)} MiB are free for ${path}: the node stands still until there is room again`);
    this.name = 'DiskFull';
  }
}

export interface DiskWatchEvents {
  /** Once each time that it becomes low. */
  onLow(): void;
  onFull(error: DiskFull): void;
}

/** Without its ballast a disk counts as critical: with this many times the critical bound free it may still be used. */
const USABLE_FACTOR = 2;

/** Looks at the free space of the data directory again and again. */
export class DiskWatch {
  readonly #config: NodeConfig;
  readonly #logger: Logger;
  readonly #events: DiskWatchEvents;
  #timer: NodeJS.Timeout | undefined;
  #guard: DiskGuard | null = null;
  #looking: Promise<void> | null = null;
  #low = false;

  constructor(config: NodeConfig, logger: Logger, events: DiskWatchEvents) {
    this.#config = config;
    this.#logger = logger;
    this.#events = events;
  }

  start(): void {
    const { checkIntervalMs } = this.#config.disk;
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = null;
      });
    }, checkIntervalMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { dataDir, disk } = this.#config;
    try {
      this.#guard ??= await DiskGuard.open({
        path: dataDir,
        ballastSizeBytes: disk.ballastBytes,
        lowFreeBytes: disk.lowBytes,
        criticalFreeBytes: disk.criticalBytes,
      });
      const { level, freeBytes } = await this.#guard.check();
      if (level === 'critical' && freeBytes < disk.criticalBytes * USABLE_FACTOR) {
        this.#events.onFull(new DiskFull(dataDir, freeBytes));
      } else this.#note(level !== 'ok', freeBytes);
    } catch (error) {
      // The stores find out by themselves what a disk that can not be looked at is good for.
      this.#logger.warn({ err: error }, `the free space of ${dataDir} can not be told`);
    }
  }

  #note(low: boolean, freeBytes: number): void {
    if (low === this.#low) return;
    this.#low = low;
    if (!low) return this.#logger.info({ freeBytes }, 'there is room on the disk again');
    this.#logger.warn({ freeBytes }, `the disk is nearly full: ${mib(freeBytes)} MiB are free for the data directory`);
    this.#events.onLow();
  }
}

/** Resolves to true when a node may start: there is more room than at which it would stand still at once. */
export async function hasRoom({ dataDir, disk }: NodeConfig): Promise<boolean> {
  const { bavail, bsize } = await statfs(dataDir);
  return bavail * bsize > disk.criticalBytes * USABLE_FACTOR;
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0);
}
