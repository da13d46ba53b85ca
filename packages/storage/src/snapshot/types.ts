import type { RecordKey, StatePosition } from '../types.ts';

/** One record of the state: key and value. */
export type StateRecord = readonly [key: RecordKey, value: Uint8Array];

/** What a snapshot says of itself: all that a node needs beside the records to go on from there. */
export interface SnapshotFacts {
  /** The log entry that the records stand for; the position of the state store. */
  readonly index: number;
  readonly term: number;
  /** Cluster clock of the entry at `index`, in milliseconds. */
  readonly stampMs: number;
  /** The configuration in force at `index`, encoded by the consensus package. At most 512 KiB. */
  readonly configuration: Uint8Array;
  readonly clusterId: string;
  /** Version of the state machine that wrote the records; 1 by default. Judged by whoever installs them. */
  readonly machineVersion?: number;
}

/** A snapshot on the disk. */
export interface SnapshotInfo extends Required<SnapshotFacts> {
  /** Random, 32 lower-case hexadecimal digits: names this one file, wherever it is copied. */
  readonly id: string;
  /** Of the whole file, header and footer included. */
  readonly sizeBytes: number;
}

/** What a snapshot holds, as its footer says and a verification has found true. */
export interface SnapshotSummary {
  readonly recordCount: number;
  /** Bytes of all keys and values. */
  readonly recordBytes: number;
}

/** Where the records come from: an open state store whose writes are held back meanwhile. */
export interface SnapshotSource {
  readonly position: StatePosition;
  /** Writes begun since the store was opened: a change of it during a dump shows. */
  readonly writes: number;
  /** Records in key order after `after` (null: from the first), at least one if there is any, within both limits. */
  readSlice(after: RecordKey | null, maxRecords: number, maxBytes: number): Promise<StateRecord[]>;
}

/** Reads one snapshot. It stays readable when the store deletes it meanwhile. Close it. */
export interface SnapshotReader {
  readonly info: SnapshotInfo;
  /** The file's bytes for a stream, from `offset` on; fewer than `maxBytes` (at most 16 MiB) only at its end. */
  read(offset: number, maxBytes: number): Promise<Uint8Array>;
  /** Reads all of it. @throws StorageError SNAPSHOT_CORRUPTED unless every checksum, count and the whole hash hold */
  verify(): Promise<SnapshotSummary>;
  /**
   * Gives the records in key order, some at a time, each with its checksum verified; awaits `visit`. Only when it resolves
   * the whole is verified as `verify` does. The records alias memory that is their own.
   */
  forEach(visit: (records: readonly StateRecord[]) => void | Promise<void>): Promise<SnapshotSummary>;
  close(): Promise<void>;
}

/** The snapshots of one group: at most two that are whole, and one that is coming in. */
export interface SnapshotStore {
  readonly receiver: SnapshotReceiver;
  /**
   * Dumps the state to a new file, durable when this resolves. The caller holds back writes to `source` until then.
   * One at a time. When it fails, nothing is left of it and the older snapshots are untouched.
   */
  create(source: SnapshotSource, facts: SnapshotFacts): Promise<SnapshotInfo>;
  /** Readable snapshots, the one with the highest index first. A file whose header or footer is damaged is left out. */
  list(): Promise<SnapshotInfo[]>;
  newest(): Promise<SnapshotInfo | null>;
  /** @throws StorageError SNAPSHOT_NOT_FOUND, SNAPSHOT_CORRUPTED, SNAPSHOT_TOO_NEW */
  open(id: string): Promise<SnapshotReader>;
}

/** Takes in one snapshot from a peer; what has come survives a lost connection and a restart. One call at a time. */
export interface SnapshotReceiver {
  /**
   * Begins to receive, or goes on with, the snapshot that a peer offers. Another one that was coming in is dropped.
   * @returns the offset to send from; `offer.sizeBytes` when all of it is here already
   * @throws StorageError SNAPSHOT_REFUSED
   */
  begin(offer: SnapshotInfo): Promise<number>;
  /** What is coming in and how far it has come, also from before a restart; null when nothing is. */
  resumeOffset(): Promise<{ readonly id: string; readonly offset: number } | null>;
  /**
   * Takes the bytes at `offset`, in order; bytes that are here already are skipped.
   * @returns the next offset
   * @throws StorageError SNAPSHOT_REFUSED on a gap or on more than was offered; what came before stays
   */
  write(offset: number, chunk: Uint8Array): Promise<number>;
  /**
   * Verifies everything, against the offer too, and only then puts the snapshot among the whole ones.
   * @throws StorageError SNAPSHOT_CORRUPTED, and all that was received is dropped; SNAPSHOT_REFUSED when bytes are missing
   */
  finish(): Promise<SnapshotInfo>;
  /** Drops what is coming in. */
  abandon(): Promise<void>;
}

/** Called before each step that changes the disk, with its name: a place for tests to stop or to kill the process. */
export type StepHook = (step: string) => void | Promise<void>;
