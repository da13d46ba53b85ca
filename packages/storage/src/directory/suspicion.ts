import { readFile } from 'node:fs/promises';
import { hasCode, StorageError } from '../errors.ts';
import type { AcknowledgedReports } from '../level/diagnostics.ts';
import { decodeChecked, encodeChecked } from './checked-json.ts';
import { replaceFile } from './files.ts';

const SUSPICION_FORMAT = 1;
const MAX_REASONS = 50;

/** Doubts about what a data directory holds, kept until they are cleared. */
export interface Suspect {
  /** Wall clock in milliseconds when the first doubt was found. */
  readonly since: number;
  /** Sentences for the operator; the first 50. */
  readonly reasons: readonly string[];
  /**
   * The log was durable through this index at least, as far as is known: what a node holds below it and up to there it may
   * have acknowledged. There may have been more.
   */
  readonly highWaterIndex: number;
  /** The state store itself is in doubt: its records have to be replaced by a snapshot, the log alone does not help. */
  readonly stateDoubtful: boolean;
}

export type Doubts = Omit<Suspect, 'since'>;

/** What the file holds. */
export interface SuspicionContent {
  readonly suspect: Suspect | null;
  /** What of LevelDB's `LOG` was dealt with, by the name of the database's directory. */
  readonly acknowledged: Readonly<Record<string, AcknowledgedReports>>;
}

/** The file of a directory's doubts, and of the reports in LevelDB's `LOG` files that are dealt with. */
export class Suspicion {
  readonly #path: string;
  readonly #nowMs: () => number;
  #content: SuspicionContent;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, nowMs: () => number, content: SuspicionContent) {
    this.#path = path;
    this.#nowMs = nowMs;
    this.#content = content;
  }

  /** @throws StorageError DIRECTORY_CORRUPTED */
  static async read(path: string, nowMs: () => number): Promise<Suspicion> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return new Suspicion(path, nowMs, { suspect: null, acknowledged: {} });
      throw error;
    }
    const content = decodeChecked(SUSPICION_FORMAT, text);
    if (typeof content === 'string') throw new StorageError('DIRECTORY_CORRUPTED', { path, reason: content });
    return new Suspicion(path, nowMs, content as unknown as SuspicionContent);
  }

  get content(): SuspicionContent {
    return this.#content;
  }

  get suspect(): Suspect | null {
    return this.#content.suspect;
  }

  /** Adds to the mark, or makes it when there are reasons. Durable when it resolves. */
  async add({ reasons, highWaterIndex, stateDoubtful }: Doubts): Promise<void> {
    await this.#update(({ suspect, acknowledged }) => {
      if (suspect === null && reasons.length === 0) return null;
      const { since, ...before } = suspect ?? {
        since: this.#nowMs(),
        reasons: [],
        highWaterIndex: 0,
        stateDoubtful: false,
      };
      const all = [...new Set([...before.reasons, ...reasons])].slice(0, MAX_REASONS);
      const merged = {
        since,
        reasons: all,
        highWaterIndex: Math.max(before.highWaterIndex, highWaterIndex),
        stateDoubtful: before.stateDoubtful || stateDoubtful,
      };
      return JSON.stringify(merged) === JSON.stringify(suspect) ? null : { suspect: merged, acknowledged };
    });
  }

  /** The records were replaced: what was doubted about the state store is gone with it. */
  async stateReplaced(): Promise<void> {
    await this.#update(({ suspect, acknowledged }) =>
      suspect?.stateDoubtful ? { suspect: { ...suspect, stateDoubtful: false }, acknowledged } : null,
    );
  }

  /** Takes the mark away. What LevelDB reported up to `reports` is dealt with. */
  async clear(reports: Readonly<Record<string, AcknowledgedReports>>): Promise<void> {
    await this.#update(({ suspect }) => (suspect === null ? null : { suspect: null, acknowledged: reports }));
  }

  /** One change at a time, each durable before it shows. */
  async #update(change: (content: SuspicionContent) => SuspicionContent | null): Promise<void> {
    const turn = this.#writing.then(async () => {
      const next = change(this.#content);
      if (next === null) return;
      await replaceFile(this.#path, encodeChecked(SUSPICION_FORMAT, { ...next }));
      this.#content = next;
    });
    this.#writing = turn.catch(() => {});
    await turn;
  }
}
