import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Entry, HardState } from '@quorate/consensus';
import { Scratch } from '../bytes.ts';
import { type Level, type LevelDatabase, SYNC } from '../level/level-database.ts';
import type { LogStore, LogWrite, OpenedLog } from '../types.ts';
import { WriteGate } from '../write-gate.ts';
import { crcOf, encodeEntry } from './entry-codec.ts';
import { entryKey, metaKey, setKeyIndex } from './keys.ts';
import { type Bounds, encodeBounds, encodeHard, type HardRecord } from './meta-codec.ts';
import { Purger } from './purger.ts';
import { logDamaged, readCrc, readEntries } from './reader.ts';
import { deleteLeftovers, recoverHard, walkLog } from './recovery.ts';
import { Superblock } from './superblock.ts';
import { TermRuns } from './term-runs.ts';
import { checkWrite } from './write-rules.ts';

const DISCARD_SLICE_KEYS = 4096;

export interface LevelLogStoreOptions {
  /** The opened log database; it stays the opener's to close, after this store. */
  readonly database: LevelDatabase;
  /** File of this group's superblock; created when it is not there. */
  readonly superblockPath: string;
  /** Whether superblock and log must be there, because this log was opened before: without them, votes may be forgotten. */
  readonly inUse?: boolean;
  /** Told by `open`, unless it is in use, that superblock and log are there, durably: it is in use from now on. */
  readonly onCreated?: () => Promise<void>;
  /** Group id, part of every key. */
  readonly group: number;
  /** LevelDB is asked to compact the dead range after this many deletions. Default 20,000. */
  readonly compactAfterDeletes?: number;
  /** Or at this many bytes of dead range in its files. Default 32 MiB. */
  readonly compactAfterBytes?: number;
  /**
   * Where an installed snapshot stands. A log that still begins before it is brought there by `open`, as `compact` does:
   * the end of an installation that a crash interrupted.
   */
  readonly installed?: { readonly index: number; readonly term: number } | null;
  /** Told by `open`, before it resolves, which doubts there are, and how far the log was durable as far as is known. */
  readonly onDoubts?: (doubts: readonly string[], highWaterIndex: number) => Promise<void>;
}

/**
 * The Raft log of one group on LevelDB, with term and vote also in a superblock file outside it.
 * See DESIGN.md of this package for the layout and the order of the writes.
 */
export class LevelLogStore implements LogStore {
  readonly #database: LevelDatabase;
  readonly #level: Level;
  readonly #options: LevelLogStoreOptions;
  readonly #group: number;
  readonly #gate: WriteGate;
  readonly #scratch = new Scratch();
  readonly #key: Buffer;
  #doubts: readonly string[] = [];
  #terms = new TermRuns(0, 0);
  #bounds: Bounds = { compactedIndex: 0, compactedTerm: 0, compactedCrc: 0 };
  #lastCrc = 0;
  #hard: HardRecord = { term: 0, vote: null, counter: 0 };
  #highWaterIndex = 0;
  /** Writes that cut off entries: how many were begun, and whether one is in flight. */
  #rewrites = 0;
  #rewriting = false;
  #superblock: Superblock | null = null;
  #purger: Purger | null = null;

  constructor(options: LevelLogStoreOptions) {
    this.#options = options;
    this.#database = options.database;
    this.#level = options.database.level;
    this.#group = options.group;
    this.#gate = new WriteGate('log store', options.database.path);
    this.#key = entryKey(options.group, 0);
  }

  /**
   * Signs, found by `open`, that acknowledged writes may be missing although what is there is sound. Sentences for the
   * operator. A node with doubts must neither vote nor acknowledge before a leader has brought it up to date.
   */
  get doubts(): readonly string[] {
    return this.#doubts;
  }

  /** The log begins after this entry. */
  get compactedIndex(): number {
    return this.#bounds.compactedIndex;
  }

  /** @throws StorageError LOG_CORRUPTED when an entry is missing, damaged or breaks the chain. */
  async open(): Promise<OpenedLog> {
    this.#gate.beginOpen();
    try {
      const { bounds, entries, lastCrc } = await walkLog(this.#database, this.#group);
      const forgotten = await this.#demandSuperblock();
      const { superblock, found } = await Superblock.open(this.#options.superblockPath);
      this.#superblock = superblock;
      const lastIndex = bounds.compactedIndex + entries.length;
      const installed = this.#options.installed ?? { index: 0, term: 0 };
      // An installed snapshot stands for everything through its index, whatever the log lacks of it.
      const heldIndex = Math.max(lastIndex, installed.index);
      const inUse = this.#options.inUse === true;
      const recovered = await recoverHard(this.#database, this.#group, found, { lastIndex: heldIndex, inUse });
      this.#doubts = [...this.#database.doubts, ...forgotten, ...recovered.doubts];
      await this.#options.onDoubts?.(this.#doubts, Math.max(heldIndex, found.content?.highWaterIndex ?? 0));
      this.#hard = recovered.hard;
      if (!inUse) await this.#begin(recovered.isNew);
      this.#bounds = bounds;
      this.#lastCrc = lastCrc;
      this.#highWaterIndex = found.content?.highWaterIndex ?? 0;
      this.#terms = new TermRuns(bounds.compactedIndex, bounds.compactedTerm);
      for (const entry of entries) this.#terms.push(entry.term);
      if (recovered.rewriteSuperblock) await this.#writeSuperblock(this.#hard, lastIndex);
      // With doubts the log is left as it is.
      if (recovered.rewriteLog && this.#doubts.length === 0) {
        await this.#level.put(metaKey(this.#group, 'hard'), encodeHard(this.#hard), SYNC);
      }
      await deleteLeftovers(this.#level, this.#group, bounds.compactedIndex);
      this.#purger = this.#makePurger();
      await this.#beginAfter(installed.index, installed.term);
      this.#gate.endOpen();
      const { term, vote } = this.#hard;
      const { compactedIndex, compactedTerm } = this.#bounds;
      const kept = this.#terms.lastIndex - compactedIndex;
      return {
        hardState: { term, vote },
        compactedIndex,
        compactedTerm,
        entries: entries.slice(entries.length - kept),
      };
    } catch (error) {
      await this.#superblock?.close().catch(() => {});
      throw this.#gate.fail('open the log', error);
    }
  }

  /** Also after a crash that came between: whatever is missing from here on was lost. */
  async #begin(isNew: boolean): Promise<void> {
    const { onCreated } = this.#options;
    if (onCreated === undefined) return;
    if (isNew) await this.#level.put(metaKey(this.#group, 'hard'), encodeHard(this.#hard), SYNC);
    await onCreated();
  }

  /** Doubts about a superblock that is gone: kept before it is made anew, or a crash in between would hide them. */
  async #demandSuperblock(): Promise<string[]> {
    const { inUse, superblockPath, onDoubts } = this.#options;
    if (inUse !== true || (await Superblock.isThere(superblockPath))) return [];
    const doubts = [`The superblock ${superblockPath} is gone, but the log was in use: votes may be forgotten.`];
    await onDoubts?.(doubts, 0);
    return doubts;
  }

  async append(write: LogWrite): Promise<void> {
    const action = 'append to the log';
    this.#gate.enter(action);
    try {
      checkWrite(write, this.#bounds.compactedIndex, this.#terms, this.#hard);
      const purging = this.#purger?.inFlight;
      if (purging) await purging;
      const { entries, hardState } = write;
      const first = entries[0];
      const durableIndex = Math.min(this.#terms.lastIndex, (first?.index ?? Number.POSITIVE_INFINITY) - 1);
      if (hardState !== null || this.#highWaterIndex > durableIndex) await this.#writeAhead(hardState, durableIndex);
      if (entries.length === 1 && hardState === null && (first as Entry).index === this.#terms.lastIndex + 1) {
        await this.#putOne(first as Entry);
      } else if (first !== undefined) {
        await this.#putMany(first, write);
      } else if (hardState !== null) {
        await this.#level.put(metaKey(this.#group, 'hard'), encodeHard(this.#hard), SYNC);
      }
      if (this.#gate.error !== null) throw this.#gate.error;
    } catch (error) {
      throw this.#gate.fail(action, error);
    } finally {
      this.#rewriting = false;
      this.#gate.leave();
      this.#purger?.kick();
    }
  }

  async read(fromIndex: number, maxBytes: number): Promise<Entry[]> {
    this.#gate.check('read');
    const throughIndex = this.#terms.lastIndex;
    if (fromIndex <= this.#bounds.compactedIndex || fromIndex > throughIndex) return [];
    const rewrites = this.#rewrites;
    try {
      const { entries, missing } = await readEntries(this.#database, this.#group, fromIndex, throughIndex, maxBytes);
      if (missing === null) return entries;
      if (fromIndex <= this.#bounds.compactedIndex) return [];
      // A suffix may have been cut off beside this read: then a gap is no damage.
      if (this.#rewriting || rewrites !== this.#rewrites) return entries;
      throw logDamaged(this.#database, missing, 'it is missing');
    } catch (error) {
      throw this.#gate.fail('read the log', error);
    }
  }

  async termAt(index: number): Promise<number | null> {
    this.#gate.check('look up a term');
    return this.#terms.termAt(index);
  }

  /**
   * Resolves when the new bounds are durable; the dead entries are deleted afterwards, between the appends.
   * When the log does not hold entry `throughIndex` with `throughTerm` (a snapshot from the leader was installed), all
   * of it is discarded (Raft paper, figure 13, step 7).
   */
  async compact(throughIndex: number, throughTerm: number): Promise<void> {
    const action = 'compact the log';
    this.#gate.enter(action);
    try {
      const purging = this.#purger?.inFlight;
      if (purging) await purging;
      await this.#beginAfter(throughIndex, throughTerm);
      if (this.#gate.error !== null) throw this.#gate.error;
    } catch (error) {
      throw this.#gate.fail(action, error);
    } finally {
      this.#rewriting = false;
      this.#gate.leave();
      this.#purger?.kick();
    }
  }

  /** Records where the log ends, so that a loss while the node is down shows. Do not call with a write in flight. */
  async close(): Promise<void> {
    const healthy = this.#gate.error === null && !this.#gate.busy;
    if (!this.#gate.beginClose()) return;
    await this.#purger?.settle();
    try {
      if (healthy && this.#highWaterIndex !== this.#terms.lastIndex) {
        await this.#writeSuperblock(this.#hard, this.#terms.lastIndex);
      }
    } finally {
      await this.#superblock?.close();
    }
  }

  /** The fast path: one record, one fsync, no batch. */
  async #putOne(entry: Entry): Promise<void> {
    const value = encodeEntry(this.#scratch, entry, this.#lastCrc);
    const crc = crcOf(value);
    await this.#level.put(setKeyIndex(this.#key, entry.index), value, SYNC);
    this.#lastCrc = crc;
    this.#terms.push(entry.term);
  }

  /** Entries, the deletion of those they replace and the hard state: one atomic, synced batch. */
  async #putMany(first: Entry, write: LogWrite): Promise<void> {
    const { entries, hardState } = write;
    const oldLast = this.#terms.lastIndex;
    if (first.index <= oldLast) this.#beginRewrite();
    let crc = first.index > oldLast ? this.#lastCrc : await this.#crcAt(first.index - 1);
    const batch = this.#level.batch();
    for (const entry of entries) {
      const value = encodeEntry(this.#scratch, entry, crc);
      crc = crcOf(value);
      batch.put(setKeyIndex(this.#key, entry.index), value);
    }
    for (let index = first.index + entries.length; index <= oldLast; index++) {
      batch.del(setKeyIndex(this.#key, index));
    }
    if (hardState !== null) batch.put(metaKey(this.#group, 'hard'), encodeHard(this.#hard));
    await batch.write(SYNC);
    this.#lastCrc = crc;
    if (first.index <= oldLast) this.#terms.truncateAfter(first.index - 1);
    for (const entry of entries) this.#terms.push(entry.term);
  }

  /**
   * The superblock, fsynced, before LevelDB hears of a change of term or vote; and before entries under the high-water
   * mark are cut off, or a crash between would look like a loss.
   */
  async #writeAhead(hardState: HardState | null, durableIndex: number): Promise<void> {
    if (hardState !== null) {
      this.#hard = { term: hardState.term, vote: hardState.vote, counter: this.#hard.counter + 1 };
    }
    await this.#writeSuperblock(this.#hard, durableIndex);
  }

  async #writeSuperblock(hard: HardRecord, highWaterIndex: number): Promise<void> {
    await (this.#superblock as Superblock).write({ hard, highWaterIndex });
    this.#highWaterIndex = highWaterIndex;
  }

  async #beginAfter(index: number, term: number): Promise<void> {
    if (index <= this.#bounds.compactedIndex) return;
    if (this.#terms.termAt(index) === term) await this.#dropPrefix(index, term);
    else await this.#discardAll(index, term);
  }

  async #dropPrefix(throughIndex: number, throughTerm: number): Promise<void> {
    const bounds = {
      compactedIndex: throughIndex,
      compactedTerm: throughTerm,
      compactedCrc: await this.#crcAt(throughIndex),
    };
    await this.#level.put(metaKey(this.#group, 'bounds'), encodeBounds(bounds), SYNC);
    this.#bounds = bounds;
    this.#terms.compactTo(throughIndex);
    this.#purger?.raiseTarget(throughIndex);
  }

  /** Bounds and the deletion of everything held, in one atomic batch: new entries may reuse the indexes. */
  async #discardAll(throughIndex: number, throughTerm: number): Promise<void> {
    const purger = this.#purger as Purger;
    const oldLast = this.#terms.lastIndex;
    this.#beginRewrite();
    if (this.#highWaterIndex > throughIndex) await this.#writeSuperblock(this.#hard, throughIndex);
    const bounds = { compactedIndex: throughIndex, compactedTerm: throughTerm, compactedCrc: 0 };
    const from = purger.deletedThrough + 1;
    const batch = this.#level.batch();
    for (let index = from; index <= oldLast; index++) {
      batch.del(setKeyIndex(this.#key, index));
      if (index % DISCARD_SLICE_KEYS === 0) await nextTurn();
    }
    batch.put(metaKey(this.#group, 'bounds'), encodeBounds(bounds));
    await batch.write(SYNC);
    this.#bounds = bounds;
    this.#lastCrc = 0;
    this.#terms = new TermRuns(throughIndex, throughTerm);
    purger.reset(throughIndex, oldLast - from + 1);
  }

  /** Checksum that the entry after `index` is chained to. */
  async #crcAt(index: number): Promise<number> {
    if (index === this.#bounds.compactedIndex) return this.#bounds.compactedCrc;
    if (index === this.#terms.lastIndex) return this.#lastCrc;
    return await readCrc(this.#database, this.#group, index);
  }

  #beginRewrite(): void {
    this.#rewrites += 1;
    this.#rewriting = true;
  }

  #makePurger(): Purger {
    const options = {
      level: this.#level,
      group: this.#group,
      compactAfterDeletes: this.#options.compactAfterDeletes ?? 20_000,
      compactAfterBytes: this.#options.compactAfterBytes ?? 32 << 20,
      mustWait: () => this.#gate.busy || !this.#gate.isOpen || this.#gate.error !== null,
      onError: (error: unknown) => this.#gate.fail('delete compacted entries', error),
    };
    return new Purger(options, this.#bounds.compactedIndex);
  }
}
