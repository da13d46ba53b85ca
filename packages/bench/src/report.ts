/** Results as text for a terminal, as Markdown, and as JSON. */
import type { Machine } from './cpu.ts';
import { type Summary, summarize } from './summary.ts';
import type { RunCpu, RunOptions, RunResult, Scenario } from './types.ts';

/** Everything a report needs. */
export interface Report {
  readonly label: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly machine: Machine;
  readonly options: RunOptions & { readonly runs: number };
  readonly results: readonly RunResult[];
}

/** A generator that used more than this was, or nearly was, the limit of its own measurement. */
const GENERATOR_CORES_WARNING = 0.9;
const EVENT_LOOP_WARNING = 0.97;
/** More than this used by neither broker nor generator makes a run noisy. */
const OTHER_CORES_WARNING = 0.4;

const HEADINGS = [
  'target',
  'median',
  'min-max',
  'ratio',
  'p50 ms',
  'p99 ms',
  'max ms',
  'CPU s/100k',
  'broker cores',
  'gen cores',
  'machine busy',
  'loss/dup/reorder',
  'runs',
] as const;

/** One line: the machine and how it was measured. */
export function machineLine(report: Report): string {
  const { machine, options } = report;
  return (
    `${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node}; ` +
    `${options.payloadBytes} B payload, ${options.runs} x ${options.seconds} s after ${options.warmupSeconds} s of warm-up`
  );
}

/** Tables with aligned columns, one per scenario. */
export function renderText(report: Report, scenarios: readonly Scenario[]): string {
  return render(report, scenarios, (title, rows) => {
    const widths = HEADINGS.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
    const lines = rows.map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))),
    );
    return [title, ...lines.map((cells) => `  ${cells.join('  ')}`)];
  });
}

/** The same tables in Markdown. */
export function renderMarkdown(report: Report, scenarios: readonly Scenario[]): string {
  return render(report, scenarios, (title, rows) => {
    const [head, ...body] = rows.map((row) => `| ${row.join(' | ')} |`);
    const rule = `|${HEADINGS.map((_, i) => (i === 0 ? '---|' : '---:|')).join('')}`;
    return [`### ${title}`, '', head ?? '', rule, ...body];
  });
}

function render(
  report: Report,
  scenarios: readonly Scenario[],
  table: (title: string, rows: readonly (readonly string[])[]) => readonly string[],
): string {
  const summaries = summarize(report.results);
  const blocks: string[] = [
    [report.label, report.startedAt, machineLine(report)].filter((part) => part !== '').join(' | '),
  ];
  for (const scenario of scenarios) {
    const rows = summaries.filter((summary) => summary.scenario === scenario.name);
    if (rows.length === 0) continue;
    const metric = rows[0]?.metric ?? '';
    const title = `${scenario.name}: ${scenario.title} (${metric})`;
    blocks.push(table(title, [HEADINGS, ...rows.map(cellsOf)]).join('\n'));
  }
  const remarks = [...faultLines(summaries), ...warningLines(summaries, report)];
  if (remarks.length > 0) blocks.push(remarks.join('\n'));
  return blocks.join('\n\n');
}

function cellsOf(row: Summary): string[] {
  return [
    row.target,
    formatValue(row.median),
    row.runs === 0 ? '-' : `${formatValue(row.min)}-${formatValue(row.max)}`,
    row.ratio === null ? '-' : `${row.ratio.toFixed(2)}x`,
    fixed(row.p50Ms, 2),
    fixed(row.p99Ms, 2),
    fixed(row.maxMs, 1),
    fixed(row.brokerSecondsPer100k, 2),
    fixed(row.brokerCores, 2),
    fixed(Number.isNaN(row.generatorCores) ? null : row.generatorCores, 2),
    row.machineBusy === null ? '-' : `${Math.round(row.machineBusy * 100)} %`,
    `${row.loss}/${row.duplicates}/${row.reordered}`,
    String(row.runs),
  ];
}

/** Why runs do not count as correct, one line each. */
export function faultLines(summaries: readonly Summary[]): string[] {
  return summaries.flatMap((row) => row.faults.map((fault) => `FAILED ${row.scenario} on ${row.target}, ${fault}`));
}

/** What makes a figure doubtful, one line each. */
export function warningLines(summaries: readonly Summary[], report: Report): string[] {
  return summaries.flatMap((row) => {
    const where = `${row.scenario} on ${row.target}`;
    const runs = report.results
      .filter((result) => result.scenario === row.scenario && result.target === row.target)
      .flatMap((result) => result.measurement ?? []);
    const lines: string[] = [];
    const loopBusy = Math.max(0, ...runs.map((run) => run.cpu.eventLoopBusy));
    const cores = Math.max(0, ...runs.map((run) => run.cpu.generatorCores));
    if (cores >= GENERATOR_CORES_WARNING || loopBusy >= EVENT_LOOP_WARNING) {
      lines.push(
        `WARNING ${where}: the generator used ${cores.toFixed(2)} cores and its event loop was ` +
          `busy ${Math.round(loopBusy * 100)} % of the time: the figure may be the generator's limit.`,
      );
    }
    const others = Math.max(0, ...runs.map((run) => otherCores(run.cpu, report.machine.cores)));
    if (others > OTHER_CORES_WARNING) {
      lines.push(`WARNING ${where}: other processes used up to ${others.toFixed(2)} cores meanwhile.`);
    }
    const lag = Math.max(0, ...runs.map((run) => run.sendLag?.p50Ms ?? 0));
    if (lag > 0)
      lines.push(`NOTE ${where}: p50 includes up to ${lag.toFixed(2)} ms by which the generator itself sent late.`);
    const writtenOff = runs.reduce((sum, run) => sum + run.writtenOff, 0);
    if (writtenOff > 0) lines.push(`WARNING ${where}: gave up on ${writtenOff} QoS 0 messages.`);
    return lines;
  });
}

/** Cores that neither generator nor broker used; 0 when that is not known. */
function otherCores(cpu: RunCpu, cores: number): number {
  if (cpu.machineBusy === null || cpu.brokerCores === null) return 0;
  return cpu.machineBusy * cores - cpu.brokerCores - cpu.generatorCores;
}

function formatValue(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return value < 100 ? value.toFixed(3) : Math.round(value).toLocaleString('en-US');
}

function fixed(value: number | null, digits: number): string {
  return value === null ? '-' : value.toFixed(digits);
}

/** All results, run by run, and their summaries. */
export function renderJson(report: Report): string {
  return `${JSON.stringify({ ...report, summaries: summarize(report.results) }, null, 2)}\n`;
}
