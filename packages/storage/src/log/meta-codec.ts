import { crc32 } from 'node:zlib';
import { readU64, writeU64 } from '../bytes.ts';
import { invariant } from '../errors.ts';

const META_FORMAT = 1;
const NO_VOTE = 0xffff;
/** A vote is a node id; the limit keeps a superblock slot within one disk sector of 4,096 bytes. */
export const MAX_VOTE_BYTES = 1024;

/** Where the log begins: after this entry. */
export interface Bounds {
  readonly compactedIndex: number;
  readonly compactedTerm: number;
  /** Checksum of that entry if it was known, else 0: the chain goes on from here. */
  readonly compactedCrc: number;
}

/** Term and vote as stored, with the number of their change: of two copies the larger (term, counter) is newer. */
export interface HardRecord {
  readonly term: number;
  readonly vote: string | null;
  readonly counter: number;
}

const BOUNDS_BYTES = 25;

/** format u8, index u64, term u64, chain checksum u32, checksum u32. */
export function encodeBounds(bounds: Bounds): Buffer {
  const value = Buffer.alloc(BOUNDS_BYTES);
  value[0] = META_FORMAT;
  writeU64(value, bounds.compactedIndex, 1);
  writeU64(value, bounds.compactedTerm, 9);
  value.writeUInt32BE(bounds.compactedCrc, 17);
  value.writeUInt32BE(crc32(value.subarray(0, BOUNDS_BYTES - 4)), BOUNDS_BYTES - 4);
  return value;
}

/** Null if the bytes are damaged. */
export function decodeBounds(value: Buffer): Bounds | null {
  if (value.length !== BOUNDS_BYTES || value[0] !== META_FORMAT) return null;
  if (crc32(value.subarray(0, BOUNDS_BYTES - 4)) !== value.readUInt32BE(BOUNDS_BYTES - 4)) return null;
  return {
    compactedIndex: readU64(value, 1),
    compactedTerm: readU64(value, 9),
    compactedCrc: value.readUInt32BE(17),
  };
}

/** Bytes that `writeHard` takes for a vote of this length. */
function hardBytes(voteBytes: number): number {
  return 23 + voteBytes;
}

/** format u8, term u64, counter u64, vote length u16, vote, checksum u32. */
export function encodeHard(record: HardRecord): Buffer {
  const vote = record.vote === null ? Buffer.alloc(0) : Buffer.from(record.vote, 'utf8');
  invariant(vote.length <= MAX_VOTE_BYTES, 'log', `a node id has at most ${MAX_VOTE_BYTES} bytes`);
  const value = Buffer.alloc(hardBytes(vote.length));
  value[0] = META_FORMAT;
  writeU64(value, record.term, 1);
  writeU64(value, record.counter, 9);
  value.writeUInt16BE(record.vote === null ? NO_VOTE : vote.length, 17);
  value.set(vote, 19);
  value.writeUInt32BE(crc32(value.subarray(0, value.length - 4)), value.length - 4);
  return value;
}

/** Null if the bytes are damaged. `value` may be longer than the record. */
export function decodeHard(value: Buffer): HardRecord | null {
  if (value.length < hardBytes(0) || value[0] !== META_FORMAT) return null;
  const length = value.readUInt16BE(17);
  const voteBytes = length === NO_VOTE ? 0 : length;
  const end = hardBytes(voteBytes) - 4;
  if (voteBytes > MAX_VOTE_BYTES || value.length < end + 4) return null;
  if (crc32(value.subarray(0, end)) !== value.readUInt32BE(end)) return null;
  return {
    term: readU64(value, 1),
    counter: readU64(value, 9),
    vote: length === NO_VOTE ? null : value.toString('utf8', 19, 19 + voteBytes),
  };
}

/** Order of two hard records: positive if `a` is newer. */
export function compareHard(a: HardRecord, b: HardRecord): number {
  return a.term !== b.term ? a.term - b.term : a.counter - b.counter;
}
