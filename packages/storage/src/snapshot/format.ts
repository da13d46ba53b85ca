import { crc32 } from 'node:zlib';
import { asBuffer, readU64, writeU64 } from '../bytes.ts';
import { invariant } from '../errors.ts';
import type { SnapshotFacts, SnapshotInfo, StateRecord } from './types.ts';

/*
 * A snapshot file, big-endian:
 *   magic 8 bytes, header length u32, header CRC-32 u32, header;
 *   chunks: length u32 (not 0), CRC-32 u32, records: key length u32, value length u32, key, value;
 *   footer: 0 u32, CRC-32 u32, record count u64, bytes of keys and values u64, SHA-256 of all before the footer.
 * Header: format u16, machine version u32, index u64, term u64, stamp f64, id 16 bytes, cluster id (u16 length, UTF-8),
 * configuration (u32 length).
 */
export const SNAPSHOT_FORMAT = 1;
export const PREAMBLE_BYTES = 16;
export const CHUNK_HEADER_BYTES = 8;
export const FOOTER_BYTES = 56;
export const RECORD_HEADER_BYTES = 8;
export const HASH_ALGORITHM = 'sha256';
const MAGIC = Buffer.from('QRSNAP\r\n', 'latin1');
const MAX_HEADER_BYTES = 1 << 20;
const MAX_CONFIGURATION_BYTES = 512 << 10;
const MAX_CLUSTER_ID_BYTES = 1024;
const FIXED_HEADER_BYTES = 52;

export interface Footer {
  readonly recordCount: number;
  readonly recordBytes: number;
  readonly hash: Buffer;
}

/** Preamble and header. `id`: 32 hexadecimal digits. */
export function encodeHeader(id: string, facts: SnapshotFacts): Buffer {
  const { index, term, stampMs, configuration, machineVersion = 1 } = facts;
  const clusterId = Buffer.from(facts.clusterId, 'utf8');
  invariant(Number.isFinite(stampMs), 'snapshot', 'its stamp is a finite number');
  invariant(clusterId.length <= MAX_CLUSTER_ID_BYTES, 'snapshot', 'its cluster id has at most 1024 bytes');
  invariant(configuration.length <= MAX_CONFIGURATION_BYTES, 'snapshot', 'its configuration has at most 512 KiB');
  const header = Buffer.alloc(FIXED_HEADER_BYTES + clusterId.length + configuration.length);
  header.writeUInt16BE(SNAPSHOT_FORMAT, 0);
  header.writeUInt32BE(machineVersion, 2);
  writeU64(header, index, 6);
  writeU64(header, term, 14);
  header.writeDoubleBE(stampMs, 22);
  header.write(id, 30, 16, 'hex');
  header.writeUInt16BE(clusterId.length, 46);
  header.set(clusterId, 48);
  header.writeUInt32BE(configuration.length, 48 + clusterId.length);
  header.set(configuration, 52 + clusterId.length);
  const preamble = Buffer.alloc(PREAMBLE_BYTES);
  preamble.set(MAGIC, 0);
  preamble.writeUInt32BE(header.length, 8);
  preamble.writeUInt32BE(crc32(header), 12);
  return Buffer.concat([preamble, header]);
}

/** Length of the header behind the preamble, or the reason why there is none. */
export function headerLength(preamble: Buffer): number | string {
  if (preamble.length < PREAMBLE_BYTES) return 'it is too short';
  if (!preamble.subarray(0, MAGIC.length).equals(MAGIC)) return 'it does not begin as a snapshot does';
  const length = preamble.readUInt32BE(8);
  return length >= FIXED_HEADER_BYTES && length <= MAX_HEADER_BYTES ? length : `its header would have ${length} bytes`;
}

export type DecodedHeader = { readonly info: Omit<SnapshotInfo, 'sizeBytes'> } | { readonly newerFormat: number };

/** Decodes and verifies; the reason when the bytes are damaged. */
export function decodeHeader(preamble: Buffer, header: Buffer): DecodedHeader | string {
  if (header.length !== preamble.readUInt32BE(8)) return 'its header is cut off';
  if (crc32(header) !== preamble.readUInt32BE(12)) return 'the checksum of its header does not match';
  const format = header.readUInt16BE(0);
  if (format !== SNAPSHOT_FORMAT) return { newerFormat: format };
  const clusterIdEnd = 48 + header.readUInt16BE(46);
  if (clusterIdEnd + 4 > header.length) return 'its header has wrong lengths';
  const configurationEnd = clusterIdEnd + 4 + header.readUInt32BE(clusterIdEnd);
  if (configurationEnd !== header.length) return 'its header has wrong lengths';
  return {
    info: {
      machineVersion: header.readUInt32BE(2),
      index: readU64(header, 6),
      term: readU64(header, 14),
      stampMs: header.readDoubleBE(22),
      id: header.toString('hex', 30, 46),
      clusterId: header.toString('utf8', 48, clusterIdEnd),
      configuration: Uint8Array.from(header.subarray(clusterIdEnd + 4, configurationEnd)),
    },
  };
}

export function encodeFooter({ recordCount, recordBytes, hash }: Footer): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  writeU64(footer, recordCount, 8);
  writeU64(footer, recordBytes, 16);
  footer.set(hash, 24);
  footer.writeUInt32BE(crc32(footer.subarray(8)), 4);
  return footer;
}

/** Null if the bytes are no footer. */
export function decodeFooter(footer: Buffer): Footer | null {
  if (footer.length !== FOOTER_BYTES || footer.readUInt32BE(0) !== 0) return null;
  if (crc32(footer.subarray(8)) !== footer.readUInt32BE(4)) return null;
  return { recordCount: readU64(footer, 8), recordBytes: readU64(footer, 16), hash: footer.subarray(24) };
}

/** Gathers records to one chunk. The memory is used again for the next. */
export class ChunkBuilder {
  readonly #target: number;
  #buffer: Buffer;
  #end = CHUNK_HEADER_BYTES;

  constructor(targetBytes: number) {
    this.#target = targetBytes;
    this.#buffer = Buffer.allocUnsafeSlow(targetBytes + CHUNK_HEADER_BYTES);
  }

  get isEmpty(): boolean {
    return this.#end === CHUNK_HEADER_BYTES;
  }

  /** Whether the record goes into this chunk: always when the chunk is empty. */
  fits(key: Uint8Array, value: Uint8Array): boolean {
    return this.isEmpty || this.#end + RECORD_HEADER_BYTES + key.length + value.length <= this.#buffer.length;
  }

  add(key: Uint8Array, value: Uint8Array): void {
    const end = this.#end + RECORD_HEADER_BYTES + key.length + value.length;
    if (end > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(end);
    const buffer = this.#buffer;
    buffer.writeUInt32BE(key.length, this.#end);
    buffer.writeUInt32BE(value.length, this.#end + 4);
    buffer.set(key, this.#end + RECORD_HEADER_BYTES);
    buffer.set(value, this.#end + RECORD_HEADER_BYTES + key.length);
    this.#end = end;
  }

  /** The chunk as it goes to the file, valid until `clear`. */
  seal(): Buffer {
    const chunk = this.#buffer.subarray(0, this.#end);
    chunk.writeUInt32BE(this.#end - CHUNK_HEADER_BYTES, 0);
    chunk.writeUInt32BE(crc32(chunk.subarray(CHUNK_HEADER_BYTES)), 4);
    return chunk;
  }

  clear(): void {
    this.#end = CHUNK_HEADER_BYTES;
    const size = this.#target + CHUNK_HEADER_BYTES;
    if (this.#buffer.length > size) this.#buffer = Buffer.allocUnsafeSlow(size);
  }
}

/** The records of a chunk's body, aliasing it; the reason when its lengths do not add up. */
export function decodeRecords(body: Uint8Array): StateRecord[] | string {
  const bytes = asBuffer(body);
  const records: StateRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + RECORD_HEADER_BYTES > bytes.length) return 'a record is cut off';
    const keyEnd = at + RECORD_HEADER_BYTES + bytes.readUInt32BE(at);
    const end = keyEnd + bytes.readUInt32BE(at + 4);
    if (end > bytes.length) return 'a record is longer than its chunk';
    records.push([bytes.subarray(at + RECORD_HEADER_BYTES, keyEnd), bytes.subarray(keyEnd, end)]);
    at = end;
  }
  return records;
}
