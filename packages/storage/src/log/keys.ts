import { writeU64 } from '../bytes.ts';

/** First byte of a key in the log database. Stored on disk: never reuse a value. */
const ENTRY_SPACE = 1;
const META_SPACE = 2;
const ENTRY_KEY_BYTES = 13;

/** Largest index whose key can be made; stands for "no upper end". */
export const MAX_INDEX = Number.MAX_SAFE_INTEGER;

/** Key of an entry: space (u8), group (u32), index (u64), big-endian, so one group's log is one range in order. */
export function entryKey(group: number, index: number): Buffer {
  const key = Buffer.allocUnsafe(ENTRY_KEY_BYTES);
  key[0] = ENTRY_SPACE;
  key.writeUInt32BE(group, 1);
  writeU64(key, index, 5);
  return key;
}

/** Changes the index of a key made by `entryKey`, in place. */
export function setKeyIndex(key: Buffer, index: number): Buffer {
  writeU64(key, index, 5);
  return key;
}

/** Key of one of a group's few fixed records. */
export function metaKey(group: number, name: 'bounds' | 'hard'): Buffer {
  const key = Buffer.allocUnsafe(5 + name.length);
  key[0] = META_SPACE;
  key.writeUInt32BE(group, 1);
  key.write(name, 5, 'latin1');
  return key;
}
