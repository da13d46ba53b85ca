import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { NodeHandle } from './cluster.ts';

/** A stretch of the run's time in milliseconds. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What nodes wrote to their logs around some moments: of each node, in the order of its file. */
export type LogExcerpts = ReadonlyMap<string, readonly string[]>;

/** From when to when a log was seen to be so long. */
interface Mark {
  readonly fromMs: number;
  untilMs: number;
  readonly bytes: number;
}

interface Log {
  readonly file: string;
  readonly marks: Mark[];
}

/** So much of a log is read for one stretch of time. */
const MAX_BYTES = 128 * 1024;

/**
 * How long the log of each node was at which moment of the run. By it the lines of a moment are found, whatever time stands in
 * them: a node stamps with its own wall clock, which a fault may have turned, and brokers write times in ways of their own.
 */
export class LogMarks {
  private readonly logs = new Map<string, Log>();

  /** To be called again and again: how often is how exactly lines are found. */
  mark(atMs: number, nodes: readonly Pick<NodeHandle, 'id' | 'logFile'>[]): void {
    for (const { id, logFile: file } of nodes) {
      const log = this.logs.get(id) ?? { file, marks: [] };
      this.logs.set(id, log);
      const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      const last = log.marks.at(-1);
      if (last?.bytes === bytes) last.untilMs = atMs;
      else log.marks.push({ fromMs: atMs, untilMs: atMs, bytes });
    }
  }

  /**
   * The lines that were written in these stretches. Later stretches come first where there is no room for all: what
   * proves an anomaly ends with what should not be.
   *
   * @param maxLines of each node
   */
  around(spans: readonly Span[], maxLines: number): LogExcerpts {
    const merged = mergedSpans(spans);
    const found = new Map<string, string[]>();
    for (const [id, log] of this.logs) {
      const parts: string[][] = [];
      let left = maxLines;
      for (const span of merged.toReversed()) {
        const lines = linesOf(log, span);
        if (lines.length === 0 || left <= 0) continue;
        const kept = lines.slice(-left);
        left -= kept.length;
        parts.unshift([headOf(span, lines.length - kept.length), ...kept]);
      }
      if (parts.length > 0) found.set(id, parts.flat());
    }
    return found;
  }

  /** The last lines of each log. */
  ends(maxLines: number): LogExcerpts {
    const found = new Map<string, string[]>();
    for (const [id, { file }] of this.logs) {
      const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      const lines = bytes === 0 ? [] : textOf(file, Math.max(0, bytes - MAX_BYTES), bytes).slice(-maxLines);
      if (lines.length > 0) found.set(id, lines);
    }
    return found;
  }
}

function mergedSpans(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = merged.at(-1);
    if (last === undefined || span.fromMs > last.toMs) merged.push(span);
    else merged[merged.length - 1] = { fromMs: last.fromMs, toMs: Math.max(last.toMs, span.toMs) };
  }
  return merged;
}

/** From the last mark before the span to the first one after it: never a line less. */
function linesOf({ file, marks }: Log, { fromMs, toMs }: Span): string[] {
  const from = (marks.findLast((mark) => mark.fromMs <= fromMs) ?? marks[0])?.bytes ?? 0;
  const to = (marks.find((mark) => mark.untilMs >= toMs) ?? marks.at(-1))?.bytes ?? from;
  return to <= from ? [] : textOf(file, Math.max(from, to - MAX_BYTES), to);
}

function textOf(file: string, from: number, to: number): string[] {
  const handle = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(to - from);
    const text = bytes.toString('utf8', 0, readSync(handle, bytes, 0, bytes.length, from)).trimEnd();
    return text === '' ? [] : text.split('\n');
  } finally {
    closeSync(handle);
  }
}

function headOf({ fromMs, toMs }: Span, missing: number): string {
  const seconds = (ms: number): string => (Math.max(0, ms) / 1_000).toFixed(1);
  const before = missing > 0 ? `; ${String(missing)} lines before these are left out` : '';
  return `# about ${seconds(fromMs)} s to ${seconds(toMs)} s of the run${before}`;
}
