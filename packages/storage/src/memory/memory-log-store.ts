import type { Entry } from '@quorate/consensus';
import { StorageError } from '../errors.ts';
import { compareHard, type HardRecord } from '../log/meta-codec.ts';
import { TermRuns } from '../log/term-runs.ts';
import { checkWrite } from '../log/write-rules.ts';
import type { LogStore, LogWrite, OpenedLog } from '../types.ts';
import { WriteGate } from '../write-gate.ts';
import type { DiskStep, MemoryDisk } from './memory-disk.ts';
import { type LogRegion, logRegion, NEW_HARD, stateRegion } from './regions.ts';

const WRONG_CHECKSUM = 'its checksum does not match its content';

/** The twin of `LevelLogStore` on a `MemoryDisk`: same rules, same order of writes, same answers. */
export class MemoryLogStore implements LogStore {
  readonly #disk: MemoryDisk;
  readonly #generation: number;
  readonly #region: LogRegion;
  readonly #gate: WriteGate;
  readonly #group: number;
  #doubts: readonly string[] = [];
  #terms = new TermRuns(0, 0);
  #compactedIndex = 0;
  #hard: HardRecord = NEW_HARD;
  #highWaterIndex = 0;

  constructor(disk: MemoryDisk, group = 0) {
    this.#disk = disk;
    this.#generation = disk.generation;
    this.#group = group;
    this.#gate = new WriteGate('log store', `memory, group ${group}`);
    this.#region = logRegion(disk, group);
  }

  /** See `LevelLogStore.doubts`. */
  get doubts(): readonly string[] {
    return this.#doubts;
  }

  /** The log begins after this entry. */
  get compactedIndex(): number {
    return this.#compactedIndex;
  }

  async open(): Promise<OpenedLog> {
    this.#gate.beginOpen();
    try {
      this.#checkAlive('open the log');
      this.#finishInstall();
      const { compactedIndex, compactedTerm, superblock, hard } = this.#region;
      const entries = this.#walk();
      this.#terms = new TermRuns(compactedIndex, compactedTerm);
      for (const entry of entries) this.#terms.push(entry.term);
      this.#compactedIndex = compactedIndex;
      this.#highWaterIndex = superblock.highWaterIndex;
      this.#hard = compareHard(hard, superblock.hard) > 0 ? hard : superblock.hard;
      this.#doubts = this.#findDoubts();
      // A change that a crash cut short behind the superblock: see `RecoveredHard.rewriteLog`.
      if (this.#doubts.length === 0) this.#region.hard = this.#hard;
      for (const index of this.#region.entries.keys()) {
        if (index <= compactedIndex) this.#region.entries.delete(index);
      }
      this.#gate.endOpen();
      const { term, vote } = this.#hard;
      return { hardState: { term, vote }, compactedIndex, compactedTerm, entries };
    } catch (error) {
      throw this.#gate.fail('open the log', error);
    }
  }

  async append(write: LogWrite): Promise<void> {
    const action = 'append to the log';
    this.#gate.enter(action);
    try {
      this.#checkAlive(action);
      checkWrite(write, this.#compactedIndex, this.#terms, this.#hard);
      const first = write.entries[0];
      const oldLast = this.#terms.lastIndex;
      const durableIndex = Math.min(oldLast, (first?.index ?? Number.POSITIVE_INFINITY) - 1);
      const steps = this.#appendSteps(write, durableIndex, oldLast);
      if (steps.length > 0) await this.#disk.write(action, steps);
      if (first !== undefined && first.index <= oldLast) this.#terms.truncateAfter(first.index - 1);
      for (const entry of write.entries) this.#terms.push(entry.term);
      if (this.#gate.error !== null) throw this.#gate.error;
    } catch (error) {
      throw this.#gate.fail(action, error);
    } finally {
      this.#gate.leave();
    }
  }

  async read(fromIndex: number, maxBytes: number): Promise<Entry[]> {
    this.#gate.check('read');
    this.#checkAlive('read the log');
    const entries: Entry[] = [];
    if (fromIndex <= this.#compactedIndex) return entries;
    let bytes = 0;
    for (let index = fromIndex; index <= this.#terms.lastIndex; index++) {
      const entry = this.#region.entries.get(index);
      if (entry === undefined) throw this.#gate.fail('read the log', damaged(index, 'it is missing'));
      if (this.#region.damaged.has(entry)) throw this.#gate.fail('read the log', damaged(index, WRONG_CHECKSUM));
      bytes += entry.data.length;
      if (bytes > maxBytes && entries.length > 0) break;
      entries.push(entry);
    }
    return entries;
  }

  async termAt(index: number): Promise<number | null> {
    this.#gate.check('look up a term');
    return this.#terms.termAt(index);
  }

  async compact(throughIndex: number, throughTerm: number): Promise<void> {
    const action = 'compact the log';
    this.#gate.enter(action);
    try {
      this.#checkAlive(action);
      if (throughIndex <= this.#compactedIndex) return;
      const keep = this.#terms.termAt(throughIndex) === throughTerm;
      await this.#disk.write(action, [() => this.#setBounds(throughIndex, throughTerm, keep)]);
      const from = this.#compactedIndex + 1;
      this.#compactedIndex = throughIndex;
      if (keep) {
        this.#terms.compactTo(throughIndex);
        this.#deleteLater(from, throughIndex);
      } else {
        this.#terms = new TermRuns(throughIndex, throughTerm);
        this.#highWaterIndex = Math.min(this.#highWaterIndex, throughIndex);
      }
      if (this.#gate.error !== null) throw this.#gate.error;
    } catch (error) {
      throw this.#gate.fail(action, error);
    } finally {
      this.#gate.leave();
    }
  }

  async close(): Promise<void> {
    const healthy = this.#gate.error === null && !this.#gate.busy && this.#generation === this.#disk.generation;
    if (!this.#gate.beginClose() || !healthy || this.#highWaterIndex === this.#terms.lastIndex) return;
    const superblock = { hard: this.#hard, highWaterIndex: this.#terms.lastIndex };
    await this.#disk.write('close the log', [() => void (this.#region.superblock = superblock)]);
  }

  /** Superblock first, when term or vote change or the high-water mark must come down; then the batch. */
  #appendSteps(write: LogWrite, durableIndex: number, oldLast: number): DiskStep[] {
    const { entries, hardState } = write;
    const region = this.#region;
    const steps: DiskStep[] = [];
    if (hardState !== null) {
      this.#hard = { term: hardState.term, vote: hardState.vote, counter: this.#hard.counter + 1 };
    }
    const hard = this.#hard;
    if (hardState !== null || this.#highWaterIndex > durableIndex) {
      this.#highWaterIndex = durableIndex;
      steps.push(() => void (region.superblock = { hard, highWaterIndex: durableIndex }));
    }
    if (entries.length === 0 && hardState === null) return steps;
    steps.push(() => {
      const after = (entries[0]?.index ?? oldLast + 1) + entries.length;
      for (const entry of entries) region.entries.set(entry.index, entry);
      for (let index = after; index <= oldLast; index++) region.entries.delete(index);
      if (hardState !== null) region.hard = hard;
    });
    return steps;
  }

  /** What `LevelLogStore.open` does when an installation was interrupted. */
  #finishInstall(): void {
    const { installed } = stateRegion(this.#disk, this.#group);
    if (installed === null || installed.appliedIndex <= this.#region.compactedIndex) return;
    const { appliedIndex, appliedTerm } = installed;
    this.#setBounds(appliedIndex, appliedTerm, this.#region.entries.get(appliedIndex)?.term === appliedTerm);
  }

  #setBounds(index: number, term: number, keep: boolean): void {
    const region = this.#region;
    region.compactedIndex = index;
    region.compactedTerm = term;
    if (keep) return;
    region.entries.clear();
    region.superblock.highWaterIndex = Math.min(region.superblock.highWaterIndex, index);
  }

  #deleteLater(from: number, through: number): void {
    const { entries } = this.#region;
    this.#disk.writeUnsynced(() => {
      for (let index = from; index <= through; index++) entries.delete(index);
    });
  }

  #walk(): Entry[] {
    const region = this.#region;
    const entries: Entry[] = [];
    let index = region.compactedIndex + 1;
    for (let entry = region.entries.get(index); entry !== undefined; entry = region.entries.get(index)) {
      if (region.damaged.has(entry)) throw damaged(index, WRONG_CHECKSUM);
      const previous = entries.at(-1)?.term ?? region.compactedTerm;
      if (entry.term < previous) throw damaged(index, 'its term is lower than the one before');
      entries.push(entry);
      index += 1;
    }
    for (const held of region.entries.keys()) {
      if (held > index) throw damaged(index, `it is missing; a later one, ${held}, is there`);
    }
    return entries;
  }

  #findDoubts(): string[] {
    const { hard, superblock, reports } = this.#region;
    const doubts: string[] = [...reports];
    if (superblock.hard.counter > hard.counter + 1) doubts.push('Changes of term and vote were lost from the log.');
    if (this.#terms.lastIndex < superblock.highWaterIndex) {
      doubts.push(`The log ends at ${this.#terms.lastIndex}, but was durable through ${superblock.highWaterIndex}.`);
    }
    if (compareHard(hard, superblock.hard) > 0) doubts.push('The superblock is older than the log.');
    return doubts;
  }

  #checkAlive(action: string): void {
    if (this.#generation !== this.#disk.generation)
      throw this.#gate.fail(action, new StorageError('CRASHED', { action }));
  }
}

function damaged(index: number, reason: string): StorageError {
  return new StorageError('LOG_CORRUPTED', { path: 'memory', index, reason });
}
