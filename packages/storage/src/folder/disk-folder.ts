import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replaceFile, syncDirectory } from '../directory/files.ts';
import { hasCode } from '../errors.ts';
import type { Folder, FolderReader, FolderWriter } from './folder.ts';

/** A directory, made when something is first written to it. */
export class DiskFolder implements Folder {
  readonly path: string;
  #made = false;

  constructor(path: string) {
    this.path = path;
  }

  async list(): Promise<string[]> {
    try {
      return await readdir(this.path);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    }
  }

  async create(name: string): Promise<FolderWriter> {
    await this.#make();
    return new DiskWriter(await open(join(this.path, name), 'w', 0o600), 0);
  }

  async resume(name: string, sizeBytes: number): Promise<FolderWriter> {
    const file = await open(join(this.path, name), 'r+');
    try {
      await file.truncate(sizeBytes);
      return new DiskWriter(file, sizeBytes);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async open(name: string): Promise<FolderReader | null> {
    let file: FileHandle;
    try {
      file = await open(join(this.path, name), 'r');
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return null;
      throw error;
    }
    try {
      return new DiskReader(file, (await file.stat()).size);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async replace(name: string, content: string): Promise<void> {
    await this.#make();
    await replaceFile(join(this.path, name), content);
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(join(this.path, from), join(this.path, to));
    await syncDirectory(this.path);
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.path, name), { force: true });
  }

  async #make(): Promise<void> {
    if (this.#made) return;
    if ((await mkdir(this.path, { recursive: true, mode: 0o700 })) !== undefined)
      await syncDirectory(dirname(this.path));
    this.#made = true;
  }
}

class DiskWriter implements FolderWriter {
  readonly #file: FileHandle;
  #sizeBytes: number;

  constructor(file: FileHandle, sizeBytes: number) {
    this.#file = file;
    this.#sizeBytes = sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let written = 0; written < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, written, bytes.length - written, this.#sizeBytes);
      written += bytesWritten;
      this.#sizeBytes += bytesWritten;
    }
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

class DiskReader implements FolderReader {
  readonly sizeBytes: number;
  readonly #file: FileHandle;

  constructor(file: FileHandle, sizeBytes: number) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.sizeBytes - offset)));
    for (let read = 0; read < buffer.length; ) {
      const { bytesRead } = await this.#file.read(buffer, read, buffer.length - read, offset + read);
      if (bytesRead === 0) return buffer.subarray(0, read);
      read += bytesRead;
    }
    return buffer;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
