import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';

/** Of the memory of the machine or container, when none is configured. The rest is for the disk cache and for peaks. */
const DEFAULT_SHARE = 0.75;
/** Of the heap, beyond which a process that runs out of it would simply end. */
const HEAP_SHARE = 0.9;

/** What this process may use at most, in bytes: the limit of its control group, or what the machine has. */
export function availableMemoryBytes(): number {
  const machine = totalmem();
  // 0 or more than there is where nothing limits it.
  const limit = process.constrainedMemory();
  return limit !== undefined && limit > 0 ? Math.min(limit, machine) : machine;
}

/** What JavaScript's heap may take and has taken, in bytes. */
export interface HeapUse {
  readonly usedBytes: number;
  readonly limitBytes: number;
}

/** Where the numbers come from; the process by default. */
export interface MemorySources {
  readonly residentBytes: () => number;
  readonly heap: () => HeapUse;
  readonly availableBytes: () => number;
}

const PROCESS: MemorySources = {
  residentBytes: () => process.memoryUsage.rss(),
  heap: () => {
    const { used_heap_size: usedBytes, heap_size_limit: limitBytes } = getHeapStatistics();
    return { usedBytes, limitBytes };
  },
  availableBytes: availableMemoryBytes,
};

/**
 * How near the process is to its high-water mark, 1 at it: by the memory that it has, or by its heap if that ends
 * sooner.
 *
 * @param markBytes undefined for three quarters of what there is, 0 for no mark
 */
export function memoryShareOf(markBytes: number | undefined, sources: MemorySources = PROCESS): () => number {
  if (markBytes === 0) return () => 0;
  const mark = markBytes ?? sources.availableBytes() * DEFAULT_SHARE;
  return () => {
    const { usedBytes, limitBytes } = sources.heap();
    return Math.max(sources.residentBytes() / mark, usedBytes / (limitBytes * HEAP_SHARE));
  };
}
