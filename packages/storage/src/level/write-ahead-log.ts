import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../errors.ts';

/*
 * LevelDB's log: blocks of 32 KiB; records of checksum u32 (masked CRC-32C over type and data), length u16, type u8, data,
 * little-endian; a record longer than what is left of its block is cut into first, middle and last.
 *
 * LevelDB reports a checksum that does not match, but two kinds of damage it skips without a word: a length that points
 * past the end of the file (taken for a torn tail) and a zeroed header (taken for preallocated space). Both drop all
 * records behind them in the block. What tells damage from a torn tail: behind a torn tail, which was in flight when the
 * power went, no other write can begin, since one write is in flight at a time.
 */
const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;
const MASK_DELTA = 0xa282ead8;

/** Looks through the logs that LevelDB will recover, before it does. Returns a sentence per damaged file. */
export async function findSilentDamage(databasePath: string): Promise<string[]> {
  const findings: string[] = [];
  let names: string[];
  try {
    names = await readdir(databasePath);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return findings;
    throw error;
  }
  for (const name of names.filter((each) => each.endsWith('.log')).sort()) {
    const offset = await findDamageIn(join(databasePath, name));
    if (offset !== null) findings.push(`${name} is damaged at byte ${offset}: sound records follow an unreadable one`);
  }
  return findings;
}

async function findDamageIn(path: string): Promise<number | null> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    // Another process has the database open and deleted it: its lock will tell.
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  try {
    return await findDamage(file);
  } finally {
    await file.close();
  }
}

/** Offset of the first unreadable record that another write follows, or null. */
async function findDamage(file: FileHandle): Promise<number | null> {
  const block = Buffer.alloc(BLOCK_BYTES);
  let damagedAt: number | null = null;
  for (let start = 0; ; start += BLOCK_BYTES) {
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, start);
    if (bytesRead === 0) return null;
    const read = block.subarray(0, bytesRead);
    if (damagedAt !== null && beginsWrite(read, 0)) return damagedAt;
    const bad = firstUnreadable(read);
    if (bad === null) continue;
    damagedAt ??= start + bad;
    for (let offset = bad + 1; offset + HEADER_BYTES <= bytesRead; offset++) {
      if (beginsWrite(read, offset)) return damagedAt;
    }
  }
}

/** The records of a file in this form, as far as they are sound; the manifest is one, too. */
export function* readRecords(file: Buffer): Generator<Buffer> {
  let parts: Buffer[] = [];
  for (let start = 0; start < file.length; start += BLOCK_BYTES) {
    const block = file.subarray(start, start + BLOCK_BYTES);
    for (let offset = 0; offset + HEADER_BYTES <= block.length; ) {
      const type = block[offset + 6] as number;
      const end = offset + HEADER_BYTES + block.readUInt16LE(offset + 4);
      if (type < FULL || type > LAST || end > block.length) return;
      if (maskedCrc32c(block, offset + 6, end) !== block.readUInt32LE(offset)) return;
      if (type === FULL || type === FIRST) parts = [];
      parts.push(block.subarray(offset + HEADER_BYTES, end));
      if (type === FULL || type === LAST) yield Buffer.concat(parts);
      offset = end;
    }
  }
}

/** Follows the lengths, as LevelDB does; checksums are left to it. */
function firstUnreadable(block: Buffer): number | null {
  for (let offset = 0; offset + HEADER_BYTES <= block.length; ) {
    const length = block.readUInt16LE(offset + 4);
    const zeroed = length === 0 && block[offset + 6] === 0;
    if (zeroed || offset + HEADER_BYTES + length > block.length) return offset;
    offset += HEADER_BYTES + length;
  }
  return null;
}

/** Whether a sound record that begins a write stands at `offset`. */
function beginsWrite(block: Buffer, offset: number): boolean {
  if (offset + HEADER_BYTES > block.length) return false;
  const type = block[offset + 6];
  if (type !== FULL && type !== FIRST) return false;
  const end = offset + HEADER_BYTES + block.readUInt16LE(offset + 4);
  return end <= block.length && maskedCrc32c(block, offset + 6, end) === block.readUInt32LE(offset);
}

let table: Uint32Array | null = null;

/** LevelDB's checksum (its util/crc32c.h): CRC-32C, rotated and offset. Only run on damaged files and on manifests. */
function maskedCrc32c(bytes: Buffer, from: number, to: number): number {
  table ??= Uint32Array.from({ length: 256 }, (_, i) => {
    let value = i;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    return value;
  });
  let crc = 0xffffffff;
  for (let i = from; i < to; i++) {
    crc = (table[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
