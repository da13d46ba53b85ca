import type { HistoryEvent, NemesisEvent } from '../history/operation.ts';

/** Something that a broker must not do, with what proves it. */
export interface ReportedAnomaly {
  /** Such as `lost`. */
  readonly kind: string;
  /** The promise that it breaks: `P1` to `P6`. */
  readonly promise: string;
  readonly sentence: string;
  /** The operations that prove it, oldest first. */
  readonly events: readonly HistoryEvent[];
  /** What the nodes wrote to their logs around these operations, by node; of the first anomalies of each check. */
  readonly logs?: Readonly<Record<string, readonly string[]>>;
}

/** What one checker found. */
export interface ReportedCheck {
  readonly name: string;
  readonly verdict: 'holds' | 'broken' | 'undecided' | 'not applicable';
  /** In words: what was looked at, or why it was not. */
  readonly detail: string;
  /** The first ones. */
  readonly anomalies: readonly ReportedAnomaly[];
  /** All of them. */
  readonly anomalyCount: number;
  /** All of them, by kind. */
  readonly kinds: Readonly<Record<string, number>>;
}

/** One fault with what clients on the side of the majority noticed of it. */
export interface ReportedFault {
  /** As in its events. */
  readonly fault: number;
  readonly name: string;
  readonly detail: string;
  readonly beginMs: number;
  readonly endMs: number;
  /** Longest stretch without an acknowledged publication of a client that the fault should not concern; null if none was open. */
  readonly gapMs: number | null;
  /** From its begin, or from its end where no majority was left, to the first acknowledgement of something new; null: none came. */
  readonly recoveryMs: number | null;
  /** Whether a majority was left to serve: without one the gap is that of everybody. */
  readonly majority: boolean;
}

/** What happened in one interval of `intervalMs`. */
export interface Interval {
  acknowledged: number;
  failed: number;
  unknown: number;
  delivered: number;
  /** Milliseconds from a publication to its acknowledgement, of those acknowledged in it. */
  readonly latenciesMs: number[];
}

/** Who led, from when to when. */
export interface Reign {
  readonly leader: string;
  readonly term: number;
  readonly beginMs: number;
  endMs: number;
}

/** A run as its report shows it. */
export interface RunReport {
  readonly title: string;
  /** Broker, version, settings, network, machine: one line each. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** The command that makes the same plan again. */
  readonly command: string;
  readonly durationMs: number;
  readonly checks: readonly ReportedCheck[];
  readonly faults: readonly ReportedFault[];
  readonly intervalMs: number;
  readonly intervals: readonly Interval[];
  readonly reigns: readonly Reign[];
  readonly totals: Totals;
  /** The last lines of the nodes' logs, by node, where that is what tells what happened; else empty. */
  readonly logs: ReadonlyMap<string, readonly string[]>;
}

export interface Totals {
  operations: number;
  acknowledged: number;
  failed: number;
  unknown: number;
  delivered: number;
  connects: number;
}

/** Adds up a history, event by event, in the order of their ends or any other. */
export class Tally {
  readonly intervalMs: number;
  readonly intervals: Interval[] = [];
  readonly reigns: Reign[] = [];
  readonly totals: Totals = { operations: 0, acknowledged: 0, failed: 0, unknown: 0, delivered: 0, connects: 0 };
  readonly #begun = new Map<number, NemesisEvent>();
  readonly #faults: ReportedFault[] = [];
  #lastMs = 0;

  /** @param intervalMs how finely the course of the run is kept: short ones show short gaps */
  constructor(intervalMs: number) {
    this.intervalMs = intervalMs;
  }

  /** When the last event was. */
  get durationMs(): number {
    return this.#lastMs;
  }

  add(event: HistoryEvent): void {
    if (event.kind === 'nemesis') return this.#nemesis(event);
    if (event.kind === 'leader') return this.#leader(event.leader, event.term, event.atMs);
    this.#lastMs = Math.max(this.#lastMs, event.endMs);
    const { totals } = this;
    const interval = this.#interval(event.endMs);
    switch (event.kind) {
      case 'deliver':
        totals.delivered++;
        interval.delivered++;
        return;
      case 'close':
        return;
      case 'connect':
        totals.connects++;
        return;
      case 'subscribe':
      case 'unsubscribe':
        totals.operations++;
        return;
      case 'publish':
    }
    totals.operations++;
    if (event.qos === 0) return;
    if (event.outcome === 'ok') {
      totals.acknowledged++;
      interval.acknowledged++;
      interval.latenciesMs.push(event.endMs - event.beginMs);
    } else if (event.outcome === 'fail') {
      totals.failed++;
      interval.failed++;
    } else {
      totals.unknown++;
      interval.unknown++;
    }
  }

  /** All faults; one that never ended lasts to the end of the run. */
  faults(): ReportedFault[] {
    const open = [...this.#begun.values()].map((event) => faultOf(event, this.#lastMs));
    return [...this.#faults, ...open].sort((a, b) => a.beginMs - b.beginMs);
  }

  #interval(atMs: number): Interval {
    const at = Math.max(0, Math.floor(atMs / this.intervalMs));
    while (this.intervals.length <= at) {
      this.intervals.push({ acknowledged: 0, failed: 0, unknown: 0, delivered: 0, latenciesMs: [] });
    }
    return this.intervals[at] as Interval;
  }

  #nemesis(event: NemesisEvent): void {
    this.#lastMs = Math.max(this.#lastMs, event.atMs);
    const begun = this.#begun.get(event.fault);
    if (event.phase === 'begin') this.#begun.set(event.fault, event);
    else if (begun !== undefined) {
      this.#begun.delete(event.fault);
      this.#faults.push(faultOf(begun, event.atMs));
    }
  }

  #leader(leader: string | null, term: number, atMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, atMs);
    const current = this.reigns.at(-1);
    // An open reign ends where nobody, or somebody else, was seen to lead.
    if (current !== undefined && current.endMs === Number.POSITIVE_INFINITY) {
      if (current.leader === leader && current.term === term) return;
      current.endMs = atMs;
    }
    if (leader !== null) this.reigns.push({ leader, term, beginMs: atMs, endMs: Number.POSITIVE_INFINITY });
  }
}

function faultOf({ fault, name, detail, atMs }: NemesisEvent, endMs: number): ReportedFault {
  return { fault, name, detail, beginMs: atMs, endMs, gapMs: null, recoveryMs: null, majority: true };
}

/** The value below which a share of the sorted values lies; 0 when there are none. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** One sentence for a terminal, and whether the run is to count as failed. */
export function verdictOf({ checks, totals }: Pick<RunReport, 'checks' | 'totals'>): {
  readonly failed: boolean;
  readonly sentence: string;
} {
  const anomalies = checks.reduce((sum, { anomalyCount }) => sum + anomalyCount, 0);
  const undecided = checks.filter(({ verdict }) => verdict === 'undecided');
  if (anomalies > 0) {
    const broken = checks.filter(({ verdict }) => verdict === 'broken').map(({ name }) => name);
    return {
      failed: true,
      sentence: `${anomalies === 1 ? 'one anomaly' : `${anomalies} anomalies`}: ${broken.join(', ')}`,
    };
  }
  // Nothing acknowledged means nothing checked.
  if (totals.acknowledged === 0) return { failed: true, sentence: 'nothing was acknowledged: nothing is shown' };
  const rest = undecided.length === 0 ? '' : `; undecided: ${undecided.map(({ name }) => name).join(', ')}`;
  return {
    failed: false,
    sentence: `every promise kept, ${totals.acknowledged.toLocaleString('en')} messages acknowledged${rest}`,
  };
}
