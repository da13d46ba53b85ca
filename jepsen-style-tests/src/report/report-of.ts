import type { CheckResult } from '../checkers/checker.ts';
import type { LogMarks, Span } from '../cluster/log-marks.ts';
import type { HistoryEvent, Operation } from '../history/operation.ts';
import type { RunResult } from '../run/run.ts';
import { type ReportedCheck, type RunReport, Tally } from './run-report.ts';

/** What a report says besides what the run found. */
export interface ReportContext extends Pick<RunReport, 'title' | 'facts' | 'command'> {
  /** The logs of the nodes; absent where they are not at hand. */
  readonly logs?: Pick<LogMarks, 'around' | 'ends'>;
  /** The history, in any order. */
  readonly events: Iterable<HistoryEvent>;
  /** Workloads that were left out, and why. */
  readonly skipped: readonly (readonly [workload: string, why: string])[];
  /** Ends of the broker's processes that no fault explains. */
  readonly unexplainedEnds: readonly string[];
  /** Why the cluster was not ready any more after the last fault; null when it was. */
  readonly unready: string | null;
}

/** Up to this length a run is drawn in quarters of a second, in which a failover of some hundred milliseconds still shows. */
const FINE_RUN_MS = 180_000;
/** Anomalies of each check that are shown with the logs around them. */
const LOGGED_ANOMALIES = 3;
/** Of each node, around one anomaly. */
const LINES_AROUND = 40;
const LINES_OF_END = 60;
/** So long before and after each of its operations. */
const AROUND_MS = 1_000;

/** Puts together what a report shows. */
export function reportOf(result: RunResult, plannedMs: number, context: ReportContext): RunReport {
  const { title, facts, command, logs, events, skipped, unexplainedEnds, unready } = context;
  const tally = new Tally(plannedMs <= FINE_RUN_MS ? 250 : 1_000);
  for (const event of events) tally.add(event);
  const gaps = new Map(result.availability.faults.map((each) => [each.fault, each]));
  const checks = [
    ...result.workloads.flatMap(({ workload, checks: found }) => found.map((check) => checkOf(workload, check, logs))),
    checkOf(null, result.availability, logs),
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
  if (unready !== null) checks.push(finding('service', 'not ready', [unready], unready));
  if (unexplainedEnds.length > 0) {
    checks.push(
      finding('processes', 'process ended', unexplainedEnds, `${unexplainedEnds.length} ended by themselves`),
    );
  }
  // What has no operations that prove it is told by how the logs end.
  const needsEnds = checks.some(({ anomalies }) => anomalies.some(({ events: proof }) => proof.length === 0));
  return {
    ...{ title, facts, command, checks },
    logs: needsEnds ? (logs?.ends(LINES_OF_END) ?? new Map()) : new Map(),
    durationMs: tally.durationMs,
    intervalMs: tally.intervalMs,
    intervals: tally.intervals,
    reigns: tally.reigns,
    totals: tally.totals,
    faults: tally.faults().map((fault) => {
      const found = gaps.get(fault.fault);
      const majority = found?.minority ?? true;
      const recoveryMs = (majority ? found?.recoveryAfterBeginMs : found?.recoveryAfterEndMs) ?? null;
      return { ...fault, gapMs: found?.longestGapMs ?? null, recoveryMs, majority };
    }),
  };
}

const VERDICTS = { ok: 'holds', anomalies: 'broken', undecided: 'undecided' } as const;

function checkOf(workload: string | null, check: CheckResult, logs: ReportContext['logs']): ReportedCheck {
  const { checker, verdict, anomalies, anomalyCount, kinds, figures, notes } = check;
  const counted = Object.entries(figures).map(([name, value]) => `${name} ${value.toLocaleString('en')}`);
  return {
    name: workload === null || workload === checker ? checker : `${workload}: ${checker}`,
    verdict: VERDICTS[verdict],
    detail: [counted.join(', '), ...notes].filter((text) => text !== '').join('; '),
    anomalies: anomalies.map(({ kind, promise, sentence, proof: events }, at) => ({
      ...{ kind, promise, sentence, events },
      ...(logs !== undefined &&
        at < LOGGED_ANOMALIES && { logs: Object.fromEntries(logs.around(spansOf(events), LINES_AROUND)) }),
    })),
    anomalyCount,
    kinds,
  };
}

function spansOf(events: readonly Operation[]): Span[] {
  return events.map(({ beginMs, endMs }) => ({ fromMs: beginMs - AROUND_MS, toMs: endMs + AROUND_MS }));
}

/** What no checker of a history finds. */
function finding(name: string, kind: string, sentences: readonly string[], detail: string): ReportedCheck {
  return {
    ...{ name, verdict: 'broken', detail },
    anomalies: sentences.map((sentence) => ({ kind, promise: 'P6', sentence, events: [] })),
    anomalyCount: sentences.length,
    kinds: { [kind]: sentences.length },
  };
}

/** Clients that still wait for something long after the last fault: nobody can say what came of it. */
function unsettled({ drain }: RunResult): ReportedCheck {
  const sentence = `after ${Math.round(drain.tookMs / 1000)} s without a fault these still waited: ${drain.waitingFor.join(', ')}`;
  return finding('end of the run', 'not settled', [sentence], sentence);
}
