import { at, type CheckResult } from '../checkers/checker.ts';
import type { Operation } from '../history/operation.ts';
import type { RunResult } from './run.ts';

const SHOWN = 3;

/** One operation on one line. */
function line(operation: Operation): string {
  const { kind, client, node, beginMs, endMs, ...rest } = operation;
  const details = Object.entries(rest).map(
    ([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
  );
  return `      ${at(beginMs)} to ${at(endMs)}  ${client} at ${node}: ${kind}, ${details.join(', ')}`;
}

function describe(check: CheckResult): string[] {
  const figures = Object.entries(check.figures).map(([name, value]) => `${name} ${value}`);
  const lines = [`  ${check.checker}: ${check.verdict}  (${figures.join(', ')})`];
  for (const note of check.notes) lines.push(`    undecided: ${note}`);
  for (const { kind, promise, sentence, proof } of check.anomalies.slice(0, SHOWN)) {
    lines.push(`    ${promise} ${kind}: ${sentence}`, ...proof.map(line));
  }
  if (check.anomalyCount > SHOWN) lines.push(`    and ${check.anomalyCount - SHOWN} more`);
  return lines;
}

/** A run in plain text, for a terminal. */
export function summaryOf(result: RunResult): string {
  const { counts, drain, availability } = result;
  const lines: string[] = [];
  for (const { workload, description, checks } of result.workloads) {
    lines.push(`${workload}: ${description}`, ...checks.flatMap(describe));
  }
  lines.push('availability', ...describe(availability));
  for (const { name, count, gapMedianMs, gapWorstMs } of availability.summaries) {
    const gaps = `longest gap: median ${Math.round(gapMedianMs)} ms, worst ${Math.round(gapWorstMs)} ms`;
    lines.push(`    ${name} (${count}): ${gaps}`);
  }
  const { acknowledged, unacknowledged, deliveries } = counts;
  lines.push(`${acknowledged} publications acknowledged, ${unacknowledged} not; ${deliveries} deliveries`);
  lines.push(
    drain.settled
      ? `everything was answered and received within ${Math.round(drain.tookMs)} ms after the last work began`
      : `after ${Math.round(drain.tookMs)} ms these still waited: ${drain.waitingFor.join(', ')}`,
    `verdict: ${result.verdict}`,
  );
  return lines.join('\n');
}
