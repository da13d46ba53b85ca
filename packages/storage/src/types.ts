import type { Entry, HardState } from '@quorate/consensus';

/** What a log store found when it was opened. */
export interface OpenedLog {
  readonly hardState: HardState;
  /** The log begins after this entry (compacted up to and including it); 0 and 0 for a new log. */
  readonly compactedIndex: number;
  readonly compactedTerm: number;
  /** All entries after `compactedIndex`, oldest first, verified: contiguous, checksums and chain correct. */
  readonly entries: Entry[];
}

/** One durable write: see `Write` of the consensus package. */
export interface LogWrite {
  /** Contiguous; replace everything the log holds from the first one's index on. May be empty. */
  readonly entries: readonly Entry[];
  /** When not null: durable before or with the entries. */
  readonly hardState: HardState | null;
}

/**
 * The Raft log and hard state of one group on one node.
 * The caller keeps one `append` or `compact` in flight at a time; the store asserts it. `read` may run beside them.
 * After the first error of any kind every later call rejects with the same error: the store is poisoned.
 */
export interface LogStore {
  open(): Promise<OpenedLog>;
  /** Resolves when everything in `write` is fsynced. */
  append(write: LogWrite): Promise<void>;
  /** Entries from `fromIndex` on, at least one if it exists, then as many as fit in `maxBytes` of data. Empty if compacted or not there. */
  read(fromIndex: number, maxBytes: number): Promise<Entry[]>;
  /** Term of the entry at `index`, of `compactedIndex` too; null if neither is held. */
  termAt(index: number): Promise<number | null>;
  /** Drops entries up to and including `throughIndex` (bounds first, then deletes in batches). */
  compact(throughIndex: number, throughTerm: number): Promise<void>;
  close(): Promise<void>;
}

/** Position in the log that the state store stands for. */
export interface StatePosition {
  readonly appliedIndex: number;
  readonly appliedTerm: number;
}

export type RecordKey = Uint8Array;

export interface StateWrite {
  readonly position: StatePosition;
  readonly puts: readonly (readonly [key: RecordKey, value: Uint8Array])[];
  readonly deletes: readonly RecordKey[];
}

/** The trailing copy of the state machine: opaque records, written with their position in one atomic, synced batch. */
export interface StateStore {
  open(): Promise<StatePosition>;
  /** Calls `visit` for every record in bytewise key order, yielding to the event loop between slices. */
  load(visit: (key: Uint8Array, value: Uint8Array) => void): Promise<void>;
  /** Atomic and fsynced. One in flight at a time. */
  write(write: StateWrite): Promise<void>;
  close(): Promise<void>;
}
