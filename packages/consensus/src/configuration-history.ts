import { invariant } from './assert.ts';
import { members } from './configuration.ts';
import { decodeConfiguration } from './configuration-codec.ts';
import { type Configuration, type Entry, EntryType } from './types.ts';

/**
 * The configurations by log index. The newest is in force from the moment its entry is appended, and the previous one
 * again if that entry is truncated (thesis section 4.1).
 */
export class ConfigurationHistory {
  #items: { readonly index: number; readonly configuration: Configuration }[];

  constructor(index: number, configuration: Configuration) {
    this.#items = [{ index, configuration }];
  }

  get current(): Configuration {
    return this.#newest().configuration;
  }

  /** Index of the entry that carries the configuration in force. */
  get currentIndex(): number {
    return this.#newest().index;
  }

  /** The first configuration of a new cluster takes the place of an empty one before the log; else nothing changes. */
  bootstrap(configuration: Configuration): void {
    const [oldest, ...later] = this.#items;
    if (oldest === undefined || oldest.index !== 0 || members(oldest.configuration).length > 0) return;
    this.#items = [{ index: 0, configuration }, ...later];
  }

  /** Notes an appended entry. True when the configuration in force changed. Throws on malformed configuration data. */
  append(entry: Entry): boolean {
    if (entry.type !== EntryType.config) return false;
    invariant(entry.index > this.currentIndex, 'configuration entries come in log order');
    this.#items.push({ index: entry.index, configuration: decodeConfiguration(entry.data) });
    return true;
  }

  /** Forgets the configurations from `index` on. True when the configuration in force changed. */
  truncateFrom(index: number): boolean {
    let changed = false;
    while (this.currentIndex >= index) {
      invariant(this.#items.length > 1, 'the oldest configuration is never truncated');
      this.#items.pop();
      changed = true;
    }
    return changed;
  }

  /** Everything up to `index` is applied and can not be truncated: keeps only the newest of those. */
  compact(index: number): void {
    while (this.#items.length > 1 && (this.#items[1]?.index as number) <= index) this.#items.shift();
  }

  /**
   * A snapshot up to `index` replaces everything known of the log before it; what was appended after it stays only if
   * the log there does. An uncommitted configuration that the snapshot covers must not survive: two leaders that count
   * by different configurations could form disjoint quorums (openraft#1808).
   */
  install(index: number, configuration: Configuration, keepsLater: boolean): void {
    const later = keepsLater ? this.#items.filter((item) => item.index > index) : [];
    this.#items = [{ index, configuration }, ...later];
  }

  /** The configuration that was in force before the newest one, or null when there is none after the last compaction. */
  get previous(): Configuration | null {
    return this.#items[this.#items.length - 2]?.configuration ?? null;
  }

  /** The configuration in force at `index`, which is not before the last compaction. */
  at(index: number): Configuration {
    const item = this.#items.findLast((each) => each.index <= index);
    invariant(item !== undefined, `the configuration at ${index} is no longer known`);
    return item.configuration;
  }

  #newest(): { readonly index: number; readonly configuration: Configuration } {
    const newest = this.#items[this.#items.length - 1];
    invariant(newest !== undefined, 'there is always a configuration');
    return newest;
  }
}
