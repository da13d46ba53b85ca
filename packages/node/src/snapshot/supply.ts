import { type SnapshotInfo, type SnapshotReader, type SnapshotStore, StorageError } from '@quorate/storage';

export interface SnapshotSupplyOptions {
  readonly store: Pick<SnapshotStore, 'newest' | 'open'>;
  /** Makes a new snapshot; null when none that reaches `minIndex` can be made now. */
  readonly dump: (minIndex: number) => Promise<SnapshotInfo | null>;
}

/** A snapshot may be replaced between the moment it is found and the moment it is opened. More often it is a fault. */
const MAX_ATTEMPTS = 5;
/** The store keeps two snapshots. */
const MAX_DISTRUSTED = 4;

/** Finds or makes the snapshot that a peer needs. Peers that ask at once share one dump. */
export class SnapshotSupply {
  readonly #options: SnapshotSupplyOptions;
  #dumping: { readonly minIndex: number; readonly done: Promise<SnapshotInfo | null> } | null = null;
  #distrusted: string[] = [];

  constructor(options: SnapshotSupplyOptions) {
    this.#options = options;
  }

  /** A peer found this one damaged: it is not given out again, though it is the newest. */
  distrust(id: string): void {
    this.#distrusted = [...this.#distrusted.filter((each) => each !== id), id].slice(-MAX_DISTRUSTED);
  }

  /**
   * Opens the newest snapshot if it reaches `minIndex`, else one made for it. Close the reader.
   * @param minIndex asked again when one is there: the need may have grown meanwhile
   * @returns null when there is none for now
   * @throws what the store or the dump throws, unless it concerns this one snapshot only (codes `SNAPSHOT_...`)
   */
  async open(minIndex: () => number): Promise<SnapshotReader | null> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const info = await this.#find(minIndex());
      if (info === null) return null;
      const reader = await this.#open(info);
      if (reader === null) continue;
      if (reader.info.index >= minIndex()) return reader;
      await reader.close();
    }
    return null;
  }

  async #find(minIndex: number): Promise<SnapshotInfo | null> {
    const newest = await this.#options.store.newest();
    if (newest !== null && newest.index >= minIndex && !this.#distrusted.includes(newest.id)) return newest;
    const dumped = await this.#dumped(minIndex).catch((error: unknown) => {
      if (concernsOneSnapshot(error)) return null;
      throw error;
    });
    return dumped !== null && dumped.index >= minIndex ? dumped : null;
  }

  async #dumped(minIndex: number): Promise<SnapshotInfo | null> {
    while (this.#dumping !== null) {
      const { minIndex: reaches, done } = this.#dumping;
      const info = await done;
      if (info !== null && info.index >= minIndex) return info;
      if (info === null && reaches <= minIndex) return null;
    }
    const done = this.#options.dump(minIndex);
    const dumping = { minIndex, done };
    this.#dumping = dumping;
    try {
      return await done;
    } finally {
      // Those who wait for it go on after this: whoever needs more begins the next one.
      if (this.#dumping === dumping) this.#dumping = null;
    }
  }

  /** Null when it is gone or damaged: then another one is looked for. */
  async #open({ id }: SnapshotInfo): Promise<SnapshotReader | null> {
    try {
      return await this.#options.store.open(id);
    } catch (error) {
      if (!concernsOneSnapshot(error)) throw error;
      if (error.code !== 'SNAPSHOT_NOT_FOUND') this.distrust(id);
      return null;
    }
  }
}

/** Not an error of the store as a whole: another snapshot may do. */
export function concernsOneSnapshot(error: unknown): error is StorageError {
  return error instanceof StorageError && error.code.startsWith('SNAPSHOT_');
}
