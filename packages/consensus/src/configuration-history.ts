import { invariant } from './assert.ts';
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

  #newest(): { readonly index: number; readonly configuration: Configuration } {
    const newest = this.#items[this.#items.length - 1];
    invariant(newest !== undefined, 'there is always a configuration');
    return newest;
  }
}
