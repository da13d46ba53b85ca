import type { Operation } from '../history/operation.ts';
import type { History } from '../history/reader.ts';

/** The promises of docs/promises.md that histories can refute. */
export type PromiseId = 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6';

/** In a few words, for a report. */
export const PROMISES: Readonly<Record<PromiseId, string>> = {
  P1: 'what is acknowledged is durable, and nothing else is there',
  P2: 'a client id has one owner, one session, and one will at a time',
  P3: 'what was acknowledged before is seen by all, and nothing older',
  P4: 'nothing is delivered twice',
  P5: 'all see one order',
  P6: 'a majority serves',
};

/** Something that must not be. */
export interface Anomaly {
  /** A word or two, the same for all of a kind: `lost`, `stale read`. */
  readonly kind: string;
  readonly promise: PromiseId;
  /** What happened, with who, what and when. */
  readonly sentence: string;
  /** The operations that prove it. */
  readonly proof: readonly Operation[];
}

/** What a checker found. */
export interface CheckResult {
  readonly checker: string;
  /** `undecided`: within its bounds it found neither an anomaly nor that there is none. */
  readonly verdict: 'ok' | 'anomalies' | 'undecided';
  /** The first ones. */
  readonly anomalies: readonly Anomaly[];
  /** All of them. */
  readonly anomalyCount: number;
  /** All of them, by kind. */
  readonly kinds: Readonly<Record<string, number>>;
  /** How much was checked, so that a check of nothing shows; and what was measured. */
  readonly figures: Readonly<Record<string, number>>;
  /** Sentences on what could not be decided. */
  readonly notes: readonly string[];
}

/** Pure: what it finds follows from the history alone. The history holds the operations of one workload and all faults. */
export type Checker = (history: History) => CheckResult;

const MAX_KEPT = 50;

/** Gathers a {@link CheckResult}. */
export class Findings {
  private readonly checker: string;
  private readonly kept: Anomaly[] = [];
  private readonly figures: Record<string, number> = {};
  private readonly notes: string[] = [];
  private readonly kinds: Record<string, number> = {};
  private count = 0;

  constructor(checker: string) {
    this.checker = checker;
  }

  add(kind: string, promise: PromiseId, sentence: string, proof: readonly Operation[]): void {
    this.count++;
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
    if (this.kept.length < MAX_KEPT) this.kept.push({ kind, promise, sentence, proof });
  }

  /** Adds to a figure, which begins at 0. */
  figure(name: string, add: number): void {
    this.figures[name] = (this.figures[name] ?? 0) + add;
  }

  /** Something that could not be decided. */
  undecided(note: string): void {
    this.notes.push(note);
  }

  result(): CheckResult {
    const { checker, kept: anomalies, count: anomalyCount, kinds, figures, notes } = this;
    const verdict = anomalyCount > 0 ? 'anomalies' : notes.length > 0 ? 'undecided' : 'ok';
    return { checker, verdict, anomalies, anomalyCount, kinds, figures, notes };
  }
}

/** A time for a sentence. */
export function at(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
