import type { CheckResult } from '../checkers/checker.ts';
import type { HistoryEvent } from '../history/operation.ts';
import type { RunResult } from '../run/run.ts';
import { type ReportedCheck, type RunReport, Tally } from './run-report.ts';

/** What a report says besides what the run found. */
export interface ReportContext extends Pick<RunReport, 'title' | 'facts' | 'command' | 'logs'> {
  /** The history, in any order. */
  readonly events: Iterable<HistoryEvent>;
  /** Workloads that were left out, and why. */
  readonly skipped: readonly (readonly [workload: string, why: string])[];
  /** Ends of the broker's processes that no fault explains. */
  readonly unexplainedEnds: readonly string[];
}

/** Up to this length a run is drawn in quarters of a second, in which a failover of some hundred milliseconds still shows. */
const FINE_RUN_MS = 180_000;

/** Puts together what a report shows. */
export function reportOf(result: RunResult, plannedMs: number, context: ReportContext): RunReport {
  const { title, facts, command, logs, events, skipped, unexplainedEnds } = context;
  const tally = new Tally(plannedMs <= FINE_RUN_MS ? 250 : 1_000);
  for (const event of events) tally.add(event);
  const gaps = new Map(result.availability.faults.map((each) => [each.fault, each]));
  const checks = [
    ...result.workloads.flatMap(({ workload, checks: found }) => found.map((check) => checkOf(workload, check))),
    checkOf(null, result.availability),
    ...skipped.map(
      ([name, detail]): ReportedCheck => ({
        name,
        verdict: 'not applicable',
        detail,
        anomalies: [],
        anomalyCount: 0,
        kinds: {},
      }),
    ),
  ];
  if (!result.drain.settled) checks.push(unsettled(result));
  if (unexplainedEnds.length > 0) checks.push(ended(unexplainedEnds));
  return {
    ...{ title, facts, command, logs, checks },
    durationMs: tally.durationMs,
    intervalMs: tally.intervalMs,
    intervals: tally.intervals,
    reigns: tally.reigns,
    totals: tally.totals,
    faults: tally.faults().map((fault) => {
      const found = gaps.get(fault.fault);
      return { ...fault, gapMs: found?.longestGapMs ?? null, majority: found?.minority ?? true };
    }),
  };
}

const VERDICTS = { ok: 'holds', anomalies: 'broken', undecided: 'undecided' } as const;

function checkOf(workload: string | null, check: CheckResult): ReportedCheck {
  const { checker, verdict, anomalies, anomalyCount, kinds, figures, notes } = check;
  const counted = Object.entries(figures).map(([name, value]) => `${name} ${value.toLocaleString('en')}`);
  return {
    name: workload === null || workload === checker ? checker : `${workload}: ${checker}`,
    verdict: VERDICTS[verdict],
    detail: [counted.join(', '), ...notes].filter((text) => text !== '').join('; '),
    anomalies: anomalies.map(({ kind, promise, sentence, proof }) => ({ kind, promise, sentence, events: proof })),
    anomalyCount,
    kinds,
  };
}

function ended(sentences: readonly string[]): ReportedCheck {
  const kind = 'process ended';
  return {
    name: 'processes',
    verdict: 'broken',
    detail: `${sentences.length} ended by themselves`,
    anomalies: sentences.map((sentence) => ({ kind, promise: 'P6', sentence, events: [] })),
    anomalyCount: sentences.length,
    kinds: { [kind]: sentences.length },
  };
}

/** Clients that still wait for something long after the last fault: nobody can say what came of it. */
function unsettled({ drain }: RunResult): ReportedCheck {
  const sentence = `after ${Math.round(drain.tookMs / 1000)} s without a fault these still waited: ${drain.waitingFor.join(', ')}`;
  const anomalies = [{ kind: 'not settled', promise: 'P6', sentence, events: [] }];
  return {
    name: 'end of the run',
    verdict: 'broken',
    detail: sentence,
    anomalies,
    anomalyCount: 1,
    kinds: { 'not settled': 1 },
  };
}
