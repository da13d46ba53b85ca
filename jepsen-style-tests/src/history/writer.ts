import { createWriteStream, openSync, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { HistoryEvent } from './operation.ts';

/** Options of {@link HistoryWriter}. */
export interface WriterOptions {
  /** Beyond this many bytes the history counts as full: no new operation is to begin. 1 GiB by default. */
  readonly maxBytes?: number;
  /** Beyond this many bytes that wait for the disk the writer is congested. 4 MiB by default. */
  readonly maxBufferedBytes?: number;
}

const CHUNK_BYTES = 64 * 1024;
const FLUSH_MS = 200;

/**
 * Writes a history as JSON lines. What has begun has to be written, so nothing is refused here: who begins operations looks at
 * {@link HistoryWriter.mayBegin} before, and what is outstanding then is bounded by the clients' windows.
 */
export class HistoryWriter {
  readonly path: string;
  private readonly stream: WriteStream;
  private readonly maxBytes: number;
  private readonly maxBufferedBytes: number;
  private readonly timer: NodeJS.Timeout;
  private chunk: string[] = [];
  private chunkBytes = 0;
  private writtenBytes = 0;
  private error: Error | null = null;

  /** @throws EEXIST when there is such a file: no history replaces another */
  constructor(path: string, options: WriterOptions = {}) {
    this.path = path;
    this.maxBytes = options.maxBytes ?? 2 ** 30;
    this.maxBufferedBytes = options.maxBufferedBytes ?? 4 * 2 ** 20;
    this.stream = createWriteStream(path, { fd: openSync(path, 'wx') });
    this.stream.on('error', (error) => {
      this.error = error;
    });
    this.timer = setInterval(() => this.flush(), FLUSH_MS).unref();
  }

  /** Bytes of the history so far, the buffered ones included. */
  get sizeBytes(): number {
    return this.writtenBytes + this.chunkBytes;
  }

  /** Whether the history has its maximal size. */
  get full(): boolean {
    return this.sizeBytes >= this.maxBytes;
  }

  /** Whether a new operation may begin: the history is not full and the disk keeps up. */
  get mayBegin(): boolean {
    return !this.full && this.stream.writableLength < this.maxBufferedBytes;
  }

  /** @throws the error of an earlier write: a history with holes proves nothing */
  append(event: HistoryEvent): void {
    if (this.error !== null) throw new Error(`history ${this.path}: ${this.error.message}`, { cause: this.error });
    const line = JSON.stringify(event);
    this.chunk.push(line);
    this.chunkBytes += line.length + 1;
    if (this.chunkBytes >= CHUNK_BYTES) this.flush();
  }

  /** Resolves when everything is handed to the operating system. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    this.flush();
    this.stream.end();
    await finished(this.stream);
  }

  private flush(): void {
    if (this.chunk.length === 0) return;
    this.stream.write(`${this.chunk.join('\n')}\n`);
    this.writtenBytes += this.chunkBytes;
    this.chunk = [];
    this.chunkBytes = 0;
  }
}
