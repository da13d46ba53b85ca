import { PROMISES } from '../checkers/checker.ts';
import type { HistoryEvent } from '../history/operation.ts';
import { escaped } from './junit.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import { PAGE_STYLE } from './page-style.ts';
import { quantile, type ReportedAnomaly, type ReportedCheck, type RunReport, verdictOf } from './run-report.ts';
import { sorted, timeline } from './timeline.ts';

/** Of one checker. */
const SHOWN_ANOMALIES = 20;
/** The others open on demand: many of one kind say little more than some. */
const OPEN_ANOMALIES = 4;
const SHOWN_EVENTS = 40;

/** A report as one HTML file that needs nothing else: no network, no fonts, no scripts from elsewhere. */
export function pageOf(report: RunReport): string {
  const { title, checks, faults, facts, command, logs } = report;
  const verdict = verdictOf(report);
  const broken = checks.filter(({ anomalies }) => anomalies.length > 0);
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escaped(title)}: ${verdict.failed ? 'failed' : 'passed'}</title><style>${PAGE_STYLE}</style></head><body><main>`,
    `<h1>${escaped(title)}</h1><p class="soft">${escaped(facts[0]?.[1] ?? '')}</p>`,
    banner(verdict),
    tiles(report),
    '<h2>What happened</h2>',
    `<div class="card timeline">${timeline(report)}<div class="tip"></div>${legend()}</div>`,
    ...(broken.length > 0 ? ['<h2>Anomalies</h2>', promisesOf(broken), ...broken.map(anomaliesOf)] : []),
    '<h2>What was checked</h2>',
    `<div class="card"><table><tr><th>Check</th><th>Verdict</th><th>Looked at</th></tr>${checks.map(checkRow).join('')}</table></div>`,
    '<h2>Faults</h2>',
    `<div class="card">${faults.length === 0 ? '<p class="soft">None.</p>' : faultTable(report)}</div>`,
    ...(logs.size > 0 ? ['<h2>The ends of the logs of the nodes</h2>', ...[...logs].map(logOf)] : []),
    '<h2>The run</h2>',
    `<div class="card"><table>${facts.map(([name, value]) => `<tr><td class="soft">${escaped(name)}</td><td>${escaped(value)}</td></tr>`).join('')}</table>`,
    `<p class="soft" style="margin-top:14px">The same plan again:</p><pre class="command">${escaped(command)}</pre></div>`,
    `</main><script type="application/json" id="course">${dataOf(report)}</script><script>${PAGE_SCRIPT}</script></body></html>`,
  ].join('\n');
}

function banner({ failed, sentence }: { readonly failed: boolean; readonly sentence: string }): string {
  const sign = failed ? 'M7 7l10 10M17 7L7 17' : 'M5 12.5l4.5 4.5L19 7.5';
  return `<div class="verdict ${failed ? 'bad' : 'good'}"><svg width="26" height="26" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"><path d="${sign}"/></svg><span>${escaped(capital(sentence))}</span></div>`;
}

function tiles({ totals, faults, checks, intervals, durationMs }: RunReport): string {
  const gaps = faults.flatMap(({ gapMs, majority }) => (gapMs === null || !majority ? [] : [gapMs]));
  const all = sorted(intervals.flatMap(({ latenciesMs }) => latenciesMs));
  const anomalies = checks.reduce((sum, { anomalyCount }) => sum + anomalyCount, 0);
  const shown: [string, string][] = [
    [number(totals.acknowledged), 'messages acknowledged'],
    [number(totals.delivered), 'delivered'],
    [number(anomalies), 'anomalies'],
    [number(faults.length), `faults in ${Math.round(durationMs / 1000)} s`],
    [gaps.length === 0 ? '–' : milliseconds(Math.max(...gaps)), 'worst gap for the majority'],
    [all.length === 0 ? '–' : milliseconds(quantile(all, 0.5)), 'median acknowledgement'],
  ];
  return `<div class="tiles">${shown.map(([value, name]) => `<div class="tile"><b>${value}</b><span>${name}</span></div>`).join('')}</div>`;
}

function legend(): string {
  const keys: [string, string][] = [
    ['acknowledged', 'acknowledged'],
    ['delivered', 'delivered'],
    ['refused', 'refused or without an answer'],
    ['p50', 'latency, median'],
    ['p99', 'latency, 99th percentile'],
    ['fault', 'fault'],
  ];
  return `<p class="soft" style="margin:8px 0 0">${keys.map(([colour, name]) => `<span class="key" style="background:var(--${colour})"></span>${name}`).join('')}</p>`;
}

const CHIPS = { holds: 'holds', broken: 'broken', undecided: 'undecided', 'not applicable': 'none' } as const;

function checkRow({ name, verdict, detail }: ReportedCheck): string {
  return `<tr><td>${escaped(name)}</td><td><span class="chip ${CHIPS[verdict]}">${verdict}</span></td><td class="soft">${escaped(detail)}</td></tr>`;
}

function faultTable({ faults }: RunReport): string {
  const rows = faults.map(
    ({ name, detail, beginMs, endMs, gapMs, recoveryMs, majority }) =>
      `<tr><td>${escaped(name)}</td><td class="soft">${escaped(detail)}</td><td class="number">${(beginMs / 1000).toFixed(1)} s</td><td class="number">${((endMs - beginMs) / 1000).toFixed(1)} s</td><td class="number">${gapMs === null ? '–' : milliseconds(gapMs)}${majority ? '' : ' *'}</td><td class="number">${recoveryMs === null ? '–' : milliseconds(recoveryMs)}</td></tr>`,
  );
  return `<table><tr><th>Fault</th><th>What</th><th class="number">Began at</th><th class="number">Lasted</th><th class="number">Longest gap</th><th class="number">Served again after</th></tr>${rows.join('')}</table><p class="soft" style="margin-top:10px">The gap is the longest time without an acknowledgement for a client whose node could reach a majority${faults.every(({ majority }) => majority) ? '' : '; * no majority was left, so it is that of everybody until it went on'}. Served again: from the begin of the fault${faults.every(({ majority }) => majority) ? '' : ', * from its end,'} to the first acknowledgement of something new.</p>`;
}

function anomaliesOf({ name, anomalies, anomalyCount }: ReportedCheck): string {
  const shown = anomalies.slice(0, SHOWN_ANOMALIES).map(anomalyCard);
  const rest = anomalyCount - shown.length;
  const last = rest > 0 ? `<p class="soft">and ${number(rest)} more.</p>` : '';
  const more = shown.slice(OPEN_ANOMALIES);
  const closed =
    more.length === 0
      ? last
      : `<details class="more"><summary>${number(anomalyCount - OPEN_ANOMALIES)} more</summary>${more.join('')}${last}</details>`;
  return `<h3>${escaped(name)}</h3>${shown.slice(0, OPEN_ANOMALIES).join('')}${closed}`;
}

/** What is meant by the promises that are broken. */
function promisesOf(broken: readonly ReportedCheck[]): string {
  const ids = new Set(broken.flatMap(({ anomalies }) => anomalies.map(({ promise }) => promise)));
  const known = Object.entries(PROMISES).filter(([id]) => ids.has(id));
  return `<p class="soft">Broken: ${known.map(([id, text]) => `<b>${id}</b> ${escaped(text)}`).join('; ')}.</p>`;
}

function anomalyCard({ kind, promise, sentence, events, logs = {} }: ReportedAnomaly): string {
  const lines = events.slice(0, SHOWN_EVENTS).map(eventLine);
  const rest = events.length - lines.length;
  if (rest > 0) lines.push(`and ${rest} more`);
  const proof = lines.length === 0 ? '' : `<pre>${lines.map(escaped).join('\n')}</pre>`;
  const around =
    Object.keys(logs).length === 0
      ? ''
      : `<details><summary>Logs of the nodes around it</summary>${Object.entries(logs).map(linesOf).join('')}</details>`;
  return `<div class="card"><p><span class="chip broken">${escaped(promise)} ${escaped(kind)}</span> ${escaped(sentence)}</p>${proof}${around}</div>`;
}

function linesOf([node, lines]: readonly [string, readonly string[]]): string {
  return `<p class="soft node">${escaped(node)}</p><pre>${lines.map(escaped).join('\n')}</pre>`;
}

/** An operation in one line. */
export function eventLine(event: HistoryEvent): string {
  if (event.kind === 'nemesis') return `${at(event.atMs)}  ${event.phase} of ${event.name}: ${event.detail}`;
  if (event.kind === 'leader') return `${at(event.atMs)}  leader ${event.leader ?? 'none'}, term ${event.term}`;
  const head = `${at(event.beginMs)} to ${at(event.endMs)}  ${event.client} at ${event.node}  ${event.kind}`;
  switch (event.kind) {
    case 'publish':
      return `${head} ${event.topic} ${event.value}, QoS ${event.qos}${event.retain ? ', retained' : ''}: ${event.outcome}`;
    case 'deliver':
      return `${head} ${event.topic} ${event.value}, QoS ${event.qos}${event.retain ? ', retained' : ''}${event.dup ? ', DUP' : ''}, id ${event.packetId}`;
    case 'connect':
      return `${head} as ${event.clientId}: ${event.outcome}${event.sessionPresent ? ', session present' : ''}`;
    case 'close':
      return `${head} as ${event.clientId}: ${event.how}`;
    case 'subscribe':
    case 'unsubscribe':
      return `${head} ${event.filter}: ${event.outcome}`;
  }
}

function logOf([node, lines]: readonly [string, readonly string[]]): string {
  return `<details class="card"><summary>${escaped(node)}, ${lines.length} lines</summary><pre>${lines.map(escaped).join('\n')}</pre></details>`;
}

/** For the cursor, per interval: acknowledged, delivered, refused, median, 99th percentile. */
function dataOf({ intervals, intervalMs }: RunReport): string {
  const rows = intervals.map(({ acknowledged, delivered, failed, unknown, latenciesMs }) => {
    const values = sorted(latenciesMs);
    const rounded = (share: number): number => Math.round(quantile(values, share) * 100) / 100;
    return [acknowledged, delivered, failed + unknown, rounded(0.5), rounded(0.99)];
  });
  return JSON.stringify({ intervalMs, rows });
}

function at(atMs: number): string {
  return (atMs / 1000).toFixed(3).padStart(8);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function number(value: number): string {
  return value.toLocaleString('en');
}

function milliseconds(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 10 ? `${Math.round(value)} ms` : `${value.toFixed(1)} ms`;
}
