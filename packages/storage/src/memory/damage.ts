import { asBuffer } from '../bytes.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { folderRegion, logRegion, snapshotFolder, stateRegion } from './regions.ts';

/* What a simulated disk does to what it holds. Nobody is told: the stores find it, as the real ones do. */

/** A copy with one bit flipped; of nothing, another nothing. */
function flipped(bytes: Uint8Array, offset = bytes.length >>> 1): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy.writeUInt8(copy.readUInt8(offset) ^ 0x10, offset);
  return copy;
}

export function corruptEntry(disk: MemoryDisk, index: number, group: number): boolean {
  const { entries, damaged } = logRegion(disk, group);
  const entry = entries.get(index);
  if (entry === undefined) return false;
  const bad = { ...entry, data: flipped(entry.data) };
  damaged.add(bad);
  entries.set(index, bad);
  return true;
}

export function corruptRecord(disk: MemoryDisk, place: Uint8Array | 'position', group: number): boolean {
  const region = stateRegion(disk, group);
  if (place === 'position') {
    const { appliedIndex, appliedTerm } = region.position;
    // Of a new store: it has no record of its position yet.
    if (appliedIndex === 0 && appliedTerm === 0) return false;
    region.position = { appliedIndex, appliedTerm };
    region.damaged.add(region.position);
    return true;
  }
  const key = asBuffer(place).toString('latin1');
  const value = region.records.get(key);
  if (value === undefined) return false;
  const bad = flipped(value);
  region.damaged.add(bad);
  region.records.set(key, bad);
  return true;
}

export function dropTail(disk: MemoryDisk, count: number, group: number): number {
  const { entries, compactedIndex } = logRegion(disk, group);
  const live = [...entries.keys()].filter((index) => index > compactedIndex).sort((a, b) => b - a);
  const lost = live.slice(0, Math.max(0, count));
  for (const index of lost) entries.delete(index);
  return lost.length;
}

/** `offset`: of the byte; by default the one in the middle of the file. */
export function corruptSnapshotFile(disk: MemoryDisk, id: string, offset: number | null, group: number): boolean {
  const files = folderRegion(disk, snapshotFolder(group));
  for (const [name, content] of files) {
    if (!name.endsWith(`-${id}.snapshot`)) continue;
    files.set(name, flipped(content, offset ?? undefined));
    return true;
  }
  return false;
}

export function addReport(disk: MemoryDisk, store: 'log' | 'state', group: number): void {
  const region = store === 'log' ? logRegion(disk, group) : stateRegion(disk, group);
  region.reports.push(
    `LevelDB reported at this start, in memory, ${store}: dropping ${region.reports.length + 1} bytes`,
  );
}

export function dropReports(disk: MemoryDisk, group: number): void {
  logRegion(disk, group).reports = [];
  stateRegion(disk, group).reports = [];
}
