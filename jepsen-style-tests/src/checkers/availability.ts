import type { NemesisEvent, PublishOperation } from '../history/operation.ts';
import type { History } from '../history/reader.ts';
import { at, type CheckResult, Findings } from './checker.ts';

/** Options of {@link checkAvailability}. */
export interface AvailabilityOptions {
  /** Ids of all nodes that have a vote. */
  readonly nodes: readonly string[];
  /** The longest time without an acknowledgement on the majority side that is not an anomaly; 15 s by default. */
  readonly boundMs?: number;
}

/** How publishing fared in one fault. Times in milliseconds; null: no acknowledgement any more in this history. */
export interface FaultReport {
  readonly fault: number;
  readonly name: string;
  readonly detail: string;
  readonly beginMs: number;
  readonly endMs: number | null;
  /** The nodes whose acknowledgements count: all that the fault does not concern, or all if it concerns no minority. */
  readonly nodes: readonly string[];
  readonly minority: boolean;
  /** Whether no other fault went on at any time of it. */
  readonly alone: boolean;
  /** The longest time without one, from the last within a second before the fault until its end, or without a majority until publishing went on. */
  readonly longestGapMs: number;
  /** From its begin to the first acknowledgement of something published after it. */
  readonly recoveryAfterBeginMs: number | null;
  /** The same from its end, by any node. */
  readonly recoveryAfterEndMs: number | null;
}

/** Over faults of one name that nothing else overlapped. */
export interface FaultSummary {
  readonly name: string;
  readonly count: number;
  /** How many of them left a majority to serve. */
  readonly withMajority: number;
  readonly gapMedianMs: number;
  readonly gapWorstMs: number;
  /** From the fault's begin; of those that left no majority from its end. */
  readonly recoveryMedianMs: number | null;
  readonly recoveryWorstMs: number | null;
}

/** {@link CheckResult} with the faults one by one and by name. */
export interface AvailabilityResult extends CheckResult {
  readonly faults: readonly FaultReport[];
  readonly summaries: readonly FaultSummary[];
}

interface Span {
  readonly begin: NemesisEvent;
  readonly end: NemesisEvent | null;
}

function spansOf(events: readonly NemesisEvent[]): Span[] {
  return events
    .filter(({ phase }) => phase === 'begin')
    .map((begin) => ({
      begin,
      end: events.find(({ fault, phase }) => phase === 'end' && fault === begin.fault) ?? null,
    }))
    .sort((a, b) => a.begin.atMs - b.begin.atMs);
}

/** From `fromMs` to the first acknowledgement of something that began later. */
function recovery(acked: readonly PublishOperation[], fromMs: number): number | null {
  let first = Number.POSITIVE_INFINITY;
  for (const { beginMs, endMs } of acked) if (beginMs > fromMs) first = Math.min(first, endMs);
  return first === Number.POSITIVE_INFINITY ? null : first - fromMs;
}

const BEGINS_WITHIN_MS = 1_000;

interface Gap {
  readonly ms: number;
  /** The last acknowledgement before it and the first one after it, as far as there are any. */
  readonly between: readonly PublishOperation[];
}

/** @param acked by end */
function longestGap(acked: readonly PublishOperation[], fromMs: number, toMs: number): Gap {
  // A fault has begun a moment before that is written down. What went on for longer is a gap of something else.
  let before = acked.findLast(({ endMs }) => endMs <= fromMs);
  const lastMs = before?.endMs ?? fromMs;
  let beforeMs = fromMs - lastMs > BEGINS_WITHIN_MS ? fromMs : lastMs;
  let longest: Gap = { ms: 0, between: [] };
  const see = (endMs: number, after: PublishOperation | undefined): void => {
    if (endMs - beforeMs <= longest.ms) return;
    longest = { ms: endMs - beforeMs, between: [before, after].filter((each) => each !== undefined) };
  };
  for (const each of acked) {
    if (each.endMs <= fromMs) continue;
    see(Math.min(each.endMs, toMs), each);
    if (each.endMs >= toMs) return longest;
    before = each;
    beforeMs = each.endMs;
  }
  see(toMs, undefined);
  return longest;
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[(sorted.length - 1) >> 1] ?? 0, sorted[middle] ?? 0];
  return (low + high) / 2;
}

function summarize(faults: readonly FaultReport[]): FaultSummary[] {
  const byName = new Map<string, FaultReport[]>();
  for (const fault of faults) if (fault.alone) byName.set(fault.name, [...(byName.get(fault.name) ?? []), fault]);
  return [...byName].map(([name, list]) => {
    const gaps = list.map(({ longestGapMs }) => longestGapMs).sort((a, b) => a - b);
    const recoveries = list
      .map(({ minority, recoveryAfterBeginMs, recoveryAfterEndMs }) =>
        minority ? recoveryAfterBeginMs : recoveryAfterEndMs,
      )
      .filter((ms) => ms !== null);
    recoveries.sort((a, b) => a - b);
    return {
      ...{ name, count: list.length, withMajority: list.filter(({ minority }) => minority).length },
      ...{ gapMedianMs: median(gaps), gapWorstMs: gaps.at(-1) ?? 0 },
      recoveryMedianMs: recoveries.length === 0 ? null : median(recoveries),
      recoveryWorstMs: recoveries.at(-1) ?? null,
    };
  });
}

/**
 * The longest gap in acknowledged publishing during each fault, and how soon it went on. With a majority out of reach of all
 * faults at a time, a gap beyond the bound is an anomaly.
 */
export function checkAvailability(
  { operations, faults: events }: History,
  options: AvailabilityOptions,
): AvailabilityResult {
  const findings = new Findings('availability');
  const { nodes, boundMs = 15_000 } = options;
  const acked = operations
    .filter((operation) => operation.kind === 'publish')
    .filter(({ outcome }) => outcome === 'ok');
  acked.sort((a, b) => a.endMs - b.endMs);
  findings.figure('publications ok', acked.length);
  const lastMs = acked.at(-1)?.endMs ?? 0;
  const spans = spansOf(events);
  const proofs = new Map<number, readonly PublishOperation[]>();
  const faults = spans.map((span): FaultReport => {
    const { fault, name, detail, atMs: beginMs } = span.begin;
    const endMs = span.end?.atMs ?? null;
    // Of several at a time, all the nodes that one of them concerns are out.
    const others = spans.filter(
      ({ begin, end }) => begin.atMs <= (endMs ?? lastMs) && (end?.atMs ?? lastMs) >= beginMs,
    );
    const hit = new Set(others.flatMap(({ begin: { nodes: concerned, out = concerned } }) => out));
    const healthy = nodes.filter((node) => !hit.has(node));
    const minority = healthy.length > nodes.length / 2;
    const counted = minority ? healthy : nodes;
    const mine = acked.filter(({ node }) => counted.includes(node));
    const recoveryAfterEndMs = endMs === null ? null : recovery(acked, endMs);
    const toMs = endMs === null ? lastMs : endMs + (recoveryAfterEndMs ?? 0);
    const gap = longestGap(mine, beginMs, Math.max(beginMs, minority && endMs !== null ? endMs : toMs));
    proofs.set(fault, gap.between);
    return {
      ...{ fault, name, detail, beginMs, endMs, nodes: counted, minority, recoveryAfterEndMs },
      alone: others.length === 1,
      longestGapMs: gap.ms,
      recoveryAfterBeginMs: recovery(mine, beginMs),
    };
  });
  for (const report of faults) {
    findings.figure('faults', 1);
    if (!report.minority || report.longestGapMs <= boundMs) continue;
    const { fault, name, beginMs, longestGapMs } = report;
    const sentence =
      `during fault ${fault}, ${name}, from ${at(beginMs)} on, no node of the majority ${report.nodes.join(', ')} ` +
      `acknowledged anything for ${at(longestGapMs)}`;
    findings.add('majority does not serve', 'P6', sentence, proofs.get(fault) ?? []);
  }
  return { ...findings.result(), faults, summaries: summarize(faults) };
}
