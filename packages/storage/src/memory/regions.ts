import type { Entry } from '@quorate/consensus';
import type { HardRecord } from '../log/meta-codec.ts';
import type { StatePosition } from '../types.ts';
import type { MemoryDisk } from './memory-disk.ts';

/*
 * What a simulated disk holds durably of each store. `damaged` has the very objects (entries, values, positions) whose bytes
 * no longer match their checksum: writing another in their place mends it, as on a real disk.
 */

/** The log of a group, in the parts that the LevelDB store has. */
export interface LogRegion {
  compactedIndex: number;
  compactedTerm: number;
  /** By index; may hold entries below the bounds until they are deleted. */
  readonly entries: Map<number, Entry>;
  hard: HardRecord;
  superblock: { hard: HardRecord; highWaterIndex: number };
  readonly damaged: Set<object>;
  /** What LevelDB would say of dropped data when it is opened. */
  reports: string[];
}

export const NEW_HARD: HardRecord = { term: 0, vote: null, counter: 0 };

export function logRegion(disk: MemoryDisk, group: number): LogRegion {
  return disk.region<LogRegion>(`log-${group}`, () => ({
    compactedIndex: 0,
    compactedTerm: 0,
    entries: new Map(),
    hard: NEW_HARD,
    superblock: { hard: NEW_HARD, highWaterIndex: 0 },
    damaged: new Set(),
    reports: [],
  }));
}

export interface StateRegion {
  position: StatePosition;
  /** By the key's bytes as latin1 text, whose order of code units is the bytewise order. */
  records: Map<string, Uint8Array>;
  /** Goes up when a snapshot takes the place of the records: stores opened before are dead. */
  installs: number;
  /** Where the newest installed snapshot stands; the log store begins no earlier. */
  installed: StatePosition | null;
  damaged: Set<object>;
  reports: string[];
}

/** The state of a group on a simulated disk. */
export function stateRegion(disk: MemoryDisk, group: number): StateRegion {
  return disk.region<StateRegion>(`state-${group}`, () => ({
    position: { appliedIndex: 0, appliedTerm: 0 },
    records: new Map(),
    installs: 0,
    installed: null,
    damaged: new Set(),
    reports: [],
  }));
}

export type MemoryFiles = Map<string, Buffer>;

export function folderRegion(disk: MemoryDisk, name: string): MemoryFiles {
  return disk.region<MemoryFiles>(name, () => new Map());
}

export function snapshotFolder(group: number): string {
  return `snapshots-${group}`;
}
