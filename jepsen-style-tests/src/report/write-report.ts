import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunResult } from '../run/run.ts';
import { junitOf } from './junit.ts';
import { pageOf } from './page.ts';
import { type RunReport, verdictOf } from './run-report.ts';

/**
 * Writes the page, and what programs read.
 *
 * @param more what else `report.json` says
 * @returns the files: `report.html`, `report.json`, `junit.xml`
 */
export function writeReport(
  folder: string,
  report: RunReport,
  result: RunResult,
  more: Readonly<Record<string, unknown>>,
): string[] {
  const files = ['report.html', 'report.json', 'junit.xml'].map((name) => join(folder, name));
  const [page = '', json = '', junit = ''] = files;
  writeFileSync(page, pageOf(report));
  writeFileSync(json, JSON.stringify(summaryOf(report, result, more), null, 1));
  writeFileSync(junit, junitOf(report));
  return files;
}

/** What a program wants to know of a run. */
function summaryOf(report: RunReport, { availability, drain }: RunResult, more: object): object {
  const { title, facts, command, durationMs, totals, checks, faults } = report;
  const { failed, sentence } = verdictOf(report);
  return {
    ...{ title, verdict: failed ? 'failed' : 'passed', sentence, ...more },
    facts: Object.fromEntries(facts.filter(([name]) => name !== 'Note' && name !== 'Left out')),
    ...{ command, durationMs, totals, checks, faults },
    availability: { faults: availability.faults, summaries: availability.summaries },
    drain,
  };
}
