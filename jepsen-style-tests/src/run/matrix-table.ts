import { readFileSync } from 'node:fs';
import type { FaultReport } from '../checkers/availability.ts';
import type { ReportedCheck, Totals } from '../report/run-report.ts';
import type { MatrixRun } from './matrix.ts';

/** What the table takes from the `report.json` of a run. */
interface Report {
  readonly facts: Readonly<Record<string, string>>;
  readonly durationMs: number;
  readonly totals: Totals;
  readonly checks: readonly Pick<ReportedCheck, 'name' | 'verdict' | 'kinds' | 'anomalyCount'>[];
  readonly availability: { readonly faults: readonly FaultReport[] };
}

/** A run that was made. */
export interface MadeRun {
  readonly run: MatrixRun;
  readonly report: Report;
}

/** Kinds of anomalies by the column in which they are counted; all others under `other`. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  lost: ['lost', 'stranded', 'will lost'],
  duplicated: ['delivered twice', 'duplicate without DUP', 'will sent twice'],
  stale: ['not linearizable', 'not visible'],
  'order broken': ['reordered', 'order differs'],
  'sessions lost or forked': ['session lost', 'forked session', 'two owners'],
  expiry: ['delivered after expiry', 'expiry not counted down', 'session outlived its expiry'],
};

const HEAD = ['runs', 'operations', 'acknowledged', ...Object.keys(COLUMNS), 'other'];

/** @throws when there is no such file, or it is no report */
export function readReport(run: MatrixRun, file: string): MadeRun {
  return { run, report: JSON.parse(readFileSync(file, 'utf8')) as Report };
}

function countsOf(runs: readonly MadeRun[]): string[] {
  const sum = (pick: (report: Report) => number): number => runs.reduce((total, { report }) => total + pick(report), 0);
  const kinds = (names: readonly string[], isIn: boolean) => (report: Report) =>
    report.checks
      .flatMap((check) => Object.entries(check.kinds))
      .filter(([kind]) => names.includes(kind) === isIn)
      .reduce((total, [, count]) => total + count, 0);
  const all = Object.values(COLUMNS).flat();
  return [
    runs.length,
    sum(({ totals }) => totals.operations),
    sum(({ totals }) => totals.acknowledged),
    ...Object.values(COLUMNS).map((names) => sum(kinds(names, true))),
    sum(kinds(all, false)),
  ].map((count) => count.toLocaleString('en'));
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(head), row(head.map((_name, at) => (at === 0 ? '---' : '--:'))), ...rows.map(row)].join('\n');
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}

function milliseconds(values: readonly number[]): string[] {
  if (values.length === 0) return ['', ''];
  return [median(values), Math.max(...values)].map((ms) => Math.round(ms).toLocaleString('en'));
}

/** What was promised and what came of it, by the faults of a run. */
function promises(runs: readonly MadeRun[]): string {
  const keyOf = ({ run }: MadeRun): string =>
    run.nemeses.length === 1 ? `${run.nemeses[0]}, all workloads` : `several faults, ${run.workloads.join(', ')}`;
  const rows = grouped(runs, keyOf).map(([name, group]) => [name, ...countsOf(group)]);
  return table(['faults', ...HEAD], [...rows, ['**all**', ...countsOf(runs)]]);
}

/** Gaps and recoveries, of faults that nothing overlapped. */
function availability(runs: readonly MadeRun[]): string {
  const faults = runs.flatMap(({ run, report }) =>
    report.availability.faults.filter(({ alone }) => alone).map((fault) => ({ ...fault, size: run.nodes })),
  );
  const rows = grouped(faults, ({ name, minority }) => `${name}${minority ? '' : ' (no majority left)'}`);
  return table(
    ['fault', 'times', 'gap median ms', 'gap worst ms', 'recovery median ms', 'recovery worst ms'],
    rows.map(([name, group]) => [
      name,
      String(group.length),
      ...milliseconds(group.map(({ longestGapMs }) => longestGapMs)),
      ...milliseconds(
        group
          .map((fault) => (fault.minority ? fault.recoveryAfterBeginMs : fault.recoveryAfterEndMs))
          .filter((ms) => ms !== null),
      ),
    ]),
  );
}

/** Markdown: what was run, promises and availability. */
export function tablesOf(runs: readonly MadeRun[]): string {
  const [first] = runs;
  if (first === undefined) return 'no run was made';
  const seconds = runs.map(({ report }) => report.durationMs / 1_000);
  const undecided = runs.flatMap(({ run, report }) =>
    report.checks.filter(({ verdict }) => verdict === 'undecided').map(({ name }) => `${run.name}: ${name}`),
  );
  const { Broker, Network, Machine } = first.report.facts;
  return [
    `${runs.length} runs of ${Math.round(Math.min(...seconds))} to ${Math.round(Math.max(...seconds))} s. ${Broker}. ${Network} ${Machine}.`,
    promises(runs),
    availability(runs),
    undecided.length === 0 ? 'Nothing was left undecided.' : `Undecided: ${undecided.join('; ')}.`,
    '',
  ].join('\n\n');
}
