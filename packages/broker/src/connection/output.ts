import type { ClientSocket } from '../environment.ts';

const EMPTY = Buffer.alloc(0);
const SMALLEST_BYTES = 256;
const LARGEST_HINT_BYTES = 64 * 1024;

/** Packets for one client, gathered over a turn and written at once. */
export class OutputBuffer {
  buffer: Buffer = EMPTY;
  length = 0;
  #hintBytes = SMALLEST_BYTES;

  /** Makes room and returns the offset to write at; the caller writes exactly `sizeBytes`. */
  reserve(sizeBytes: number): number {
    const at = this.length;
    const needed = at + sizeBytes;
    if (needed > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#hintBytes, this.buffer.length * 2));
      if (at > 0) this.buffer.copy(grown, 0, 0, at);
      this.buffer = grown;
    }
    this.length = needed;
    return at;
  }

  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
  }

  /** Hands everything to the socket. */
  flush(socket: ClientSocket): void {
    if (this.length === 0) return;
    const bytes = this.buffer.subarray(0, this.length);
    this.#hintBytes = Math.max(SMALLEST_BYTES, Math.min(this.length, LARGEST_HINT_BYTES));
    this.buffer = EMPTY;
    this.length = 0;
    socket.write(bytes);
  }

  clear(): void {
    this.buffer = EMPTY;
    this.length = 0;
  }
}
