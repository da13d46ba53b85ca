/** A file that is being written from its beginning to its end. One call at a time. */
export interface FolderWriter {
  /** Bytes in the file, appended ones included. */
  readonly sizeBytes: number;
  /** Resolves when the bytes are handed over; the caller may use the buffer again then. They are durable after `sync`. */
  append(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** A file that is being read, anywhere in it. It stays readable when it is removed meanwhile. */
export interface FolderReader {
  readonly sizeBytes: number;
  /** The bytes from `offset` on; fewer than `length` only at the end of the file. The memory is the caller's. */
  read(offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * A flat folder of files, as far as snapshots need one: a directory, or a place on a simulated disk. Names are plain.
 * Errors are those of the system.
 */
export interface Folder {
  /** For messages. */
  readonly path: string;
  /** Names of the files; none when the folder is not there. */
  list(): Promise<string[]>;
  /** Begins a file, in place of one of the same name. */
  create(name: string): Promise<FolderWriter>;
  /** Goes on with a file, whose first `sizeBytes` are kept and whose rest is cut off. */
  resume(name: string, sizeBytes: number): Promise<FolderWriter>;
  /** Null when there is no such file. */
  open(name: string): Promise<FolderReader | null>;
  /** Replaces a small file: after a crash it has the old or the new content, whole. Durable when it resolves. */
  replace(name: string, content: string): Promise<void>;
  /** Durable when it resolves. Replaces what has that name. */
  rename(from: string, to: string): Promise<void>;
  /** No error when it is not there. Durable with the next change of the folder. */
  remove(name: string): Promise<void>;
}
