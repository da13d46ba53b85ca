import { crc32 } from 'node:zlib';
import type { Entry, EntryType } from '@quorate/consensus';
import { readU64, type Scratch, writeU64 } from '../bytes.ts';
import { invariant } from '../errors.ts';

/**
 * An entry's value: format u8, type u8, zero u16, checksum u32, checksum of the previous entry u32, index u64,
 * term u64, stamp f64, payload. Big-endian. The checksum (CRC-32) covers everything behind it and is seeded with format
 * and type, so one native call covers the whole record. It holds the previous entry's checksum: a chain, in which an
 * entry that is missing or from another history shows. LevelDB verifies its own table checksums only on compaction.
 */
export const ENTRY_FORMAT = 1;
export const ENTRY_HEADER_BYTES = 36;
const CHECKED_FROM = 8;

export interface DecodedEntry {
  readonly entry: Entry;
  readonly crc: number;
  readonly previousCrc: number;
}

/** Encodes into `scratch`: the result is valid until the scratch is taken again. Read the checksum by `crcOf`. */
export function encodeEntry(scratch: Scratch, entry: Entry, previousCrc: number): Buffer {
  invariant(Number.isFinite(entry.stampMs), 'log', `stamp of entry ${entry.index} is a finite number`);
  const value = scratch.take(ENTRY_HEADER_BYTES + entry.data.length);
  value[0] = ENTRY_FORMAT;
  value[1] = entry.type;
  value.writeUInt16BE(0, 2);
  value.writeUInt32BE(previousCrc, 8);
  writeU64(value, entry.index, 12);
  writeU64(value, entry.term, 20);
  value.writeDoubleBE(entry.stampMs, 28);
  value.set(entry.data, ENTRY_HEADER_BYTES);
  value.writeUInt32BE(crc32(value.subarray(CHECKED_FROM), seedOf(entry.type)), 4);
  return value;
}

/** The checksum inside an encoded entry. */
export function crcOf(value: Buffer): number {
  return value.readUInt32BE(4);
}

/** Decodes and verifies. Returns the reason when the bytes are not entry `index`. The payload aliases `value`. */
export function decodeEntry(value: Buffer, index: number): DecodedEntry | string {
  if (value.length < ENTRY_HEADER_BYTES) return `its record of ${value.length} bytes is too short`;
  if (value[0] !== ENTRY_FORMAT) return `its record has the unknown format ${value[0]}`;
  const type = value[1] as EntryType;
  const crc = crcOf(value);
  if (crc32(value.subarray(CHECKED_FROM), seedOf(type)) !== crc) return 'its checksum does not match';
  const found = readU64(value, 12);
  if (found !== index) return `its record says that it is entry ${found}`;
  const entry: Entry = {
    index,
    term: readU64(value, 20),
    type,
    stampMs: value.readDoubleBE(28),
    data: value.subarray(ENTRY_HEADER_BYTES),
  };
  return { entry, crc, previousCrc: value.readUInt32BE(8) };
}

function seedOf(type: number): number {
  return (ENTRY_FORMAT << 8) | type;
}
