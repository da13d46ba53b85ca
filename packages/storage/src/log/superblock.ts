import { constants } from 'node:fs';
import { access, type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { readU64, writeU64 } from '../bytes.ts';
import { syncDirectory } from '../directory/files.ts';
import { hasCode, invariant } from '../errors.ts';
import { decodeHard, encodeHard, type HardRecord } from './meta-codec.ts';

const SLOT_BYTES = 4096;
const SLOTS = 2;
const HEADER_BYTES = 20;

/** What the superblock keeps outside LevelDB, where a damaged LevelDB log cannot roll it back. */
export interface SuperblockContent {
  readonly hard: HardRecord;
  /** At the time of writing the log was durable through this index; lowered before a suffix is cut off below it. */
  readonly highWaterIndex: number;
}

/** What was in the file: nothing (new), or its newest valid slot. `damaged` when bytes were there but no slot held. */
export interface FoundSuperblock {
  readonly created: boolean;
  readonly damaged: boolean;
  readonly content: SuperblockContent | null;
}

/**
 * A small file of two slots, written in turn and fsynced each time: whatever happens during a write, the other slot
 * holds. A slot that fails its checksum is the trace of a write that never finished, and is ignored.
 * Slot: checksum u32, sequence u64, high-water index u64, hard record; big-endian.
 */
export class Superblock {
  readonly #file: FileHandle;
  #sequence = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async isThere(path: string): Promise<boolean> {
    return await access(path).then(
      () => true,
      (error: unknown) => {
        if (hasCode(error, 'ENOENT')) return false;
        throw error;
      },
    );
  }

  /** Opens or creates the file (with its directory entry fsynced) and reads the newest slot. */
  static async open(path: string): Promise<{ superblock: Superblock; found: FoundSuperblock }> {
    const { file, created } = await openOrCreate(path);
    try {
      const bytes = Buffer.alloc(SLOT_BYTES * SLOTS);
      if (created) {
        // Full size from the start: a later fdatasync then has no metadata to write.
        await file.write(bytes, 0, bytes.length, 0);
        await file.sync();
        await syncDirectory(dirname(path));
        return { superblock: new Superblock(file), found: { created, damaged: false, content: null } };
      }
      await file.read(bytes, 0, bytes.length, 0);
      const superblock = new Superblock(file);
      return { superblock, found: superblock.#readSlots(bytes) };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Resolves when the content is on the disk. One call at a time. */
  async write(content: SuperblockContent): Promise<void> {
    this.#sequence += 1;
    const slot = Buffer.alloc(SLOT_BYTES);
    const hard = encodeHard(content.hard);
    writeU64(slot, this.#sequence, 4);
    writeU64(slot, content.highWaterIndex, 12);
    slot.set(hard, HEADER_BYTES);
    slot.writeUInt32BE(crc32(slot.subarray(4, HEADER_BYTES + hard.length)), 0);
    const { bytesWritten } = await this.#file.write(slot, 0, SLOT_BYTES, (this.#sequence % SLOTS) * SLOT_BYTES);
    invariant(bytesWritten === SLOT_BYTES, 'superblock', `a slot is written whole, not ${bytesWritten} bytes`);
    await this.#file.datasync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #readSlots(bytes: Buffer): FoundSuperblock {
    let content: SuperblockContent | null = null;
    for (let i = 0; i < SLOTS; i++) {
      const slot = bytes.subarray(i * SLOT_BYTES, (i + 1) * SLOT_BYTES);
      const hard = decodeHard(slot.subarray(HEADER_BYTES));
      if (hard === null) continue;
      const end = HEADER_BYTES + encodeHard(hard).length;
      if (crc32(slot.subarray(4, end)) !== slot.readUInt32BE(0)) continue;
      const sequence = readU64(slot, 4);
      if (sequence <= this.#sequence) continue;
      this.#sequence = sequence;
      content = { hard, highWaterIndex: readU64(slot, 12) };
    }
    const damaged = content === null && bytes.some((byte) => byte !== 0);
    return { created: false, damaged, content };
  }
}

async function openOrCreate(path: string): Promise<{ file: FileHandle; created: boolean }> {
  try {
    return { file: await open(path, constants.O_RDWR), created: false };
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    return { file: await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600), created: true };
  }
}
