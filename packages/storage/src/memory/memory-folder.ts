import { StorageError } from '../errors.ts';
import type { Folder, FolderReader, FolderWriter } from '../folder/folder.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { folderRegion, type MemoryFiles } from './regions.ts';

/** The twin of `DiskFolder` on a `MemoryDisk`: what was not synced is gone after a crash. */
export class MemoryFolder implements Folder {
  readonly path: string;
  readonly #disk: MemoryDisk;
  readonly #generation: number;
  readonly #files: MemoryFiles;

  constructor(disk: MemoryDisk, name: string) {
    this.path = `memory, ${name}`;
    this.#disk = disk;
    this.#generation = disk.generation;
    this.#files = folderRegion(disk, name);
  }

  async list(): Promise<string[]> {
    this.#checkAlive('list files');
    return [...this.#files.keys()].sort();
  }

  async create(name: string): Promise<FolderWriter> {
    await this.#change(`create ${name}`, () => this.#files.set(name, Buffer.alloc(0)));
    return this.#writer(name, Buffer.alloc(0));
  }

  async resume(name: string, sizeBytes: number): Promise<FolderWriter> {
    this.#checkAlive(`resume ${name}`);
    const kept = this.#files.get(name)?.subarray(0, sizeBytes);
    if (kept === undefined) throw new Error(`${this.path} has no file ${name}`);
    return this.#writer(name, kept);
  }

  async open(name: string): Promise<FolderReader | null> {
    this.#checkAlive(`open ${name}`);
    const content = this.#files.get(name);
    if (content === undefined) return null;
    return {
      sizeBytes: content.length,
      read: async (offset, length) => {
        this.#checkAlive(`read ${name}`);
        return Buffer.from(content.subarray(offset, offset + length));
      },
      close: async () => {},
    };
  }

  async replace(name: string, content: string): Promise<void> {
    await this.#change(`replace ${name}`, () => this.#files.set(name, Buffer.from(content)));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#change(`rename ${from}`, () => {
      const content = this.#files.get(from);
      if (content === undefined) return;
      this.#files.delete(from);
      this.#files.set(to, content);
    });
  }

  async remove(name: string): Promise<void> {
    await this.#change(`remove ${name}`, () => this.#files.delete(name));
  }

  #writer(name: string, kept: Buffer): FolderWriter {
    const parts: Buffer[] = [kept];
    let sizeBytes = kept.length;
    return {
      get sizeBytes() {
        return sizeBytes;
      },
      append: async (bytes) => {
        this.#checkAlive(`write ${name}`);
        parts.push(Buffer.from(bytes));
        sizeBytes += bytes.length;
      },
      sync: async () => {
        const content = Buffer.concat(parts);
        parts.splice(0, parts.length, content);
        await this.#change(`sync ${name}`, () => this.#files.set(name, content));
      },
      close: async () => {},
    };
  }

  async #change(action: string, step: () => void): Promise<void> {
    this.#checkAlive(action);
    await this.#disk.write(action, [step]);
  }

  #checkAlive(action: string): void {
    if (this.#generation !== this.#disk.generation) throw new StorageError('CRASHED', { action });
  }
}
