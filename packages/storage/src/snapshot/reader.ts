import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { invariant, StorageError } from '../errors.ts';
import type { FolderReader } from '../folder/folder.ts';
import {
  CHUNK_HEADER_BYTES,
  decodeFooter,
  decodeHeader,
  decodeRecords,
  FOOTER_BYTES,
  type Footer,
  HASH_ALGORITHM,
  headerLength,
  PREAMBLE_BYTES,
  SNAPSHOT_FORMAT,
} from './format.ts';
import type { SnapshotInfo, SnapshotReader, SnapshotSummary, StateRecord } from './types.ts';

const MAX_READ_BYTES = 16 << 20;

/** A snapshot file whose header is sound. */
export class SnapshotFile implements SnapshotReader {
  readonly info: SnapshotInfo;
  readonly #file: FolderReader;
  readonly #path: string;
  readonly #headerEnd: number;

  private constructor(file: FolderReader, path: string, info: SnapshotInfo, headerEnd: number) {
    this.#file = file;
    this.#path = path;
    this.info = info;
    this.#headerEnd = headerEnd;
  }

  /** Reads and checks the header; takes over `file` and closes it when that fails. */
  static async open(file: FolderReader, path: string): Promise<SnapshotFile> {
    try {
      const preamble = await file.read(0, PREAMBLE_BYTES);
      const length = headerLength(preamble);
      if (typeof length === 'string') throw corrupted(path, length);
      const decoded = decodeHeader(preamble, await file.read(PREAMBLE_BYTES, length));
      if (typeof decoded === 'string') throw corrupted(path, decoded);
      if ('newerFormat' in decoded) {
        throw new StorageError('SNAPSHOT_TOO_NEW', { path, found: decoded.newerFormat, supported: SNAPSHOT_FORMAT });
      }
      return new SnapshotFile(file, path, { ...decoded.info, sizeBytes: file.sizeBytes }, PREAMBLE_BYTES + length);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async read(offset: number, maxBytes: number): Promise<Uint8Array> {
    invariant(offset >= 0 && maxBytes > 0 && maxBytes <= MAX_READ_BYTES, 'snapshot', 'at most 16 MiB are read at once');
    return await this.#file.read(offset, maxBytes);
  }

  async verify(): Promise<SnapshotSummary> {
    return await this.forEach(() => {});
  }

  async forEach(visit: (records: readonly StateRecord[]) => void | Promise<void>): Promise<SnapshotSummary> {
    const footer = await this.readFooter();
    const hash = createHash(HASH_ALGORITHM);
    hash.update(await this.#file.read(0, this.#headerEnd));
    let recordCount = 0;
    let recordBytes = 0;
    const end = await this.#walk(async (chunk) => {
      hash.update(chunk);
      const records = decodeRecords(chunk.subarray(CHUNK_HEADER_BYTES));
      if (typeof records === 'string') throw corrupted(this.#path, records);
      recordCount += records.length;
      for (const [key, value] of records) recordBytes += key.length + value.length;
      await visit(records);
    });
    if (end.reason !== null) throw corrupted(this.#path, end.reason);
    if (recordCount !== footer.recordCount || recordBytes !== footer.recordBytes) {
      throw corrupted(this.#path, `it holds ${recordCount} records, its footer says ${footer.recordCount}`);
    }
    if (!hash.digest().equals(footer.hash)) throw corrupted(this.#path, 'the hash of the whole does not match');
    return { recordCount, recordBytes };
  }

  /** The footer at the file's end. @throws StorageError SNAPSHOT_CORRUPTED */
  async readFooter(): Promise<Footer> {
    const at = this.#file.sizeBytes - FOOTER_BYTES;
    const footer = at < this.#headerEnd ? null : decodeFooter(await this.#file.read(at, FOOTER_BYTES));
    if (footer === null) throw corrupted(this.#path, 'it does not end with a sound footer');
    return footer;
  }

  /** For a file that is still coming in: where the last sound chunk ends. */
  async soundPrefix(): Promise<number> {
    return (await this.#walk(() => {})).offset;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Walks the chunks up to the footer; where that ends, and why when it is not at the footer of a whole file. */
  async #walk(
    visit: (chunk: Buffer) => void | Promise<void>,
  ): Promise<{ readonly offset: number; readonly reason: string | null }> {
    let offset = this.#headerEnd;
    const footerAt = this.#file.sizeBytes - FOOTER_BYTES;
    let header = await this.#file.read(offset, CHUNK_HEADER_BYTES);
    for (;;) {
      if (header.length < CHUNK_HEADER_BYTES) return { offset, reason: 'it is cut off' };
      const length = header.readUInt32BE(0);
      if (length === 0) return { offset, reason: offset === footerAt ? null : 'it has a footer before its end' };
      const end = offset + CHUNK_HEADER_BYTES + length;
      if (end > this.#file.sizeBytes) return { offset, reason: 'a chunk is longer than the file' };
      // Along with the header of the next chunk: one read each.
      const bytes = await this.#file.read(offset, end - offset + CHUNK_HEADER_BYTES);
      const chunk = bytes.subarray(0, end - offset);
      if (chunk.length < end - offset || crc32(chunk.subarray(CHUNK_HEADER_BYTES)) !== chunk.readUInt32BE(4)) {
        return { offset, reason: `the checksum of the chunk at byte ${offset} does not match` };
      }
      await visit(chunk);
      await nextTurn();
      header = bytes.subarray(end - offset);
      offset = end;
    }
  }
}

function corrupted(path: string, reason: string): StorageError {
  return new StorageError('SNAPSHOT_CORRUPTED', { path, reason });
}
