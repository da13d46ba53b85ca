import {
  type Configuration,
  decodeConfiguration,
  type Entry,
  EntryType,
  type HardState,
  type Write,
} from '@quorate/consensus';
import { Violation } from './checker.ts';

export interface Snapshot {
  readonly index: number;
  readonly term: number;
  readonly stampMs: number;
  readonly configuration: Configuration;
}

/** What a simulated node finds again after a crash: hard state, log, and how far its state store goes. */
export class Disk {
  hardState: HardState = { term: 0, vote: null };
  /** Entries after `base`. */
  entries: Entry[] = [];
  /** The log begins after this; the configuration is that of the checkpoint. */
  base: { readonly index: number; readonly term: number; readonly stampMs: number } = { index: 0, term: 0, stampMs: 0 };
  /** What the state store holds. */
  checkpoint: { readonly index: number; readonly configuration: Configuration };

  constructor(configuration: Configuration) {
    this.checkpoint = { index: 0, configuration };
  }

  get lastIndex(): number {
    return this.base.index + this.entries.length;
  }

  at(index: number): Entry | undefined {
    return this.entries[index - this.base.index - 1];
  }

  termAt(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.at(index)?.term;
  }

  store(write: Write): void {
    if (write.hardState !== null) {
      if (write.hardState.term < this.hardState.term) throw new Violation('term goes backwards on disk');
      this.hardState = write.hardState;
    }
    const first = write.entries[0]?.index;
    if (first === undefined) return;
    if (first > this.lastIndex + 1) throw new Violation(`a hole on disk before ${first}`);
    if (first <= this.base.index) throw new Violation(`a write at ${first}, the log begins after ${this.base.index}`);
    this.entries.length = first - 1 - this.base.index;
    this.entries.push(...write.entries);
  }

  /** The last entry that the state store holds, with the configuration there, as a snapshot. */
  snapshot(): Snapshot {
    const { index, configuration } = this.checkpoint;
    const stampMs = index === this.base.index ? this.base.stampMs : (this.at(index) as Entry).stampMs;
    return { index, term: this.termAt(index) as number, stampMs, configuration };
  }

  /** Drops the log up to `index`, which the state store holds. Returns the term there. */
  compact(index: number): number {
    const { stampMs, term } = this.at(index) as Entry;
    this.entries.splice(0, index - this.base.index);
    this.base = { index, term, stampMs };
    return term;
  }

  /** Replaces the state by a snapshot, and the log too unless it goes on from there. */
  install({ index, term, stampMs, configuration }: Snapshot): void {
    if (index <= this.checkpoint.index)
      throw new Violation(`snapshot ${index} replaces state ${this.checkpoint.index}`);
    this.entries = this.termAt(index) === term ? this.entries.slice(index - this.base.index) : [];
    this.base = { index, term, stampMs };
    this.checkpoint = { index, configuration };
  }

  /** The newest configuration before `index`. */
  configurationBefore(index: number): Configuration {
    for (let at = index - 1; at > this.base.index; at--) {
      const entry = this.at(at);
      if (entry?.type === EntryType.config) return decodeConfiguration(entry.data);
    }
    return this.checkpoint.configuration;
  }
}
