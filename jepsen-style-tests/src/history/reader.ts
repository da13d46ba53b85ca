import { createReadStream } from 'node:fs';
import type { HistoryEvent, LeaderEvent, NemesisEvent, Operation } from './operation.ts';

const KINDS = new Set(['connect', 'publish', 'subscribe', 'unsubscribe', 'deliver', 'close', 'nemesis', 'leader']);
/** Longer lines are no events: values are short. */
const MAX_LINE_CHARS = 2 ** 20;
const NAMES = ['client', 'clientId', 'node', 'topic', 'filter'] as const;

/** When it was known: the end of an operation. Files are written in this order. */
export function timeOf(event: HistoryEvent): number {
  return 'atMs' in event ? event.atMs : event.endMs;
}

/** Names are few and events many: each name is kept once. */
class Names {
  private readonly known = new Map<string, string>();

  share(event: HistoryEvent): void {
    const fields = event as unknown as Record<string, unknown>;
    for (const name of NAMES) {
      const text = fields[name];
      if (typeof text !== 'string') continue;
      const same = this.known.get(text);
      if (same === undefined) this.known.set(text, text);
      else fields[name] = same;
    }
  }
}

function parse(path: string, lineNumber: number, line: string, names: Names): HistoryEvent {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw new Error(`${path}:${lineNumber}: not a JSON line; the process that wrote it may have been killed`, {
      cause: error,
    });
  }
  const kind = (event as { readonly kind?: unknown } | null)?.kind;
  if (typeof kind !== 'string' || !KINDS.has(kind)) throw new Error(`${path}:${lineNumber}: not an event of a history`);
  names.share(event as HistoryEvent);
  return event as HistoryEvent;
}

/** The events of one file, a chunk at a time. */
async function* chunksOf(path: string, names: Names): AsyncGenerator<readonly HistoryEvent[]> {
  let rest = '';
  let lineNumber = 0;
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 256 * 1024 })) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE_CHARS)
      throw new Error(`${path}:${lineNumber}: a line of over ${MAX_LINE_CHARS} characters`);
    const events = lines.map((line) => parse(path, ++lineNumber, line, names));
    if (events.length > 0) yield events;
  }
  if (rest !== '')
    throw new Error(`${path}: ends in the middle of an event; the process that wrote it may have been killed`);
}

/** A place in one file. */
class Cursor {
  private readonly chunks: AsyncGenerator<readonly HistoryEvent[]>;
  private chunk: readonly HistoryEvent[] = [];
  private at = 0;

  constructor(path: string, names: Names) {
    this.chunks = chunksOf(path, names);
  }

  /** The event here; undefined where {@link load} has to be called. */
  get event(): HistoryEvent | undefined {
    return this.chunk[this.at];
  }

  next(): void {
    this.at++;
  }

  /** @returns whether there are more events */
  async load(): Promise<boolean> {
    const { value, done } = await this.chunks.next();
    if (done === true) return false;
    this.chunk = value;
    this.at = 0;
    return true;
  }
}

/**
 * The events of several files, merged by time. Holds a chunk of each file.
 *
 * @throws when a line is no event, or a file ends within one
 */
export async function* readHistory(paths: readonly string[]): AsyncGenerator<HistoryEvent> {
  const names = new Names();
  const cursors: Cursor[] = [];
  for (const path of paths) {
    const cursor = new Cursor(path, names);
    if (await cursor.load()) cursors.push(cursor);
  }
  while (cursors.length > 0) {
    let best = cursors[0] as Cursor;
    for (const cursor of cursors) {
      if (timeOf(cursor.event as HistoryEvent) < timeOf(best.event as HistoryEvent)) best = cursor;
    }
    yield best.event as HistoryEvent;
    best.next();
    if (best.event === undefined && !(await best.load())) cursors.splice(cursors.indexOf(best), 1);
  }
}

/** A whole history in memory, in the order of {@link timeOf}. */
export interface History {
  readonly operations: readonly Operation[];
  readonly faults: readonly NemesisEvent[];
  readonly leaders: readonly LeaderEvent[];
  /** Stretches of over a second in which nobody's publication was acknowledged, in the order of time. */
  readonly standstills: readonly (readonly [fromMs: number, toMs: number])[];
}

const STANDSTILL_MS = 1_000;

function standstillsOf(operations: readonly Operation[]): [number, number][] {
  const acks = operations.filter((operation) => operation.kind === 'publish' && operation.outcome === 'ok');
  const timesMs = acks.map(({ endMs }) => endMs).sort((a, b) => a - b);
  return timesMs.flatMap((toMs, at): [number, number][] => {
    const fromMs = timesMs[at - 1] ?? toMs;
    return toMs - fromMs > STANDSTILL_MS ? [[fromMs, toMs]] : [];
  });
}

/** Sorts events into a history. */
export function historyOf(events: Iterable<HistoryEvent>): History {
  const operations: Operation[] = [];
  const faults: NemesisEvent[] = [];
  const leaders: LeaderEvent[] = [];
  for (const event of events) {
    if (event.kind === 'nemesis') faults.push(event);
    else if (event.kind === 'leader') leaders.push(event);
    else operations.push(event);
  }
  return { operations, faults, leaders, standstills: standstillsOf(operations) };
}

/**
 * Reads files into memory.
 *
 * @param maxEvents 4 million by default, about 2 GB
 * @throws when there are more, or a file is damaged
 */
export async function loadHistory(paths: readonly string[], maxEvents = 4_000_000): Promise<History> {
  const events: HistoryEvent[] = [];
  for await (const event of readHistory(paths)) {
    events.push(event);
    if (events.length > maxEvents) {
      throw new Error(`the history has more than ${maxEvents} events; make the run shorter or its rate lower`);
    }
  }
  return historyOf(events);
}
